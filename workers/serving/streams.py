"""Generators that drivers return: kept here, and asked for one item at a time by their clients."""

from __future__ import annotations

import itertools
import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import AsyncGeneratorType, GeneratorType
from typing import Any

from transports.values.streams import Opened
from workers.errors import Terminated
from workers.failures import Refused

log = logging.getLogger("workers")

MOST = 100
"""Streams that a worker keeps."""
IDLE = 600.0
"""Seconds after which a stream that nobody asks for an item is ended."""


@dataclass
class _Stream:
    generator: Any
    client: str
    member: str
    asked: float
    lock: threading.Lock = field(default_factory=threading.Lock)
    ends: bool = False  # once the item that is being made is there


class Streams:
    """The streams of one worker. May be used from several threads.

    A generator runs in the lane of the action that made it, one item at a time.

    Args:
        wait: Runs an awaitable to its end and gives its result.

    Attributes:
        beside: Names of the actions that run beside the queued ones.
    """

    def __init__(self, wait: Callable[[Any], Any], beside: frozenset[str] = frozenset()) -> None:
        self._wait = wait
        self.beside = beside
        self._streams: dict[int, _Stream] = {}
        # No number of the life before: its clients may still ask for the next item.
        self._numbers = itertools.count(random.getrandbits(48))

    def is_stream(self, value: object) -> bool:
        """Whether a result is given item by item."""
        return isinstance(value, (GeneratorType, AsyncGeneratorType))

    def open(self, generator: Any, client: str, member: str) -> Opened:
        """Keep a generator for its client, of which nothing has run yet.

        Raises:
            Refused: There are too many.
        """
        if len(self._streams) >= MOST:
            self._end(generator, member)
            text = f"{MOST} streams of this worker are open: end one, or read it to its end"
            raise Refused("BufferError", f"{member}: {text}")
        number = next(self._numbers)
        self._streams[number] = _Stream(generator, client, member, time.monotonic())
        return Opened(number, member in self.beside)

    def step(self, number: int, ends: bool = False) -> tuple[bool, Any]:
        """The next item of a stream, or its end.

        Args:
            number: The stream.
            ends: Its client wants no more.

        Returns:
            Whether there was an item; and the item, or what the generator returned.

        Raises:
            Refused: There is no such stream any more.
            BaseException: What the generator raised; it has ended then.
        """
        stream = self._streams.get(number)
        if stream is None:
            if ends:
                return False, None
            told = "this stream has ended: its worker was restarted, or nobody asked for too long"
            raise Refused("LookupError", told)
        with stream.lock:
            if ends:
                self._forget(number)
                return False, None
            try:
                item = self._next(stream.generator)
            except (StopIteration, StopAsyncIteration) as end:
                self._streams.pop(number, None)
                return False, getattr(end, "value", None)
            except BaseException:
                self._streams.pop(number, None)
                raise
            stream.asked = time.monotonic()
            if stream.ends:
                self._forget(number)
            return True, item

    def _next(self, generator: Any) -> Any:
        if isinstance(generator, GeneratorType):
            return next(generator)
        return self._wait(anext(generator))

    def client_left(self, client: str) -> None:
        """End the streams of a client that is gone."""
        for number, stream in list(self._streams.items()):
            if stream.client == client:
                self._end_soon(number, stream)

    def end_idle(self) -> None:
        """End what nobody has asked for too long."""
        for number, stream in list(self._streams.items()):
            if time.monotonic() - stream.asked >= IDLE:
                log.warning("stream %s ended: no item asked for in %g s", stream.member, IDLE)
                self._end_soon(number, stream)

    def close(self) -> None:
        """End all: the driver is about to be closed."""
        for number, stream in list(self._streams.items()):
            self._end_soon(number, stream)

    @property
    def patience(self) -> int:
        """Milliseconds until a stream may be idle for too long; -1 while there is none."""
        if not self._streams:
            return -1
        asked = min(each.asked for each in list(self._streams.values()))
        return max(1000, int((asked + IDLE - time.monotonic()) * 1000))

    def _end_soon(self, number: int, stream: _Stream) -> None:
        """End it now, or when the item is there that is being made in another thread."""
        if stream.lock.acquire(blocking=False):
            try:
                self._forget(number)
            finally:
                stream.lock.release()
        else:
            stream.ends = True

    def _forget(self, number: int) -> None:
        stream = self._streams.pop(number, None)
        if stream is not None:
            self._end(stream.generator, stream.member)

    def _end(self, generator: Any, member: str) -> None:
        """Have the generator's own clean-up run."""
        try:
            if isinstance(generator, GeneratorType):
                generator.close()
            else:
                self._wait(generator.aclose())
        except Terminated:
            raise
        except BaseException as error:
            log.warning("stream %s raised when it was ended", member, exc_info=error)
