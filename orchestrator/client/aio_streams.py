"""Streams for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, TypeVar

from orchestrator.client.aio_events import request
from orchestrator.client.streams import Source

T = TypeVar("T")


class AsyncStream(AsyncIterator[T]):
    """As `Stream`, for `async for`."""

    def __init__(self, *place: Any) -> None:
        self._source = Source(*place)

    def __aiter__(self) -> AsyncStream[T]:
        return self

    async def __anext__(self) -> T:
        """The next item. Raises as `Stream.__next__` does, but StopAsyncIteration."""
        source = self._source
        if source.ended:
            raise StopAsyncIteration
        try:
            more, item = await request(source.session, source.pull())
        except BaseException:
            source.end()
            raise
        if not more:
            source.ended = True
            raise StopAsyncIteration
        made: T = item
        return made

    async def aclose(self) -> None:
        """End it; the generator's own clean-up runs."""
        self._source.end()

    async def __aenter__(self) -> AsyncStream[T]:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        if hasattr(self, "_source"):
            self._source.end()

    def __repr__(self) -> str:
        return f"<stream {self._source.name}>"
