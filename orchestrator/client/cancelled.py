"""What came of the wish to cancel an operation, in words."""

from __future__ import annotations

from typing import Any

from transports.exceptions import BY_RESTART, INTERRUPT

_STEPS = {INTERRUPT: "an interrupt", BY_RESTART: "a restart of its worker"}


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
