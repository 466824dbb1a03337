"""Streams: the items of a driver's generator, each asked for when it is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from orchestrator.client.exchange import Exchange, Timeout
from orchestrator.client.session import Session
from transports.values.streams import Opened

T = TypeVar("T")


class Source:
    """One stream of a worker, however it is read.

    Args:
        session: The rig.
        worker: The worker.
        action: The action that opened it.
        opened: What the worker calls it.
        timeouts: Seconds that each item may wait and take.
    """

    def __init__(
        self,
        session: Session,
        worker: str,
        action: str,
        opened: Opened,
        timeouts: tuple[Timeout, Timeout],
    ) -> None:
        self.session = session
        self.name = f"{worker}.{action}"
        self._place = (worker, action, opened)
        self._timeouts = timeouts
        self.ended = False

    def pull(self) -> Exchange:
        """The request for the next item."""
        return self.session.pull(*self._place, *self._timeouts)

    def end(self) -> None:
        """Tell the worker that no more is wanted, if it doesn't know."""
        if not self.ended:
            self.ended = True
            self.session.connection.post(self.session.pull(*self._place, ends=True))


class Stream(Iterator[T]):
    """The items of a generator that an action returned; iterate over it.

    Each item is made when it is asked for, within the action's execution timeout. It ends with the
    generator, with any error, by `close()`, or when it is dropped, as at the `break` of a loop: the
    generator's own clean-up runs then.
    """

    def __init__(self, *place: Any) -> None:
        self._source = Source(*place)

    def __iter__(self) -> Stream[T]:
        return self

    def __next__(self) -> T:
        """The next item.

        Raises:
            StopIteration: The generator has ended; its value is what that returned.
            OrchError: Any of the tree; the stream has ended then, as after an error of the driver.
        """
        source = self._source
        if source.ended:
            raise StopIteration
        try:
            more, item = source.session.connection.request(source.pull())
        except BaseException:
            source.end()
            raise
        if not more:
            source.ended = True
            raise StopIteration(item)
        made: T = item
        return made

    def close(self) -> None:
        """End it; the generator's own clean-up runs."""
        self._source.end()

    def __enter__(self) -> Stream[T]:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_source"):
            self._source.end()

    def __repr__(self) -> str:
        return f"<stream {self._source.name}>"
