"""What one half of the core tells the other, noted among the effects in order."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class WorkerReady:
    worker: str
    incarnation: int


@dataclass(frozen=True)
class WorkerUnbuilt:
    worker: str
    incarnation: int
    stage: str
    exception: dict[str, Any]


@dataclass(frozen=True)
class Overran:
    worker: str
    incarnation: int
    member: str
    stalls: bool
    taken: bool = True


@dataclass(frozen=True)
class Recovered:
    worker: str
    incarnation: int


@dataclass(frozen=True)
class CutShort:
    worker: str
    reason: str


@dataclass(frozen=True)
class AskToStop:
    worker: str
    hold: bool


@dataclass(frozen=True)
class Lost:
    worker: str
    reason: str
    holds: bool


@dataclass(frozen=True)
class Starting:
    worker: str
    incarnation: int
    doing: str


@dataclass(frozen=True)
class RefuseDescriptions:
    worker: str
    reason: str


@dataclass(frozen=True)
class Hold:
    worker: str


def taken(effects: deque[Any]) -> list[Any]:
    """The effects since the last call, in order."""
    new = list(effects)
    effects.clear()
    return new


class KeeperTold:
    """Notes what the broker tells.

    Attributes:
        late: What is said of workers of which it can't be told when they will be up.
        kept: Whether it keeps them, and so may have them restarted.
        uncertainties: Message ids of the operations of which nobody knows what became of them.
    """

    def __init__(self, notes: deque[Any]) -> None:
        self._notes = notes
        self.late: dict[str, str] = {}
        self.kept = True
        self.uncertainties: list[str | int] = []

    def starting(self, worker: str, incarnation: int, doing: str) -> None:
        self._notes.append(Starting(worker, incarnation, doing))

    def is_late(self, worker: str) -> bool:
        return worker in self.late

    def standing(self, worker: str, now: float) -> str:
        return self.late.get(worker, "")

    def ready(self, worker: str, incarnation: int, now: float) -> None:
        self._notes.append(WorkerReady(worker, incarnation))

    def unbuilt(
        self, worker: str, incarnation: int, stage: str, exception: dict[str, Any], now: float
    ) -> None:
        self._notes.append(WorkerUnbuilt(worker, incarnation, stage, exception))

    def overran(
        self, worker: str, incarnation: int, member: str, now: float, *, stalls: bool, taken: bool
    ) -> None:
        self._notes.append(Overran(worker, incarnation, member, stalls, taken))

    def cut_short(self, worker: str, reason: str, now: float) -> bool:
        if self.kept:
            self._notes.append(CutShort(worker, reason))
        return self.kept

    def uncertain(self, request: Any) -> None:
        self.uncertainties.append(request.message_id)

    def recovered(self, worker: str, incarnation: int, now: float) -> None:
        self._notes.append(Recovered(worker, incarnation))


class HolderTold:
    """Notes what the supervision tells.

    Attributes:
        untold: Workers whose link isn't open: they can't be told to stop.
    """

    def __init__(self, notes: deque[Any]) -> None:
        self._notes = notes
        self.untold: set[str] = set()

    def hold(self, worker: str) -> None:
        self._notes.append(Hold(worker))

    def ask_to_stop(self, worker: str, now: float, *, hold: bool, reason: str) -> bool:
        self._notes.append(AskToStop(worker, hold))
        return worker not in self.untold

    def lost(self, worker: str, now: float, *, reason: str, holds: bool) -> None:
        self._notes.append(Lost(worker, reason, holds))

    def refuse_descriptions(self, worker: str, reason: str) -> None:
        self._notes.append(RefuseDescriptions(worker, reason))
