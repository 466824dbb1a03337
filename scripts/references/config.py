"""The keys of a config, from the models by which configs are read."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from orchestrator.config import forms
from orchestrator.config.json_schema import ABOUT, json_schema
from orchestrator.config.placing import HostSection, PlacementSection
from orchestrator.config.schema import (
    SECTIONS,
    DefaultsSection,
    LogsSection,
    TopSection,
    WebSection,
)
from references.text import table

COLUMNS = ("key", "is", "if left out", "for")
HEAD = """# All keys of a config
Written by `scripts/reference` from the models by which configs are read. [A config](../config.md)
tells what they do together.

A duration is `250ms`, `5s`, `2min`, `1h 30min`, `30d`, or seconds as a number; a size is `500MB`,
`1GiB`, or bytes as a number.
"""


def _text(schema: Any) -> str:
    """The same text for the same schema."""
    return json.dumps(schema, sort_keys=True)


FORMS = {
    _text(form.json_schema): text
    for form, text in (
        (forms.SECONDS, "a duration"),
        (forms.TIMEOUT, "a duration or null"),
        (forms.SIZE, "a size"),
        (forms.DRIVER, "`module:Name`"),
        (forms.INTENSITY, "such as `5 in 1min`"),
        (forms.BACKOFF, "such as `100ms..30s`"),
        (forms.OPEN_WITH, "a method, or a list of it and its arguments"),
        (forms.MEANS, "a member, or a list of them"),
    )
}
KINDS = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "object": "a mapping",
    "string": "a text",
}


def page() -> str:
    """The page."""
    whole = json_schema()
    worker = whole["definitions"]["Worker"]["properties"]
    driver = table(COLUMNS, [("`driver`", "`module:Name`", "it is needed", ABOUT["driver"])])
    parts = [
        HEAD.strip(),
        f"## The top\n{_keys(TopSection, whole['properties'])}",
        "## A worker\nAll but `driver` also in `defaults`, for workers that don't have the key.\n\n"
        f"{driver}\n{_rows(DefaultsSection, worker)}",
    ]
    for name, model in SECTIONS.items():
        found = whole["definitions"][model.__name__]["properties"]
        parts.append(f"## {name}\nA section of a worker.\n\n{_keys(model, found)}")
    for name, model in (
        ("logs", LogsSection),
        ("web", WebSection),
        ("placement", PlacementSection),
    ):
        parts.append(f"## {name}\n{_keys(model, whole['properties'][name]['properties'])}")
    host = whole["definitions"]["Host"]["properties"]
    parts.append(f"## A host\nOne of `hosts`, by its name.\n\n{_keys(HostSection, host)}")
    return "\n\n".join(parts) + "\n"


def _keys(model: type[BaseModel], schemas: dict[str, Any]) -> str:
    return table(COLUMNS, ()) + "\n" + _rows(model, schemas)


def _rows(model: type[BaseModel], schemas: dict[str, Any]) -> str:
    rows = []
    for key, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        needed = field.is_required() or key in ("rig", "workers")
        out = "it is needed" if needed else _default(default, _form(schemas[key]))
        rows.append((f"`{key}`", _form(schemas[key]), out, ABOUT[key]))
    return table(("",), rows).split("\n", 2)[2]


def _form(schema: dict[str, Any]) -> str:
    """How a value is written."""
    plain = {k: v for k, v in schema.items() if k not in ("description", "default")}
    if found := FORMS.get(_text(plain)):
        return found
    if "enum" in plain:
        return " or ".join(f"`{each}`" for each in plain["enum"])
    if "allOf" in plain:
        return _section(plain["allOf"][0])
    if "anyOf" in plain:
        others = [each for each in plain["anyOf"] if each.get("type") != "null"]
        kinds = [_section(each) if "$ref" in each else _form(each) for each in others]
        return " or ".join(dict.fromkeys(kinds))
    return KINDS.get(str(plain.get("type")), "a mapping")


def _section(schema: dict[str, Any]) -> str:
    model = schema["$ref"].rpartition("/")[2]
    for name, each in SECTIONS.items():
        if each.__name__ == model:
            return f"[a mapping](#{name})"
    return "a text"


def _default(value: Any, form: str) -> str:
    """A default, as one would write it."""
    if value in (None, (), [], {}):
        return "nothing"
    if "duration" in form:
        return f"`{_duration(value)}`"
    if "size" in form:
        return f"`{value >> 20}MiB`" if value < 1 << 30 else f"`{value >> 30}GiB`"
    if form.endswith("30s`"):
        return f"`{'..'.join(map(_duration, value))}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, list):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{value}`"


def _duration(seconds: float) -> str:
    if seconds >= 86_400:
        return f"{seconds / 86_400:g}d"
    return f"{seconds:g}s" if seconds >= 1 else f"{seconds * 1000:g}ms"
