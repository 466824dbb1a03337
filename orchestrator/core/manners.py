"""Who sends nothing but rubbish, and is to be cut off."""

from __future__ import annotations

from typing import Any

from orchestrator.core.effects import Cut
from orchestrator.core.requests import Ledger

MOST_MALFORMED = 100
"""Malformed messages of one client in a row, within a second, before it is cut off."""
SECONDS = 1.0
"""Seconds in which they are counted, and for which one that was cut off is not heard."""
MOST_CLIENTS = 10_000
"""Clients that are kept in mind; their names are theirs to choose, and so is how many."""


MOST_FRAMES = 10_000
"""Frames of a message for which a client is cut off at once: no other message can be read before
its end."""


class Manners:
    """Counts malformed messages by client, from its last good one on.

    Args:
        ledger: Where counts, facts and effects go.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
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
            self._ledger.counts["dropped unread"] += 1
            return True
        del self._muted[client]
        return False

    def good(self, client: bytes) -> None:
        """A client sent something that makes sense."""
        if self._counts:
            self._counts.pop(client, None)

    def malformed(self, client: bytes, frame: Any, now: float, count: int | None = None) -> None:
        """A client sent something malformed, in a message with this frame: once too often?

        Args:
            client: Who.
            frame: A frame of it.
            now: Monotonic seconds.
            count: How many frames it had, if too many.
        """
        if count is not None and count >= MOST_FRAMES:
            self._cut_off(client, frame, f"it sent a message of {count} frames or more", now)
            return
        since, count = self._counts.get(client, (now, 0))
        if now - since > SECONDS:
            since, count = now, 0
        if count + 1 < MOST_MALFORMED:
            self._counts[client] = since, count + 1
            if len(self._counts) > MOST_CLIENTS:
                self._counts.clear()
            return
        self._cut_off(client, frame, f"it sent {MOST_MALFORMED} malformed messages in a row", now)

    def _cut_off(self, client: bytes, frame: Any, reason: str, now: float) -> None:
        self._counts.pop(client, None)
        if len(self._muted) >= MOST_CLIENTS:
            self._muted.clear()
        self._muted[client] = now + SECONDS
        ledger = self._ledger
        ledger.counts["cut off"] += 1
        name = client.decode("utf-8", "backslashreplace")
        ledger.tally.tell("warning", "client cut off", now, client=name, reason=reason)
        ledger.effects.append(Cut(frame, reason, client))
