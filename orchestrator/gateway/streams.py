"""Server-sent events: what an outlet holds, as browsers read it, until either side has enough."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.responses import Response, StreamingResponse

from orchestrator.gateway import json_bodies
from orchestrator.gateway.problems import Problem, response_of
from orchestrator.gateway.topics import Outlet

SIGN_OF_LIFE = 15.0
"""Seconds of silence after which a comment is sent: so both sides learn that the other is gone."""
MOST_STREAMS = 100
"""Streams that are open at a time; each holds a connection."""


class Streams:
    """The streams that are open."""

    def __init__(self) -> None:
        self._open: set[Outlet] = set()

    def answer(self, outlet: Outlet, join: Callable[[], Callable[[], None]]) -> Response:
        """Stream what an outlet is told.

        Args:
            outlet: The outlet.
            join: Has it told, from when the stream begins; returns what ends that.
        """
        if len(self._open) >= MOST_STREAMS:
            full = f"{MOST_STREAMS} streams are open, more are not served"
            return response_of(Problem(503, "NoRoom", full))
        return StreamingResponse(self._stream(outlet, join), media_type="text/event-stream")

    async def _stream(
        self, outlet: Outlet, join: Callable[[], Callable[[], None]]
    ) -> AsyncIterator[bytes]:
        self._open.add(outlet)
        leave = join()
        try:
            yield b"retry: 1000\n\n"
            while not outlet.has_ended:
                found = await outlet.next(SIGN_OF_LIFE)
                if found is not None:
                    yield encoded(*found)
                elif not outlet.has_ended:
                    yield b": still here\n\n"
        finally:
            self._open.discard(outlet)
            leave()

    def end(self) -> None:
        """End all that are open."""
        for outlet in self._open:
            outlet.end()


def encoded(subject: str, told: Any) -> bytes:
    """One event of a stream, of what its source has made plain."""
    name = subject.replace("\n", " ").encode()
    return b"event: %s\ndata: %s\n\n" % (name, json_bodies.written(told))
