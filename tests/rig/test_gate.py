"""Who is let in, and whose a message is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zmq
from zmq.utils import z85

from orchestrator.access.keys import CLIENTS, new_key, read_key, revoke_key, rig_pair
from orchestrator.config.doors import Door
from orchestrator.core.access import Role, Visitor
from orchestrator.rig.gate import Gate, Way, own_users, user_of
from tests.rigs import wait_until
from transports.errors import AddressError

TCP = "tcp://10.0.0.1:5570"


class Frame:
    """A frame with what libzmq tells of its connection."""

    def __init__(self, **told: str) -> None:
        self._told = {name.replace("_", "-"): value for name, value in told.items()}

    def get(self, name: str) -> str:
        if name not in self._told:
            raise zmq.ZMQError(zmq.EINVAL)
        return self._told[name]


class Waits:
    """A loop that waits for nothing by itself."""

    def __init__(self) -> None:
        self.watched: dict[int, Callable[[], None]] = {}

    def watch(self, source: int, callback: Callable[[], None]) -> None:
        self.watched[source] = callback

    def unwatch(self, fd: int) -> None:
        del self.watched[fd]

    def turn(self) -> None:
        """Call back for what is readable."""
        for fd, callback in self.watched.items():
            if zmq.zmq_poll([(fd, zmq.POLLIN)], 0):
                callback()


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    new_key(tmp_path / "keys", "alice")
    return tmp_path / "keys"


@pytest.fixture
def gate(keys: Path) -> Gate:
    made = Gate({TCP: Door(curve=keys)})
    made.told = []  # type: ignore[attr-defined]
    made.record = lambda level, text, fields: made.told.append((level, text, fields))  # type: ignore[attr-defined]
    return made


def public(keys: Path, name: str) -> bytes:
    return z85.decode(read_key(keys / f"{name}.key").public)


def test_a_known_key_is_let_in_and_its_messages_are_its_own(gate: Gate, keys: Path) -> None:
    assert gate.way(TCP) == Way("keys:0", rig_pair(keys), Door(curve=keys))
    user = gate.let_in("keys:0", b"CURVE", [public(keys, "alice")])
    assert gate.visitor(Frame(User_Id=user, Peer_Address="10.0.0.7")) == Visitor("alice")
    assert gate.name_of(user) == "alice"
    assert gate.knows(user)


@pytest.mark.parametrize(
    ("domain", "mechanism", "credentials"),
    [
        ("keys:0", b"NULL", []),
        ("keys:0", b"PLAIN", [b"alice", b""]),
        ("keys:0", b"CURVE", [b"x" * 32]),
        ("keys:0", b"CURVE", [b"x"]),
        ("keys:0", b"CURVE", []),
        ("keys:1", b"CURVE", None),
        ("open", b"CURVE", None),
        ("role:reader:x", b"PLAIN", [b"a", b"b"]),
    ],
)
def test_nobody_else_is(
    gate: Gate, keys: Path, domain: str, mechanism: bytes, credentials: list[bytes] | None
) -> None:
    shown = [public(keys, "alice")] if credentials is None else credentials
    assert gate.let_in(domain, mechanism, shown) == ""


def test_an_address_has_a_role() -> None:
    gate = Gate({"hololinked": Door(role="operator")})
    way = gate.way("hololinked")
    user = gate.let_in(way.domain, b"NULL", [])
    assert gate.visitor(Frame(User_Id=user)) == Visitor("hololinked", Role.OPERATOR)
    assert (gate.name_of(user), gate.knows(user), gate.asks) == ("", True, True)


def test_of_ipc_the_kernel_tells_the_user() -> None:
    gate = Gate({})
    assert (gate.way("ipc"), gate.asks) == (Way(), False)
    for told in ({}, {"User_Id": gate.let_in("open", b"NULL", [])}):
        visitor = gate.visitor(Frame(Peer_Address=f"localhost:{os.getuid()}:5:7", **told))
        assert visitor is not None
        assert visitor.is_user
        assert visitor.name in own_users()
        other = gate.visitor(Frame(Peer_Address="localhost:12345:5:7", **told))
        assert other == Visitor("12345", is_user=True)


def test_who_has_no_name_is_nobody_who_could_be_named() -> None:
    visitor = Gate({}).visitor(Frame(Peer_Address="10.0.0.7"))
    assert visitor == Visitor("whoever comes without a key")
    assert user_of(b"no frame") == ""


def test_a_key_that_cant_be_used_is_no_way_in(gate: Gate, keys: Path) -> None:
    (keys / "rig.secret").unlink()
    with pytest.raises(AddressError, match=r"can't be bound: the key .*rig\.secret can't be read"):
        gate.way(TCP)


class TestChanges:
    @pytest.fixture
    def loop(self, gate: Gate) -> Waits:
        made = Waits()
        gate.watch(made)
        return made

    def test_keys_come_and_go_while_it_watches(self, gate: Gate, keys: Path, loop: Waits) -> None:
        calls: list[None] = []
        gate.changed = lambda: calls.append(None)
        new_key(keys, "bob")
        bob = gate_user(gate, keys, "bob", loop)
        assert gate.knows(bob)
        revoke_key(keys, "bob")
        wait_until(lambda: loop.turn() or not gate.knows(bob))
        assert gate.visitor(Frame(User_Id=bob)) is None
        assert gate.name_of(bob) == ""
        assert len(calls) >= 2
        told: Any = gate.told  # type: ignore[attr-defined]
        assert ("info", "keys were added", {"keys": "bob"}) in told
        text = "keys were revoked: their clients are cut off"
        assert ("warning", text, {"keys": "bob"}) in told
        gate.close()
        assert not loop.watched

    def test_a_new_key_of_the_same_name_is_another(
        self, gate: Gate, keys: Path, loop: Waits
    ) -> None:
        old = gate_user(gate, keys, "alice", loop)
        revoke_key(keys, "alice")
        new_key(keys, "alice")
        wait_until(lambda: loop.turn() or not gate.knows(old))
        assert gate.visitor(Frame(User_Id=old)) is None
        assert gate.knows(gate_user(gate, keys, "alice", loop))
        gate.close()

    def test_a_folder_in_its_place_is_watched_too(
        self, gate: Gate, keys: Path, loop: Waits
    ) -> None:
        old = gate_user(gate, keys, "alice", loop)
        shutil.rmtree(keys)
        wait_until(lambda: loop.turn() or not gate.knows(old))
        assert any(level == "error" for level, _, _ in gate.told)  # type: ignore[attr-defined]
        new_key(keys, "alice")
        unwatched = "keys can't be watched: the rig knows of changes at its next start"
        told: Any = gate.told  # type: ignore[attr-defined]
        assert ("warning", unwatched, {"folder": str(keys / CLIENTS)}) in told
        gate.close()

    def test_what_can_be_written_by_others_lets_nobody_in(
        self, gate: Gate, keys: Path, loop: Waits
    ) -> None:
        user = gate_user(gate, keys, "alice", loop)
        (keys / CLIENTS / "alice.pub").chmod(0o666)
        wait_until(lambda: loop.turn() or not gate.knows(user))
        gate.close()


def gate_user(gate: Gate, keys: Path, name: str, loop: Waits) -> str:
    """What a client's messages are marked by, once the gate knows of its key."""
    shown = [public(keys, name)]
    return str(wait_until(lambda: loop.turn() or gate.let_in("keys:0", b"CURVE", shown)))
