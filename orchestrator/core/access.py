"""Who may do what: the names of a config's `access`, their roles, and what single ones are given.

Pure. A reader has no effect on any device: it reads what drivers mark as free of effect, and the
last values of what is polled. What is judged by a worker's description is bound to the life that
gave it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Any

import msgspec

from orchestrator.access.value_limits import Denied, Limits, check
from orchestrator.core.admission import Refusal
from orchestrator.core.peers import Peer, Phase
from transports import terms
from transports.headers import CACHED, DESCRIPTION, Operation, RequestHeader


class Role(IntEnum):
    """What a name may do; each role may what the ones before it may."""

    NONE = 0
    READER = 1
    OPERATOR = 2
    ADMIN = 3

    @property
    def word(self) -> str:
        """As configs and messages write it."""
        return self.name.lower()


OF_READERS = frozenset({"status", "operations", DESCRIPTION})
"""What the rig itself is asked without any effect."""
OF_OPERATORS = frozenset(
    {*OF_READERS, "cancel", "stacks", "note", "lease", "renew_lease", "unlease"}
)
"""What of the rig is about operations of its workers. All else is the rig's own: for admins."""


class Grant(msgspec.Struct, frozen=True):
    """What a name was given.

    Attributes:
        role: Its role.
        reads: Properties that it may read, marked or not, as `worker.member`.
        allows: Members that it may use whatever its role.
        limits: Within which limits, by such a member.
    """

    role: Role = Role.READER
    reads: frozenset[str] = frozenset()
    allows: frozenset[str] = frozenset()
    limits: Mapping[str, Limits] = {}


class Visitor(msgspec.Struct, frozen=True):
    """Who sends a message, by what can't be forged.

    Attributes:
        name: Of a key, or of a user of this machine; else the address that it came by.
        role: That of the address; None where the name decides.
        is_user: It is a user, as the kernel tells, and not a key that is called so.
    """

    name: str
    role: Role | None = None
    is_user: bool = False


Arguments = Callable[[str | None, Any, Any, bool, Sequence[str]], Mapping[str, Any]]
"""Reads arguments by name: content type, payload, raw frame, whether an action is called (else a
value is written, which is named `VALUE`), and its parameters in order. Raises ValueError."""


class Access(msgspec.Struct, frozen=True):
    """Who may do what.

    Attributes:
        rig: Id of the rig, which is a worker too.
        grants: What was given, by name.
        owners: Users who may all unless they are named: they could end the rig's process anyway.
        arguments: Reads what is limited.
        others: The role of all other names.
    """

    rig: str
    grants: Mapping[str, Grant]
    owners: frozenset[str]
    arguments: Arguments
    others: Role = Role.NONE

    def grant_of(self, visitor: Visitor) -> Grant:
        """What a visitor was given."""
        if visitor.role is not None:
            return Grant(visitor.role)
        if (found := self.grants.get(visitor.name)) is not None:
            return found
        if visitor.is_user and visitor.name in self.owners:
            return Grant(Role.ADMIN)
        return Grant(self.others)

    def admit(
        self, visitor: Visitor, header: RequestHeader, frames: Sequence[Any], peer: Peer, life: str
    ) -> str:
        """Judge a request.

        Args:
            visitor: Who asks.
            header: For what.
            frames: The request's frames.
            peer: The worker that is asked.
            life: The life of it that is meant; empty for any.

        Returns:
            The life that may answer: one that the description was judged by; else `life`.

        Raises:
            Refusal: The visitor may not, with the role that may.
        """
        grant = self.grant_of(visitor)
        operation, member = header.operation or "", header.objekt or ""
        name = f"{peer.name}.{member}"
        own = peer.name == self.rig
        needed = _role_for_rig(operation, member) if own else _role_for(peer, member)
        if grant.role >= needed:
            return life
        if name in grant.allows and operation in _SINGLE:
            if name not in grant.limits or operation == Operation.READ:
                return life
            self._check(visitor, grant.limits[name], header, frames, peer)
            return life or peer.life
        if grant.role >= Role.READER and not own:
            if operation == Operation.READ and name in grant.reads:
                return life
            if _is_marked(peer, operation, member):
                return life or peer.life
        raise _refused(_told(visitor, grant, operation, name, needed, peer))

    def _check(
        self,
        visitor: Visitor,
        limits: Limits,
        header: RequestHeader,
        frames: Sequence[Any],
        peer: Peer,
    ) -> None:
        """See that what a request brings is within the limits."""
        member = header.objekt or ""
        calls = header.operation == Operation.INVOKE
        if peer.phase is not Phase.READY or peer.description is None:
            raise _refused(f"{peer.name} isn't ready, so that nobody can judge its limits")
        action = peer.description.get("actions", {}).get(member)
        if calls is (action is None):
            raise _refused(f"{peer.name}.{member} is limited, and can't be used so")
        names = list((action or {}).get("input", {}).get("properties", {}))
        try:
            check(
                limits,
                self.arguments(header.payloadContentType, frames[3], frames[4], calls, names),
            )
        except Denied as error:
            raise _refused(
                f"{visitor.name} may not: {peer.name}.{member}: {error}; operator may"
            ) from error
        except ValueError as error:
            raise _refused(
                f"{peer.name}.{member} is limited for {visitor.name}, and what it was given"
                f" can't be judged: {error}"
            ) from error


_SINGLE = (Operation.READ, Operation.WRITE, Operation.INVOKE)


def _role_for_rig(operation: str, member: str) -> Role:
    if operation != Operation.INVOKE:
        return Role.ADMIN
    if member in OF_READERS:
        return Role.READER
    return Role.OPERATOR if member in OF_OPERATORS else Role.ADMIN


def _role_for(peer: Peer, member: str) -> Role:
    """Of a description the rig itself tells, when it knows it: no worker is asked."""
    if member == DESCRIPTION and (peer.described or peer.phase is not Phase.READY):
        return Role.READER
    return Role.OPERATOR


def _is_marked(peer: Peer, operation: str, member: str) -> bool:
    """Whether a worker that serves says of itself that this is free of effect."""
    if peer.phase is not Phase.READY or peer.description is None:
        return False
    if operation == Operation.INVOKE and member == CACHED:
        return CACHED not in peer.description.get("actions", {})  # or the driver has one, which
    affordance = peer.description.get("properties", {}).get(member, {})
    return operation == Operation.READ and affordance.get(terms.SAFE) is True


_DOES: dict[str, str] = {Operation.READ: "read", Operation.WRITE: "write", Operation.INVOKE: "call"}


def _told(
    visitor: Visitor, grant: Grant, operation: str, name: str, needed: Role, peer: Peer
) -> str:
    if grant.role is Role.NONE:
        return f"{visitor.name} has no role in this rig; access in its config gives one"
    text = f"{visitor.name} ({grant.role.word}) may not {_DOES.get(operation, operation)} {name}"
    if operation == Operation.READ and peer.phase is not Phase.READY:
        text += f" while {peer.name} isn't ready, as nobody knows whether that is free of effect"
    elif operation == Operation.READ:
        text += ", which isn't marked as free of effect"
    return f"{text}; {needed.word} may"


def _refused(text: str) -> Refusal:
    return Refusal("PermissionError", text)
