"""What Tab completes: rigs, workers and members; nothing where nobody answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from transports import terms

if TYPE_CHECKING:
    from orchestrator.client import Rig

RIG = "orch.rig"
"""Under which a line's `--rig` is kept while the line is read."""
ANSWERS_WITHIN = 1.0
"""Seconds for a rig to connect: who presses Tab waits no longer."""
KINDS = {"action": "actions", "name": "properties", "event": "events"}
"""Of which members an argument is, by what it is called."""
UNDESCRIBED = ("WAITING", "STARTING", "BACKOFF")
"""States of a worker that may keep us waiting for a description that it has yet to give."""


def complete_rigs(ctx: click.Context, param: click.Parameter, begun: str) -> list[CompletionItem]:
    """Rigs that this user runs."""
    from orchestrator.errors import RigNotReachable
    from orchestrator.runtime.folder import running_rigs

    try:
        return _beginning(begun, dict.fromkeys(running_rigs(), ""))
    except RigNotReachable:
        return []


def complete_workers(
    ctx: click.Context, param: click.Parameter, begun: str
) -> list[CompletionItem]:
    """Workers of the rig that the line names, or of the only one, with their states."""
    return _beginning(begun, _answer(ctx, _states))


def complete_members(
    ctx: click.Context, param: click.Parameter, begun: str
) -> list[CompletionItem]:
    """Members of the line's worker, those that the argument may name, with what they are."""
    worker = str(ctx.params.get("worker"))

    def members(rig: Rig) -> dict[str, str]:
        if _states(rig).get(worker) in UNDESCRIBED:
            return {}
        return dict(_named(rig[worker].describe(), str(param.name)))

    return _beginning(begun, _answer(ctx, members))


def _states(rig: Rig) -> dict[str, str]:
    return {each["name"]: each["state"] for each in type(rig).status(rig)["workers"]}


def _named(thing: dict[str, Any], argument: str) -> Iterator[tuple[str, str]]:
    """Members and their first lines."""
    for kind in ("properties", "actions", "events"):
        for name, affordance in thing.get(kind, {}).items():
            fits = KINDS[argument] == kind
            if kind == "properties" and not fits:
                key = terms.CALLABLE if argument == "action" else "observable"
                fits = bool(affordance.get(key))
            if fits:
                yield name, str(affordance.get("description", "")).partition("\n")[0]


def _beginning(begun: str, about: dict[str, str]) -> list[CompletionItem]:
    return [
        CompletionItem(name, help=text or None)
        for name, text in about.items()
        if name.startswith(begun)
    ]


def _answer(ctx: click.Context, question: Callable[[Rig], dict[str, str]]) -> dict[str, str]:
    """What a rig answers; nothing if it can't be reached or doesn't."""
    from orchestrator.client import connect
    from orchestrator.errors import OrchError

    try:
        with connect(ctx.meta.get(RIG), timeout=ANSWERS_WITHIN) as rig:
            return question(rig)
    except OrchError:
        return {}
