"""The description of an instrument with channels, parameter-likes and odd names."""

from __future__ import annotations

from typing import Any

from transports import terms

SUPPLY: dict[str, Any] = {
    "title": "Supply",
    "description": "A supply with channels.",
    "orch:parts": {"ch1": {"title": "Channel", "description": "An output."}, "channels": 3},
    "properties": {
        "on": {"type": "boolean"},
        "ch1.voltage": {"type": "number", "unit": "V", "description": "At the output."},
        "channels[0].voltage": {"type": "number"},
        "channels[1].voltage": {"type": "number"},
        "channels[1].limits.high": {"type": "number"},
        "inputs[A].level": {"type": "number"},
        'inputs["it\'s"].level': {"type": "number"},
        "gains[2]": {"type": "number"},
        "dmm": {"type": "number", "unit": "V", terms.CALLABLE: True},
        "flag": {"type": "boolean", terms.CALLABLE: True},
        "label": {"type": "string", terms.CALLABLE: True},
        "from": {},
        "_private": {},
        "a._b": {},
        "not a path": {},
    },
    "actions": {
        "ch1.ramp": {"orch:signature": "(to: float, rate: float = 1.0) -> float"},
        "channels[0].ramp": {},
        "__init__": {},
    },
    "events": {"ch1.tripped": {"description": "Over its limit."}},
}
