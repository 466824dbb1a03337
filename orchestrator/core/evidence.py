"""What errors say of why, and answers that are held for a moment because more is about to be known.

Pure: seconds are monotonic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec

from orchestrator.core.peers import Peer
from orchestrator.core.request import Request
from orchestrator.core.requests import Ledger
from transports.exceptions import UNKNOWN

WITHIN = 0.015
"""Seconds for which the answer about an operation is held whose worker died: what that wrote last
is usually known by then, and whoever waits would hardly notice."""
LINES = 3
"""Lines of a dead worker that an error repeats; its log has more."""
BRIEF = 0.1
"""Seconds below which times are told in milliseconds."""
LONGEST_TOLD = 300
"""Characters of such a line."""


def why_not_started(
    peer: Peer,
    request: Request,
    ahead: int,
    standing: str,
    now: float,
    who: Callable[[Request], str],
) -> str:
    """What kept a request from starting, for people.

    Args:
        peer: Its worker.
        request: The request.
        ahead: How many others would have gone before it.
        standing: The worker's state in words; told if nothing runs there, or what runs stalls.
        now: Monotonic seconds.
        who: Tells who asked for one.
    """
    keeps = peer.keeps(request.member, now, who)
    told = [f"{ahead} wait{'s'[: ahead == 1]} before it"] if ahead else []
    told += [keeps] if keeps else []
    if not keeps or peer.lane_for(request.member).stalled:
        told += [standing] if standing else []
    return "; ".join(told)


def why_unanswered(peer: Peer, request: Request, now: float) -> str:
    """What an operation was at when its time was over, for people."""
    waiting = len(peer.lane_for(request.member).queue)
    ran = now - request.started
    text = f"it has run for {ran:.1f} s" if ran >= BRIEF else f"it has run for {ran * 1000:.1f} ms"
    return f"{text}, {waiting} wait{'s'[: waiting == 1]} behind it" if waiting else text


class _Held(msgspec.Struct):
    """The answer about one operation of a worker that died."""

    request: Request
    text: str
    due: float


class _Death(msgspec.Struct):
    """A life that has ended.

    Attributes:
        incarnation: Its number.
        due: When its last lines aren't waited for any longer.
        lines: They; None until they are known.
        held: The answers that wait for them.
    """

    incarnation: int
    due: float
    lines: Sequence[str] | None = None
    held: list[_Held] = []


class LastWords:
    """What workers wrote before they died, and the answers that repeat it.

    Args:
        ledger: Gives the answers.

    Attributes:
        next_deadline: When `tick` is due; None while no answer is held.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.next_deadline: float | None = None
        self._ledger = ledger
        self._deaths: dict[str, _Death] = {}  # the last one of each worker

    def expect(self, worker: str, incarnation: int, now: float) -> None:
        """A life has ended, whose last lines are about to be told."""
        self.release(worker)
        self._deaths[worker] = _Death(incarnation, now + WITHIN)

    def lost(self, request: Request, incarnation: int, reason: str, now: float) -> None:
        """Answer that an operation ended with its worker: soon, or at once if nothing will come."""
        ledger = self._ledger
        ledger.counts["unknown outcomes"] += 1
        ledger.note("warning", "request lost with its worker", request, reason=reason)
        text = f"{reason}; it ran {request.worker}.{request.member}, whose outcome is unknown"
        death = self._deaths.get(request.worker)
        if death is None or death.incarnation != incarnation or request.oneway:
            self._answer(request, text, ())
        elif death.lines is not None or death.due <= now:
            self._answer(request, text, death.lines or ())
        else:
            request.claimed = True  # whoever wants it cancelled comes too late
            limit = math.inf if request.runs_until is None else request.runs_until
            death.held.append(_Held(request, text, min(death.due, max(limit, now))))
            self._schedule()

    def came(self, worker: str, incarnation: int, lines: Sequence[str]) -> None:
        """What a life wrote last."""
        death = self._deaths.get(worker)
        if death is not None and death.incarnation == incarnation:
            written = [line for line in lines if line.strip()]
            death.lines = [line[:LONGEST_TOLD] for line in written[-LINES:]]
            self._give(death, math.inf)

    def release(self, worker: str | None = None) -> None:
        """Give the answers that are held, of one worker or of all, and forget how it ended."""
        for name in [worker] if worker is not None else list(self._deaths):
            if (death := self._deaths.pop(name, None)) is not None:
                self._give(death, math.inf)

    def tick(self, now: float) -> None:
        """Give the answers that have waited long enough."""
        if self.next_deadline is not None and self.next_deadline <= now:
            for death in self._deaths.values():
                self._give(death, now)

    def _give(self, death: _Death, now: float) -> None:
        due = [held for held in death.held if held.due <= now]
        if due:
            death.held = [held for held in death.held if held.due > now]
            for held in due:
                self._answer(held.request, held.text, death.lines or ())
            self._schedule()

    def _schedule(self) -> None:
        dues = (held.due for death in self._deaths.values() for held in death.held)
        self.next_deadline = min(dues, default=None)

    def _answer(self, request: Request, text: str, lines: Sequence[str]) -> None:
        notes = ["\n  ".join(["it wrote last:", *lines])] if lines else None
        self._ledger.answer_error(request, "ConnectionResetError", text, UNKNOWN, notes)
