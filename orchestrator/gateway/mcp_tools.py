"""The tools that an agent has, made from what workers say of themselves. Pure.

To read there is one tool for each worker, which names its properties with types and units: one for
each property would be hundreds, which no agent can choose from. What may be done has one each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from orchestrator.access.value_limits import VALUE, Limit, Limits, RuleError
from orchestrator.words import did_you_mean, one_line
from transports import terms

Does = Literal["read", "event", "write", "call"]
LONGEST_NAME = 64
"""Characters of a tool's name that all clients take."""
LONGEST_LINE = 200
_SCHEMA_KEYS = ("type", "items", "enum", "minimum", "maximum", "default", "properties", "required")


class Tool(msgspec.Struct, frozen=True):
    """One tool.

    Attributes:
        name: What agents call it.
        does: What it does with its worker.
        worker: Whose.
        member: What is written or called; empty where the arguments say it.
        description: For the agent.
        schema: Of its arguments.
        limits: What these may be.
        repeatable: Whether to do it twice is as good as once.
    """

    name: str
    does: Does
    worker: str
    member: str
    description: str
    schema: dict[str, Any]
    limits: Limits = {}
    repeatable: bool = True


def tools_of(things: Mapping[str, dict[str, Any]], rules: Mapping[str, Limits]) -> dict[str, Tool]:
    """All tools by name.

    Args:
        things: The descriptions of the workers, by name.
        rules: What may be done, by `worker.member`.
    """
    found: dict[str, Tool] = {}
    for worker, thing in things.items():
        for tool in (*_to_look(worker, thing), *_to_do(worker, thing, rules)):
            name = tool.name
            number = 2
            while name in found:  # two names that differ only by what no tool's name may have
                name = f"{tool.name[: LONGEST_NAME - 3]}_{number}"
                number += 1
            found[name] = msgspec.structs.replace(tool, name=name)
    return found


def check_rules(things: Mapping[str, dict[str, Any]], rules: Mapping[str, Limits]) -> None:
    """See that rules are of members that there are, as far as these are known.

    Raises:
        RuleError: A member isn't there or can't be written, or has no such parameter.
    """
    for name, limits in rules.items():
        worker, _, member = name.partition(".")
        thing = things.get(worker)
        if thing is None:
            continue  # it isn't up yet
        action, written = thing.get("actions", {}).get(member), thing["properties"].get(member)
        if action is None and (written is None or written.get("readOnly")):
            can = [*thing.get("actions", {}), *_writable(thing)]
            hint = did_you_mean(member, can)
            why = "can only be read" if written is not None else "isn't there"
            raise RuleError(f"{name} {why}{hint}", "allow", name)
        taken = [VALUE] if action is None else list(_taken(action))
        for each in limits:
            if each not in taken:
                hint = did_you_mean(each, taken) or f"; it takes {', '.join(taken) or 'nothing'}"
                raise RuleError(f"{name} takes no {each!r}{hint}", "allow", name, each)


def _to_look(worker: str, thing: dict[str, Any]) -> Iterator[Tool]:
    about = f"worker {worker} ({thing.get('title', '')})"
    readable = {n: p for n, p in thing.get("properties", {}).items() if not p.get("writeOnly")}
    if readable:
        yield Tool(
            name=_name("read", worker),
            does="read",
            worker=worker,
            member="",
            description="\n".join(
                [f"Read properties of {about}; all if none is named.", *_lines(readable)]
            ),
            schema=_object(
                {"properties": {"type": "array", "items": {"enum": list(readable)}}}, required=()
            ),
        )
    if events := thing.get("events", {}):
        yield Tool(
            name=_name("event", worker),
            does="event",
            worker=worker,
            member="",
            description="\n".join(
                [
                    f"The last value of an event of {about}, or the first that comes.",
                    *_lines(events),
                ]
            ),
            schema=_object(
                {
                    "event": {"enum": list(events)},
                    "wait": {
                        "type": "number",
                        "minimum": 0,
                        "maximum": 60,
                        "default": 5,
                        "description": "Seconds to wait for one if none has come yet.",
                    },
                },
                required=("event",),
            ),
        )


def _to_do(worker: str, thing: dict[str, Any], rules: Mapping[str, Limits]) -> Iterator[Tool]:
    for name, limits in rules.items():
        owner, _, member = name.partition(".")
        if owner != worker:
            continue
        if (action := thing.get("actions", {}).get(member)) is not None:
            about = f"Call {name}{action.get(terms.SIGNATURE, '(…)')}."
            taken = _taken(action)
            schema = {key: _limited(each, limits.get(key)) for key, each in taken.items()}
            needed = {*action.get("input", {}).get("required", ()), *limits}
            yield Tool(
                name=_name(worker, member),
                does="call",
                worker=worker,
                member=member,
                description=_text(about, action),
                schema=_object(schema, [key for key in schema if key in needed]),
                limits=limits,
                repeatable=bool(action.get(terms.IDEMPOTENT)),
            )
        elif (written := thing.get("properties", {}).get(member)) is not None:
            value = {key: written[key] for key in _SCHEMA_KEYS if key in written}
            unit = f", in {written['unit']}" if "unit" in written else ""
            yield Tool(
                name=_name("write", worker, member),
                does="write",
                worker=worker,
                member=member,
                description=_text(f"Write {name}{unit}.", written),
                schema=_object({VALUE: _limited(value, limits.get(VALUE))}, [VALUE]),
                limits=limits,
            )


def _taken(action: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = action.get("input", {}).get("properties", {})
    return found


def _limited(schema: dict[str, Any], limit: Limit | None) -> dict[str, Any]:
    if limit is None:
        return schema
    within = limit.schema()
    if schema.get("type") == "array" and "enum" not in within:
        return {**schema, "items": {**schema.get("items", {}), **within}}
    return {key: each for key, each in schema.items() if key != "default"} | within


def _writable(thing: dict[str, Any]) -> list[str]:
    return [name for name, each in thing.get("properties", {}).items() if not each.get("readOnly")]


def _object(properties: dict[str, Any], required: Any) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    schema["additionalProperties"] = False
    return {**schema, "required": list(required)} if required else schema


def _name(*parts: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", "_".join(parts))[:LONGEST_NAME]


def _text(head: str, affordance: dict[str, Any]) -> str:
    return "\n".join(filter(None, (head, affordance.get("description", ""))))


def _lines(members: Mapping[str, dict[str, Any]]) -> list[str]:
    """A line for each member: `position: number, mm. Where it stands.`"""
    told = []
    for name, each in members.items():
        parts = [str(each[key]) for key in ("type", "unit") if isinstance(each.get(key), str)]
        text = one_line(str(each.get("description", "")).partition("\n\n")[0], LONGEST_LINE)
        told.append(
            f"- {name}{': ' if parts else ''}{', '.join(parts)}{'. ' + text if text else ''}"
        )
    return told
