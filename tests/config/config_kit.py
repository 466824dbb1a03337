"""Configs as texts, in which § stands before the place of each problem."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from orchestrator.config.json_schema import json_schema
from orchestrator.config.loader import ConfigError, RigConfig, load
from orchestrator.config.source import read
from orchestrator.config.yaml import parse

SCHEMA = jsonschema.Draft7Validator(json_schema())


def load_text(folder: Path, text: str | bytes) -> RigConfig:
    file = folder / "lab.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    config = load(file)
    SCHEMA.validate(parse(read(str(file)), str(file)).data)  # an editor takes what is right
    return config


def problems_of(folder: Path, text: str | bytes) -> list[tuple[int, int, str]]:
    with pytest.raises(ConfigError) as caught:
        load_text(folder, text)
    problems = caught.value.problems
    assert {problem.place.file for problem in problems} == {str(folder / "lab.yaml")}
    assert all(str(problem).isprintable() for problem in problems)
    return [(one.place.line, one.place.column, one.message) for one in problems]


def expect(folder: Path, marked: str, *messages: str) -> None:
    """The problems are as many as the messages, stand at the marks, and hold the texts."""
    places = []
    for number, line in enumerate(marked.split("\n"), start=1):
        parts = line.split("§")
        before = 0
        for part in parts[:-1]:
            before += len(part)
            places.append((number, before + 1))
    found = problems_of(folder, marked.replace("§", ""))
    assert [(line, column) for line, column, _ in found] == places, found
    assert len(messages) == len(found), found
    for message, (_, _, words) in zip(messages, found, strict=True):
        assert message in words


def in_worker(lines: str) -> str:
    """A config whose worker has these lines, each `key: value`."""
    body = "".join(f"    {line}\n" for line in lines.splitlines())
    return f"rig: bench\nworkers:\n  stage:\n    driver: a.b:C\n{body}  laser: {{driver: 'a:B'}}\n"
