"""Records what hololinked's clients and servers send each other. Argument: the JSON file to write.

A tap stands between them: a ROUTER with the server's id for the clients, and towards the server
a ROUTER with the id of each client, so that every frame passes as it is.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import zmq
from hololinked.client import ClientFactory
from hololinked.core.eventloop.payloads import PreserializedData, SerializableData
from hololinked.server.zmq import SyncZMQClient

SERVE = Path(__file__).with_name("serve.py")


class Tap(threading.Thread):
    """Passes messages on, and keeps them under the name of the step in progress."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server = server
        self.step = ""
        self.seen = []
        self.context = zmq.Context()
        self.front = self.context.socket(zmq.ROUTER)
        self.front.setsockopt_string(zmq.IDENTITY, server["id"])
        self.front.bind("tcp://127.0.0.1:*")
        self.address = self.front.getsockopt_string(zmq.LAST_ENDPOINT)
        self.backs = {}
        self.events = self.context.socket(zmq.SUB)
        self.events.connect(server["tcp_events"])
        self.events.subscribe(b"")

    def back(self, client):
        """The socket that is this client for the server."""
        if client not in self.backs:
            socket = self.context.socket(zmq.ROUTER)
            socket.setsockopt(zmq.IDENTITY, client)
            socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
            socket.connect(self.server["tcp"])
            self.backs[client] = socket
        return self.backs[client]

    def keep(self, kind, frames):
        """Keep a message as text, a character for each byte."""
        texts = [bytes(frame).decode("latin-1") for frame in frames]
        for path, name in ((sys.prefix, "/venv"), (str(SERVE.parent), "/scripts")):
            texts = [text.replace(path, name) for text in texts]
        self.seen.append({"step": self.step, "kind": kind, "frames": texts})

    def run(self):
        while True:
            sockets = [self.front, self.events, *self.backs.values()]
            ready, _, _ = zmq.select(sockets, [], [])
            for socket in ready:
                frames = socket.recv_multipart()
                if socket is self.events:
                    self.keep("event", frames)
                elif socket is self.front:
                    self.keep("request", frames)
                    # while that isn't connected the client asks again
                    with contextlib.suppress(zmq.ZMQError):
                        self.back(frames[0]).send_multipart([b"holo", *frames[1:]])
                else:
                    client = next(name for name, back in self.backs.items() if back is socket)
                    self.keep("response", frames)
                    self.front.send_multipart([client, *frames[1:]])


process = subprocess.Popen(
    [sys.executable, str(SERVE), "1"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
)
server = json.loads(next(line for line in process.stdout if line.startswith("{")))
tap = Tap(server)
tap.start()
tap.step = "connect"
one = ClientFactory.zmq(server_id="holo", thing_id="one", access_point=tap.address)
client = SyncZMQClient("recorder", "holo", access_point=tap.address)
INVOKE, READ, WRITE = "invokeaction", "readproperty", "writeproperty"


def slow_then_ping():
    """A timeout of either kind."""
    limits = {"invokation_timeout": 5.0, "execution_timeout": 0.2}
    client.execute(
        "one", "wait", INVOKE, SerializableData({"seconds": 0.6}), server_execution_context=limits
    )
    limits = {"invokation_timeout": 0.1, "execution_timeout": 5.0}
    client.execute("one", "ping", INVOKE, server_execution_context=limits)


def with_logs():
    """An answer with logs."""
    one.add._thing_execution_context = {"fetch_execution_logs": True}
    one.add(1)
    one.add._thing_execution_context = {"fetch_execution_logs": False}


def fail():
    """An error."""
    with contextlib.suppress(ValueError):
        one.fail("because")


STEPS = {
    "proxy reads": lambda: one.level,
    "proxy writes": lambda: setattr(one, "level", 2.5),
    "proxy reads several": lambda: one.read_multiple_properties(["level", "label"]),
    "proxy writes several": lambda: one.write_multiple_properties(level=3.5),
    "proxy calls with positional": lambda: one.add(1, 5),
    "proxy calls with keywords": lambda: one.add(a=1, b=5),
    "proxy calls without": lambda: one.tick(),
    "proxy gets bytes": lambda: one.raw(size=3),
    "proxy gets a pair": lambda: one.pair(),
    "proxy gets an error": fail,
    "proxy gets logs": with_logs,
    "client reads": lambda: client.execute("one", "level", READ),
    "client writes": lambda: client.execute("one", "level", WRITE, SerializableData(4.5)),
    "client sends msgpack": lambda: client.execute(
        "one", "level", WRITE, SerializableData(5.5, content_type="application/msgpack")
    ),
    "client sends bytes": lambda: client.execute(
        "one",
        "take",
        INVOKE,
        SerializableData({"factor": 2}),
        PreserializedData(b"\x00\xff", content_type="application/octet-stream"),
    ),
    "client reads several": lambda: client.execute("one", "level,label", "readmultipleproperties"),
    "client writes several": lambda: client.execute(
        "one", "", "writemultipleproperties", SerializableData({"level": 6.5})
    ),
    "client asks an unknown thing": lambda: client.execute("none", "level", READ),
    "client asks an unknown action": lambda: client.execute("one", "none", INVOKE),
    "client deletes": lambda: client.execute("one", "level", "deleteproperty"),
    "client runs into timeouts": slow_then_ping,
    "event of bytes": lambda: one.send_blob(),
    "event of a change": lambda: setattr(one, "level", 7.5),
}
for name, act in STEPS.items():
    tap.step = name
    act()
tap.step = "end"
client.handshake(5000)  # everything before it has passed
kept = [each for each in tap.seen if each["step"] != "end"]
Path(sys.argv[1]).write_text(json.dumps(kept, indent=1) + "\n")
process.kill()
process.wait()
os._exit(0)  # hololinked's clients may hang in their end
