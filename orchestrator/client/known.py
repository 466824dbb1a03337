"""Plain reads and calls of members that are known: nothing has to be asked for first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchestrator.client.exchange import Exchange
from orchestrator.client.members import ACTION, PROPERTY
from orchestrator.client.session import Session
from transports.headers import Operation


def read(session: Session, worker: str, name: str) -> Exchange | None:
    """The request that reads a property; None where `Session.read` has to find out more."""
    members = session.known_members(worker)
    if members is None or members.kinds.get(name) != PROPERTY:
        return None
    return session.connection.compose(worker, Operation.READ, name, usual=members.usual(name))


def call(
    session: Session,
    worker: str,
    action: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    opens: Callable[..., Any],
) -> Exchange | None:
    """The request that invokes an action; None where `Session.call` has to find out more.

    Raises:
        ArgumentUnsendable, ValueRefused: As `Session.call` does.
    """
    members = session.known_members(worker)
    if members is None or members.kinds.get(action) != ACTION:
        return None
    payload, raw = session.connection.raw_frames.arguments(worker, action, args, kwargs)
    usual = members.usual(action)
    exchange = session.connection.compose(
        worker, Operation.INVOKE, action, usual=usual, payload=payload, raw=raw
    )
    exchange.opens = lambda opened: opens(session, worker, action, opened, (..., ...))
    return exchange
