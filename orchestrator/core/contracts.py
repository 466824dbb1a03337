"""What the two halves of the core, broker and supervision, tell each other: plain calls."""

from __future__ import annotations

from typing import Any, Protocol

from orchestrator.core.request import Request
from transports.link import Polled


class Keeper(Protocol):
    """Who keeps the workers. The broker tells it what it learns of them."""

    def ready(self, worker: str, incarnation: int, now: float) -> None:
        """Its driver is built and its queued lane is open."""

    def unbuilt(
        self, worker: str, incarnation: int, stage: str, exception: dict[str, Any], now: float
    ) -> None:
        """Its driver couldn't be built: at which stage, and why."""

    def starting(self, worker: str, incarnation: int, doing: str) -> None:
        """Its start takes a while: what it is at."""

    def polled(self, worker: str, polled: Polled, now: float) -> None:
        """A property was polled that is watched."""

    def overran(
        self, worker: str, incarnation: int, member: str, now: float, *, stalls: bool, taken: bool
    ) -> None:
        """An operation has had its execution timeout.

        `stalls`: others have to wait for it. `taken`: it runs; else its worker hasn't begun it.
        """

    def uncertain(self, request: Request) -> None:
        """Nobody can tell what became of an operation."""

    def recovered(self, worker: str, incarnation: int, now: float) -> None:
        """A worker on which others had to wait takes operations again."""

    def cut_short(self, worker: str, reason: str, now: float) -> bool:
        """Have a worker's life end, and another one follow; False for one that nobody keeps."""

    def is_late(self, worker: str) -> bool:
        """Whether it can't be told when a worker that isn't up will be."""

    def standing(self, worker: str, now: float) -> str:
        """A worker's state for whoever asks for it; empty for one that nobody keeps."""


class Holder(Protocol):
    """Who holds the requests for workers. The supervision tells it what becomes of them."""

    def hold(self, worker: str) -> None:
        """A worker that was closed is about to start: requests may queue again."""

    def ask_to_stop(self, worker: str, now: float, *, hold: bool, reason: str) -> bool:
        """Tell a worker to close its driver and exit; whether it could be told."""

    def lost(self, worker: str, now: float, *, reason: str, holds: bool) -> None:
        """An incarnation is over, or none will come: settle what it held, and what waits."""

    def refuse_descriptions(self, worker: str, reason: str) -> None:
        """It can't be told when a worker will be up: refuse whoever waits for its description."""
