"""Other libraries, each with a server process and clients, in an environment of their own.

`peers.py NAME ADDRESS` is the server, in the environment that `scripts/bench` makes of the extra
`peers`. Each serves the same object: a float to read, and 8 MiB of random bytes.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subjects import free_port, process

if TYPE_CHECKING:
    from rows import Row

SIZE = 8 << 20


class Device:
    """What all of them serve."""

    def __init__(self) -> None:
        self.level = 1.5
        self.frame = os.urandom(SIZE)


# -- rpyc -------------------------------------------------------------------------------------


def serve_rpyc(address: str) -> None:
    """A thread for each client."""
    import rpyc
    from rpyc.utils.server import ThreadedServer

    device = Device()

    class Served(rpyc.Service):  # type: ignore[misc]
        exposed_level = property(lambda self: device.level)

        def exposed_frame(self) -> bytes:
            return device.frame

    ThreadedServer(Served(), socket_path=address).start()


@contextmanager
def call_rpyc(address: str) -> Iterator[dict[str, Callable[[], Any]]]:
    """Over a unix socket."""
    from rpyc.utils.factory import unix_connect

    root = unix_connect(address).root
    yield {"read": lambda: root.level, "frame": lambda: root.frame()}


# -- Pyro5 ------------------------------------------------------------------------------------


def serve_pyro5(address: str) -> None:
    """A thread for each client."""
    import Pyro5.api

    device = Device()

    class Served:
        @property
        def level(self) -> float:
            return device.level

        def frame(self) -> bytes:
            return device.frame

    daemon = Pyro5.api.Daemon(unixsocket=address)
    daemon.register(Pyro5.api.expose(Served)(), "device")
    daemon.requestLoop()


@contextmanager
def call_pyro5(address: str) -> Iterator[dict[str, Callable[[], Any]]]:
    """Over a unix socket, in MessagePack: its own default has no bytes."""
    import Pyro5
    import Pyro5.api

    Pyro5.config.SERIALIZER = "msgpack"
    with Pyro5.api.Proxy(f"PYRO:device@./u:{address}") as proxy:
        yield {"read": lambda: proxy.level, "frame": lambda: proxy.frame()}


# -- zerorpc ----------------------------------------------------------------------------------


def serve_zerorpc(address: str) -> None:
    """Greenlets in one thread."""
    import zerorpc

    device = Device()

    class Served:
        def level(self) -> float:
            return device.level

        def frame(self) -> bytes:
            return device.frame

    server = zerorpc.Server(Served(), heartbeat=None)
    server.bind(f"ipc://{address}")
    server.run()


@contextmanager
def call_zerorpc(address: str) -> Iterator[dict[str, Callable[[], Any]]]:
    """Over ZeroMQ."""
    import zerorpc

    client = zerorpc.Client(heartbeat=None)
    client.connect(f"ipc://{address}")
    yield {"read": client.level, "frame": client.frame}


# -- zprocess ---------------------------------------------------------------------------------


def serve_zprocess(address: str) -> None:
    """One request after the other."""
    from zprocess import ZMQServer

    device = Device()

    class Served(ZMQServer):  # type: ignore[misc]
        def handler(self, asked: str) -> Any:
            return device.level if asked == "level" else device.frame

    Served(int(address), bind_address="tcp://127.0.0.1", allow_insecure=True)
    threading.Event().wait()


@contextmanager
def call_zprocess(address: str) -> Iterator[dict[str, Callable[[], Any]]]:
    """Over tcp, pickled: it has neither other sockets nor, for objects, other forms."""
    from zprocess import ZMQClient

    client = ZMQClient(allow_insecure=True)
    get = partial(client.get, int(address), "127.0.0.1")
    yield {"read": partial(get, "level"), "frame": partial(get, "frame")}


# -- pyleco -----------------------------------------------------------------------------------


def serve_pyleco(address: str) -> None:
    """A coordinator, and an actor in a thread of another process."""
    if os.fork():
        from pyleco.coordinators.coordinator import Coordinator

        with Coordinator(port=int(address), namespace="N1") as coordinator:
            coordinator.routing()
    else:
        from pyleco.actors.actor import Actor

        while not is_there(int(address)):
            time.sleep(0.05)  # the other process; nothing is measured yet
        with Actor("device", Device, port=int(address)) as actor:
            actor.connect()
            actor.listen(threading.Event())


@contextmanager
def call_pyleco(address: str) -> Iterator[dict[str, Callable[[], Any]]]:
    """Over tcp, through its coordinator."""
    from pyleco.directors.transparent_director import TransparentDirector

    with TransparentDirector("device", name=f"c{os.getpid()}", port=int(address)) as director:
        yield {"read": lambda: director.device.level}


# -- hololinked -------------------------------------------------------------------------------


def serve_hololinked(address: str) -> None:
    """A Thing by its own server."""
    from hololinked.core import Thing, action
    from hololinked.core.properties import Number

    device = Device()

    class Served(Thing):  # type: ignore[misc]
        level = Number(default=1.5)

        @action()  # type: ignore[misc]
        def frame(self) -> bytes:
            return device.frame

    Served(id="device").run_with_zmq_server(f"tcp://127.0.0.1:{address}")


@contextmanager
def call_hololinked(address: str) -> Iterator[dict[str, Callable[[], Any]]]:
    """Over tcp."""
    from hololinked.client import ClientFactory

    thing = ClientFactory.zmq("device", "device", f"tcp://127.0.0.1:{address}")
    yield {"read": lambda: thing.level, "frame": lambda: thing.frame()}


# -- all --------------------------------------------------------------------------------------

SERVERS = {
    "rpyc": serve_rpyc,
    "Pyro5": serve_pyro5,
    "zerorpc": serve_zerorpc,
    "zprocess": serve_zprocess,
    "pyleco": serve_pyleco,
    "hololinked": serve_hololinked,
}
CLIENTS = {
    "rpyc": call_rpyc,
    "Pyro5": call_pyro5,
    "zerorpc": call_zerorpc,
    "zprocess": call_zprocess,
    "pyleco": call_pyleco,
    "hololinked": call_hololinked,
}
BY_PORT = frozenset({"zprocess", "pyleco", "hololinked"})
"""Those that have no unix sockets."""
WITHOUT_ARRAYS = frozenset({"pyleco"})
"""Its messages are JSON."""
PYTHON = str(Path(os.environ.get("ORCH_PEERS_VENV", ".venv-peers"), "bin", "python").absolute())


@contextmanager
def served(name: str) -> Iterator[str]:
    """A library's server; its address."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        address = str(free_port()) if name in BY_PORT else f"{folder}/socket"
        with process("peers.py", name, address, python=PYTHON):
            yield address


def peer_rows() -> list[Row]:
    """All libraries beside a rig, by the same calls."""
    from rows import Row, Subject, raw, rig

    def beside(kind: str, names: Iterable[str], clients: int = 1) -> list[Subject]:
        return [
            Subject(name, serve, f"{name}.{kind}", ("",) * clients, PYTHON)
            for name, serve in servers.items()
            if name in names
        ]

    servers = {name: partial(served, name) for name in SERVERS}
    holder = partial(rig, mib=SIZE >> 20)
    return [
        Row(
            "a float read, other libraries",
            (Subject("orch", rig, "read"), *beside("read", SERVERS)),
            300,
        ),
        Row(
            "8 client processes, 1 server, other libraries",
            (Subject("orch", rig, "read", ("",) * 8), *beside("read", SERVERS, 8)),
            200,
            "rate",
        ),
        Row(
            "8 MiB, result, other libraries",
            (
                Subject("orch", holder, "frame"),
                Subject("zmq.proxy in C", partial(raw, reply=SIZE), "raw"),
                *beside("frame", SERVERS.keys() - WITHOUT_ARRAYS),
            ),
            8,
            "speed",
        ),
    ]


@contextmanager
def client(kind: str, address: str) -> Iterator[Callable[[], Any]]:
    """A call of a library's client, such as `rpyc.read`, once its server is there."""
    name, _, what = kind.partition(".")
    place = address if name not in BY_PORT else int(address)
    deadline = time.monotonic() + 30
    while not is_there(place):
        if time.monotonic() > deadline:
            raise SystemExit(f"the server of {name} didn't come up")
        time.sleep(0.05)  # another library's process; nothing is measured yet
    with CLIENTS[name](address) as calls:
        while True:
            try:
                calls[what]()
                break
            except Exception:  # it listens before it has been told of its own server
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        yield calls[what]


def is_there(place: str | int) -> bool:
    """Whether anybody listens at a unix socket or a port of this machine."""
    family = socket.AF_UNIX if isinstance(place, str) else socket.AF_INET
    with socket.socket(family) as probe:
        return probe.connect_ex(place if isinstance(place, str) else ("127.0.0.1", place)) == 0


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    SERVERS[sys.argv[1]](sys.argv[2])
