"""Ctrl-C reaches the caller wherever it strikes, and leaves clients of use."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.acceptance.cli_kit import CONFIG, DRIVERS
from tests.rigs import RunningRig, running

COUNT = 300


@pytest.fixture(scope="module")
def rig() -> Iterator[RunningRig]:
    with running(CONFIG, {"lab_drivers": DRIVERS}) as running_rig:
        yield running_rig


@pytest.mark.parametrize("what", ["calls", "events", "client", "consumer"])
def test_every_interrupt_of_a_storm_arrives(rig: RunningRig, what: str) -> None:
    """None is lost where a frame is freed, and work goes on after each."""
    program = [sys.executable, "-m", "tests.integration.storm", what, str(COUNT)]
    done = subprocess.run(
        program, env=rig.environ, capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    raised, caught = map(int, done.stdout.split())
    assert raised == caught == COUNT


COMMAND = """
import signal
import click
from orchestrator.cli.main import cli, main

class Device:
    def __del__(self):
        signal.raise_signal(signal.{number})

@click.command()
def lose():
    Device()
    raise SystemExit("the interrupt was lost")

cli.add_command(lose)
main(["lose"])
"""


@pytest.mark.parametrize(("number", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_interrupt_in_a_destructor_ends_a_command(number: str, status: int) -> None:
    """Python prints what is raised there, and goes on."""
    done = subprocess.run(
        [sys.executable, "-c", COMMAND.format(number=number)],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.returncode, done.stderr) == (status, "")
