"""What the two halves of the core, broker and supervision, tell each other: plain calls."""

from __future__ import annotations

from typing import Any, Protocol


class Keeper(Protocol):
    """Who keeps the workers. The broker tells it what it learns of them."""

    def ready(self, worker: str, incarnation: int, now: float) -> None:
        """Its driver is built and its queued lane is open."""

    def unbuilt(
        self, worker: str, incarnation: int, stage: str, exception: dict[str, Any], now: float
    ) -> None:
        """Its driver couldn't be built: at `import`, `build` or `describe`, and why."""

    def overran(
        self, worker: str, incarnation: int, member: str, now: float, *, stalls: bool
    ) -> None:
        """An operation ran past its execution timeout; `stalls`: others have to wait for it."""

    def recovered(self, worker: str, incarnation: int, now: float) -> None:
        """The operation for whose end others had to wait has ended after all."""


class Holder(Protocol):
    """Who holds the requests for workers. The supervision tells it what becomes of them."""

    def hold(self, worker: str) -> None:
        """A worker that was closed is about to start: requests may queue again."""

    def ask_to_stop(self, worker: str, now: float, *, hold: bool, reason: str) -> bool:
        """Tell a worker to close its driver and exit; whether it could be told."""

    def lost(self, worker: str, now: float, *, reason: str, holds: bool) -> None:
        """An incarnation is over, or none will come: settle what it held, and what waits."""
