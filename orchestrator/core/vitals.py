"""How a worker has fared lately: how long its operations took, and what went wrong last.

Pure. It is fed where answers pass, so it keeps numbers and frames; of
which words are made for whoever asks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable
from typing import Any

import msgspec

from orchestrator.core.answered import LONGEST_ERROR, first_line, is_error, is_refusal
from orchestrator.core.request import Request

REMEMBERED = 1000
"""The newest operations, of which it is told how long they took."""
MOST_MEMBERS = 500
"""Members of a worker of which it is told apart what came of their operations."""
BOUNDS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0),
)
"""Seconds up to which operations are counted together; one more count is of what took longer."""
OTHERS = "…"
"""Stands for the rest of them; no member is called so."""


class Durations:
    """How many seconds the newest operations took.

    They are kept as they are: what is told of them is exact, and of lately.
    """

    __slots__ = ("_known", "_newest", "add")

    def __init__(self) -> None:
        self._newest: deque[float] = deque(maxlen=REMEMBERED)
        self._known: tuple[float | None, int, list[float]] = (None, 0, [])
        self.add = self._newest.append

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._newest)

    def quantiles(self, *shares: float) -> list[float | None]:
        """Seconds that these shares of them took at most, None if there are none.

        Args:
            shares: Of 0 to 1, such as 0.99.

        Whoever looks at an idle worker again has them sorted no second time. Each duration is an
        object of its own, by which the last one is known: to count them would cost each answer.
        """
        if not self._newest:
            return [None] * len(shares)
        last, count, ordered = self._known
        if last is not self._newest[-1] or count != len(self._newest):
            ordered = sorted(self._newest)
            self._known = self._newest[-1], len(ordered), ordered
        return [ordered[min(int(share * len(ordered)), len(ordered) - 1)] for share in shares]


class Trouble(msgspec.Struct, frozen=True):
    """What went wrong.

    Attributes:
        at: When, in monotonic seconds.
        text: In words; empty if `payload` tells.
        member: Of which operation; empty if it was none.
        request: Its id.
        payload: The error as the worker sent it.
    """

    at: float
    text: str = ""
    member: str = ""
    request: str | int = ""
    payload: bytes = b""

    def told(self) -> str:
        """It in words, on one line."""
        return self.text or first_line(self.payload)


class Sums:
    """What came of all operations of one member.

    Attributes:
        done: How many gave a result.
        raised: How many raised.
        refused: How many didn't fit the member, so that the driver wasn't called.
        expired: How many had their invocation timeout, and never started.
        overran: How many had their execution timeout.
        lost: How many ended with their worker's life.
        seconds: How long those took that were answered, and those that overran until they did.
        took: How many of them took how long: up to each of `BOUNDS` and more than the one before,
            the last for those beyond all.
    """

    __slots__ = ("done", "expired", "lost", "overran", "raised", "refused", "seconds", "took")

    def __init__(self) -> None:
        self.done = self.raised = self.refused = self.expired = self.overran = self.lost = 0
        self.seconds = 0.0
        self.took = [0] * (len(BOUNDS) + 1)


class Vitals:
    """Those of one worker, over all its lives.

    Attributes:
        durations: Of its operations, from their dispatch to the answer.
        sums: What came of them, by member; beyond `MOST_MEMBERS` of these as `OTHERS`.
        trouble: The last error of an operation; None if there was none.
    """

    __slots__ = ("durations", "sums", "trouble")

    def __init__(self) -> None:
        self.durations = Durations()
        self.sums: dict[str, Sums] = {}
        self.trouble: Trouble | None = None

    def of(self, member: str) -> Sums:
        """What came of a member's operations."""
        found = self.sums.get(member)
        if found is None:  # whose name may be anything that a client asks for
            name = member if len(self.sums) < MOST_MEMBERS else OTHERS
            found = self.sums.setdefault(name, Sums())
        return found

    def answered(self, request: Request, header: Any, payload: Any, now: float) -> None:
        """An operation was answered, with these frames."""
        seconds, sums = now - request.started, self.of(request.member)
        self.durations.add(seconds)
        sums.seconds += seconds
        sums.took[bisect_left(BOUNDS, seconds)] += 1
        if not is_error(header):
            sums.done += 1
        elif is_refusal(payload):
            sums.refused += 1
        else:
            sums.raised += 1
            kept = bytes(payload) if len(payload) <= LONGEST_ERROR else b""
            self.trouble = Trouble(now, "", request.member, request.message_id, kept)

    def overran(self, request: Request, now: float) -> None:
        """An operation has had its execution timeout, which is how long its client waited."""
        seconds = now - request.started
        self.durations.add(seconds)
        sums = self.of(request.member)
        sums.overran += 1
        sums.seconds += seconds
        sums.took[bisect_left(BOUNDS, seconds)] += 1
        limit = request.execution_timeout
        text = f"overran its execution timeout{'' if limit is None else f' of {limit:g} s'}"
        self.trouble = Trouble(now, text, request.member, request.message_id)


def last_trouble(troubles: Iterable[Trouble | None]) -> Trouble | None:
    """The newest of them."""
    return max(filter(None, troubles), key=lambda each: each.at, default=None)
