"""A client process: `client.py KIND ADDRESS [WORKER]` makes as many calls as a line on stdin says.

It answers each line with one of JSON: how long calls took, and when the first began and the last
ended, by the monotonic clock, which all processes share.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import zmq

Run = Callable[[int], list[float]]
"""Makes so many calls; seconds of each, or none where single ones can't be told."""
OUTSTANDING = 64


def timed(call: Callable[[], object]) -> Run:
    """Calls one after the other."""

    def run(count: int) -> list[float]:
        clock, samples = time.perf_counter, []
        for _ in range(count):
            began = clock()
            call()
            samples.append(clock() - began)
        return samples

    return run


# -- the reference ----------------------------------------------------------------------------


def dealer(address: str) -> Any:
    """A socket as a client has it."""
    socket = zmq.Context.instance().socket(zmq.DEALER)
    socket.set_hwm(0)
    socket.set(zmq.LINGER, 0)
    socket.connect(address)
    return socket


@contextmanager
def raw(address: str, worker: str) -> Iterator[Run]:
    """Multipart messages through `zmq.proxy`; `worker` is how many bytes go in the last frame."""
    from raw import HEADER

    socket, payload = dealer(address), os.urandom(int(worker or 0))
    request = [b"", HEADER, b"null", payload]
    copy = not payload

    def call() -> None:
        socket.send_multipart(request, copy=copy)
        socket.recv_multipart(copy=copy)

    yield timed(call)


@contextmanager
def raw_compiled(address: str, worker: str) -> Iterator[Run]:
    """The same frame by frame with pyzmq's compiled calls, 64 requests outstanding."""
    from raw import HEADER
    from zmq.backend import Socket

    socket = dealer(address)
    send, receive, get = (each.__get__(socket) for each in (Socket.send, Socket.recv, Socket.get))
    more, rcvmore = int(zmq.SNDMORE), int(zmq.RCVMORE)

    def ask() -> None:
        for frame in (b"", HEADER, b"null"):
            send(frame, more)
        send(b"")

    def answer() -> None:
        receive()
        while get(rcvmore):
            receive()

    yield outstanding(ask, answer)


def outstanding(ask: Callable[[], Any], answer: Callable[[], Any]) -> Run:
    """Keeps some requests on their way."""

    def run(count: int) -> list[float]:
        first = min(OUTSTANDING, count)
        for _ in range(first):
            ask()
        for _ in range(count - first):
            answer()
            ask()
        for _ in range(first):
            answer()
        return []

    return run


@contextmanager
def raw_events(folder: str, worker: str) -> Iterator[Run]:
    """Events of a publisher through an XSUB and XPUB proxy."""
    context = zmq.Context.instance()
    subscriber, orders = context.socket(zmq.SUB), context.socket(zmq.PUSH)
    subscriber.set_hwm(0)
    subscriber.subscribe(b"w0/")
    subscriber.connect(f"ipc://{folder}/out")
    orders.connect(f"ipc://{folder}/ask")
    while not subscriber.poll(50):  # until it is subscribed
        orders.send(b"1")
    while subscriber.poll(200):
        subscriber.recv_multipart()

    def run(count: int) -> list[float]:
        orders.send(str(count).encode())
        for _ in range(count):
            subscriber.recv_multipart()
        return []

    yield run


# -- a rig ------------------------------------------------------------------------------------


def of_rig(calls: Callable[[Any], Run], **options: Any) -> Callable[[str, str], Any]:
    """What a client of a rig does that connects with some options."""

    @contextmanager
    def connected(address: str, worker: str) -> Iterator[Run]:
        from orchestrator import connect

        address, _, key = address.partition("#")
        keyed = {"key": key} if key else {}
        with connect(address, **keyed, **options) as rig:
            yield calls(getattr(rig, worker or "w0"))

    return connected


def _read(worker: Any) -> Run:
    return timed(lambda: worker.level)


def _call(worker: Any) -> Run:
    return timed(lambda: worker.nothing())


def _submit(worker: Any) -> Run:
    return timed(lambda: worker.submit("nothing").result())


def _beside(worker: Any) -> Run:
    return timed(lambda: worker.beside())


def _outstanding(worker: Any) -> Run:
    futures: deque[Any] = deque()
    return outstanding(
        lambda: futures.append(worker.submit("nothing")), lambda: futures.popleft().result()
    )


def _frame(worker: Any) -> Run:
    for _ in range(3):
        worker.frame()  # shared memory comes with the second large one
    return timed(lambda: worker.frame())


def _take(worker: Any) -> Run:
    frame = worker.frame()
    for _ in range(3):
        worker.take(frame)
    return timed(lambda: worker.take(frame))


def _events(worker: Any) -> Run:
    events = worker.subscribe("ticked", timeout=20)

    def run(count: int) -> list[float]:
        worker.oneway("tick", count)
        missed = events.missed
        got = 0
        while got + events.missed - missed < count:
            next(events)
            got += 1
        return []

    return run


@contextmanager
def asyncio_read(address: str, worker: str) -> Iterator[Run]:
    """Reads awaited one after the other."""
    from orchestrator import aconnect

    async def connected() -> Any:
        return await aconnect(address)

    with asyncio.Runner() as runner:
        rig = runner.run(connected())
        subject = getattr(rig, worker or "w0")

        async def calls(count: int) -> list[float]:
            clock, samples = time.perf_counter, []
            for _ in range(count):
                began = clock()
                await subject.level
                samples.append(clock() - began)
            return samples

        yield lambda count: runner.run(calls(count))
        runner.run(rig.close())


@contextmanager
def of_peer(kind: str, address: str) -> Iterator[Run]:
    """What a client of another library does."""
    from peers import client

    with client(kind, address) as call:
        yield timed(call)


# -- commands ---------------------------------------------------------------------------------


@contextmanager
def command(*arguments: str) -> Iterator[Run]:
    """A process from its start to its end, its files compiled by the first, as pip has them."""
    environ = {**os.environ}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)

    def call() -> None:
        subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, env=environ)

    call()
    yield timed(call)


def python_pass(address: str, worker: str) -> Any:
    """The interpreter alone."""
    return command(sys.executable, "-c", "pass")


def orch_get(address: str, worker: str) -> Any:
    """`orch get` in the environment of the rig that was started last."""
    return command(str(Path(sys.executable).parent / "orch"), "get", "w0", "level")


KINDS: dict[str, Callable[[str, str], Any]] = {
    "raw": raw,
    "raw64": raw_compiled,
    "raw-events": raw_events,
    "asyncio": asyncio_read,
    "read": of_rig(_read),
    "call": of_rig(_call),
    "submit": of_rig(_submit),
    "beside": of_rig(_beside),
    "orch64": of_rig(_outstanding),
    "frame": of_rig(_frame),
    "view": of_rig(_frame, zero_copy=True),
    "take": of_rig(_take),
    "events": of_rig(_events),
    "python": python_pass,
    "get": orch_get,
}


def main() -> None:
    """Make calls until stdin ends."""
    kind, address, worker = (*sys.argv[1:], "")[:3]
    told = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # some libraries print what they do
    with KINDS[kind](address, worker) if kind in KINDS else of_peer(kind, address) as run:
        print("ready", file=told)
        for line in sys.stdin:
            began = time.monotonic()
            samples = run(int(line))
            ended = time.monotonic()
            print(json.dumps({"began": began, "ended": ended, "samples": samples}), file=told)


if __name__ == "__main__":
    main()
