"""How single values of a config may be written, as JSON schemas for editors.

A schema takes all that the check of `orchestrator.config.values` takes. Where a check knows more
than a schema can say (which processors there are, which ports are free) the schema takes more.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import WithJsonSchema

from orchestrator.config.doors import ROLES
from orchestrator.durations import DURATION_FORM, INTENSITY_FORM, PLAIN_FORM, SIZE_FORM
from orchestrator.names import ID_PATTERN

_Schema = dict[str, Any]


def _any_of(*schemas: _Schema) -> _Schema:
    return {"anyOf": list(schemas)}


def _text(pattern: str) -> _Schema:
    return {"type": "string", "pattern": f"^(?:{pattern})$"}


def _list_of_name_and(first: _Schema) -> _Schema:
    """A list of a name, values, and perhaps a mapping: draft 7 calls the first ones `items`."""
    return {"type": "array", "items": [first], "minItems": 1}


_NULL: Final[_Schema] = {"type": "null"}
_MEMBER_NAME: Final = _text(r"[^_\s].*")
_SECONDS: Final = _any_of(
    {"type": "number", "minimum": 0}, _text(rf"\s*(?:{PLAIN_FORM}|{DURATION_FORM})\s*")
)
_METHOD_NAME: Final[_Schema] = {"type": "string", "minLength": 1}
_CALLED: Final = _any_of(_MEMBER_NAME, _list_of_name_and(_MEMBER_NAME))
_ADDRESS: Final = _text(r"ipc|hololinked|ipc:///.+|tcp://.+:[^:]+")
_WEB: Final = _text(r"http://.+:[0-9]+/?")

ID: Final = WithJsonSchema(_text(ID_PATTERN.pattern))
AMOUNT: Final = WithJsonSchema({"type": "number", "exclusiveMinimum": 0})
DRIVER: Final = WithJsonSchema(_text(r"[^\s:/\\]+:[^\s:/\\]+"))
MEMBER: Final = WithJsonSchema(_MEMBER_NAME)
METHOD: Final = WithJsonSchema(_METHOD_NAME)
OPEN_WITH: Final = WithJsonSchema(_any_of(_METHOD_NAME, _list_of_name_and(_METHOD_NAME), _NULL))
CALL: Final = WithJsonSchema(_CALLED)
STEP: Final = WithJsonSchema(
    _any_of(
        {
            "type": "object",
            "properties": {"set": {"type": "object", "minProperties": 1}},
            "required": ["set"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {"call": _CALLED},
            "required": ["call"],
            "additionalProperties": False,
        },
    )
)
EVENT: Final = WithJsonSchema(
    _any_of(
        _MEMBER_NAME,
        {
            "type": "object",
            "properties": {
                "call": _CALLED,
                "value": {"type": ["integer", "string", "null"]},
                "end": _any_of(_CALLED, _NULL),
            },
            "required": ["call"],
            "additionalProperties": False,
        },
    )
)
COLLECTOR: Final = WithJsonSchema({"type": "string", "pattern": "^https?://."})
ALARM: Final = WithJsonSchema(
    {
        "type": "object",
        "properties": {
            "above": {"type": ["number", "null"]},
            "below": {"type": ["number", "null"]},
            "for": _any_of(*_SECONDS["anyOf"], _NULL),
            "clear": _any_of(
                {"type": "number"},
                {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
                _NULL,
            ),
            "stale": _any_of(*_SECONDS["anyOf"], _NULL),
            "level": {"enum": ["warning", "error"]},
            "run": _any_of(
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
                _NULL,
            ),
            "do": _any_of(
                {"const": "on_loss"},
                {
                    "type": "object",
                    "properties": {
                        "on_loss": {
                            "type": "array",
                            "items": {"type": "string", "minLength": 1},
                            "minItems": 1,
                            "uniqueItems": True,
                        }
                    },
                    "required": ["on_loss"],
                    "additionalProperties": False,
                },
                _NULL,
            ),
        },
        "anyOf": [{"required": ["above"]}, {"required": ["below"]}],
        "additionalProperties": False,
    }
)
MEANS: Final = WithJsonSchema(
    _any_of(_MEMBER_NAME, {"type": "array", "items": _MEMBER_NAME, "uniqueItems": True}, _NULL)
)
LISTENED: Final = WithJsonSchema(
    _any_of(
        _ADDRESS,
        _WEB,
        {
            "type": "object",
            "properties": {
                "requests": _ADDRESS,
                "tcp": _text(r"[^/]+:[^:/]+"),
                "events": _ADDRESS,
                "curve": {"type": "string", "minLength": 1},
                "insecure": {"type": "boolean"},
                "allow_local_users": {"type": "boolean"},
                "role": {"enum": list(ROLES)},
            },
            "oneOf": [{"required": ["requests"]}, {"required": ["tcp"]}],
            "additionalProperties": False,
        },
    )
)
_RULED: Final = {"type": "array", "items": _text(r"[^.]+\..+")}
GRANT: Final = WithJsonSchema(
    _any_of(
        {"enum": list(ROLES)},
        {
            "type": "object",
            "properties": {
                "role": {"enum": list(ROLES)},
                "read": _RULED,
                "allow": _RULED,
                "limits": {"type": "object"},
            },
            "additionalProperties": False,
        },
    )
)
PATH: Final = WithJsonSchema({"type": "string", "minLength": 1})
ENV_NAME: Final = WithJsonSchema(_text("[^=]+"))
ENV_VALUE: Final = WithJsonSchema({"type": "string"})
SECONDS: Final = WithJsonSchema(_SECONDS)
TIMEOUT: Final = WithJsonSchema(_any_of(*_SECONDS["anyOf"], _NULL))
INTENSITY: Final = WithJsonSchema(_text(rf"\s*{INTENSITY_FORM}\s*"))
BACKOFF: Final = WithJsonSchema(_text(r".+\.\..+"))
SIZE: Final = WithJsonSchema(
    _any_of({"type": "integer", "minimum": 1}, _text(rf"\s*(?:{SIZE_FORM})\s*"))
)
