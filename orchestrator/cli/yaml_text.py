"""Values as YAML: in blocks for people, and on one line where they are too much for anybody.

JSON is YAML too, and is written hundreds of times as fast: so are long lists and texts.
"""

from __future__ import annotations

import json
import re
import sys
from io import StringIO
from typing import Any
from uuid import uuid4

MOST_LINES = 1000
"""Items of a list, those of lists within it counted too, that are written each on its own line."""
MOST_CHARACTERS = 10_000
"""Characters of a text that are looked at one by one for how they are best written."""

_TEXT_OR_EXPONENT = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|(-?\d+)(\.\d+)?e([-+]?)(\d+)')
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


def to_yaml(value: Any) -> str:
    """What `json_form.plain` gives, as YAML that readers of 1.1 and of 1.2 read alike."""
    from ruamel.yaml import YAML

    yaml: Any = YAML(typ="safe", pure=True)  # annotated by what its attributes are at first
    yaml.default_flow_style, yaml.sort_base_mapping_type_on_output = False, False
    yaml.width, yaml.encoding = sys.maxsize, None
    mark = f"flow-{uuid4().hex}-"
    flows: list[str] = []
    text = StringIO()
    yaml.dump(_marked(value, mark, flows), text)
    return re.sub(rf"{mark}(\d+)", lambda found: flows[int(found[1])], text.getvalue())


def _marked(value: Any, mark: str, flows: list[str]) -> Any:
    """A value with a mark in place of each part that is too much."""
    if isinstance(value, dict):
        return {key: _marked(each, mark, flows) for key, each in value.items()}
    if isinstance(value, str):
        is_flow = len(value) > MOST_CHARACTERS
    elif isinstance(value, list):
        is_flow = _count(value) > MOST_LINES
    else:
        return value
    if is_flow:
        flows.append(_flow(value))
        return f"{mark}{len(flows) - 1}"
    return [_marked(each, mark, flows) for each in value] if isinstance(value, list) else value


def _count(items: list[Any]) -> int:
    """Items of a list and of what is in it; no further than it takes."""
    count = len(items)
    for each in items:
        if count > MOST_LINES:
            break
        if isinstance(each, list):
            count += _count(each)
        elif isinstance(each, dict):
            count += _count(list(each.values()))
    return count


def _flow(value: Any) -> str:
    import msgspec

    try:
        text = msgspec.json.encode(value).decode()
    except UnicodeEncodeError:  # half a surrogate pair
        text = json.dumps(value, ensure_ascii=False)
    return _TEXT_OR_EXPONENT.sub(_in_yaml, text)


def _in_yaml(found: re.Match[str]) -> str:
    """A number with an exponent as YAML 1.1 wants it, and a text without what no YAML has."""
    whole, fraction, sign, exponent = found.groups()
    if whole is None:
        return _UNPRINTABLE.sub(lambda each: f"\\u{ord(each[0]):04x}", found[0])
    return f"{whole}{fraction or '.0'}e{sign or '+'}{exponent}"
