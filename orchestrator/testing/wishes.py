"""The promises about operations that are to end, judged from what a simulated rig's workers saw.

Whoever wants one cancelled is told once what came of it, in time, and what he is told is true.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.core.effects import CancelDone
from orchestrator.testing.behaviour import BESIDE
from orchestrator.testing.judge import EPSILON, Asked, Violation
from orchestrator.testing.process import SimulatedProcess
from transports.exceptions import NOT_STARTED


@dataclass(frozen=True)
class _Wish:
    asked: Asked
    until: float | None  # when it must have been told


class WishesJudge:
    """Takes notes, and raises `Violation` where they break a promise.

    Args:
        processes: Those that live, by worker.
    """

    def __init__(self, processes: Mapping[str, SimulatedProcess]) -> None:
        self._processes = processes
        self._open: dict[int, _Wish] = {}
        self._restarted: set[Asked] = set()
        self.counts: Counter[str] = Counter()  # of what came of them

    def wish(self, number: int, asked: Asked, until: float | None) -> None:
        """Somebody wants a request cancelled, of which he must be told by then.

        None: its worker may be restarted for that, which takes its time; for others too.
        """
        self._open[number] = _Wish(asked, until)
        if until is None:
            self._restarted.add(asked)

    def tell(self, done: CancelDone, now: float) -> None:
        """It is told what came of a wish."""
        wish = self._open.pop(done.number, None)
        if wish is None:
            raise Violation(f"told twice of wish {done.number}")
        asked = wish.asked
        self._hold(self._is_true(done.verdict, asked), f"it is not {done.verdict}", asked)
        self.counts[" after ".join((done.verdict, *done.steps[-1:]))] += 1
        in_time = wish.until is None or asked in self._restarted or now <= wish.until + EPSILON
        self._hold(in_time, "told too late what came of its cancel", asked)

    def _is_true(self, verdict: str, asked: Asked) -> bool:
        answered = [answer.outcome for answer in asked.answers]
        has_begun = asked.claimed is not None or (
            asked.given is not None and asked.member in BESIDE
        )
        match verdict:
            case "withdrawn":
                return not asked.starts and (asked.oneway or answered == [NOT_STARTED])
            case "ended":
                return has_begun and not self._runs(asked)
            case "runs":
                return has_begun
            case _:
                # its life may be over, and what it wrote last is still awaited
                return asked.oneway or bool(answered) or (has_begun and not self._runs(asked))

    def _runs(self, asked: Asked) -> bool:
        process = self._processes.get(asked.worker)
        return process is not None and process.runs(asked)

    def rest(self) -> None:
        """All is quiet: whether anybody still waits to be told."""
        for wish in self._open.values():
            self._hold(False, "nobody was told what came of its cancel", wish.asked)

    def _hold(self, kept: bool, what: str, asked: Asked) -> None:
        if not kept:
            raise Violation(f"{what}: {asked}")
