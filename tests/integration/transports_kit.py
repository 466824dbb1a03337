"""A server that echoes, in a thread of its own, and a bare socket as a stranger would use."""

from __future__ import annotations

import asyncio
import json
import random
import socket as network
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

import zmq
import zmq.asyncio

from transports.hololinked.messages import RequestMessage
from transports.hololinked.server import AsyncZMQServer
from transports.serializers import SerializableData

SERVER = "bench"


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder whose name leaves room for a socket's path."""
    with TemporaryDirectory(prefix="o", dir="/tmp") as name:
        yield Path(name)


def free_port() -> int:
    """A port that nothing listens on, outside of the range that the system gives away."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with suppress(OSError), network.create_server(("127.0.0.1", port)):
            return port


class Place:
    """Where a test's server listens, with the contexts that reach it.

    Attributes:
        address: Full address.
        context: A plain context.
        aio: The same one for asyncio.
    """

    def __init__(self, transport: str, folder: Path) -> None:
        self.transport = transport
        self.context = zmq.Context()
        self.aio = zmq.asyncio.Context.shadow(self.context.underlying)
        if transport == "IPC":
            self.address = f"ipc://{folder}/{SERVER}.ipc"
        elif transport == "INPROC":
            self.address = f"inproc://{SERVER}"
        else:
            self.address = f"tcp://127.0.0.1:{free_port()}"

    def close(self) -> None:
        self.context.term()


class Echo:
    """Answers each operation with what it was sent, until it is stopped.

    The property `silence` is not answered. `hold` is answered when `release` has been asked for,
    after that one.
    """

    def __init__(self, place: Place, id: str = SERVER) -> None:
        self._place = place
        self._id = id
        self.server: AsyncZMQServer
        self.seen: list[str] = []
        self._thread: threading.Thread | None = None

    def start(self) -> Self:
        ready = threading.Event()
        failed: list[BaseException] = []

        def serve() -> None:
            try:
                self.server = self._bind()
            except BaseException as error:
                failed.append(error)
                ready.set()
                return
            ready.set()
            with self.server:
                asyncio.run(self._serve())

        self._thread = threading.Thread(target=serve, name="echo")
        self._thread.start()
        ready.wait()
        if failed:
            self._thread.join()
            raise failed[0]
        return self

    def _bind(self) -> AsyncZMQServer:
        """Bind as soon as a predecessor's socket is closed, which ZeroMQ does in its own time."""
        while True:
            try:
                return AsyncZMQServer(
                    id=self._id, context=self._place.aio, socket_address=self._place.address
                )
            except zmq.ZMQError as error:
                if error.errno != zmq.EADDRINUSE:
                    raise

    async def _serve(self) -> None:
        held: list[RequestMessage] = []
        while requests := await self.server.poll_requests():
            for request in requests:
                name = request.header.objekt
                self.seen.append(name)
                if name == "hold":
                    held.append(request)
                elif name != "silence":
                    await self._answer(request)
                while name == "release" and held:
                    await self._answer(held.pop(0))

    async def _answer(self, request: RequestMessage) -> None:
        await self.server.async_send_response(
            request, request.payload, request.preserialized_payload
        )

    def stop(self) -> None:
        if self._thread is not None:
            self.server.stop_polling()
            self._thread.join()
            self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


class Stranger:
    """A client made of nothing but a ROUTER."""

    def __init__(self, place: Place, id: str = "stranger") -> None:
        self.id = id
        self.socket = place.context.socket(zmq.ROUTER)
        self.socket.linger = 0
        self.socket.set(zmq.IDENTITY, id.encode())
        self.socket.set(zmq.ROUTER_MANDATORY, 1)
        self.socket.connect(place.address)
        assert self.socket.poll(5000, zmq.POLLOUT), "no server"

    def header(self, id: str = "1", **fields: Any) -> dict[str, Any]:
        return {
            "messageType": "OPERATION",
            "messageID": id,
            "senderID": self.id,
            "receiverID": SERVER,
            "thingID": "stage",
            "objekt": "x",
            "operation": "readproperty",
        } | fields

    def send(self, *frames: bytes) -> None:
        self.socket.send_multipart([SERVER.encode(), *frames])

    def ask(self, id: str = "1", payload: bytes = b"null", **fields: Any) -> None:
        self.send(b"", json.dumps(self.header(id, **fields)).encode(), payload, b"")

    def receive(self, timeout: int = 5000) -> tuple[dict[str, Any], Any]:
        """Header and payload of the next response."""
        assert self.socket.poll(timeout), "no answer"
        frames = self.socket.recv_multipart()
        assert len(frames) == 5
        assert frames[:2] == [SERVER.encode(), b""]
        return json.loads(frames[2]), json.loads(frames[3])

    def is_answered(self, timeout: int = 0) -> bool:
        return bool(self.socket.poll(timeout))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def spin() -> None:
    """Let the time pass for which ZeroMQ puts off its commands: three million ticks."""
    end = time.perf_counter() + 0.01
    while time.perf_counter() < end:
        pass


def value(data: Any) -> SerializableData:
    return SerializableData(data)
