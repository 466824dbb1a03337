"""In what the twins of drivers differ from them, as far as the classes tell."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from orchestrator.check.runner import Outcome
from orchestrator.config.loader import Problem, WorkerConfig
from orchestrator.config.simulation import twin_of
from orchestrator.words import one_line, quoted
from transports import terms

KINDS = {"properties": "property", "actions": "action", "events": "event"}
ANYTHING = frozenset(("setattr", "__dict__", "__getattr__", "__dir__"))
"""Names in the code of a class whose objects may have members that nobody can tell."""
LONGEST_SIGNATURE = 200


def as_worker(worker: WorkerConfig) -> WorkerConfig:
    """A worker's twin, as a worker of a name that none has."""
    return dataclasses.replace(twin_of(worker), name=f"{worker.name} simulate")


def differences(worker: WorkerConfig, driver: Outcome, twin: Outcome) -> Iterator[Problem]:
    """What a twin lacks or takes otherwise, each at the place where it is named.

    Args:
        worker: The worker.
        driver: What a look at its driver found that also described it.
        twin: Likewise of its twin.
    """
    place = worker.places.get("simulate", worker.place)
    real, own = _described(driver), _described(twin)
    if real is None or own is None:
        which = quoted(worker.driver if real is None else str(worker.simulate))
        text = f"the twin can't be compared: what {which} offers isn't known before it is built"
        yield Problem(place, text)
        return
    mentioned = set((twin.answer or {}).get("mentioned", ()))
    for kind, sort in KINDS.items():
        for name, affordance in real[kind].items():
            other = own[kind].get(name)
            if other is not None:
                if wrong := _otherwise(name, affordance, other):
                    yield Problem(place, f"{quoted(own['title'])}: {wrong}")
            elif kind == "events" or not mentioned & {name, *ANYTHING}:
                article = "an" if sort[0] in "ae" else "a"
                text = f"{quoted(own['title'])} lacks {quoted(name)}, {article} {sort} of"
                yield Problem(place, f"{text} {quoted(real['title'])}")


def _described(outcome: Outcome) -> dict[str, Any] | None:
    found = (outcome.answer or {}).get("described")
    return found if isinstance(found, dict) else None


def _otherwise(name: str, real: dict[str, Any], twin: dict[str, Any]) -> str:
    """In what a member of both differs; empty if in nothing that a client would notice."""
    if terms.SIGNATURE in real and terms.SIGNATURE in twin:
        if _taken(real) == _taken(twin):
            return ""
        theirs, own = (one_line(each[terms.SIGNATURE], LONGEST_SIGNATURE) for each in (real, twin))
        return f"{name}{own} takes other arguments than {name}{theirs}"
    if twin.get("readOnly") and not real.get("readOnly"):
        return f"{name} can't be written"
    for key in ("type", "unit"):
        wanted, given = real.get(key), twin.get(key)
        if wanted is not None and given is not None and wanted != given:
            return f"the {key} of {name} is {given}, not {wanted}"
    return ""


def _taken(action: dict[str, Any]) -> tuple[list[str], list[str]]:
    taken = action.get("input", {})
    return list(taken.get("properties", {})), list(taken.get("required", ()))
