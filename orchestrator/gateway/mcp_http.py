"""The Model Context Protocol over HTTP: on loopback alone, and only for who has the token."""

from __future__ import annotations

import hmac
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

from orchestrator.gateway.mcp_server import Gateway

HOST = "127.0.0.1"
PATH = "/mcp"

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]


def guarded(app: App, token: str) -> App:
    """An app that lets in only who sends `Authorization: Bearer TOKEN`."""
    wanted = f"Bearer {token}".encode()

    async def guard(scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            given = next((v for k, v in scope["headers"] if k == b"authorization"), b"")
            if not hmac.compare_digest(given, wanted):
                head = [(b"www-authenticate", b"Bearer"), (b"content-type", b"text/plain")]
                await send({"type": "http.response.start", "status": 401, "headers": head})
                body = b"send the header: Authorization: Bearer TOKEN\n"
                await send({"type": "http.response.body", "body": body})
                return
        await app(scope, receive, send)

    return guard


def app_of(gateway: Gateway, token: str) -> App:
    """What answers at `PATH`; who comes by another host's name or page is refused."""
    return guarded(
        gateway.server().streamable_http_app(streamable_http_path=PATH, host=HOST), token
    )


def open_socket(port: int) -> socket.socket:
    """A socket for this, bound to a port, or to any that is free for 0. Raises OSError."""
    return socket.create_server((HOST, port))


def serve(gateway: Gateway, token: str, bound: socket.socket) -> None:
    """Serve on a socket until a signal."""
    config = uvicorn.Config(app_of(gateway, token), log_level="warning", lifespan="on")
    uvicorn.Server(config).run(sockets=[bound])
