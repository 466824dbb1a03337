"""Operations that somebody wants cancelled: those that haven't started are withdrawn.

Pure: what came of it is left as an effect.
"""

from __future__ import annotations

from typing import Literal

from orchestrator.core.effects import CancelDone, Effects
from orchestrator.core.requests import Ledger, Request
from transports.exceptions import NOT_STARTED

Verdict = Literal["withdrawn", "runs", "unknown"]
"""It never started, which its client is told; it runs, and goes on; nobody waits for its answer."""


class Cancels:
    """Who wants which request cancelled, until it is known whether it had started.

    Args:
        ledger: The requests.
        effects: Where what came of it is left.
    """

    def __init__(self, ledger: Ledger, effects: Effects) -> None:
        self._ledger = ledger
        self._effects = effects
        self._number = 0
        self._wanted: dict[int, list[int]] = {}  # by the number of the request

    def place(self) -> int:
        """The number of a new wish."""
        self._number += 1
        return self._number

    def want(self, request: Request, number: int) -> None:
        """Whether a request has started isn't known yet."""
        self._wanted.setdefault(request.number, []).append(number)

    def is_wanted(self, request: Request) -> bool:
        """Whether somebody wants it cancelled."""
        return request.number in self._wanted

    def tell(self, number: int, request: Request | None, verdict: Verdict) -> None:
        """Tell what came of one wish."""
        about = (request.worker, request.member) if request else ("", "")
        self._effects.append(CancelDone(number, verdict, *about))

    def settle(self, request: Request, verdict: Verdict) -> None:
        """It is known what came of those that want it cancelled."""
        for number in self._wanted.pop(request.number, ()):
            self.tell(number, request, verdict)

    def withdraw(self, request: Request) -> None:
        """It hasn't started and never will; it is at no worker and in no queue."""
        self._ledger.leave(request.number)
        self._ledger.note("info", "cancelled, not started", request)
        text = f"{request.worker}.{request.member} was cancelled before it started"
        self._ledger.answer_error(request, "InterruptedError", text, NOT_STARTED)
        self.settle(request, "withdrawn")
