"""Gives and takes each value of the table, and judges what it is given."""

from __future__ import annotations

import asyncio
import enum
import itertools
import threading
import time
from collections import namedtuple
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np

from orch import Event, prop
from tests.integration.value_table import CASES, judge


class Own(enum.Enum):
    """An enumeration that the client doesn't know."""

    CW = "cw"


Spot = namedtuple("Spot", "x y")


@dataclass
class Shot:
    gain: float
    spot: Any = None


class Status:
    """As ophyd's: done some time after it was given."""

    def __init__(self, failure: Exception | None = None) -> None:
        self._ended = threading.Event()
        self._failure = failure
        threading.Timer(0.05, self._ended.set).start()

    @property
    def done(self) -> bool:
        return self._ended.is_set()

    def wait(self, timeout: float | None = None) -> None:
        self._ended.wait(timeout)
        if self._failure is not None:
            raise self._failure


class Protocol:
    """A status of bluesky's protocol: without `wait`."""

    def __init__(self, success: bool) -> None:
        self.success = success
        self.done = False

    def add_callback(self, callback: Any) -> None:
        threading.Timer(0.05, callback, (self,)).start()

    def exception(self, timeout: float | None = None) -> Exception | None:
        return None if self.success else OSError("the axis is stuck")


class Values:
    told = Event()
    ran: int = 0

    def __init__(self) -> None:
        self._held: Any = None
        self._watched: Any = None
        self.made: list[Any] = []

    @property
    def held(self) -> Any:
        return self._held

    @held.setter
    def held(self, value: Any) -> None:
        self._held = value

    @prop(observable=True)
    def watched(self) -> Any:
        return self._watched

    @watched.setter
    def watched(self, value: Any) -> None:
        self._watched = value

    def give(self, name: str) -> Any:
        self.ran += 1
        return CASES[name].make()

    def first(self, value: Any, name: str) -> str:
        return judge(name, value)

    def later(self, name: str, value: Any) -> str:
        return judge(name, value)

    def keyword(self, name: str, *, value: Any = None) -> str:
        return judge(name, value)

    def judge_held(self, name: str) -> str:
        return judge(name, self._held)

    def hold(self, name: str) -> None:
        self._held = CASES[name].make()

    def tell(self, name: str) -> None:
        self.told.emit(CASES[name].make())

    def own(self) -> Any:
        return {"mode": Own.CW, "spot": Spot(1, 2), "shot": Shot(1.5, Spot(3, 4))}

    def is_own(self, own: dict[str, Any]) -> bool:
        shot = own["shot"]
        return (
            own["mode"] is Own.CW
            and type(own["spot"]) is Spot
            and (type(shot), type(shot.spot), shot.gain) == (Shot, Spot, 1.5)
        )

    def progress(self, what: str) -> Any:
        if what == "future":
            future: Future[Any] = Future()
            threading.Timer(0.05, future.set_result, ((1, 2),)).start()
            return future
        failing: Future[Any] = Future()
        failing.set_exception(LookupError("no such thing"))
        return {
            "failing future": lambda: failing,
            "status": Status,
            "failing status": lambda: Status(ValueError("beyond the limits")),
            "bluesky status": lambda: Protocol(True),
            "failing bluesky status": lambda: Protocol(False),
            "coroutine of a status": lambda: later(Status()),
            "task": lambda: later((3, 4)),
        }[what]()

    # -- streams

    def points(self, count: int, fails: bool = False) -> Iterator[Any]:
        self.made = []
        try:
            for number in range(count):
                self.made.append(number)
                yield number, np.full(3, number)
            if fails:
                raise ValueError("beyond the limits")
            return "done"
        finally:
            self.made.append("cleaned up")

    async def ticks(self, count: int) -> AsyncIterator[int]:
        try:
            for number in range(count):
                await asyncio.sleep(0)
                yield number
        finally:
            self.made.append("ticks cleaned up")

    def beside(self, seconds: float) -> Iterator[int]:
        for number in itertools.count():
            time.sleep(seconds)
            yield number

    def slow_item(self, seconds: float) -> Iterator[int]:
        yield 1
        time.sleep(seconds)
        yield 2

    def unsendable_item(self) -> Iterator[Any]:
        yield 1
        yield threading.Lock()

    def has_made(self) -> list[Any]:
        return self.made

    def hangs(self, seconds: float) -> Any:
        future: Future[None] = Future()
        threading.Timer(seconds, future.set_result, (None,)).start()
        return future


async def later(value: Any) -> Any:
    await asyncio.sleep(0)
    return value
