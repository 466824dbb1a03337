"""What a collector tells its supervisor, over the socket by which it is told itself."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from orchestrator.logs.collect import control
from orchestrator.logs.store.records import Record

MOST_TOLD = 64 * 1024
"""Characters of stacks that the supervisor is told; the store has all."""
LAST_TOLD = 5
LONGEST_LINE = 1000
"""Lines, and characters of each, of a worker that died."""
MOST_NEWS = 1 << 20
"""Bytes that wait for a supervisor that doesn't read; stacks that come then aren't told."""


class NewsOut:
    """The collector's side: nothing here waits for the supervisor.

    Args:
        socket: To the supervisor, non-blocking.
    """

    def __init__(self, socket: socket.socket) -> None:
        self._socket = socket
        self._waiting = b""

    def has_read(self) -> None:
        """Messages were read: there is room for more, which an empty line tells."""
        if len(self._waiting) < MOST_NEWS:
            self._waiting += b"\n"
        self.flush()

    def stacks(self, records: Iterable[Record]) -> None:
        """Tell of stacks among records: those that are the same as before too, it may wait."""
        for record in records:
            if record.incarnation and record.has_stacks and len(self._waiting) < MOST_NEWS:
                text = (record.exception or "")[:MOST_TOLD]
                about = record.worker, record.incarnation
                self._waiting += control.encode(control.Stacks(*about, record.event, text))
        self.flush()

    def last_lines(self, worker: str, incarnation: int, lines: Iterable[str]) -> None:
        """Tell what an incarnation wrote last."""
        if len(self._waiting) < MOST_NEWS:
            told = [line[:LONGEST_LINE] for line in lines][-LAST_TOLD:]
            self._waiting += control.encode(control.LastLines(worker, incarnation, told))
        self.flush()

    def flush(self) -> None:
        """Send what there is room for; the rest is told in a later turn."""
        while self._waiting:
            try:
                sent = self._socket.send(self._waiting)
            except BlockingIOError:
                return
            except OSError:  # it is gone
                sent = len(self._waiting)
            self._waiting = self._waiting[sent:]


class NewsIn:
    """The supervisor's side.

    Args:
        socket: To the collector, non-blocking.
    """

    def __init__(self, socket: socket.socket) -> None:
        self._socket = socket
        self._rest = b""

    def take(self) -> list[control.News] | None:
        """What was told since the last call; None when the collector has died."""
        try:
            data = self._socket.recv(1 << 16)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data:
            return None
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [control.decode_news(line) for line in lines if line]
