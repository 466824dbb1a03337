"""`orch lease`, `orch unlease`, `orch leases` against a real rig, and what outlives it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import pytest

from orch import errors as orch_errors
from tests.rigs import RunningRig, running, wait_until

DRIVER = """
class Stage:
    def move(self, x: float) -> float:
        return x
"""


@pytest.fixture(scope="module")
def rig() -> Iterator[RunningRig]:
    with running("rig: lab\nworkers:\n  stage: drivers:Stage\n", {"drivers": DRIVER}) as rig:
        yield rig


def test_a_command_acts_by_the_lease(rig: RunningRig) -> None:
    """It is the command's while it runs, with the command's status; others are refused."""
    assert "nobody has a lease" in rig.orch("leases").stderr
    program = (
        "import orch, os, json\n"
        "rig = orch.connect('lab'); rig.stage.move(1.0); print(os.environ['ORCH_LEASE'])\n"
        "del os.environ['ORCH_LEASE']; other = orch.connect('lab')\n"
        "try: other.stage.move(2.0)\n"
        "except orch.errors.Leased as error: print(error)\n"
        "raise SystemExit(7)\n"
    )
    done = rig.orch("lease", "stage", "--why", "scan", "--", sys.executable, "-c", program)
    assert done.returncode == 7, done.stderr
    assert "lab/stage=1\n" in done.stdout
    assert "(scan)" in done.stdout
    assert "lease 1 of stage is yours" in done.stderr
    assert json.loads(rig.orch("leases", "--json").stdout) == {}


def test_a_command_means_the_rig_that_was_meant(
    rig: RunningRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where several run: by `--rig`, by the environment, or as the only one."""
    program = "import orch, os; print(os.environ['ORCH_RIG'], orch.connect().stage.move(3.0))"
    command = ("lease", "stage", "--", sys.executable, "-c", program)
    (address, *_) = json.loads(rig.orch("status", "--json").stdout)["addresses"]
    for given, options, meant in (
        ({"ORCH_RIG": "other"}, ("--rig", "lab"), "lab"),
        ({"ORCH_RIG": address}, (), address),
        ({}, (), "lab"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(rig, "environ", {**rig.environ, **given})
            done = rig.orch(*options, *command)
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"{meant} 3.0\n"


def test_a_time_that_is_too_long_is_refused_for_good(rig: RunningRig) -> None:
    done = rig.orch("lease", "stage", "--for", "12d", "--", "true")
    assert done.returncode == 2
    assert "at most 604800 s, not 1036800 s" in done.stderr
    with rig.connected() as client:
        for seconds, told in ((1e6, "at most 604800 s"), (-1, "more than 0 s"), (0, "are 0")):
            with pytest.raises(orch_errors.ValueRefused, match=told):
                client["stage"].lease(seconds).take()
        with (
            client["stage"].lease(60) as lease,
            pytest.raises(orch_errors.ValueRefused, match="more than 0 s"),
        ):
            lease.renew(-1)


def test_it_is_shown_and_broken(rig: RunningRig) -> None:
    """By status and leases; breaking it needs a reason, which the audit has."""
    with rig.connected() as client, client["stage"].lease(60, why="mine"):
        for command in ("status", "leases"):
            assert "(mine)" in rig.orch(command).stdout
        waits = rig.orch("lease", "stage", "--wait", "50ms", "--", "true")
        assert waits.returncode == 4
        assert "number 1 of those who wait" in waits.stderr
        assert rig.orch("unlease", "stage", "--force").returncode == 2
        lost = client["stage"]
        broken = rig.orch("unlease", "stage", "--force", "--why", "fire")
        assert broken.returncode == 0, broken.stderr
        assert rig.orch("unlease", "stage").returncode == 4
        client._session.connection.leases.clear()
        lost.lease(60).take()
        given = rig.orch("unlease", "stage")
        assert given.returncode == 0, given.stderr
        client["stage"].lease(60).take()
        client._session.connection.request = lambda exchange: None  # its end isn't of interest
    # a record is stored within a fraction of a second
    assert wait_until(lambda: "reason=fire" in rig.orch("logs", "--audit").stdout)


def test_without_a_command_it_is_held_for_its_time(rig: RunningRig) -> None:
    """And tells how others act by it."""
    done = rig.orch("lease", "stage", "--for", "300ms")
    assert done.returncode == 0, done.stderr
    assert "export ORCH_LEASE=lab/stage=" in done.stderr
    assert "its time was over" in done.stderr


def test_what_cant_be(rig: RunningRig) -> None:
    """Each in a sentence."""
    assert "stagge" in rig.orch("lease", "stagge").stderr
    assert "a lease has an end" in rig.orch("lease", "stage", "--for", "null").stderr
    assert "write a duration such as 10s" in rig.orch("lease", "stage", "--for", "0s").stderr
    assert "can't be run" in rig.orch("lease", "stage", "--", "/no/such/program").stderr


def test_numbers_go_on_in_the_next_run(rig: RunningRig) -> None:
    """Whoever was cut off by the rig's end is refused by the next one."""
    with rig.connected() as client, client["stage"].lease(60) as lease:
        number = lease.number
    rig.stop()
    rig.start()
    rig.wait_settled()
    with rig.connected() as client, client["stage"].lease(60) as lease:
        assert lease.number > number
