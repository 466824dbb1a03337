"""Clients behind tunnels: any two ports that lead to a rig's two."""

from __future__ import annotations

import os
import re
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from orchestrator import connect, errors
from tests.rigs import running

SOURCE = """
from workers import Event

class Source:
    tick = Event()

    def emit(self) -> None:
        self.tick.emit(1)
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextmanager
def tunnel(target: str) -> Iterator[str]:
    """An address on another port that leads to this one."""
    host, _, port = target.removeprefix("tcp://").rpartition(":")
    entrance = socket.create_server(("127.0.0.1", 0))
    reader, writer = os.pipe()

    def forward() -> None:
        pairs: dict[socket.socket, socket.socket] = {}
        while True:
            ready, _, _ = select.select([entrance, reader, *pairs], [], [])
            if reader in ready:
                break
            for each in ready:
                if each is entrance:
                    inside, outside = entrance.accept()[0], socket.create_connection((host, port))
                    pairs |= {inside: outside, outside: inside}
                elif each in pairs:
                    data = each.recv(65536)
                    if data:
                        pairs[each].sendall(data)
                    else:
                        other = pairs.pop(each)
                        del pairs[other]
                        each.close()
                        other.close()
        for each in pairs:
            each.close()

    thread = threading.Thread(target=forward)
    thread.start()
    try:
        yield f"tcp://127.0.0.1:{entrance.getsockname()[1]}"
    finally:
        os.write(writer, b"x")
        thread.join(10)
        entrance.close()
        os.close(reader)
        os.close(writer)


def test_two_tunnels_to_two_ports_that_were_chosen() -> None:
    """The config says both, `status` and the run's line tell them, a client is given both ends."""
    requests, events = (f"tcp://127.0.0.1:{free_port()}" for _ in range(2))
    config = f"""
rig: far
listen: [ipc, {{requests: "{requests}", events: "{events}"}}]
allow_local_users: true
workers:
  a: {{driver: "source:Source"}}
"""
    with running(config, {"source": SOURCE}) as up, ExitStack() as tunnels:
        said = f"{requests}, events at {events}"
        assert f"listens at {said}\n" in up.orch("status").stdout
        assert said in up.text
        ends = [tunnels.enter_context(tunnel(each)) for each in (requests, events)]
        with (
            connect(",".join(ends)) as rig,
            rig.a.subscribe("tick", timeout=10) as ticks,
        ):
            assert rig.address == ends[0]
            rig.a.emit()
            assert next(ticks).value == 1
        called = up.orch("call", "--rig", ",".join(ends), "a", "emit")
        assert (called.returncode, called.stderr) == (0, "")
        with connect(requests) as rig, rig.a.subscribe("tick", timeout=10) as ticks:
            rig.a.emit()
            assert next(ticks).value == 1


@pytest.mark.parametrize("second", ["tcp://127.0.0.1", "http://here"])
def test_a_second_address_that_is_none(second: str) -> None:
    with pytest.raises(errors.RigNotReachable, match=re.escape(second)):
        connect(f"tcp://127.0.0.1:1,{second}")
