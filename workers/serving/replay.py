"""A worker that answers as was recorded, in the time that it took, faults included."""

from __future__ import annotations

import os
import signal
from collections import defaultdict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transports import serializers
from transports.headers import REPLY, RequestHeader
from transports.recording import (
    DIED,
    LARGE,
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
from workers.driver.adapters.adapted import Described
from workers.failures import Refused

Key = tuple[str | None, str | None, str | None, bytes, bytes]
"""Operation, member, content type, and the frames of the arguments."""


class AsRecorded(Refused):
    """An error that was recorded: it is answered as it was."""

    def __init__(self, payload: bytes) -> None:
        super().__init__("Exception", "as recorded")
        self.payload = payload


class Replay(Described):
    """Stands in for a driver.

    Of each member and arguments the answers come in the order in which they were recorded. After a
    death that was recorded the next life goes on with what the recorded one did.

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
        self._left: dict[Key, deque[Operation]] = defaultdict(deque)
        description: dict[str, Any] | None = None
        lines = list(read_lines(Path(file)))
        mine = [each for each in lines if isinstance(each, Operation) and each.worker == worker]
        first = min(life, max((each.life for each in mine), default=1))
        for line in lines:
            if isinstance(line, Lost):
                raise NoRecording(f"{file} lacks {line.count} operations: it can't be replayed")
            if isinstance(line, Offered) and line.worker == worker:
                description = description or line.description
        for each in mine:
            if each.life >= first:
                self._left[self._key(each)].append(each)
        if description is None:
            raise NoRecording(f"{file} has nothing of worker {worker!r}")
        self.description = description

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
            threads.Event().wait(found.seconds)
            return self._answer(found)

        return perform

    def _answer(self, found: Operation) -> Any:
        if found.kind == DIED:
            os.kill(os.getpid(), signal.SIGKILL)
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
