"""Who sends nothing but rubbish, and is to be cut off."""

from __future__ import annotations

MOST = 100
"""Malformed messages of one client in a row, within a second, before it is cut off."""
SECONDS = 1.0
"""Seconds in which they are counted, and for which one that was cut off is not heard."""
MOST_CLIENTS = 10_000
"""Clients that are kept in mind; their names are theirs to choose, and so is how many."""


class Manners:
    """Counts malformed messages by client, from its last good one on."""

    def __init__(self) -> None:
        self._counts: dict[bytes, tuple[float, int]] = {}  # since when, how many
        self._muted: dict[bytes, float] = {}  # until when

    def is_muted(self, client: bytes, now: float) -> bool:
        """Whether what a client sends isn't even to be read, as the rest of what it was cut for."""
        if not self._muted:
            return False
        until = self._muted.get(client)
        if until is None:
            return False
        if now < until:
            return True
        del self._muted[client]
        return False

    def good(self, client: bytes) -> None:
        """A client sent something that makes sense."""
        if self._counts:
            self._counts.pop(client, None)

    def malformed(self, client: bytes, now: float) -> bool:
        """A client sent something malformed; tells whether that was once too often."""
        since, count = self._counts.get(client, (now, 0))
        if now - since > SECONDS:
            since, count = now, 0
        if count + 1 < MOST:
            self._counts[client] = since, count + 1
            if len(self._counts) > MOST_CLIENTS:
                self._counts.clear()
            return False
        self._counts.pop(client, None)
        if len(self._muted) >= MOST_CLIENTS:
            self._muted.clear()
        self._muted[client] = now + SECONDS
        return True
