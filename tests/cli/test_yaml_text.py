"""Values as YAML: what is large is on one line, and nothing is altered, whoever reads it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from orchestrator.cli.yaml_text import MOST_CHARACTERS, to_yaml
from orchestrator.client.json_form import plain

ODD = 'é\u2028\u2029\x85\x7f\ufeff\U0001f600\n\t"\\ : # - {x}, [y]'


def read(text: str) -> list[Any]:
    """As YAML 1.2 has it, and as 1.1."""
    found = []
    for version in ("1.2", "1.1"):
        yaml: Any = YAML(typ="safe", pure=True)
        yaml.version = version
        found.append(yaml.load(text))
    return found


@pytest.mark.parametrize(
    "value",
    [
        {"image": np.random.default_rng(1).random((60, 60)) * 1e-6},
        {"counts": np.arange(2000), "beside": {"a": [1, 2], "b": "text"}},
        [[1e-7, -1e16, 1.5, 2.5e300, 3, None, True, math.nan, math.inf, 10**30]] * 110,
        {"texts": [ODD, "1e5", "", "no", "~"] * 250},
        {"records": [{"a": 1, "b: c": "1e5", "d": [1.5e-9]}] * 700},
        {"log": "a\nb" * MOST_CHARACTERS},
        {"data": b"\x00\xff" * MOST_CHARACTERS},
    ],
    ids=["image", "counts", "numbers", "texts", "records", "log", "data"],
)
def test_what_is_large_is_on_one_line_and_the_same(value: Any) -> None:
    text = to_yaml(plain(value))
    assert len(text.splitlines()) < 10
    for found in read(text):
        assert found == plain(value)


def test_what_is_small_is_in_blocks() -> None:
    value = {"a": {"b": [1, 2.5, "text"]}, "c": "line\nline", "d": None}
    text = to_yaml(value)
    assert "a:\n  b:\n  - 1\n  - 2.5\n  - text\n" in text
    assert read(text) == [value, value]


def test_half_a_surrogate_pair_is_kept() -> None:
    text = to_yaml(["\ud800" * (MOST_CHARACTERS + 1)])
    assert text.isascii()
    assert text.count(r"\ud800") == MOST_CHARACTERS + 1
