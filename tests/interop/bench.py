"""A driver that does all that hololinked's clients can ask for."""

from __future__ import annotations

import logging
import threading
from enum import Enum
from typing import Any

import numpy

from workers.driver.markers import Event, action, prop

log = logging.getLogger("bench")


class Mode(Enum):
    FAST = "fast"
    SLOW = "slow"


class Custom(Exception):
    pass


class Part:
    """A part, whose members have dotted names."""

    def __init__(self) -> None:
        self.gain = 1.0

    def double(self) -> float:
        self.gain *= 2
        return self.gain


class Bench:
    """All that hololinked's clients can ask for."""

    ticked = Event("said on demand", data=dict[str, int])
    ticked_twice = Event("begins like the other one", data=int)
    blob = Event("raw bytes")

    def __init__(self) -> None:
        self._level = 1.0
        self._limit = 10
        self._notes: list[Any] = []
        self._cancelled = threading.Event()
        self.parts = [Part()]

    @prop(unit="V", observable=True)
    def level(self) -> float:
        """The level."""
        return self._level

    @level.setter
    def level(self, value: float) -> None:
        if value > self._limit:
            raise ValueError(f"{value} is more than {self._limit}")
        self._level = float(value)

    @property
    def limit(self) -> int:
        """The highest level."""
        return self._limit

    @limit.setter
    def limit(self, value: int) -> None:
        self._limit = value

    @property
    def name(self) -> str:
        return "bench"

    @property
    def data(self) -> bytes:
        return b"\x00\xff\x01"

    @data.setter
    def data(self, value: bytes) -> None:
        self._notes.append(value)

    @property
    def notes(self) -> list[Any]:
        return [len(note) if isinstance(note, bytes) else note for note in self._notes]

    def add(self, a: float, b: float = 2) -> float:
        """The sum."""
        return a + b

    def echo(self, value: Any = None) -> Any:
        return value

    def raw(self, size: int = 4) -> bytes:
        return bytes(range(size))

    def large(self, size: int) -> bytes:
        return bytes(size)

    def pair(self) -> tuple[dict[str, int], bytes]:
        return {"size": 3}, b"\x01\x02\x03"

    def array(self) -> numpy.ndarray[Any, Any]:
        return numpy.arange(6.0).reshape(2, 3)

    def take(self, data: bytes, factor: int = 1) -> int:
        return len(data) * factor

    def note(self, text: str) -> None:
        self._notes.append(text)

    def fail(self, kind: str = "ValueError", text: str = "it failed") -> None:
        kinds: dict[str, type[BaseException]] = {
            "ValueError": ValueError,
            "KeyError": KeyError,
            "ZeroDivisionError": ZeroDivisionError,
            "OSError": OSError,
            "Custom": Custom,
            "SystemExit": SystemExit,
            "KeyboardInterrupt": KeyboardInterrupt,
        }
        if kind == "UnicodeDecodeError":
            raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, text)
        raise kinds[kind](text)

    def wait(self, seconds: float) -> bool:
        self._cancelled.clear()
        return self._cancelled.wait(seconds)

    def cancel(self) -> None:
        self._cancelled.set()

    def talk(self, text: str) -> int:
        log.warning("first %s", text)
        log.error("then %s", text)
        return len(text)

    def tick(self, count: int = 1) -> None:
        for number in range(count):
            self.ticked.emit({"n": number})

    def tick_twice(self) -> None:
        self.ticked_twice.emit(2)

    def send_blob(self) -> None:
        self.blob.emit(b"\x07\x08")

    @action(concurrent=True)
    async def double(self, x: int) -> int:
        return 2 * x

    def mode(self) -> Mode:
        return Mode.SLOW
