"""The schema for editors: as the loader judges, as far as a schema can say it."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from orchestrator.config.json_schema import ABOUT, json_schema
from orchestrator.config.placing import HostSection, PlacementSection
from orchestrator.config.schema import (
    SECTIONS,
    DefaultsSection,
    LogsSection,
    TopSection,
    WebSection,
    WorkerSection,
)
from orchestrator.config.yaml import parse
from tests.config.config_kit import SCHEMA, in_worker

ROOT = Path(__file__).resolve().parents[2]
MODELS = (
    *(TopSection, DefaultsSection, WorkerSection, LogsSection, WebSection),
    *(HostSection, PlacementSection, *SECTIONS.values()),
)
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r'^```yaml(?: title="[^"]+"\n(?=rig: )|\n)(.*?)^```', re.MULTILINE | re.DOTALL)
"""Configs and parts of them; a file with a title and without a rig is something else."""
BLOCKS = [
    (f"{page.name}:{page.read_text()[: block.start()].count(chr(10)) + 1}", block[1])
    for page in PAGES
    for block in FENCE.finditer(page.read_text())
]


def whole(data: dict[str, Any]) -> dict[str, Any]:
    """What a page shows a part of: a config with that part."""
    rig = {"rig": "bench", "workers": {"stage": "a.b:C"}}
    if data.keys() <= TopSection.model_fields.keys():
        return rig | data
    return rig | {"workers": {"stage": {"driver": "a.b:C"} | data}}


def within(faults: Iterable[Any]) -> Iterator[Any]:
    """Faults, and those that they come of."""
    for fault in faults:
        yield fault
        yield from within(fault.context)


def test_the_one_in_the_docs_is_up_to_date() -> None:
    kept = json.loads((ROOT / "docs" / "config.schema.json").read_text())
    assert kept == json_schema(), "run: orch schema > docs/config.schema.json"


def test_it_is_a_schema_of_the_draft_that_it_names() -> None:
    jsonschema.Draft7Validator.check_schema(json_schema())


def test_each_key_is_described_and_nothing_else() -> None:
    assert ABOUT.keys() == {key for model in MODELS for key in model.model_fields}


@pytest.mark.parametrize("file", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda f: f.name)
def test_examples_are_valid(file: Path) -> None:
    SCHEMA.validate(parse(file.read_text(), str(file)).data)


@pytest.mark.parametrize(("place", "text"), BLOCKS, ids=[place for place, _ in BLOCKS])
def test_what_the_docs_show_is_valid(place: str, text: str) -> None:
    SCHEMA.validate(whole(parse(textwrap.dedent(text), place).data or {}))


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("drvier: a:B", ""),
        ("driver2: a:B", ""),
        ("transport: inporc", "transport"),
        ("restart: always", "restart"),
        ("execution_timeout: 10 parsecs", "execution_timeout"),
        ("timeouts: {expose: fast}", "timeouts.expose"),
        ("poll: {_hidden: 1s}", "poll"),
        ("max_restarts: 5 per 1min", "max_restarts"),
        ("backoff: 1s", "backoff"),
        ("env: {KEY: 1}", "env.KEY"),
        ("concurrent: abort", "concurrent"),
        ("limits: {memory: much}", "limits.memory"),
        ("limits: {memroy: 1GiB}", "limits"),
        ("probe: {every: 10s}", "probe"),
        ("on_loss: {driver: 'a:B', calls: []}", "on_loss.calls"),
        ("on_start: [{sett: {gain: 2}}]", "on_start.0"),
        ("events: {level: {value: 0}}", "events.level"),
        ("alarms: {t: {clear: 5}}", "alarms.t"),
        ("required: 'yes'", "required"),
    ],
)
def test_a_fault_is_seen_at_its_key(line: str, path: str) -> None:
    data = parse(in_worker(line), "lab.yaml").data
    faults = {".".join(map(str, one.absolute_path)) for one in within(SCHEMA.iter_errors(data))}
    assert f"workers.stage{'.' if path else ''}{path}" in faults


@pytest.mark.parametrize(
    "text",
    [
        "workers: {stage: a:B}",
        "rig: bench",
        "rig: 2bench\nworkers: {stage: 'a:B'}",
        "rig: bench\nworkers: {}",
        "rig: bench\nworkers: {'2': 'a:B'}",
        "rig: bench\nworkers: {stage: {}}",
        "rig: bench\nworkers: {stage: a.b.C}",
        "rig: bench\nworkers: {stage: 'a:B'}\ndefaults: {driver: 'a:B'}",
        "rig: bench\nworkers: {stage: 'a:B'}\nlisten: ['tpc://a:1']",
        "rig: bench\nworkers: {stage: 'a:B'}\nlogs: {level: WARN}",
        "rig: bench\nwrokers: {stage: 'a:B'}",
    ],
)
def test_what_is_no_config_is_refused(text: str) -> None:
    assert not SCHEMA.is_valid(parse(text, "lab.yaml").data)
