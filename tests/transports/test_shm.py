"""Memory for frames: what is taken again, what is cleared, and what a reference looks like."""

from __future__ import annotations

import gc
import os
import socket
from typing import Any

import numpy as np
import pytest

from transports.errors import ProtocolError
from transports.references import REFERENCE, Reference, mark, unmark, unpack
from transports.shm import packets
from transports.shm.recycled import Recycled
from transports.values import codec

SIZE = 100_000


def address_of(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


def test_memory_is_used_again_when_the_last_view_is_dropped() -> None:
    """Not while somebody has a part of it."""
    memory = Recycled()
    first = memory.take(SIZE)
    place = address_of(first)
    part = np.ndarray((10,), np.uint8, memoryview(first)[10:20])
    del first
    other = memory.take(SIZE)
    assert address_of(other) != place
    del part
    gc.collect()
    again = memory.take(SIZE - 10)
    assert (address_of(again), len(again)) == (place, SIZE - 10)


def test_little_memory_is_kept_and_none_that_is_much_too_large() -> None:
    memory = Recycled(kept=2)
    arrays = [memory.take(SIZE) for _ in range(5)]
    arrays.clear()
    gc.collect()
    assert len(memory._free) == 2
    kept = {address_of(np.frombuffer(each, np.uint8)) for each in memory._free.values()}
    assert address_of(memory.take(SIZE // 2)) not in kept


def test_a_reference_is_what_it_was() -> None:
    reference = Reference(3, 1 << 40, 8 << 20)
    assert len(reference.pack()) == REFERENCE
    assert unpack(reference.pack()) == reference
    with pytest.raises(ProtocolError, match="24 bytes, this frame 3"):
        unpack(b"abc")
    number = (77).to_bytes(8, "big")
    assert mark(number) != number
    assert unmark(mark(number)) == number


def test_a_frame_in_given_memory_is_the_same_as_elsewhere() -> None:
    """Whatever was there before: gaps and the holes of records are cleared."""
    aligned = np.dtype([("a", "u1"), ("b", "<u8")], align=True)
    records = np.zeros(1000, aligned)
    records["b"] = range(1000)
    value = {"a": np.arange(9, dtype="u1"), "b": records, "c": b"x" * 5001, "d": np.eye(30)}
    dirty: list[bytearray] = []

    def room(size: int) -> memoryview:
        dirty.append(bytearray(b"\xff" * size))
        return memoryview(dirty[0])

    payload, raw = codec.encode(value, room=room)
    plain = codec.encode(value)
    assert payload == plain[0]
    assert bytes(raw) == bytes(dirty[0])
    found = codec.decode(payload, raw)
    assert (found["b"]["b"] == records["b"]).all()
    held = np.frombuffer(raw, np.uint8)
    same = held == np.frombuffer(plain[1], np.uint8)
    assert same.all(), np.flatnonzero(~same)[:10]


@pytest.mark.parametrize("packet", [b"", b"\x91\xa2\xc5\x01", b"\x91\x01", b"\x91" * 900])
def test_no_packet_leaves_its_descriptor_open(packet: bytes) -> None:
    """One that can't be read is a fault of its sender, and costs nobody else anything."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        for receive in (packets.receive_from_peer, packets.receive_from_rig):
            before = len(os.listdir("/proc/self/fd"))
            socket.send_fds(theirs, [packet], [theirs.fileno()])
            with pytest.raises((ProtocolError, EOFError)):
                receive(ours)
            assert len(os.listdir("/proc/self/fd")) == before
