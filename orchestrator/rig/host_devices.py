"""What may have a device on another host: lives there, those that were lost, and what follows them.

A device is in use until its worker's life is over and it was made safe by `on_loss`, which an agent
or its guardian does there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from orchestrator.config.hosts import HostConfig
from orchestrator.hosts.clock import clock
from orchestrator.rig.following import longest
from orchestrator.rig.lives_abroad import Life, where
from orchestrator.rig.reaper import GONE_WITHIN


class Fence(msgspec.Struct, frozen=True):
    """What a worker that was lost may still be at.

    Attributes:
        over_at: When its life is surely over.
        safe_at: When its device isn't being made safe any more, either.
    """

    over_at: float
    safe_at: float


class HostDevices:
    """What may have a device on one host.

    Args:
        host: The host.
        lost_after: Seconds of silence after which it is lost.
        changed: Is told when there is more or less.
    """

    def __init__(self, host: HostConfig, lost_after: float, changed: Callable[[], None]) -> None:
        self._host = host
        self._lost_after = lost_after
        self._changed = changed
        # Seconds for which its device may be made safe, of each life of the present agent's.
        self._open: dict[tuple[str, int], float] = {}
        self._given: set[tuple[str, int]] = set()  # to the present agent
        self._fences: dict[str, Fence] = {}

    def begins(self, worker: str, incarnation: int, recipe: Mapping[str, Any] | None) -> None:
        """The agent is about to be given a life; `recipe` makes its device safe afterwards."""
        secures = 0.0 if recipe is None else longest(recipe) + GONE_WITHIN
        self._given.add((worker, incarnation))
        self._open[worker, incarnation] = secures
        self._changed()

    def is_of_this_agent(self, worker: str, incarnation: int) -> bool:
        """Whether it is the present agent's business to make a device safe."""
        return (worker, incarnation) in self._given

    def over(self, worker: str, incarnation: int) -> None:
        """A life is over; its device may have to be made safe."""
        if not self._open.get((worker, incarnation)):
            self.settled(worker, incarnation)

    def settled(self, worker: str, incarnation: int) -> None:
        """Nothing of a life is left, nor anything to be done about its device."""
        if self._open.pop((worker, incarnation), None) is not None:
            self._changed()

    def lost(self, fenced_at: float) -> None:
        """The agent was lost: when its lease is surely over."""
        for (worker, _), secures in self._open.items():
            self._fences[worker] = Fence(fenced_at, fenced_at + secures)
        self._open.clear()
        self._given.clear()
        self._changed()

    def followed(self) -> None:
        """Another agent has come, which it does when the one before has made all devices safe."""
        self._fences.clear()
        self._changed()

    def in_use(self, worker: str, *, here: bool) -> float:
        """Seconds for which a worker that was lost may have its device.

        Args:
            worker: It.
            here: Whether it is to live here again, where an agent waits itself until devices are
                safe.
        """
        fence = self._fences.get(worker)
        if fence is None:
            return 0.0
        return (fence.over_at if here else fence.safe_at) - clock()

    def kept(self) -> Iterator[tuple[str, Life]]:
        """What the rig's next run must know."""
        here, now = where(self._host), clock()
        for worker, fence in self._fences.items():
            if fence.safe_at > now:
                yield worker, Life(here, fence.safe_at, self._lost_after)
        for (worker, _), secures in self._open.items():
            yield worker, Life(here, None, self._lost_after, secures)
