"""Commands whose output can't be written, or that were started without one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.cli_kit import ROOT, environment
from tests.logs.log_kit import NOW, fill, record
from tests.rigs import RunningRig


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a user who ran a rig once."""
    folder = tmp_path_factory.mktemp("user")
    store = folder / "state" / "bench" / "logs"
    store.mkdir(parents=True)
    lines = [record(f"line {number}", NOW + number, request="1f") for number in range(1000)]
    fill(store, lines)
    return environment(folder, TZ="UTC")


def in_shell(environ: dict[str, str], command: str) -> tuple[int, str]:
    """Run `orch …` by a shell, for its redirections; returns the status and what stderr had."""
    done = subprocess.run(
        ["sh", "-c", command.replace("orch", f"{sys.executable} -m orchestrator", 1)],
        env=environ,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=40,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "command",
    ["logs", "logs -n 5", "logs -f", "logs --list-runs", "logs --disk-usage", "trace 1f",
     "--help", "logs --help", "--version", "postmortem -o {0}.zip"],
)  # fmt: skip
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_is_an_error_on_one_line(
    left: dict[str, str], tmp_path: Path, command: str, unbuffered: str
) -> None:
    """Also if Python would write what is left at its exit."""
    environ = {**left, "PYTHONUNBUFFERED": unbuffered}
    status, said = in_shell(environ, f"orch {command.format(tmp_path / 'x')} > /dev/full")
    assert status == 74
    assert said == "error: the output can't be written: No space left on device\n"


@pytest.mark.parametrize("command", ["status", "call dev echo 1", "describe", "get dev label"])
def test_a_full_disk_is_no_error_of_the_rig(rig: RunningRig, command: str) -> None:
    """The call was made, and its result is lost."""
    status, said = in_shell(rig.environ, f"orch {command} > /dev/full")
    assert (status, said) == (74, "error: the output can't be written: No space left on device\n")


def test_an_interrupt_while_the_output_is_lost_leaves_no_second_error(
    left: dict[str, str], tmp_path: Path
) -> None:
    """What Python has yet to write at its end is dropped."""
    code = (
        "import importlib, sys\n"
        "main = importlib.import_module('orchestrator.cli.main')\n"
        "def interrupted(*a, **k): sys.stdout.write('half'); raise KeyboardInterrupt\n"
        "main.cli.main = interrupted\n"
        "main.main([])"
    )
    (tmp_path / "it.py").write_text(code)
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} {tmp_path / 'it.py'} > /dev/full"],
        env={**left, "PYTHONUNBUFFERED": ""},
        capture_output=True,
        text=True,
        timeout=40,
    )
    assert (done.returncode, done.stderr) == (130, "")


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("trace 1f >&- 2>&-", 74),
        ("logs -g nothing 2>&-", 0),
        ("logs -p loud 2>&-", 2),
        ("logs -p loud 2>/dev/full", 2),
        ("logs -n 5 <&- >&- 2>&-", 74),
        ("logs -n 5 <&-", 0),
    ],
)
def test_closed_streams_break_nothing(left: dict[str, str], command: str, status: int) -> None:
    """What would be written to stderr is lost; that stdout can't be had is an error."""
    assert in_shell(left, f"orch {command}") == (status, "")


@pytest.mark.parametrize("command", ["logs -n 5", "logs --list-runs", "--help", "--version"])
def test_a_closed_stdout_is_told_in_one_line(left: dict[str, str], command: str) -> None:
    """As other programs do, though nobody can read what they would have written."""
    status, said = in_shell(left, f"orch {command} >&-")
    assert (status, said) == (74, "error: the output can't be written: Bad file descriptor\n")


def test_what_writes_nothing_needs_no_stdout(left: dict[str, str]) -> None:
    assert in_shell(left, "orch logs -g nothing 2>&- >&-") == (0, "")


def test_a_closed_stream_is_not_taken_by_a_file_of_ours(rig: RunningRig) -> None:
    """Its number would be that of the first file or socket that is opened."""
    status, said = in_shell(rig.environ, "orch call dev echo 1 <&- >&- 2>&-")
    assert (status, said) == (74, "")  # there is no stdout to print it to
