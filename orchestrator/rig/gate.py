"""Who comes in at a rig's addresses: by keys, as users, or in the role that an address has.

libzmq asks before it takes a connection's first message (see `orchestrator.rig.door`), and puts the
answer to each of its messages. So nobody's messages are taken for another's, whatever he calls
himself, and a key that was revoked counts from its connection's next message on.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec
import zmq
from zmq.utils import z85

from orchestrator.access.keys import CLIENTS, Pair, known_clients, rig_pair
from orchestrator.config.doors import Door
from orchestrator.core.access import Role, Visitor
from orchestrator.errors import KeyRefused
from orchestrator.rig.callers import user_names
from orchestrator.runtime.watch import FolderWatch
from transports.errors import AddressError

OPEN = "open"
"""The domain of addresses by which users come, where one is needed: none can be taken back."""
_KEYS = "keys:"
_ROLE = "role:"


class Way(msgspec.Struct, frozen=True):
    """How connections come in by an address.

    Attributes:
        domain: What libzmq names when it asks about one; empty if it needn't.
        pair: The rig's key pair; None for connections in the clear.
        door: What the config says of it.
    """

    domain: str = ""
    pair: Pair | None = None
    door: Door = Door()


class Waits(Protocol):
    """What the gate needs of the loop."""

    def watch(self, source: int, callback: Callable[[], None]) -> None:
        """Call back whenever a descriptor is readable."""

    def unwatch(self, fd: int) -> None:
        """Stop watching one."""


class Gate:
    """Knows who may come in, and whose a message is.

    Args:
        doors: What the config says of addresses.

    Attributes:
        asks: Whether it is asked whose each message is: where it makes a difference.
        has_keys_or_roles: Whether some address asks for keys, or has a role of its own.
        record: Writes a record: level, text, fields.
        changed: Called when keys have been added or revoked.
        refused: Called with the address of a client whose key isn't known.
    """

    def __init__(self, doors: Mapping[str, Door]) -> None:
        self._doors = doors
        self._users = user_names()
        self._folders: list[Path] = []
        self._visitors: dict[str, Visitor] = {}  # by what libzmq was told of them
        self._watch: FolderWatch | None = None
        self._loop: Waits | None = None
        self.has_keys_or_roles = any(each.curve or each.role for each in doors.values())
        self.asks = self.has_keys_or_roles
        self.record: Callable[[str, str, dict[str, Any]], None] = lambda *_: None
        self.changed: Callable[[], None] = lambda: None
        self.refused: Callable[[str], None] = lambda address: None
        for folder in dict.fromkeys(each.curve for each in doors.values() if each.curve):
            self._folders.append(folder)
        self._read()

    def way(self, item: str) -> Way:
        """How connections come in by an address, as the config has it.

        Raises:
            AddressError: It is to be by keys, and the rig's own can't be used.
        """
        door = self._doors.get(item, Door())
        if door.curve is not None:
            if not zmq.has("curve"):
                raise AddressError(f"{item} can't be bound: this libzmq has no CURVE")
            try:
                domain = f"{_KEYS}{self._folders.index(door.curve)}"
                return Way(domain, rig_pair(door.curve), door)
            except KeyRefused as error:
                raise AddressError(f"{item} can't be bound: {error}") from error
        if door.role is not None:
            return Way(f"{_ROLE}{door.role}:{item}"[:255], door=door)
        return Way(door=door)

    def let_in(self, domain: str, mechanism: bytes, credentials: list[bytes]) -> str:
        """What is put to the messages of a connection; empty if it isn't let in.

        Args:
            domain: Of the address that it came by.
            mechanism: `NULL` or `CURVE`.
            credentials: Of the latter, its public key.
        """
        if domain.startswith(_KEYS):
            if mechanism != b"CURVE" or len(credentials) != 1 or len(credentials[0]) != 32:
                return ""
            user = f"{domain}:{z85.encode(credentials[0]).decode()}"
            return user if user in self._visitors else ""
        if mechanism != b"NULL":
            return ""
        if domain.startswith(_ROLE) and domain not in self._visitors:
            _, role, address = domain.split(":", 2)
            self._visitors[domain] = Visitor(address, Role[role.upper()])
        return domain

    def visitor(self, frame: Any) -> Visitor | None:
        """Whose a message is; None if its key was revoked.

        Args:
            frame: One of its frames, as received.
        """
        user = user_of(frame)
        if user and user != OPEN:
            return self._visitors.get(user)
        address = _property(frame, "Peer-Address").split(":")
        if len(address) != 4:
            return Visitor("whoever comes without a key")
        return self.user(int(address[1]))

    def user(self, number: int) -> Visitor:
        """A user of this machine, whom the kernel knows by a number."""
        return Visitor(self._users.get(number, str(number)), is_user=True)

    def knows(self, user: str) -> bool:
        """Whether who was let in so may still be here."""
        return not user.startswith(_KEYS) or user in self._visitors

    def name_of(self, user: str) -> str:
        """The name of a key; empty of who has none."""
        found = self._visitors.get(user) if user.startswith(_KEYS) else None
        return found.name if found is not None else ""

    # -- keys ------------------------------------------------------------------------------

    def watch(self, loop: Waits) -> None:
        """Know at once of keys that are added or revoked, from now on."""
        if not self._folders:
            return
        self._watch = FolderWatch([folder / CLIENTS for folder in self._folders])
        self._tell_unwatched()
        if self._watch.fileno() < 0:
            return
        self._loop = loop
        loop.watch(self._watch.fileno(), self._look)
        self._look()  # at what changed since they were read

    def close(self) -> None:
        """Watch no longer."""
        if self._watch is not None:
            if self._loop is not None:
                self._loop.unwatch(self._watch.fileno())
            self._watch.close()

    def _tell_unwatched(self) -> None:
        assert self._watch is not None
        for folder in self._watch.missed:
            text = "keys can't be watched: the rig knows of changes at its next start"
            self.record("warning", text, {"folder": str(folder)})

    def _look(self) -> None:
        assert self._watch is not None
        self._watch.clear()
        self._tell_unwatched()
        before = {user: each.name for user, each in self._visitors.items() if _is_key(user)}
        self._read()
        after = {user: each.name for user, each in self._visitors.items() if _is_key(user)}
        if before == after:
            return
        gone = sorted(before[user] for user in set(before) - set(after))
        new = sorted(after[user] for user in set(after) - set(before))
        if gone:
            text = "keys were revoked: their clients are cut off"
            self.record("warning", text, {"keys": ", ".join(gone)})
        if new:
            self.record("info", "keys were added", {"keys": ", ".join(new)})
        self.changed()

    def _read(self) -> None:
        """Read the clients' keys; what can't be trusted lets nobody in."""
        found = {user: each for user, each in self._visitors.items() if not _is_key(user)}
        for number, folder in enumerate(self._folders):
            problems: list[str] = []
            for public, name in known_clients(folder, problems).items():
                found[f"{_KEYS}{number}:{public}"] = Visitor(name)
            for problem in problems:
                self.record("error", f"a key lets nobody in: {problem}", {})
        self._visitors = found


def user_of(frame: Any) -> str:
    """What libzmq was told of who sent a frame; empty where it didn't ask."""
    return _property(frame, "User-Id")


def _is_key(user: str) -> bool:
    return user.startswith(_KEYS)


def _property(frame: Any, name: str) -> str:
    with contextlib.suppress(zmq.ZMQError, AttributeError):  # it has none; it is no frame
        return str(frame.get(name))
    return ""


def own_users() -> frozenset[str]:
    """Users who may end the rig's process, and so may all: who runs it, and root."""
    names = user_names()
    own = os.getuid() if hasattr(os, "getuid") else -1
    return frozenset(names[uid] for uid in {own, 0} & set(names))
