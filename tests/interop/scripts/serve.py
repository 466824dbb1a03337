"""An unmodified hololinked server over ipc and tcp. Argument: how many Things."""

import json
import socket
import sys
import time

from hololinked.core import Event, Thing, action
from hololinked.core.properties import Number, String
from hololinked.server.zmq import ZMQServer


class Box(Thing):
    """A Thing of hololinked's."""

    level = Number(default=1.0, bounds=(0, 10), observable=True, doc="The level.")
    label = String(default="box", readonly=True, doc="What it is called.")
    ticked = Event(doc="said on demand")
    ticked_twice = Event(doc="begins like the other one")
    blob = Event(doc="raw bytes")

    @action()
    def add(self, a: float, b: float = 2) -> float:
        """The sum."""
        return a + b

    @action()
    def raw(self, size: int = 4):
        return bytes(range(size))

    @action()
    def pair(self):
        return {"size": 3}, b"\x01\x02\x03"

    @action()
    def take(self, data, factor: int = 1):
        return len(data) * factor

    @action()
    def fail(self, text: str = "it failed"):
        raise ValueError(text)

    @action()
    def wait(self, seconds: float):
        time.sleep(seconds)
        return seconds

    @action()
    def tick(self):
        self.ticked.push({"n": 0})

    @action()
    def tick_twice(self):
        self.ticked_twice.push(2)

    @action()
    def send_blob(self):
        self.blob.push(b"\x07\x08")


def free_port():
    """A port whose next one is free as well: events go there."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


names = ["one", "two", "three", "four"][: int(sys.argv[1])]
tcp = f"tcp://127.0.0.1:{free_port()}"
server = ZMQServer(id="holo", things=[Box(id=name) for name in names], access_points=["IPC", tcp])


def address(kind):
    """Address of one of its sockets."""
    return getattr(server, kind).socket_address


found = {
    "id": "holo",
    "ipc": address("ipc_server"),
    "tcp": address("tcp_server"),
    "ipc_events": server.ipc_event_publisher.socket_address,
    "tcp_events": server.tcp_event_publisher.socket_address,
}
sys.stdout.write("\n" + json.dumps(found) + "\n")
sys.stdout.flush()
server.run()
