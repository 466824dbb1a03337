"""What is typed by habit, or left out, is answered with what was meant; audits are searched."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.acceptance.cli_kit import begin, on_rig
from tests.rigs import RunningRig, running, wait_until

CONFIG = """
rig: helps
workers:
  stage: {driver: "workers.devices.stage:SimulatedStage", audit: true}
  camera: {driver: "workers.devices.camera:SimulatedCamera", audit: true}
  left: {driver: "told:Teller"}
  right: {driver: "told:Teller"}
  other: {driver: "told:Teller"}
"""
DRIVERS = """
import logging

class Teller:
    def tell(self, text: str) -> None:
        logging.warning("warned of %s", text)
        logging.error("failed at %s", text)
"""
NAMES = "stage, camera, left, right, other"


@pytest.fixture(scope="module")
def rig() -> Iterator[RunningRig]:
    with running(CONFIG, {"told": DRIVERS}) as rig:
        yield rig


@pytest.mark.parametrize(
    ("verb", "more"), [("stop", "; orch down stops the rig"), ("start", ""), ("restart", "")]
)
def test_without_a_worker_those_that_there_are_are_named(
    rig: RunningRig, verb: str, more: str
) -> None:
    done = on_rig(rig, verb)
    assert done.status == 2
    head = done.err.splitlines()[0]
    assert head == f"error: missing argument 'WORKER...'; rig helps has {NAMES}{more}"


@pytest.mark.parametrize("command", ["down", "status", "leases"])
def test_a_rig_that_is_named_as_an_argument_is_answered_with_the_option(
    rig: RunningRig, command: str
) -> None:
    done = on_rig(rig, command, "helps")
    assert done.status == 2
    head = done.err.splitlines()[0]
    assert head == "error: it takes no argument; a rig is named by --rig helps"
    assert on_rig(rig, "status").status == 0


@pytest.mark.parametrize("option", ["-r", "-m"])
def test_an_empty_name_is_not_all(rig: RunningRig, option: str) -> None:
    done = on_rig(rig, "logs", option, "")
    assert (done.status, done.out) == (2, "")
    assert "it is empty; leave it out for all" in done.err


def test_an_audit_is_searched_by_what_it_shows(rig: RunningRig) -> None:
    """Its text is only what came of it; other records are searched by their text alone."""
    assert on_rig(rig, "set", "stage", "speed", "50").status == 0
    assert on_rig(rig, "call", "camera", "snap").status == 0

    def found(expression: str) -> list[str]:
        return on_rig(rig, "logs", "--audit", "-g", expression).out.splitlines()

    wait_until(lambda: found("snap") and found("speed"))
    assert all("camera" in line for line in found("camera"))
    assert [len(found(each)) for each in (r"stage\.speed", "camera.snap", "nobody")] == [1, 1, 0]
    assert len(found("@")) >= 2  # who asked
    others = on_rig(rig, "logs", "-g", r"^stage\.").out.splitlines()
    assert len(others) == 1
    assert "orch.audit" in others[0]


def test_what_is_read_only_says_of_what(rig: RunningRig) -> None:
    done = on_rig(rig, "set", "stage", "position", "3")
    assert "error: stage.position is read-only" in done.err


def test_two_workers_are_followed_errors_only(rig: RunningRig) -> None:
    """Nothing of a third, and no warning."""
    following = ("logs", "left", "right", "-f", "-n", "all", "-p", "error", "-o", "cat")
    with begin(rig.environ, *following) as process:
        assert process.stdout is not None
        try:
            for name in ("other", "left", "right"):
                assert on_rig(rig, "call", name, "tell", name).status == 0
            # Records of two workers are stored in the order in which they are read.
            came = {process.stdout.readline() for _ in range(2)}
            assert came == {"failed at left\n", "failed at right\n"}
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)
