"""Twins in place of drivers: whose run, and what of the device isn't touched then."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from orchestrator.config.loader import ConfigError, RigConfig
from orchestrator.config.simulation import REPLAY, as_started, recorded, replayed, simulated
from orchestrator.core.plan import plan
from orchestrator.core.rig import Rig
from orchestrator.rig.desk import Desk
from orchestrator.rig.gate import Gate
from orchestrator.rig.specs import about, child_spec, planned
from tests.config.config_kit import expect, load_text
from transports.recording import FORM, Head, Offered

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
    desk = Desk(simulated(config, ["stage"]), Rig("lab", specs), Gate({}), lambda texts: None)
    assert desk.plan(config).is_empty
    other = load_text(tmp_path, TEXT.replace("twins:Stage", "twins:Other"))
    assert desk.plan(other).names("restart") == ["stage"]
    none = load_text(tmp_path, TEXT.replace("    simulate: twins:Stage\n", ""))
    with pytest.raises(ValueError, match=r"no drivers run in this rig:\n.*no twin"):
        desk.plan(none)


def test_a_twin_that_does_not_run_changes_nothing(config: RigConfig, tmp_path: Path) -> None:
    other = load_text(tmp_path, TEXT.replace("twins:Stage", "twins:Other"))
    assert plan(planned(config), planned(other)).names("restart") == []


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    file = tmp_path / "one.rec"
    lines = (Head(FORM, "lab", 0.0), Offered("stage", {}), Offered("laser", {}))
    file.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    return file


def test_all_workers_answer_by_a_recording(config: RigConfig, recording: Path) -> None:
    """Also when the config is read again."""
    found = replayed(config, recording)
    stage = found.workers["stage"]
    assert {worker.driver for worker in found.workers.values()} == {REPLAY}
    assert (stage.args, stage.on_loss, stage.simulated) == ((str(recording), "stage"), None, True)
    assert as_started(config, found) == found
    core = Rig("lab", [child_spec(w) for w in config.workers.values()])
    desk = Desk(found, core, Gate({}), lambda texts: None)
    assert desk.plan(config).is_empty


def test_what_is_not_polled_in_a_replay_has_no_alarms(tmp_path: Path, recording: Path) -> None:
    worker = "{driver: 'a:B', poll: {x: 1s}, alarms: {x: {above: 1}}}"
    config = load_text(tmp_path, f"rig: lab\nworkers: {{stage: {worker}, laser: 'a:B'}}\n")
    found = replayed(config, recording).workers["stage"]
    assert (found.poll, found.alarms) == ({}, {})
    child_spec(found)


def test_a_twin_of_another_hosts_worker_has_the_processors_that_are_here(tmp_path: Path) -> None:
    limits = "host: pc, limits: {nice: 5, cpus: [99999]}"
    worker = f"{{driver: 'a:B', simulate: 'a:Twin', {limits}}}"
    hosts = "hosts: {pc: {address: lab@pc}}"
    config = load_text(tmp_path, f"rig: lab\n{hosts}\nworkers: {{stage: {worker}}}\n")
    twin = simulated(config, ()).workers["stage"].limits
    assert twin is not None
    assert (twin["nice"], twin["cpus"]) == (5, None)
    assert config.workers["stage"].limits == {**twin, "cpus": [99999]}


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (None, "no recording: No such file"),
        (b"rubbish\n", "no recording: line 1 is none"),
        (msgspec.json.encode(Head(FORM, "lab", 0.0)) + b"\n", 'worker "stage" isn\'t in the'),
    ],
)
def test_what_cant_be_replayed_is_told(
    config: RigConfig, tmp_path: Path, lines: bytes | None, told: str
) -> None:
    file = tmp_path / "other.rec"
    if lines is not None:
        file.write_bytes(lines)
    with pytest.raises(ConfigError) as caught:
        replayed(config, file)
    assert told in str(caught.value)


def test_a_rig_that_is_recorded_has_all_frames_in_its_own_process(config: RigConfig) -> None:
    found = recorded(config, Path("x"))
    assert (found.record, found.shared_memory) == (Path("x"), 0)
    assert as_started(config, found) == found
    assert recorded(config, None) is config
