"""constraints.txt: what the scripts install is pinned."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
UNPINNED = {"instruments-heavy", "editors", "peers", "bench"}
"""Extras of environments of their own, and of measures, whose libraries ask for other versions."""


def name(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    assert found, requirement
    return re.sub(r"[-_.]+", "-", found[0]).lower()


PINNED = {
    name(line)
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if re.fullmatch(r"\S+==\S+", line)
}


@pytest.mark.parametrize("extra", sorted({"", *PROJECT["optional-dependencies"]} - UNPINNED))
def test_what_the_project_asks_for_is_pinned(extra: str) -> None:
    asked = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    missing = {name(requirement) for requirement in asked} - PINNED
    assert not missing, f"constraints.txt doesn't pin {', '.join(sorted(missing))}"


def test_pins_are_sorted_and_once() -> None:
    pins = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line]
    assert pins == sorted(pins, key=str.lower)
    assert len(pins) == len(PINNED)
