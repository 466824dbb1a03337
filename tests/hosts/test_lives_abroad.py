"""What a rig's next run knows of workers on other hosts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.config.hosts import HostConfig
from orchestrator.rig import host_devices
from orchestrator.rig.host_devices import HostDevices
from orchestrator.rig.lives_abroad import Life, LivesAbroad, where
from orchestrator.runtime.folder import LIVES_FILE

FAR = HostConfig("far", "ssh", "lab@far")
NEAR = HostConfig("near", "ssh", "lab@near")
RECIPE = {"start": 20.0, "timeout": 5.0}
SECURES = 20.0 + 5.0 + 1.0 + 5.0
"""Its start, its time, the grace beyond, and the end of the process before."""


class Told:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, level: str, text: str, fields: dict[str, Any]) -> None:
        self.lines.append(text)


def test_what_went_on_is_over_after_its_lease_and_what_was_lost_when_that_was_known(
    tmp_path: Path,
) -> None:
    told = Told()
    lives = {"cam": Life(where(FAR), None, 5.0), "laser": Life(where(FAR), 101.0, 5.0)}
    LivesAbroad(tmp_path, 90.0, told).keep(lives, 95.0)
    found = LivesAbroad(tmp_path, 100.0, told)
    cam, laser = (found.left_by_others(worker, None) for worker in lives)
    assert cam
    assert laser
    assert found.over_at(cam) == 100.0 + 5.0 + 0.05 + 1.0
    assert found.over_at(Life(where(FAR), None, 5.0, SECURES)) == 106.05 + SECURES
    assert found.over_at(laser) == 101.0
    assert found.left_by_others("cam", NEAR) is cam
    assert found.left_by_others("cam", FAR) is None
    assert found.left_by_others("stage", None) is None
    assert not told.lines


def test_it_goes_on_through_several_runs_and_leaves_no_file(tmp_path: Path) -> None:
    told = Told()
    LivesAbroad(tmp_path, 90.0, told).keep({"cam": Life(where(FAR), None, 5.0)}, 95.0)
    LivesAbroad(tmp_path, 100.0, told).keep({}, 101.0)
    third = LivesAbroad(tmp_path, 102.0, told)
    life = third.left_by_others("cam", None)
    assert life
    assert third.over_at(life) == 106.05  # as the second run knew
    third.keep({}, 106.0)
    assert (tmp_path / LIVES_FILE).exists()
    third.keep({}, 106.1)
    assert not (tmp_path / LIVES_FILE).exists()
    assert not told.lines


def test_a_clock_that_began_anew_holds_up_nobody_for_long(tmp_path: Path) -> None:
    told = Told()
    LivesAbroad(tmp_path, 9e6, told).keep({"cam": Life(where(FAR), 9e6, 5.0)}, 9e6)
    found = LivesAbroad(tmp_path, 10.0, told)
    life = found.left_by_others("cam", None)
    assert life
    assert found.over_at(life) == 16.05


def test_a_file_that_cant_be_read_or_written_is_told(tmp_path: Path) -> None:
    told = Told()
    (tmp_path / LIVES_FILE).write_text("{")
    found = LivesAbroad(tmp_path, 1.0, told)
    assert found.left_by_others("cam", None) is None
    (tmp_path / LIVES_FILE).unlink()
    LivesAbroad(tmp_path / "gone", 1.0, told).keep({"cam": Life(where(FAR), None, 5.0)}, 1.0)
    unreadable, unwritten = told.lines
    assert "it isn't known whether workers live on other hosts" in unreadable
    assert "the next one won't know" in unwritten


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> HostDevices:
    monkeypatch.setattr(host_devices, "clock", lambda: 100.0)
    return HostDevices(FAR, 5.0, lambda: None)


def test_a_device_is_in_use_until_it_was_made_safe(host: HostDevices) -> None:
    host.begins("cam", 1, RECIPE)
    host.begins("laser", 1, None)
    assert dict(host.kept()) == {
        "cam": Life(where(FAR), None, 5.0, SECURES),
        "laser": Life(where(FAR), None, 5.0, 0.0),
    }
    host.over("laser", 1)
    host.over("cam", 1)
    assert list(dict(host.kept())) == ["cam"]
    assert host.is_of_this_agent("laser", 1)
    host.settled("cam", 1)
    assert not dict(host.kept())


def test_one_that_was_lost_may_have_it_elsewhere_for_longer(host: HostDevices) -> None:
    host.begins("cam", 1, RECIPE)
    host.over("cam", 1)  # its on_loss is under way
    host.lost(106.0)
    assert host.in_use("cam", here=True) == 6.0
    assert host.in_use("cam", here=False) == 6.0 + SECURES
    assert dict(host.kept())["cam"].until == 106.0 + SECURES
    assert not host.is_of_this_agent("cam", 1)
    assert host.in_use("laser", here=False) == 0.0
    host.followed()
    assert host.in_use("cam", here=False) == 0.0
    assert not dict(host.kept())
