"""Who is at the other end of a connection: what the kernel tells, and else what a client says."""

from __future__ import annotations

import contextlib
import os
import platform
import re
from collections import OrderedDict
from pathlib import Path

import msgspec

from orchestrator.core.request import Request
from transports.client_ids import UNIQUE, caller

LEFT_KNOWN = 1000
"""Callers that are remembered when they have left: what they asked for may still run."""
_BY_IPC = re.compile(r"localhost:(\d+):\d+:(\d+)")
_CLAIM = re.compile(r"([^@]*)@([^:]*):(.*)", re.DOTALL)


class Caller(msgspec.Struct, frozen=True):
    """Who asks.

    Attributes:
        who: `user@host:program`; on ipc the user is the kernel's word. Of who has shown a key,
            that key's name and the host's address.
        peer: Where from, as the kernel tells: `pid 4711`, or the host's address; and by which key.
    """

    who: str
    peer: str


class Callers:
    """Those who have sent requests, by the identities of their connections.

    Nothing is looked up where it could have to be waited for: ipc lets in this user and root alone,
    whose names are known from the start.
    """

    def __init__(self) -> None:
        self._users = user_names()
        self._host = platform.node()
        self._here: dict[bytes, Caller] = {}
        self._formers: OrderedDict[bytes, Caller] = OrderedDict()

    def came(self, identity: bytes, address: str, key: str = "") -> None:
        """The first message of a connection was received.

        Args:
            identity: Whose.
            address: As libzmq tells it: `localhost:uid:gid:pid` of ipc, else a host's; empty where
                there is none.
            key: The name of the key that it has shown; empty for none.
        """
        said = identity.decode("utf-8", "replace")
        if key:
            claim = _CLAIM.fullmatch(caller(said)) if UNIQUE in said else None
            program = claim[3] if claim else caller(said)
            self._here[identity] = Caller(f"{key}@{address}:{program}", f"key {key}, {address}")
        elif (found := _BY_IPC.fullmatch(address)) is not None:
            uid, pid = int(found[1]), int(found[2])
            self._here[identity] = Caller(self._known(said, uid, pid), f"pid {pid}")
        elif address:
            self._here[identity] = Caller(caller(said), address)

    def left(self, identity: bytes) -> None:
        """Its connection has ended."""
        if (gone := self._here.pop(identity, None)) is not None:
            self._formers[identity] = gone
            self._formers.move_to_end(identity)
            if len(self._formers) > LEFT_KNOWN:
                self._formers.popitem(last=False)

    def who(self, request: Request) -> str:
        """Who made a request, in a word: `ada@lab3:scan.py`."""
        known = self._find(request.client)
        return caller(request.sender) if known is None else known.who

    def peer(self, client: bytes) -> str:
        """Where a client's requests come from, as the kernel tells; empty if it doesn't."""
        known = self._find(client)
        return "" if known is None else known.peer

    def _find(self, client: bytes) -> Caller | None:
        return self._here.get(client) or self._formers.get(client)

    def _known(self, said: str, uid: int, pid: int) -> str:
        """A client's own word if its user is the one that the kernel tells."""
        user = self._users.get(uid, str(uid))
        claim = _CLAIM.fullmatch(caller(said)) if UNIQUE in said else None
        if claim is not None and claim[1] == user:
            return caller(said)
        return f"{user}@{self._host}:{claim[3] if claim else _program_of(pid)}"


def user_names() -> dict[int, str]:
    """The users who are let in by ipc, by number: this one, and root."""
    own = os.getuid() if hasattr(os, "getuid") else -1
    return {own: _name_of(own), 0: "root"}


def _name_of(uid: int) -> str:
    with contextlib.suppress(ImportError, KeyError):  # not on every system; one without a name
        import pwd

        return pwd.getpwuid(uid).pw_name
    return str(uid)


def _program_of(pid: int) -> str:
    """What a process runs; its number where nobody tells."""
    try:
        # Not its arguments: who reads these may have to wait for that process.
        return Path(f"/proc/{pid}/comm").read_text("utf-8", "replace").strip()
    except OSError:
        return str(pid)
