"""The web server: its routes, and its life from a bound socket to a signal."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import FrameType
from typing import IO

import h11
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from uvicorn.protocols.http.h11_impl import H11Protocol

from orchestrator.gateway.guard import App, Rules, guarded
from orchestrator.gateway.link import Link
from orchestrator.gateway.metrics import Metrics
from orchestrator.gateway.problems import of_no_route
from orchestrator.gateway.sources import Sources
from orchestrator.gateway.streams import Streams
from orchestrator.gateway.things import Things
from orchestrator.gateway.views import Views

STATIC = Path(__file__).with_name("static")
MOST_CONNECTIONS = 200
LAST_ANSWERS = 2
"""Seconds for what is under way when the server ends."""
HEADER_WITHIN = 5.0
"""Seconds from a connection, or a request's first byte, to the end of the request's header."""


def build(link: Link, rules: Rules, streams: Streams, exports: Sequence[str] = ()) -> App:
    """The app that serves a rig.

    Args:
        link: The rig.
        rules: Who may do what.
        streams: Where the streams are kept that are open.
        exports: Polled properties among the metrics.
    """
    sources = Sources(link)

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        yield
        await link.drop()

    routes = [
        Route("/", _page),
        *Views(link, sources, streams, control=rules.control).routes(),
        *Things(link, sources, streams).routes(),
        *Metrics(link, exports).routes(),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    served = Starlette(
        routes=routes, lifespan=life, exception_handlers={HTTPException: of_no_route}
    )
    return guarded(served, rules)


async def _page(request: Request) -> Response:
    return FileResponse(STATIC / "index.html")


class HeaderDeadline(H11Protocol):
    """A connection that ends if a header takes too long: each counts as one of those that may be.

    uvicorn itself waits for ever for a header that was begun, or never is.
    """

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        if self._late is None and self.conn.their_state is h11.IDLE:
            self._expect()
        super().data_received(data)

    def handle_events(self) -> None:
        """Take the requests that are there."""
        super().handle_events()
        if self.conn.their_state is not h11.IDLE:
            self._forget()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended."""
        self._forget()
        super().connection_lost(exc)

    def _expect(self) -> None:
        self._late = self.loop.call_later(HEADER_WITHIN, self.transport.abort)

    def _forget(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


class _Server(uvicorn.Server):
    """uvicorn's server, which waits for open streams: they are told to end."""

    def __init__(self, config: uvicorn.Config, ending: Callable[[], object]) -> None:
        super().__init__(config)
        self._ending = ending

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal asks for the end."""
        super().handle_exit(sig, frame)
        self._ending()


def serve(
    rig: str | None,
    rules: Rules,
    port: socket.socket,
    exports: Sequence[str] = (),
    *,
    lifeline: IO[str] | None = None,
) -> None:
    """Serve a rig until SIGINT or SIGTERM.

    Args:
        rig: Its id or address; None for the only one.
        rules: Who may do what.
        port: Bound to where it is served.
        exports: Polled properties among the metrics.
        lifeline: Whose end is that of the server too.
    """
    streams = Streams()
    config = uvicorn.Config(
        build(Link(rig), rules, streams, exports),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        http=HeaderDeadline,
        lifespan="on",
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=LAST_ANSWERS,
    )

    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = _Server(config, lambda: loop.call_soon_threadsafe(streams.end))
        if lifeline is not None:
            fd = lifeline.fileno()

            def ended() -> None:
                loop.remove_reader(fd)
                server.should_exit = True
                streams.end()

            loop.add_reader(fd, ended)
        await server.serve(sockets=[port])

    asyncio.run(run())
