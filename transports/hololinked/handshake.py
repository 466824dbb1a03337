"""A client's way to its server: when to connect anew, when to ask again, when to give up. Pure.

A ROUTER that demands a known peer can tell when the server's end is there, so the first request
for a handshake is sent at that moment and not on a guess.
"""

from __future__ import annotations

from enum import Enum, auto

CONNECT_AFTER = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Seconds from one attempt to connect to the next; the last repeats."""
CONNECT_TCP_AFTER = CONNECT_AFTER[1:]
"""... where an attempt may take several times the way to another continent."""
ASK_AFTER = (0.05, 0.1, 0.25, 0.5)
"""Seconds from one request for a handshake to the next; the last repeats."""
RENEW_AFTER = (1.0, 2.0, 4.0)
"""Seconds without an answer after which the connection is renewed; the last repeats.

A server that knows another peer by our id ignores us on this connection for good, even once the
other one has left. Over inproc that can't be mended: there a connection lasts.
"""
REFUSED_AFTER = 0.005


class Move(Enum):
    """What to do now."""

    CONNECT = auto()
    ASK = auto()
    WAIT = auto()
    DONE = auto()
    GIVE_UP = auto()


class Handshake:
    """One attempt to reach a server.

    Args:
        now: Monotonic seconds.
        timeout: Seconds until it is given up; None never gives up.
        answered: Whether the server has to answer; else that it can be sent to will do.
        connected_at: When the last attempt to connect was made, in monotonic seconds.
        connect_after: Seconds from one attempt to connect to the next; the last repeats.

    Attributes:
        wake_at: After `WAIT`, when to come back if nothing has changed.
    """

    def __init__(
        self,
        now: float,
        timeout: float | None,
        *,
        answered: bool = True,
        connected_at: float = float("-inf"),
        connect_after: tuple[float, ...] = CONNECT_AFTER,
    ) -> None:
        self.wake_at = now
        self._answered = answered
        self._deadline = None if timeout is None else now + timeout
        self._connect_after = connect_after
        self._connect_at = max(now, connected_at + connect_after[0])
        self._connects = 0
        self._renewals = 0
        self._stranger = False
        self._asks = 0
        self._ask_at = now
        self._asked_since: float | None = None

    def next_move(self, now: float, *, present: bool, greeted: bool) -> Move:
        """Decide.

        Args:
            now: Monotonic seconds.
            present: A peer is connected.
            greeted: It has answered a handshake.
        """
        if present and (greeted or (self._asked_since is not None and not self._answered)):
            return Move.DONE
        if self._deadline is not None and now >= self._deadline:
            return Move.GIVE_UP
        if not present:
            self._start_asking(now)
            return self._connect(now)
        mute_since = now if self._asked_since is None else self._asked_since
        renew_at = mute_since + RENEW_AFTER[min(self._renewals, len(RENEW_AFTER) - 1)]
        if now >= renew_at:
            self._start_asking(now)
            self._renewals += 1
            self._connects = 0
            self._connect_at = now + self._connect_after[0]
            return Move.CONNECT
        if now >= self._ask_at:
            self._ask_at = now + ASK_AFTER[min(self._asks, len(ASK_AFTER) - 1)]
            self._asks += 1
            return Move.ASK
        return self._wait(min(self._ask_at, renew_at))

    def asked(self, now: float) -> None:
        """The last `ASK` was sent."""
        self._stranger = False
        if self._asked_since is None:
            self._asked_since = now

    def refused(self, now: float) -> None:
        """The last `ASK` found no peer of the server's id, though a peer is connected."""
        self._stranger = True
        self._ask_at = now + max(REFUSED_AFTER, ASK_AFTER[0] if self._asks > 2 else 0)

    def failure(self, client: str, server: str, address: str, *, present: bool) -> str:
        """Why it was given up, with the mend, as a sentence."""
        if not present:
            why = "nothing accepts connections there"
        elif self._stranger:
            why = f"what listens there doesn't go by the id {server!r}"
        else:
            why = (
                "it is there but doesn't answer: it is busy, or the id of this client is in use "
                "by another one; it must be unique"
            )
        return f"client {client!r} can't reach server {server!r} at {address}: {why}"

    def _start_asking(self, now: float) -> None:
        self._asks = 0
        self._ask_at = now
        self._asked_since = None

    def _connect(self, now: float) -> Move:
        if now < self._connect_at:
            return self._wait(self._connect_at)
        last = len(self._connect_after) - 1
        self._connects += 1
        self._connect_at = now + self._connect_after[min(self._connects, last)]
        return Move.CONNECT

    def _wait(self, until: float) -> Move:
        self.wake_at = until if self._deadline is None else min(until, self._deadline)
        return Move.WAIT
