"""Writes down what workers are asked, answer and emit, for `orch run --replay`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, BinaryIO

import msgspec

from orchestrator.core.effects import Recorded
from orchestrator.core.rig import Rig
from transports.headers import FAITHFUL, decode_response_header
from transports.recording import (
    DIED,
    FORM,
    LARGE,
    Emitted,
    Head,
    Line,
    Lost,
    Offered,
    Operation,
    Place,
    payloads_of,
)
from workers.output import records

MOST_WAITING = 256 << 20
"""Bytes that wait to be written; beyond, operations and events are left out, which is told."""


class Recorder:
    """A recording that is being made. Its files are written by a thread: no disk holds up the rig.

    Args:
        file: Where; neither it nor its file of payloads may be there.
        rig: The core, of whose workers it is.

    Raises:
        OSError: A file can't be made.
    """

    def __init__(self, file: Path, rig: Rig) -> None:
        self._rig = rig
        self._started = time.monotonic()
        self._lines = _make(file)
        self._payloads = _make(payloads_of(file))
        self._end = 0  # of the payloads
        self._offered: dict[str, Any] = {}
        self._queue: SimpleQueue[tuple[bytes, list[bytes]] | None] = SimpleQueue()
        self._waiting = self._written = 0  # bytes; each counted by one thread alone
        self._lost = self._lost_events = 0
        self._failed = False
        self._put(Head(FORM, rig.name, time.time()), [])
        self._thread = Thread(target=self._write, name="recorder", daemon=True)
        self._thread.start()

    def describe(self, worker: str) -> None:
        """Write down what a worker offers, if that was never or has changed."""
        peer = self._rig.broker.peers.get(worker)
        if peer is None or peer.description is None or worker == self._rig.name:
            return
        if self._offered.get(worker) is not peer.description:
            self._offered[worker] = peer.description
            self._put(Offered(worker, peer.description), [])

    def keep(self, recorded: Recorded, now: float) -> None:
        """Write an operation down that has ended now."""
        if recorded.worker == self._rig.name:
            return
        self.describe(recorded.worker)
        asked, large = recorded.asked, list[bytes]()
        if self._is_full():
            self._lost += 1
            return
        answer: dict[str, Any] = {"kind": DIED, "status": recorded.status}
        if recorded.answer is not None:
            header = decode_response_header(bytes(recorded.answer[0]))
            answer = {
                "kind": header.messageType,
                "answer_type": header.payloadContentType,
                "answer": self._place(recorded.answer[1], large),
                "answer_raw": self._place(recorded.answer[2], large),
                "raw_type": header.preencodedPayloadContentType,
            }
        line = Operation(
            worker=recorded.worker,
            life=recorded.life,
            at=round(asked.arrived - self._started, 6),
            waited=round(asked.started - asked.arrived, 6),
            seconds=round(now - asked.started, 6),
            operation=asked.operation,
            member=recorded.member,
            asked_type=asked.content_type,
            asked=self._place(asked.payload, large),
            asked_raw=self._place(asked.raw, large),
            **answer,
        )
        self._put(line, large)

    def keep_event(self, frames: list[Any], now: float) -> None:
        """Write an event down that has come now, in the form that our own clients have."""
        worker, _, event = frames[0].bytes.decode().removeprefix(FAITHFUL).partition("/")
        child = self._rig.children.get(worker)
        if child is None or not frames[0].bytes.startswith(FAITHFUL.encode()):
            return
        self.describe(worker)
        if self._is_full():
            self._lost_events += 1
            return
        large = list[bytes]()
        line = Emitted(
            worker=worker,
            life=child.incarnation,
            at=round(now - self._started, 6),
            since=round(now - child.launched, 6),
            event=event,
            payload=self._place(frames[3], large),
            raw=self._place(frames[4], large),
        )
        self._put(line, large)

    def close(self) -> None:
        """Write down what waits, and what the workers offer of which nothing was asked."""
        for worker in self._rig.broker.peers:
            self.describe(worker)
        self._tell_lost()
        self._queue.put(None)
        self._thread.join()

    # -- how ------------------------------------------------------------------------------

    def _is_full(self) -> bool:
        """Whether the disk is too far behind; once it isn't any more, what was left out is told."""
        if self._waiting - self._written > MOST_WAITING:
            return True
        self._tell_lost()
        return False

    def _tell_lost(self) -> None:
        if self._lost or self._lost_events:
            self._put(Lost(self._lost, self._lost_events), [])
            self._lost = self._lost_events = 0

    def _place(self, frame: Any, large: list[bytes]) -> bytes | Place:
        data = bytes(frame)
        if len(data) <= LARGE:
            return data
        large.append(data)
        at, self._end = self._end, self._end + len(data)
        return Place(at, len(data))

    def _put(self, line: Line, large: list[bytes]) -> None:
        text = msgspec.json.encode(line) + b"\n"
        self._waiting += len(text) + sum(map(len, large))
        self._queue.put((text, large))

    def _write(self) -> None:
        with self._lines, self._payloads:
            while (item := self._queue.get()) is not None:
                text, large = item
                self._written += len(text) + sum(map(len, large))
                if self._failed:
                    continue
                try:
                    for each in large:
                        self._payloads.write(each)
                    if large:
                        self._payloads.flush()  # first: a line is of what is there
                    self._lines.write(text)
                    if self._queue.empty():
                        self._lines.flush()
                except OSError as error:
                    self._failed = True
                    told = f"the recording ends here, it can't be written: {error}"
                    records.write_about(self._rig.name, "error", told, {})


def _make(file: Path) -> BinaryIO:
    """A new file that this user alone can read: arguments may be secrets."""
    return os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
