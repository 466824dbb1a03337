"""A client's connection: never two at a time, and nothing that libzmq can't bear."""

from __future__ import annotations

import errno
from typing import Any

import pytest
import zmq

from transports.hololinked.connection import Connection


class Wire:
    """A socket that notes what it is told; `present` is what its events say."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.present = False

    def get(self, option: int) -> int:
        assert option == zmq.EVENTS
        return zmq.POLLOUT if self.present else 0

    def connect(self, address: str) -> None:
        self.calls.append("connect")

    def disconnect(self, address: str) -> None:
        self.calls.append("disconnect")
        if not self.present:
            raise zmq.ZMQError(errno.ENOENT)


def made(address: str) -> tuple[Wire, Connection]:
    wire: Any = Wire()
    return wire, Connection(wire, address)


@pytest.mark.parametrize("address", ["ipc:///x.ipc", "tcp://127.0.0.1:1"])
def test_a_standing_connection_is_taken_down_before_another_is_made(address: str) -> None:
    wire, connection = made(address)
    wire.present = True
    connection.renew()
    assert wire.calls == ["disconnect"]
    wire.present = False
    connection.renew()
    assert wire.calls == ["disconnect", "disconnect", "connect"]


def test_a_pending_inproc_connection_is_left_alone() -> None:
    """Taken back, it aborts the process once the name is bound; made twice, it locks us out."""
    wire, connection = made("inproc://x")
    for _ in range(3):
        connection.renew()
    assert wire.calls == []


def test_an_inproc_connection_that_went_is_made_once() -> None:
    wire, connection = made("inproc://x")
    wire.present = True
    assert connection.state() == (False, True)
    connection.renew()
    assert wire.calls == []
    wire.present = False
    for _ in range(3):
        connection.renew()
    assert wire.calls == ["connect"]
