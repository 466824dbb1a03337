"""The wish to cancel an operation: how the rig is asked, and what came of it in words."""

from __future__ import annotations

from typing import Any, Protocol

from orchestrator.client.exchange import Exchange
from orchestrator.client.slots import RawFrames
from orchestrator.errors import OrchError
from transports.exceptions import BY_RESTART, INTERRUPT
from transports.headers import Operation

_STEPS = {INTERRUPT: "an interrupt", BY_RESTART: "a restart of its worker"}


class Asks(Protocol):
    """Who sends requests to a rig; the connection."""

    @property
    def rig(self) -> str:
        """Id of the rig."""

    @property
    def raw_frames(self) -> RawFrames:
        """What encodes the arguments of its requests."""

    def compose(self, worker: str, operation: Operation, member: str, **options: Any) -> Exchange:
        """Encode a request."""

    def request(self, exchange: Exchange) -> Any:
        """Send a request and wait for its answer."""


def wish(
    connection: Asks, request_id: str, *, restart: bool = False, oneway: bool = True
) -> Exchange:
    """The request that asks the rig to withdraw another, or to end it, by a restart if need be."""
    rig = connection.rig
    payload, raw = connection.raw_frames.arguments(rig, "cancel", (request_id, restart), {})
    return connection.compose(
        rig, Operation.INVOKE, "cancel", payload=payload, raw=raw, oneway=oneway
    )


def cancel(connection: Asks, exchange: Exchange, interrupt: KeyboardInterrupt) -> None:
    """Have what was given up cancelled, and note what the device still does."""
    asked = wish(connection, exchange.id, oneway=False)
    try:
        told = came_of(connection.request(asked))
    except OrchError as error:
        told = f"whether {exchange.name} goes on is not known: {error}"
    interrupt.add_note(told)


def came_of(found: dict[str, Any]) -> str:
    """What the rig's action `cancel` found, in one sentence.

    Args:
        found: Its result.
    """
    worker = found["worker"]
    name = f"{worker}.{found['member']}"
    steps = [_STEPS.get(step, f"{worker}.{step}") for step in found["steps"]]
    match found["verdict"]:
        case "withdrawn":
            return f"{name} was withdrawn: it never started"
        case "ended" if steps:
            return f"{name} had started; it has ended, after {steps[-1]}"
        case "ended":
            return f"{name} had started; it has ended by itself"
        case "runs" if steps:
            return f"{name} has started and goes on, in spite of {' and '.join(steps)}"
        case "runs":
            return f"{name} has started and goes on: its config has no cancel_with for it"
        case _:
            return "it has ended already"
