"""The cores' tests fail when a rule is switched off: a gate that never fails proves nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.unmeasured
GATE = Path(__file__).resolve().parents[2] / "scripts" / "mutate"


def run_gate(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the gate on a few mutations, without the unchanged run that this session does itself."""
    return subprocess.run(
        [sys.executable, str(GATE), "--no-baseline", *arguments],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.mark.timeout(120)
def test_random_worlds_catch_broken_rules() -> None:
    """Without the tables' help the random worlds notice that a rule is off."""
    broken = [
        "unknown lanes are heard",
        "nobody waits for others to start",
    ]
    done = run_gate("--tests", "worlds", *broken)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in broken:
        (row,) = [line for line in done.stdout.splitlines() if line.startswith(name)]
        assert re.search("_(machine|worlds): test_", row), row


@pytest.mark.timeout(120)
def test_the_gate_can_fail() -> None:
    """A change that breaks nothing is told to have survived."""
    done = run_gate("--tests", "units", "nothing")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "0 of 1 mutations caught" in done.stdout


def test_the_lists_are_up_to_date() -> None:
    """Each file of the core has tests and a mutation; each mutation has its place in the source."""
    done = run_gate("--check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_time_that_is_over_is_a_failure() -> None:
    """What wasn't tried isn't said to be caught."""
    done = run_gate("--within", "0", "--jobs", "1", "unknown lanes", "the queue has no cap")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "1 of 2 mutations caught" in done.stdout
    assert "1 weren't tried" in done.stderr
