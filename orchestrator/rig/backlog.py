"""Answers to clients that read slowly: bounded, then given up."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec
import zmq

from orchestrator.rig.lanes import Lanes
from transports.frames import send

RETRY = 0.005
"""Seconds between attempts; a ROUTER can't be polled for one peer's room."""


RETURN = 5.0
"""Seconds in which a client comes back to a socket that was made anew."""


class BacklogCaps(msgspec.Struct, frozen=True):
    """How far a client may lag behind.

    Attributes:
        messages: Answers that wait for it.
        size: Their bytes.
        patience: Seconds without any progress before they are given up.
        total: Bytes of all clients' answers that wait.
    """

    messages: int = 10_000
    size: int = 256 * 1024 * 1024
    patience: float = 60.0
    total: int = 512 * 1024 * 1024


class _Queue:
    __slots__ = ("frames", "since", "size")

    def __init__(self, now: float) -> None:
        self.frames: deque[list[Any]] = deque()
        self.size = 0
        self.since = now


class Backlog:
    """Sends answers, and keeps those for which a client has no room yet.

    Args:
        socket: The front ROUTER, mandatory.
        caps: The limits.

    Attributes:
        lanes: By which some clients came.
        dropped: Answers that were given up.
        given_up: Is given the frames of each of them.
        size: Bytes that wait.
    """

    def __init__(self, socket: zmq.Socket[Any], caps: BacklogCaps | None = None) -> None:
        self._socket = socket
        self._caps = caps or BacklogCaps()
        self._backlogs: dict[bytes, _Queue] = {}
        self._returning_until = 0.0
        self.lanes: Lanes | None = None
        self.dropped = 0
        self.given_up: Callable[[list[Any]], None] = _do_nothing
        self.size = 0

    def __len__(self) -> int:
        """How many clients lag behind."""
        return len(self._backlogs)

    def next_deadline(self, now: float) -> float | None:
        """When `retry` is due; None while nobody lags behind."""
        return now + RETRY if self._backlogs else None

    def move_to(self, socket: zmq.Socket[Any], now: float) -> None:
        """Send by a socket in place of the one so far, whose clients have to connect again."""
        self._socket = socket
        self._returning_until = now + RETURN

    def send(self, frames: list[Any], now: float) -> None:
        """Send an answer; its first frame is the client's identity."""
        if self._backlogs and frames[0] in self._backlogs:
            self._keep(frames, now)
            return
        try:
            self._send(frames)
        except zmq.Again:
            self._keep(frames, now)
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            if now < self._returning_until:
                self._keep(frames, now)
            else:
                self._give_up(frames)

    def _send(self, frames: list[Any]) -> None:
        """Send an answer the way that its client has come. Raises as `transports.frames.send`."""
        lanes = self.lanes
        if lanes is None or (guest := lanes.clients.get(frames[0])) is None:
            send(self._socket, frames)
            return
        try:
            is_sent = lanes.to_client(guest, frames[1:])
        except OSError as error:
            raise zmq.ZMQError(zmq.EHOSTUNREACH) from error
        if not is_sent:
            raise zmq.Again

    def retry(self, now: float) -> list[bytes]:
        """Send what there is room for.

        Returns:
            Clients that were given up with all that waited for them.
        """
        lost = []
        for client, backlog in list(self._backlogs.items()):
            if not self._flush(backlog, now):
                self._forget(client)
            elif now - backlog.since > self._caps.patience:
                self._forget(client)
                lost.append(client)
        return lost

    def _flush(self, backlog: _Queue, now: float) -> bool:
        """Whether something is left."""
        while backlog.frames:
            try:
                self._send(backlog.frames[0])
            except zmq.Again:
                return True
            except zmq.ZMQError as error:
                if error.errno != zmq.EHOSTUNREACH:
                    raise
                return now < self._returning_until
            size = sum(map(len, backlog.frames.popleft()))
            backlog.size -= size
            self.size -= size
            backlog.since = now
        return False

    def _forget(self, client: bytes) -> None:
        backlog = self._backlogs.pop(client)
        self.size -= backlog.size
        for frames in backlog.frames:
            self._give_up(frames)

    def _keep(self, frames: list[Any], now: float) -> None:
        backlog = self._backlogs.setdefault(frames[0], _Queue(now))
        size = sum(map(len, frames))
        caps = self._caps
        if (
            len(backlog.frames) >= caps.messages
            or backlog.size + size > caps.size
            or self.size + size > caps.total
        ):
            # The client asks later which of its requests are still held, and learns of the loss.
            self._give_up(frames)
            return
        backlog.frames.append(frames)
        backlog.size += size
        self.size += size

    def _give_up(self, frames: list[Any]) -> None:
        self.dropped += 1
        self.given_up(frames)


def _do_nothing(frames: list[Any]) -> None:
    pass
