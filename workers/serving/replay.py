"""A worker that answers and emits as was recorded, in the time that it took, faults included."""

from __future__ import annotations

import logging
import os
import signal
import time
from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transports import serializers
from transports.headers import REPLY, RequestHeader
from transports.recording import (
    DIED,
    LARGE,
    Emitted,
    Lost,
    NoRecording,
    Offered,
    Operation,
    Place,
    payloads_of,
    read_lines,
)
from transports.serializers import XORCH, Buffer
from transports.values import codec
from workers import threads
from workers.driver.adapters.adapted import Described, Publish
from workers.failures import Refused
from workers.serving.replayed_events import Emitter, Timed

Key = tuple[str | None, str | None, str | None, bytes, bytes]
"""Operation, member, content type, and the frames of the arguments."""

log = logging.getLogger("workers")

_OF_SIGNALS = 128
"""What a shell adds to a signal's number."""


class AsRecorded(Refused):
    """An error that was recorded: it is answered as it was."""

    def __init__(self, payload: bytes) -> None:
        super().__init__("Exception", "as recorded")
        self.payload = payload


class Replay(Described):
    """Stands in for a driver.

    Of each member and arguments the answers come in the order in which they were recorded. After a
    death that was recorded the next life goes on with what the recorded one did.

    An event comes as long after the operation that had begun last before it as in the recording, so
    that it follows from what is asked now; one before any operation as long after the start.

    Args:
        file: The recording.
        worker: Whose part in it.
        life: Which life this is, from 1.

    Raises:
        NoRecording: It isn't one, or the worker isn't in it.
        OSError: It can't be read.
    """

    def __init__(self, file: str, worker: str, life: int) -> None:
        self._worker = worker
        self._payloads = payloads_of(Path(file))
        self._lock = threads.Lock()
        self._left: dict[Key, deque[tuple[Operation, list[Timed]]]] = defaultdict(deque)
        self._emitter: Emitter | None = None
        description: dict[str, Any] | None = None
        lines = list(read_lines(Path(file)))
        mine = [each for each in lines if isinstance(each, Operation) and each.worker == worker]
        first = min(life, max((each.life for each in mine), default=1))
        for line in lines:
            if isinstance(line, Lost) and not line.count:
                log.warning("%s lacks %d events, which don't come again", file, line.events)
            elif isinstance(line, Lost):
                raise NoRecording(f"{file} lacks {line.count} operations: it can't be replayed")
            if isinstance(line, Offered) and line.worker == worker:
                description = description or line.description
        mine = [each for each in mine if each.life >= first]
        events = [each for each in lines if isinstance(each, Emitted) and each.worker == worker]
        follow = _following(mine, [each for each in events if each.life >= first])
        self._first = [timed for timed in follow.pop(-1, ()) if timed[1].life == first]
        for at, operation in enumerate(mine):
            self._left[self._key(operation)].append((operation, follow.get(at, [])))
        if description is None:
            raise NoRecording(f"{file} has nothing of worker {worker!r}")
        self.description = description

    def attach(self, publish: Publish | None) -> None:
        """Begin to emit, or end it."""
        if self._emitter is not None:
            self._emitter.close()
            self._emitter = None
        if publish is not None:

            def emit(event: Emitted) -> None:
                payload, raw = self._bytes(event.payload), self._bytes(event.raw)
                publish(event.event, codec.decode(payload, raw))

            self._emitter = Emitter(emit)
            self._emitter.after(time.monotonic(), self._first)

    def close(self) -> None:
        """Nothing is open."""

    def get(self, key: tuple[str | None, str | None]) -> Callable[..., Any]:
        """What performs an operation on a member, whatever that is."""
        operation, member = key

        def perform(request: RequestHeader, payload: Buffer, raw: Buffer) -> Any:
            asked = (operation, member, request.payloadContentType, bytes(payload), bytes(raw))
            with self._lock:
                left = self._left.get(asked)
                found = left.popleft() if left else None
            if found is None:
                more = "no more" if left is not None else "no"
                what = f"{operation} of {self._worker}.{member} with these arguments"
                raise Refused("LookupError", f"the recording has {more} {what}")
            recorded, events = found
            begun, emitter = time.monotonic(), self._emitter
            if emitter is not None and events:
                emitter.after(begun, events)
            threads.Event().wait(recorded.seconds)
            if emitter is not None and events:
                emitter.through(begun + recorded.seconds)
            return self._answer(recorded)

        return perform

    def _answer(self, found: Operation) -> Any:
        if found.kind == DIED:
            _die(found.status)
        payload, raw = self._bytes(found.answer), self._bytes(found.answer_raw)
        if found.kind != REPLY:
            raise AsRecorded(payload)
        if found.answer_type == XORCH:
            return codec.decode(payload, raw)
        value = serializers.decode(payload, found.answer_type)
        if not raw:
            return value
        is_array = found.raw_type == serializers.NPY
        body = serializers.decode_array(raw) if is_array else raw
        return body if value is None else (value, body)

    def _key(self, line: Operation) -> Key:
        asked, raw = self._bytes(line.asked), self._bytes(line.asked_raw)
        return line.operation, line.member or None, line.asked_type, asked, raw

    def _bytes(self, frame: bytes | Place) -> bytes:
        if not isinstance(frame, Place):
            return frame
        with self._payloads.open("rb") as file:
            file.seek(frame.at)
            data = file.read(frame.size)
        if len(data) < frame.size or frame.size <= LARGE:
            raise NoRecording(f"{self._payloads} lacks what its recording refers to")
        return data


def _following(operations: list[Operation], events: list[Emitted]) -> dict[int, list[Timed]]:
    """Which events follow from which operation, by its index, and after how many seconds.

    Those of before any, of the same life, are at -1, with their seconds since the life's beginning.
    """
    begun = sorted((each.life, each.at + each.waited, at) for at, each in enumerate(operations))
    starts = [(life, start) for life, start, _ in begun]
    found: dict[int, list[Timed]] = defaultdict(list)
    for event in events:
        before = bisect_right(starts, (event.life, event.at)) - 1
        if before >= 0 and starts[before][0] == event.life:
            found[begun[before][2]].append((event.at - starts[before][1], event))
        else:
            found[-1].append((event.since, event))
    return found


def _die(status: int) -> None:
    """End this process as one has ended, whose exit status a shell tells so."""
    if status <= _OF_SIGNALS:
        os._exit(status)
    number = status - _OF_SIGNALS
    if number != signal.SIGKILL:  # which can't be ignored or handled
        try:
            signal.signal(number, signal.SIG_DFL)
        except ValueError:  # by another thread than the main one, or no signal has this number
            os._exit(status)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (number,))
    os.kill(os.getpid(), number)
