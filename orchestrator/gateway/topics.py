"""What many browsers watch, asked for once: sources that run while somebody watches them.

A browser on a slow line gets less of it, never old news: of each subject only the newest waits for
it, and of what comes one by one a bounded number, with a word on what was left out.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

ROOM = 1000
"""What comes one by one and waits for one browser."""
GAP = "gap"
"""What a browser is told where something was left out: how much."""


class Outlet:
    """What waits for one browser: subjects, and what is to be told of them.

    Args:
        room: How much of what comes one by one waits.

    Attributes:
        has_ended: Whether nothing more is told.
    """

    def __init__(self, room: int = ROOM) -> None:
        self._newest: dict[str, Any] = {}
        self._queue: deque[tuple[str, Any]] = deque()
        self._room = room
        self._missed = 0
        self._some = asyncio.Event()
        self.has_ended = False

    def end(self) -> None:
        """Nothing more is told."""
        self.has_ended = True
        self._some.set()

    def put(self, subject: str, told: Any) -> None:
        """Have it told, in place of what waits of this subject."""
        self._newest[subject] = told
        self._some.set()

    def append(self, subject: str, told: Any) -> None:
        """Have it told after what waits; the oldest goes if that is too much."""
        self._queue.append((subject, told))
        if len(self._queue) > self._room:
            self._queue.popleft()
            self._missed += 1
        self._some.set()

    async def next(self, within: float) -> tuple[str, Any] | None:
        """The next subject, and what is told of it; None if there is none.

        Args:
            within: Seconds to wait.
        """
        if not self._some.is_set():
            try:
                async with asyncio.timeout(within):
                    await self._some.wait()
            except TimeoutError:
                return None
        found = self._take()
        if not (self._newest or self._queue or self._missed or self.has_ended):
            self._some.clear()
        return found

    def _take(self) -> tuple[str, Any] | None:
        if self.has_ended:
            return None
        if self._newest:
            subject = next(iter(self._newest))
            return subject, self._newest.pop(subject)
        if self._missed:
            missed, self._missed = self._missed, 0
            return GAP, missed
        return self._queue.popleft()


Tell = Callable[[str, Any], None]
Source = Callable[[Tell], Awaitable[None]]
"""Tells subjects, until it is cancelled."""


class Topic:
    """A source, and who watches it.

    Args:
        source: Runs while somebody watches.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._outlets: dict[Outlet, bool] = {}
        self._newest: dict[str, Any] = {}
        self._running: asyncio.Task[None] | None = None

    @property
    def is_watched(self) -> bool:
        """Whether anybody watches."""
        return bool(self._outlets)

    def join(self, outlet: Outlet, *, one_by_one: bool = False) -> None:
        """Watch.

        Args:
            outlet: Who watches.
            one_by_one: Whether all that comes counts; else it is the newest of each subject, with
                what is known already.
        """
        self._outlets[outlet] = one_by_one
        if self._running is None:
            self._newest.clear()
            self._running = asyncio.ensure_future(self._run())
        if not one_by_one:
            for subject, told in self._newest.items():
                outlet.put(subject, told)

    def leave(self, outlet: Outlet) -> None:
        """Watch no more."""
        self._outlets.pop(outlet, None)
        if not self._outlets and self._running is not None:
            self._running.cancel()
            self._running = None

    async def _run(self) -> None:
        await self._source(self._tell)

    def _tell(self, subject: str, told: Any) -> None:
        self._newest[subject] = told
        for outlet, one_by_one in self._outlets.items():
            if one_by_one:
                outlet.append(subject, told)
            else:
                outlet.put(subject, told)
