"""One end of the record stream: records as JSON lines into a pipe, without ever blocking for long.

Whoever reads the pipe may be slow, stopped or dead. A record that doesn't get in within a short
time is dropped and counted, and the next one that does is preceded by a record of the loss.
"""

from __future__ import annotations

import math
import os
import select
import threading
import time
from typing import Any, Literal

import msgspec

MAX_RECORD = 60 * 1024
"""Bytes of one encoded record; the reader cuts lines at 64 KiB, and half a record can't be read."""

STATES_EVERY = 1.0
"""Seconds between the states that are shown of a line that is overwritten, a progress bar."""

PATIENCE = 0.05
"""Seconds that a record may wait for room in a full pipe."""

Stream = Literal["record", "stdout", "stderr"]


class RecordLine(msgspec.Struct, omit_defaults=True):
    """A record as it travels: one JSON object a line.

    `time` is in seconds since the epoch, `fields` holds what the caller added by keyword, `raised`
    is the exception on one line.
    """

    time: float
    level: str
    worker: str
    incarnation: int
    stream: Stream
    event: str
    logger: str | None = None
    request: str | None = None
    member: str | None = None
    exception: str | None = None
    fields: dict[str, Any] | None = None
    raised: str | None = None


def encode(line: RecordLine) -> bytes:
    """The record as one JSON line of at most `MAX_RECORD` bytes. Never raises.

    A value that JSON doesn't know goes as its repr. A record that is too long is cut and carries
    the field `cut`.
    """
    if line.fields:
        _make_readable(line.fields)
    try:
        data = _encoder.encode(line)
    except (TypeError, ValueError, OverflowError, RecursionError):
        # Lone surrogates, keys that aren't text, a list that contains itself: piece by piece.
        data = _encoder.encode(_cut(line, None))
    for limit in (8192, 1024, 128):
        if len(data) < MAX_RECORD:
            break
        data = _encoder.encode(_cut(line, limit))
    return data + b"\n"


def safe_repr(value: object) -> str:
    """`repr(value)`, also where the object's own `__repr__` raises."""
    try:
        return repr(value)
    except Exception as problem:  # noqa: BLE001  a stranger's __repr__ may raise anything
        return f"<{type(value).__name__} whose repr raised {type(problem).__name__}>"


def _make_readable(fields: dict[str, Any]) -> None:
    """Replace what JSON would garble: bytes would be base64, NaN and infinity null."""
    for key, value in fields.items():
        kind = type(value)
        if kind is bytes or kind is bytearray or kind is memoryview:
            fields[key] = repr(bytes(value))
        elif kind is float and not math.isfinite(value):
            fields[key] = str(value)


def _plain(value: object) -> object:
    """What stands in the JSON for an object of a type that isn't of JSON."""
    # str, float and int have subclasses (numpy.float64, IntEnum) that are numbers all the same.
    for kind in (str, bool, int, float):
        if isinstance(value, kind):
            try:
                return kind(value)
            except Exception:  # noqa: BLE001  a subclass may override the conversion, and fail
                return safe_repr(value)
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        item = getattr(value, "item", None)
        if callable(item):
            scalar = item()
            if isinstance(scalar, bool | int | float | str):
                return scalar
    return safe_repr(value)


_encoder = msgspec.json.Encoder(enc_hook=_plain)


def _text(value: str, limit: int | None) -> str:
    clean = value.encode("utf-8", "backslashreplace").decode()
    if limit is None or len(clean) <= 2 * limit:
        return clean
    # Both ends count: what it was about comes first, how it ended comes last.
    return f"{clean[:limit]} … {len(clean) - 2 * limit} characters cut … {clean[-limit:]}"


def _cut(line: RecordLine, limit: int | None) -> RecordLine:
    """A copy that surely can be encoded, its texts cut to about `limit` characters at each end."""
    few = None if limit is None else max(limit // 32, 4)
    fields = {
        _text(str(key), few): _text(value if isinstance(value, str) else safe_repr(value), few)
        for key, value in list((line.fields or {}).items())[:few]
    }
    if limit is not None:
        fields["cut"] = "the record was too long"

    def short(value: str | None) -> str | None:
        return None if value is None else _text(str(value), few)

    return RecordLine(
        time=line.time,
        level=line.level,
        worker=line.worker,
        incarnation=line.incarnation,
        stream=line.stream,
        event=_text(str(line.event), limit),
        logger=short(line.logger),
        request=short(line.request),
        member=short(line.member),
        exception=None if line.exception is None else _text(line.exception, limit),
        fields=fields,
        raised=None if line.raised is None else _text(line.raised, limit),
    )


class RecordPipe:
    """Writes records to a pipe from any thread; the file descriptor stays the caller's.

    Args:
        fd: Write end of a pipe; it is made non-blocking.
        worker: Name on the records of loss.
        incarnation: Number of the worker's life, likewise.
        patience: Seconds that one record may wait for room.

    Attributes:
        patience: As given.
    """

    def __init__(
        self, fd: int, *, worker: str, incarnation: int, patience: float = PATIENCE
    ) -> None:
        self.fd = fd
        self.worker = worker
        self.incarnation = incarnation
        self.patience = patience
        self._lock = threading.Lock()
        self._count_lock = threading.RLock()
        self._dropped = 0
        self._congested = False
        self._torn = False
        self._waits = False
        self._retired = False
        if hasattr(os, "set_blocking"):
            os.set_blocking(fd, False)

    @property
    def dropped(self) -> int:
        """Records lost since the last one that got through."""
        return self._dropped

    def write(self, data: bytes) -> bool:
        """Write one encoded record, or drop and count it. Tells which; never raises."""
        # The lock has a deadline too: a signal handler that logs may have interrupted its holder.
        if not self._lock.acquire(timeout=max(self.patience, PATIENCE)):
            self._count(1)
            return False
        try:
            if self._report_loss() and self._send(data):
                return True
            self._count(1)
            return False
        finally:
            self._lock.release()

    def report_loss(self) -> None:
        """Write the record of what was dropped, if something was and there is room."""
        if self._lock.acquire(timeout=max(self.patience, PATIENCE)):
            try:
                self._report_loss()
            finally:
                self._lock.release()

    def report_loss_soon(self) -> None:
        """Write the record of what was dropped, now or as soon as there is room."""
        self.report_loss()
        if self._dropped and not self._waits and hasattr(select, "poll"):
            self._waits = True
            threading.Thread(target=self._report_late, name="dropped", daemon=True).start()

    def retire(self) -> None:
        """Write the record of what was dropped; nothing is written later by itself."""
        self._congested = False  # the last chance is worth a wait for room
        self.report_loss()
        self._retired = True

    def renew_locks(self) -> None:
        """Replace the locks: in a forked child their holders don't exist."""
        self._lock = threading.Lock()
        self._count_lock = threading.RLock()

    def _report_late(self) -> None:
        poll = select.poll()
        poll.register(self.fd, select.POLLOUT)
        poll.poll()  # returns as well when there is no reader or no such descriptor any more
        self._waits = False
        if not self._retired:
            self.report_loss()

    def _count(self, change: int) -> None:
        with self._count_lock:
            self._dropped += change

    def _report_loss(self) -> bool:
        lost = self._dropped
        if not lost:
            return True
        notice = RecordLine(
            time=time.time(),
            level="warning",
            worker=self.worker,
            incarnation=self.incarnation,
            stream="record",
            event=f"dropped {lost} record{'s'[: lost != 1]}",
            fields={"dropped": lost},
        )
        if not self._send(encode(notice)):
            return False
        self._count(-lost)
        return True

    def _send(self, data: bytes) -> bool:
        """Write all of `data`; up to PIPE_BUF bytes the kernel takes whole or not at all."""
        if self._torn:
            data = b"\n" + data  # ends the fragment, so that it costs one line and not two
        rest = memoryview(data)
        deadline: float | None = None
        while rest:
            try:
                sent = os.write(self.fd, rest)
            except BlockingIOError:
                begun = len(rest) < len(data)
                # A pipe that was just found stuck isn't waited for again: one wait, not one per
                # record. A record half of which is written is worth the wait in any case.
                if self._congested and not begun:
                    return False
                if deadline is None:
                    deadline = time.monotonic() + self.patience
                if not self._wait_for_room(deadline - time.monotonic()):
                    self._congested = True
                    self._torn = self._torn or begun
                    return False
            except OSError:
                self._congested = True
                self._torn = self._torn or len(rest) < len(data)
                return False
            else:
                rest = rest[sent:]
        self._congested = False
        self._torn = False
        return True

    def _wait_for_room(self, seconds: float) -> bool:
        if seconds <= 0:
            return False
        if hasattr(select, "poll"):  # select() refuses file descriptors above 1023
            poll = select.poll()
            poll.register(self.fd, select.POLLOUT)
            return bool(poll.poll(seconds * 1000))
        return bool(select.select([], [self.fd], [], seconds)[1])
