"""Twins in place of drivers: whose run, and what of the device isn't touched then."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.config.loader import ConfigError, RigConfig
from orchestrator.config.simulation import simulated
from orchestrator.core.plan import plan
from orchestrator.core.rig import Rig
from orchestrator.rig.desk import Desk
from orchestrator.rig.specs import about, child_spec, planned
from tests.config.config_kit import expect, load_text

TEXT = """\
rig: lab
workers:
  stage:
    driver: stage:Stage
    simulate: twins:Stage
    on_loss: {driver: "stage:Safe", calls: [off]}
  laser: {driver: "laser:Laser"}
"""


@pytest.fixture
def config(tmp_path: Path) -> RigConfig:
    return load_text(tmp_path, TEXT)


def test_a_twin_runs_and_nothing_reaches_for_the_device(config: RigConfig) -> None:
    found = simulated(config, ())
    stage = found.workers["stage"]
    assert (stage.driver, stage.on_loss, stage.simulated) == ("twins:Stage", None, True)
    assert (stage.place.line, stage.place.column) == (5, 15)
    assert found.workers["laser"] is config.workers["laser"]
    assert simulated(config, ["stage"]).workers == found.workers
    assert about(found) == {"config": str(config.file), "SIMULATED": "stage"}
    assert about(config) == {"config": str(config.file)}


def test_without_a_wish_all_is_as_it_is(config: RigConfig) -> None:
    assert simulated(config, None) is config
    assert list(config.workers) == ["stage", "laser"]


def test_one_without_a_twin_is_told_at_its_place(config: RigConfig) -> None:
    with pytest.raises(ConfigError) as caught:
        simulated(config, ["stage", "laser"])
    (problem,) = caught.value.problems
    assert (problem.place.line, problem.mend) == (7, "name one: simulate: package.module:Twin")


def test_a_name_that_went_with_a_changed_config_says_nothing(config: RigConfig) -> None:
    assert simulated(config, ["gone"]).workers == config.workers


def test_a_twin_is_written_as_a_driver_is(tmp_path: Path) -> None:
    expect(
        tmp_path,
        'rig: lab\nworkers: {a: {driver: "m:A", simulate: §nonsense}}',
        "package.module:Class",
    )


def test_a_changed_config_is_gone_by_with_the_same_twins(config: RigConfig, tmp_path: Path) -> None:
    """Nobody gets the device because a file was saved."""
    specs = [child_spec(each) for each in config.workers.values()]
    desk = Desk(simulated(config, ["stage"]), Rig("lab", specs), lambda texts: None)
    assert desk.plan(config).is_empty
    other = load_text(tmp_path, TEXT.replace("twins:Stage", "twins:Other"))
    assert desk.plan(other).names("restart") == ["stage"]
    none = load_text(tmp_path, TEXT.replace("    simulate: twins:Stage\n", ""))
    with pytest.raises(ValueError, match=r"the rig simulates:\n.*no twin"):
        desk.plan(none)


def test_a_twin_that_does_not_run_changes_nothing(config: RigConfig, tmp_path: Path) -> None:
    other = load_text(tmp_path, TEXT.replace("twins:Stage", "twins:Other"))
    assert plan(planned(config), planned(other)).names("restart") == []
