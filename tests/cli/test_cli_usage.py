"""The command line by itself: values, usage errors, help, what is imported for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from orchestrator.cli.failures import Exit
from orchestrator.cli.main import cli, status_of
from orchestrator.cli.options import read_pairs, read_timeout, to_value

ROOT = Path(__file__).resolve().parents[2]
CONTEXT = click.Context(cli)
PARAMETER = click.Option(["-x"])


@pytest.fixture(autouse=True)
def no_rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that get as far as looking for a rig find none."""
    monkeypatch.setenv("ORCH_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.delenv("ORCH_RIG", raising=False)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-1.5", -1.5),
        ("1e3", 1000.0),
        ("1" + "0" * 30, 10**30),
        ("true", True),
        ("null", None),
        ('"7"', "7"),
        ('{"a": [1, 2]}', {"a": [1, 2]}),
        ("red", "red"),
        ("True", "True"),
        ("NaN", "NaN"),
        ("1e400", "1e400"),
        (".5", 0.5),
        ("-.5e1", -5.0),
        (".5.1", ".5.1"),
        ("[1,", "[1,"),
        ("", ""),
        ("[" * 5000, "[" * 5000),
    ],
)
def test_value_is_json_else_text(text: str, value: Any) -> None:
    """As RFC 8259 has it; of the same type too."""
    read = to_value(text)
    assert read == value
    assert type(read) is type(value)


def test_value_that_no_json_can_carry_is_refused() -> None:
    """Bytes of the command line that aren't UTF-8."""
    with pytest.raises(click.BadParameter, match="not valid UTF-8"):
        to_value(os.fsdecode(b"\xff"))


def test_keywords_are_pairs_of_a_name_and_a_value() -> None:
    """The first equals sign ends the name; values are as they were typed."""
    read = read_pairs(CONTEXT, PARAMETER, ("a=1", "b=x=y", "c=", "\0d=-1"))
    assert read == {"a": "1", "b": "x=y", "c": "", "d": "-1"}


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["a"], "'a' is not NAME=VALUE"),
        (["=1"], "'' in '=1' is not a parameter's name"),
        (["a b=1"], "'a b' in 'a b=1' is not a parameter's name"),
        (["a=1", "a=2"], "'a' is given twice"),
        (["execution_timeout=1"], "use --timeout"),
    ],
)
def test_bad_keywords_are_refused(pairs: list[str], message: str) -> None:
    """Each with its reason."""
    with pytest.raises(click.BadParameter) as caught:
        read_pairs(CONTEXT, PARAMETER, tuple(pairs))
    assert message in str(caught.value)


def test_timeout_is_a_duration_or_none_or_left_to_the_config() -> None:
    """`...` stands for what is configured, None for no limit."""
    assert read_timeout(CONTEXT, PARAMETER, None) is ...
    assert read_timeout(CONTEXT, PARAMETER, "none") is None
    assert read_timeout(CONTEXT, PARAMETER, "null") is None
    assert read_timeout(CONTEXT, PARAMETER, "250ms") == 0.25
    assert read_timeout(CONTEXT, PARAMETER, "2min") == 120
    assert read_timeout(CONTEXT, PARAMETER, "1.5") == 1.5


@pytest.mark.parametrize(
    ("arguments", "message", "see"),
    [
        (["cal"], "there is no command 'cal'; did you mean \"call\"?", "orch"),
        (["xyz"], "no such command 'xyz'", "orch"),
        (["call", "a"], "missing argument 'ACTION'", "orch call"),
        (["call", "--tiemout", "3", "a", "b"], "no such option '--tiemout'", "orch call"),
        (["call", "a", "b", "-k", "x"], "invalid value for '-k': 'x' is not", "orch call"),
        (["call", "a", "b", "--timeout", "3pc"], '"3pc" is not a duration', "orch call"),
        (["call", "a", "b", "--timeout", "-5"], '"-5" is not a duration', "orch call"),
        (["get", "a", "--cached"], "--cached needs a PROPERTY", "orch get"),
        (["get", "a", "--raw"], "--raw needs a PROPERTY", "orch get"),
        (["call", "a", "b", "--raw", "--json"], "--json and --raw exclude", "orch call"),
        (["status", "-n", "2"], "--every and -n go with -f", "orch status"),
        (["status", "-f", "--every", "50ms"], "the least is 0.1s", "orch status"),
        (["set", "a", "b"], "missing argument 'VALUE'", "orch set"),
        (["watch", "a", "b", "-n", "0"], "0 is not in the range", "orch watch"),
        (["stop"], "missing argument 'WORKER...'", "orch stop"),
        (["run"], "missing argument 'CONFIG'", "orch run"),
        (
            ["log-level", "a"],
            "missing argument 'LEVEL'; choose from: debug, info, warning, error, critical",
            "orch log-level",
        ),
        (["--rig", "", "status"], "'--rig': is empty", "orch"),
        (["--rig", "x", "check", "y"], "the config has the rig's id", "orch check"),
    ],
)
def test_usage_error_is_one_message_and_status_2(
    arguments: list[str], message: str, see: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr, with where to read more."""
    assert status_of(arguments) == Exit.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    first, hint = err.splitlines()
    assert first.startswith("error: ")
    assert message in first
    assert hint == f"  see: {see} --help"


def test_no_command_shows_the_help_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr: nothing was done."""
    assert status_of([]) == Exit.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Usage: orch ")


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """In the order of use, -h and --help alike."""
    assert status_of(["-h"]) == Exit.DONE
    shown = capsys.readouterr().out
    listed = shown.partition("Commands:\n")[2]
    names = [line.split()[0] for line in listed.splitlines()]
    fixed = [
        "run",
        "check",
        "status",
        "call",
        "get",
        "set",
        "describe",
        "watch",
        "start",
        "stop",
        "restart",
        "down",
    ]
    assert [name for name in names if name in fixed] == fixed
    assert "..." not in listed  # each description fits
    assert status_of(["call", "--help"]) == Exit.DONE
    assert "-k NAME=VALUE" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """The program's name and its release."""
    assert status_of(["--version"]) == Exit.DONE
    name, version = capsys.readouterr().out.split()
    assert name == "orch"
    assert version


def test_no_rig_is_status_3(capsys: pytest.CaptureFixture[str]) -> None:
    """With a hint how to start one."""
    assert status_of(["status"]) == Exit.NOT_REACHABLE
    assert capsys.readouterr().err == (
        "error: no rig is running; start one with: orch run config.yaml\n"
    )


def test_mistake_of_ours_is_shown_in_full_and_is_no_driver_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its status is none of those that scripts rely on."""

    def broken(*args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("orchestrator.runtime.folder.find_rig", broken)
    monkeypatch.setattr("orchestrator.client.rig.find_rig", broken)
    assert status_of(["status"]) == Exit.BUG
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (["--help"], {"zmq", "msgspec", "pydantic", "numpy", "rich", "asyncio"}),
        (["status"], {"pydantic", "ruamel", "numpy", "rich", "asyncio", "multiprocess"}),
    ],
)
def test_commands_import_what_they_need_only(arguments: list[str], heavy: set[str]) -> None:
    """They are called in loops of shell scripts."""
    code = (
        "import sys; from orchestrator.cli.main import status_of; "
        f"status_of({arguments!r}); print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not heavy & set(done.stderr.split())


STRUCK = """
import os, signal, sys
from orchestrator.cli import main

def strike(*arguments, **options):
    try:
        os.kill(os.getpid(), signal.{name})
    except BaseException as error:
        raise ValueError("what it struck in made this of it") from error

sys.modules["orchestrator.cli.main"].cli.main = strike
main([])
"""


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_what_a_signal_is_made_into_is_no_fault(name: str, status: int) -> None:
    """As a library does that was being imported: the command ends as interrupted."""
    code = STRUCK.format(name=name)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (status, "")
