"""A rig's addresses: what its clients are told of them, IPv6, and files that aren't its own."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import zmq

from orchestrator.client.rig import Rig
from tests.integration.transports_kit import short_folder
from tests.rigs import RunningRig, running
from transports import EventConsumer, SerializableData, SyncZMQClient
from transports.headers import Operation

SOURCE = """
from workers import Event, prop

class Source:
    tick = Event()

    @prop(observable=True)
    def level(self) -> int:
        return 3

    def emit(self) -> None:
        self.tick.emit(1)

class Own:
    def ping(self) -> str:
        return "mine"
"""
CONFIG = """
rig: place
listen: {listen}
workers:
  a: {{driver: "source:Source"}}
  b: {{driver: "source:Own"}}
"""
IPV6 = pytest.mark.skipif(
    not socket.has_ipv6 or not Path("/proc/net/if_inet6").exists(), reason="no IPv6 here"
)


def addresses(rig: RunningRig) -> tuple[list[str], list[str]]:
    (file,) = (rig.folder / "run").glob("*/state.json")
    state = json.loads(file.read_text())
    return state["addresses"], state["events"]


def described(address: str, protocol: str, worker: str = "a") -> dict[str, Any]:
    """What a client is told that comes by this address."""
    wanted = {"ignore_errors": False, "protocol": protocol, "skip_names": []}
    with SyncZMQClient("me", "place", transport=address) as client:
        answer = client.execute(
            worker,
            "get_thing_description",
            Operation.INVOKE,
            SerializableData(wanted),
            timeout=10,
        )
        thing: dict[str, Any] = answer.payload.deserialize()
        return thing


def hrefs(thing: dict[str, Any], kind: str, name: str) -> list[str]:
    return sorted({form["href"] for form in thing[kind][name]["forms"]})


@contextmanager
def hololinked_folder() -> Iterator[Path]:
    """A folder for the sockets that hololinked's clients look for."""
    with short_folder() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORCH_HOLOLINKED_DIR", str(folder))
        yield folder


def test_a_client_is_told_the_address_by_which_it_came() -> None:
    listen = '[ipc, hololinked, "tcp://127.0.0.1:0", "tcp://127.0.0.1:*"]'
    with running(CONFIG.format(listen=listen), {"source": SOURCE}) as rig:
        requests, events = addresses(rig)
        for number, (request, event) in enumerate(zip(requests, events, strict=True)):
            thing = described(request, "IPC" if number < 2 else "TCP")
            assert hrefs(thing, "actions", "emit") == [request]
            assert hrefs(thing, "events", "tick") == [event]
            assert hrefs(thing, "properties", "level") == sorted((request, event))
        # of another protocol than its own, all that there are
        assert hrefs(described(requests[0], "TCP"), "events", "tick") == sorted(events[2:])
        assert hrefs(described(requests[2], "IPC"), "events", "tick") == sorted(events[:2])


def test_the_folder_of_hololinked_can_be_set() -> None:
    with hololinked_folder() as folder:
        with running(CONFIG.format(listen="[hololinked]"), {"source": SOURCE}) as rig:
            path = folder / "sockets" / "place.ipc"
            assert addresses(rig)[0] == [f"ipc://{path}"]
            with SyncZMQClient("me", "place") as client:  # finds it by the same variable
                assert client.socket_address == f"ipc://{path}"
        assert not path.exists()


def test_every_worker_is_said_to_answer_pings() -> None:
    with running(CONFIG.format(listen="[ipc]"), {"source": SOURCE}) as rig:
        request = addresses(rig)[0][0]
        ping = described(request, "IPC")["actions"]["ping"]
        assert ping["forms"] == [
            {"op": "invokeaction", "href": request, "contentType": "application/json"}
        ]
        assert described(request, "IPC", "b")["actions"]["ping"]["orch:signature"] == "() -> str"
        client: Rig
        with rig.connected() as client:
            assert client["a"].call("ping") is None
            assert client["b"].call("ping") == "mine"


@IPV6
def test_a_rig_listens_at_ipv6() -> None:
    with running(CONFIG.format(listen='["tcp://[::1]:0"]'), {"source": SOURCE}) as rig:
        (request,), (event,) = addresses(rig)
        assert request.startswith("tcp://[::1]:")
        assert hrefs(described(request, "TCP"), "events", "tick") == [event]
        with rig.connected(request) as client, client["a"].subscribe("tick", timeout=10) as ticks:
            client["a"].call("emit")
            assert next(ticks).value == 1
        with EventConsumer("c", "a/tick", event) as consumer:
            consumer.subscribe()
            with rig.connected(request) as client:
                received = None
                while received is None:
                    client["a"].call("emit")
                    received = consumer.receive(50)
        assert rig.orch("--rig", request, "status").returncode == 0


def test_a_rig_removes_only_files_of_its_own() -> None:
    """Another process has taken a path meanwhile: its socket stays."""
    with hololinked_folder() as folder:
        with running(CONFIG.format(listen="[ipc, hololinked]"), {"source": SOURCE}) as rig:
            mine, other = folder / "sockets" / "place.ipc", folder / "other"
            context = zmq.Context()
            listener = context.socket(zmq.ROUTER)
            listener.bind(f"ipc://{other}")
            os.replace(other, mine)
            assert rig.stop() == 0
        assert mine.is_socket()
        assert not (folder / "sockets" / "place.event-publisher.ipc").exists()
        context.destroy(0)
