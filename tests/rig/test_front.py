"""The clients' socket made anew, where the old one was."""

from __future__ import annotations

from pathlib import Path

import zmq

from orchestrator.rig.sockets import Sockets
from tests.rigs import wait_until


def test_an_address_that_the_old_one_still_has_is_left_for_later(tmp_path: Path) -> None:
    """Nobody waits for it, and the others are there at once."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    sockets = Sockets(context, "rig")
    sockets.bind(["ipc", "tcp://127.0.0.1:0"], tmp_path, -1, {})
    by_file, by_port = sockets.addresses
    with context.socket(zmq.ROUTER) as holder:
        old, _ = sockets.replace_front()
        sockets.close_front(old)
        wait_until(lambda: _can_be_bound(holder, by_port))  # as if it weren't gone yet
        assert [*sockets.bind_front(sockets.addresses)] == [by_port]
        assert Path(by_file.removeprefix("ipc://")).is_socket()
    wait_until(lambda: not sockets.bind_front([by_port]))
    sockets.close()
    context.destroy(0)


def _can_be_bound(socket: zmq.Socket[bytes], address: str) -> bool:
    try:
        socket.bind(address)
    except zmq.ZMQError:
        return False
    return True
