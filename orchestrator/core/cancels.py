"""Operations that somebody wants cancelled: those that haven't started are withdrawn.

Pure: what came of it is left as an effect. Those that have started are the business of `ladder`.
"""

from __future__ import annotations

from typing import Literal

from orchestrator.core.effects import CancelDone, Effects
from orchestrator.core.request import Request
from orchestrator.core.requests import Ledger
from transports.exceptions import NOT_STARTED

Verdict = Literal["withdrawn", "ended", "runs", "unknown"]
"""It never started, which its client is told; it had started, and has ended; it runs, and goes on;
there is none."""


class Cancels:
    """Who wants which request cancelled, until it is known what came of it.

    Args:
        ledger: The requests.
        effects: Where what came of it is left.
    """

    def __init__(self, ledger: Ledger, effects: Effects) -> None:
        self._ledger = ledger
        self._effects = effects
        self._number = 0
        self._wanted: dict[int, list[int]] = {}  # by the number of the request
        self._restarts: set[int] = set()  # for these a restart is not too much

    def place(self) -> int:
        """The number of a new wish."""
        self._number += 1
        return self._number

    def want(self, request: Request, number: int, *, restart: bool = False) -> None:
        """What comes of it isn't known yet; `restart`: its worker's life may end for it."""
        self._wanted.setdefault(request.number, []).append(number)
        if restart:
            self._restarts.add(request.number)

    def is_wanted(self, request: Request) -> bool:
        """Whether somebody wants it cancelled."""
        return request.number in self._wanted

    def may_restart(self, request: Request) -> bool:
        """Whether its worker's life may end for that."""
        return request.number in self._restarts

    def tell(
        self,
        number: int,
        request: Request | None,
        verdict: Verdict,
        steps: tuple[str, ...] = (),
    ) -> None:
        """Tell what came of one wish."""
        about = (request.worker, request.member) if request else ("", "")
        self._effects.append(CancelDone(number, verdict, *about, steps))

    def settle(self, request: Request, verdict: Verdict, steps: tuple[str, ...] = ()) -> None:
        """It is known what came of those that want it cancelled."""
        self._restarts.discard(request.number)
        for number in self._wanted.pop(request.number, ()):
            self.tell(number, request, verdict, steps)

    def withdraw(self, request: Request) -> None:
        """It hasn't started and never will; it is at no worker and in no queue."""
        self._ledger.leave(request.number)
        self._ledger.note("info", "cancelled, not started", request)
        text = f"{request.worker}.{request.member} was cancelled before it started"
        self._ledger.answer_error(request, "InterruptedError", text, NOT_STARTED)
        self.settle(request, "withdrawn")
