"""A failure of the suite can be repeated."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")
TESTS = """
import pytest
from hypothesis import given, settings, strategies as st

@settings(database=None)
@given(st.integers(0, 2**60))
def test_unlucky(number):
    print("drew", number)
    assert number % 3

def test_fine(): pass

@pytest.mark.parametrize("name", ["it's"])
def test_named(name): assert not name
"""


def run(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@pytest.mark.unmeasured
def test_a_failure_is_told_with_the_command_that_repeats_it(tmp_path: Path) -> None:
    """Side by side too: the same tests fail with the same examples."""
    (tmp_path / "conftest.py").write_text(CONFTEST.read_text())
    (tmp_path / "test_some.py").write_text(TESTS)
    first = run(tmp_path, "-n", "2")
    (told,) = re.findall(r"^scripts/test (.+)$", first, re.MULTILINE)
    arguments = shlex.split(told)
    assert sorted(arguments[1:]) == ["test_some.py::test_named[it's]", "test_some.py::test_unlucky"]
    drawn = re.findall(r"^drew \d+$", first, re.MULTILINE)
    again = run(tmp_path, *arguments)
    assert re.findall(r"^drew \d+$", again, re.MULTILINE) == drawn
    assert "2 failed" in again
