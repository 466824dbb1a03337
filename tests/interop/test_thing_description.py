"""Thing Descriptions against the W3C's JSON schema for Thing Description 1.1."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.kit import BENCH_CONFIG, SCRIPTS, bench_drivers, environ
from tests.rigs import RunningRig, running

pytestmark = pytest.mark.timeout(60, func_only=True)

SCHEMA = Path(__file__).with_name("thing_description") / "td-schema.json"
THINGS = Path(__file__).with_name("things.py").read_text()
MORE = """
  stage: {driver: "workers.devices.stage:SimulatedStage"}
  camera: {driver: "workers.devices.camera:SimulatedCamera"}
  plain: {driver: "plain:Plain"}
"""
PLAIN = '''
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, NamedTuple, TypedDict
import datetime

class Colour(Enum):
    RED = "red"

class Point(NamedTuple):
    x: float
    y: float

class Options(TypedDict, total=False):
    gain: int

@dataclass
class Range:
    low: float
    high: float = 1.0

class Plain:
    """All sorts of annotations."""
    colour: Colour = Colour.RED
    mixed: int | str | None = None
    choice: Literal["a", "b", 3] = "a"
    when: datetime.datetime | None = None

    def move(
        self, point: Point, options: Options | None = None, *, ranges: list[Range] = ()
    ) -> Point: ...
    def pair(self) -> tuple[int, str]: ...
    def bounded(self, mapping: dict[str, dict[int, Any]], more: set[int]) -> bytes: ...
    def anything(self, *args, **kwargs): ...
'''


@pytest.fixture(scope="module")
def described(hololinked: str) -> Iterator[RunningRig]:
    thing = f'  thing: {{driver: "things:Spectrometer", python: {hololinked}}}\n'
    drivers = bench_drivers() | {"plain": PLAIN, "things": THINGS}
    with running(BENCH_CONFIG + MORE.lstrip("\n") + thing, drivers) as rig:
        yield rig


def errors_of(hololinked: str, description: Any, home: Path) -> list[dict[str, Any]]:
    """What the schema finds wrong with a description."""
    done = subprocess.run(
        [hololinked, str(SCRIPTS / "validate.py"), str(SCHEMA)],
        input=json.dumps(description),
        env=environ(home),
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    errors: list[dict[str, Any]] = json.loads(done.stdout)
    return errors


@pytest.mark.parametrize("worker", ["one", "stage", "camera", "plain", "thing", "bench"])
def test_descriptions_are_valid(described: RunningRig, hololinked: str, worker: str) -> None:
    """Each worker's, that of a Thing of hololinked's, and the rig's own."""
    done = described.orch("describe", worker, "--json")
    assert done.returncode == 0, done.stderr
    description = json.loads(done.stdout)
    assert description["@context"]
    assert errors_of(hololinked, description, described.folder) == []


def test_the_schema_finds_what_is_wrong(described: RunningRig, hololinked: str) -> None:
    description = json.loads(described.orch("describe", "one", "--json").stdout)
    description["properties"]["level"]["type"] = "nothing"
    del description["actions"]["add"]["forms"]
    del description["title"]
    found = errors_of(hololinked, description, described.folder)
    assert {tuple(error["path"][:2]) for error in found} >= {
        (),
        ("properties", "level"),
        ("actions", "add"),
    }
