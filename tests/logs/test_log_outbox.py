"""A collector that is slow to take its messages."""

from __future__ import annotations

import os
import socket
import time

import pytest

from orchestrator.logs.collect import control
from orchestrator.logs.collect.outbox import Outbox


def streams(count: int) -> list[control.Message]:
    return [control.Collect(f"w{number}", 1, "stdout") for number in range(count)]


def test_more_than_the_socket_holds_comes_in_order() -> None:
    """With the descriptors, which their owner may have closed meanwhile."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    outbox, messages = Outbox(ours), streams(2000)
    before = len(os.listdir("/proc/self/fd"))
    for message in messages:
        fd = os.open(os.devnull, os.O_RDONLY)
        outbox.send(message, [fd])
        os.close(fd)
    data, count = b"", 0
    while data.count(b"\n") < len(messages):
        try:
            part, fds, _, _ = socket.recv_fds(theirs, control.MAX_MESSAGE, 16)
        except BlockingIOError:
            outbox.flush()
            continue
        data += part
        count += len(fds)
        for fd in fds:
            os.close(fd)
    assert [control.decode(line) for line in data.splitlines()] == messages
    assert count == len(messages)
    assert len(os.listdir("/proc/self/fd")) == before
    outbox.close()
    ours.close()
    theirs.close()


def test_what_is_never_taken() -> None:
    """It is given up in time, and leaves no descriptor; that nobody is there is an error."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    outbox = Outbox(ours)
    before = len(os.listdir("/proc/self/fd"))
    for message in streams(2000):
        outbox.send(message, [0])
    assert len(os.listdir("/proc/self/fd")) > before
    assert not outbox.is_beyond(0)
    for message in streams(1000):
        outbox.send(message, [])
    assert outbox.is_beyond(0)
    assert not outbox.is_beyond(1500)
    outbox.drain(time.monotonic() + 0.05)
    theirs.close()
    with pytest.raises(OSError, match=r"Broken pipe|reset"):
        outbox.flush()
    outbox.close()
    assert len(os.listdir("/proc/self/fd")) == before - 1
    ours.close()
