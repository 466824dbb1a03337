"""`call`, `get`, `set`, `describe` and `status` against a running rig."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.acceptance.cli_kit import CONFIG, DRIVERS, begin, on_rig, on_terminal, orch
from tests.rigs import RunningRig, running, wait_until


def busy(rig: RunningRig, worker: str) -> bool:
    """Whether an operation runs on a worker."""
    with rig.connected() as connected:
        workers = {each["name"]: each for each in connected.status()["workers"]}
    return bool(workers[worker]["in_flight"])


# -- results ------------------------------------------------------------------------------


def test_arguments_are_json_else_text(rig: RunningRig) -> None:
    """Numbers, lists and quoted text are JSON; what is no JSON is text; negative numbers pass."""
    done = on_rig(
        rig,
        *("call", "dev", "echo", "-1.5", "true", "red", '"7"', "[1,2]", "-.5x"),
        *("-k", "d=-3", "-k", "name=a=b", "-2"),
    )
    assert done.status == 0, done.err
    assert json.loads(done.out) == [
        [-1.5, True, "red", "7", [1, 2], "-.5x", -2],
        {"d": -3, "name": "a=b"},
    ]


def test_after_two_dashes_all_are_arguments(rig: RunningRig) -> None:
    """`--` works as everywhere."""
    done = on_rig(rig, "call", "dev", "echo", "--", "--json", "-4")
    assert json.loads(done.out) == [["--json", -4], {}]


def test_results_on_a_pipe_are_json(rig: RunningRig) -> None:
    """Arrays are nested lists, bytes base64, nothing is null."""
    assert on_rig(rig, "call", "dev", "frame").out == "[[0,1],[2,3]]\n"
    assert on_rig(rig, "call", "dev", "blob").out == '"AP8="\n'
    assert on_rig(rig, "call", "dev", "nap", "0").out == "null\n"
    assert json.loads(on_rig(rig, "get", "dev", "idn").out) == "ACME \x1b[31mmodel\x1b[0m"


def test_property_is_written_and_read(rig: RunningRig) -> None:
    """`set` prints nothing; what takes text is given it as it was typed, numbers too."""
    for text in ("-7", "01823456", "1e3", "true"):
        assert on_rig(rig, "set", "dev", "label", text).status == 0
        assert on_rig(rig, "get", "dev", "label").out == f'"{text}"\n'
    done = on_rig(rig, "set", "dev", "label", "blue moon")
    assert (done.status, done.out, done.err) == (0, "", "")
    assert on_rig(rig, "get", "dev", "label").out == '"blue moon"\n'


def test_what_a_driver_serves_without_telling_is_asked_for_by_its_path(rig: RunningRig) -> None:
    assert on_rig(rig, "get", "dev", "channels[0].chan").out == "4\n"


def test_terminal_shows_values_for_people(rig: RunningRig) -> None:
    """Text is bare and harmless, arrays are short, bytes as Python has them, None is nothing."""
    assert on_terminal(rig.environ, "get", "dev", "idn").out == "ACME \\x1b[31mmodel\\x1b[0m\n"
    shown = on_terminal(rig.environ, "call", "dev", "frame", "100").out
    assert shown.startswith("uint8 array 100x100\n[[  0   1   2 ...")
    assert len(shown.splitlines()) < 10
    assert on_terminal(rig.environ, "call", "dev", "blob").out == "b'\\x00\\xff'\n"
    assert on_terminal(rig.environ, "call", "dev", "nap", "0").out == ""
    assert on_terminal(rig.environ, "call", "dev", "frame", "--json").out == "[[0,1],[2,3]]\n"


# -- errors -------------------------------------------------------------------------------


def test_driver_that_raises_is_status_1_with_its_traceback(rig: RunningRig) -> None:
    """The message first, the remote traceback below, nothing on stdout, no traceback of ours."""
    done = on_rig(rig, "call", "dev", "move", "-101")
    assert done.status == 1
    assert done.out == ""
    lines = done.err.splitlines()
    assert lines[0] == "error: dev.move raised ValueError: target -101.0 is outside -100..100"
    assert any('lab_drivers.py", line' in line for line in lines)
    assert "orchestrator" not in done.err
    assert on_rig(rig, "call", "dev", "complain").err.startswith(
        "error: dev.complain raised OutOfRange: limit switch\n"
    )


def test_arguments_that_do_not_fit_are_told_as_python_does(rig: RunningRig) -> None:
    """Before the driver runs, with the signature; a usage error."""
    done = on_rig(rig, "call", "dev", "move", "1", "-k", "y=1")
    assert done.status == 2
    assert done.err.startswith("error: dev.move(x: float, speed: float = 1.0)")
    assert "unexpected keyword argument 'y'" in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["call", "dve", "move", "1"], 'rig bench has no worker "dve"; did you mean "dev"?'),
        (["call", "dev", "mvoe", "1"], 'dev has no action "mvoe"; did you mean "move"?'),
        (["get", "dev", "zzz"], 'dev has no property "zzz"; it has channels[0].'),
        (["get", "dev", "channels"], "channels of dev is a component; it has channels[0].level, "),
        (["get", "dev", "channels[1].lvel"], "worker dev has no member 'channels[1].lvel'; did"),
        (["set", "dev", "postion", "1"], 'dev has no property "postion"; did you mean "position"?'),
        (["call", "dev", "_x"], 'dev has no action "_x"'),
        (["call", "dev", "position"], "position of dev is a property, not an action; use orch get"),
        (["get", "dev", "move"], "move of dev is an action, not a property; use orch call"),
        (["watch", "dev", "mooved"], 'dev has no event "mooved"; did you mean "moved"?'),
        (["watch", "dev", "label"], "label of dev is a property, not an event; use orch get"),
        (["describe", "dve"], 'rig bench has no worker "dve"; did you mean "dev"?'),
        (["stop", "dev", "dve"], 'rig bench has no worker "dve"; did you mean "dev"?'),
        (["restart", "bench"], "bench is the rig, not one of its workers"),
        (["stop", "bench"], "bench is the rig, not one of its workers; orch down stops the rig"),
    ],
)
def test_unknown_names_are_status_2_and_show_the_nearest(
    rig: RunningRig, arguments: list[str], message: str
) -> None:
    """Nothing is sent, and the message tells what there is."""
    done = on_rig(rig, *arguments)
    assert done.status == 2
    assert done.out == ""
    assert done.err.startswith(f"error: {message}")
    assert len(done.err.splitlines()) == 1


def test_failed_worker_is_status_4_with_the_reason(rig: RunningRig) -> None:
    """A request to a worker whose driver wasn't built is not started."""
    done = on_rig(rig, "call", "broken", "anything")
    assert done.status == 4
    assert "broken" in done.err
    assert "RuntimeError: no such port: /dev/ttyUSB7" in done.err
    assert "Traceback" not in done.err


def test_execution_timeout_is_status_5(rig: RunningRig) -> None:
    """What was still running has an unknown outcome."""
    done = on_rig(rig, "call", "dev", "nap", "0.5", "--timeout", "50ms")
    assert done.status == 5
    assert done.err.startswith("error: dev.nap was still running at its execution timeout")


def test_timeout_none_lifts_the_limit(rig: RunningRig) -> None:
    """`none` is no limit, and not the configured one."""
    assert on_rig(rig, "call", "dev", "nap", "0.01", "--timeout", "none").status == 0


def test_invocation_timeout_is_status_4(rig: RunningRig, tmp_path: Path) -> None:
    """What never began is not started."""
    go = tmp_path / "go"
    with begin(rig.environ, "call", "busy", "wait_for", str(go)) as waiting:
        wait_until(lambda: busy(rig, "busy"))
        done = on_rig(rig, "call", "busy", "move", "1")
        go.touch()
        assert done.status == 4
        assert "busy.move did not start within its invocation timeout" in done.err
        assert waiting.wait(30) == 0
        assert waiting.communicate()[0] == "null\n"


def test_interrupted_call_is_130_and_says_that_it_runs_on(rig: RunningRig, tmp_path: Path) -> None:
    """Ctrl-C ends the command, not the operation."""
    for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        wait_until(lambda: not busy(rig, "dev"))  # with what another test left
        go = tmp_path / str(status)
        with begin(rig.environ, "call", "dev", "wait_for", str(go)) as calling:
            wait_until(lambda: busy(rig, "dev"))
            calling.send_signal(number)
            out, err = calling.communicate(timeout=30)
            assert calling.returncode == status
            assert out == ""
            if number == signal.SIGINT:  # which waits for what comes of it
                told = "dev.wait_for has started and goes on: its config has no cancel_with for it"
            else:
                told = "dev.wait_for is withdrawn, or ended if it has started and its config says"
                told += " how"
            assert err == f"{told}\n"
        assert busy(rig, "dev")
        go.touch()
        wait_until(lambda: not busy(rig, "dev"))


# -- describe and status ------------------------------------------------------------------


def test_describe_as_json_is_the_thing_description(rig: RunningRig) -> None:
    """One worker's, or all by name; null for one that never was ready."""
    thing = json.loads(on_rig(rig, "describe", "dev", "--json").out)
    assert thing["id"] == "dev"
    assert thing["properties"]["position"]["unit"] == "mm"
    assert "forms" in thing["actions"]["move"]
    things = json.loads(on_rig(rig, "describe", "--json").out)
    assert list(things) == ["dev", "busy", "broken"]
    assert things["dev"] == thing
    assert things["broken"] is None


def test_describe_lists_members(rig: RunningRig) -> None:
    """Types, units, access, signatures and docs; in a pipe the same, as people read it there."""
    plain = {**rig.environ, "NO_COLOR": "1"}
    shown = on_terminal(plain, "describe", "dev").out
    rows = [line.split() for line in shown.splitlines()]
    assert [line.split() for line in on_rig(rig, "describe", "dev").out.splitlines()] == rows
    assert ["position", "number", "mm", "rw,", "observable", "Where", "it", "stands."] in rows
    assert ["idn", "string", "ro"] in rows
    assert "move(x: float, speed: float = 1.0) -> float\n    Go there.\n" in shown
    assert ["moved", "any", "where", "it", "went"] in rows
    brief = [line.split() for line in on_terminal(plain, "describe").out.splitlines()]
    assert [line.split() for line in on_rig(rig, "describe").out.splitlines()] == brief
    assert ["broken", "-", "-", "-", "-", "FAILED"] in brief
    assert brief[1][:2] == ["dev", "Dev"]
    assert brief[1][2] in ("5", "6")  # one more once it was asked for by its path
    assert brief[1][3:5] == ["10", "1"]


def test_rig_is_a_worker_too(rig: RunningRig) -> None:
    """Its actions are called by the rig's id."""
    assert json.loads(on_rig(rig, "call", "bench", "status").out)["rig"] == "bench"
    assert "down" in json.loads(on_rig(rig, "describe", "bench", "--json").out)["actions"]


def test_status_as_json_is_what_the_rig_says(rig: RunningRig) -> None:
    """An object per worker, in the order of the config."""
    status = json.loads(on_rig(rig, "status", "--json").out)
    assert status["rig"] == "bench"
    assert status["pid"] == rig.process.pid
    assert [worker["name"] for worker in status["workers"]] == ["dev", "busy", "broken"]
    dev, _, broken = status["workers"]
    assert dev["state"] == "READY"
    assert {"pid", "incarnation", "restarts", "queue", "in_flight", "uptime"} <= set(dev)
    assert dev["memory"] > 1_000_000
    assert broken["state"] == "FAILED"
    assert "no such port" in broken["reason"]


def test_status_on_a_pipe_is_an_aligned_table(rig: RunningRig) -> None:
    """Columns line up, no colours, reasons below."""
    done = on_rig(rig, "status")
    assert "\x1b" not in done.out
    _, table, below = done.out.split("\n\n", 2)
    header, *rows = table.splitlines()
    column = header.index("STATE")
    assert [row[column:].split()[0] for row in rows] == ["READY", "READY", "FAILED"]
    assert {len(row) for row in rows} == {len(header)}
    assert below.startswith("broken: its driver couldn't be built: RuntimeError: no such port")


def test_status_on_a_terminal_has_colours_unless_they_are_not_wanted(rig: RunningRig) -> None:
    """And fits the width in either case."""
    assert "\x1b[32mREADY" in on_terminal(rig.environ, "status").out
    plain = on_terminal({**rig.environ, "NO_COLOR": "1"}, "status", columns=80).out
    assert "\x1b" not in plain
    assert max(map(len, plain.splitlines()[:6])) <= 80
    assert "MEMORY" in on_terminal(rig.environ, "status", columns=200).out


# -- which rig ----------------------------------------------------------------------------


def test_rig_is_named_before_or_after_the_command_or_by_the_environment(rig: RunningRig) -> None:
    """The option wins over the environment, and the one after the command over the other."""
    environ = {**rig.environ, "ORCH_RIG": "nonsense"}
    assert orch(environ, "status").status == 3
    assert orch(environ, "--rig", "bench", "get", "dev", "label").status == 0
    assert orch(environ, "--rig", "other", "get", "--rig", "bench", "dev", "label").status == 0
    assert orch({**environ, "ORCH_RIG": "bench"}, "get", "dev", "label").status == 0
    address = json.loads(on_rig(rig, "status", "--json").out)["addresses"][0]
    assert orch(environ, "get", "dev", "label", "--rig", address).status == 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bensh", 'rig bensh is not running; running: bench; did you mean "bench"?'),
        ("tcp://127.0.0.1:1", "rig at tcp://127.0.0.1:1"),
        ("a/b", "'a/b' is neither a rig's id nor an address"),
    ],
)
def test_rig_that_is_not_there_is_status_3(rig: RunningRig, name: str, message: str) -> None:
    """Whether by name or by address."""
    done = on_rig(rig, "--rig", name, "get", "dev", "label")
    assert done.status == 3
    assert done.err.startswith(f"error: {message}")
    assert "Traceback" not in done.err


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_reader_that_leaves_early_ends_the_command_quietly(
    rig: RunningRig, unbuffered: str
) -> None:
    """As with `| head`: no traceback, the status of SIGPIPE, whether Python buffers or not."""
    environ = {**rig.environ, "PYTHONUNBUFFERED": unbuffered}
    with begin(environ, "call", "dev", "frame", "2000") as calling:
        assert calling.stdout is not None
        assert calling.stdout.read(10) == "[[0,1,2,3,"
        calling.stdout.close()
        assert calling.stderr is not None
        assert calling.stderr.read() == ""
        assert calling.wait(30) == 141


def test_answer_lost_with_its_worker_is_status_5() -> None:
    """Killed in mid-request: nobody knows what was done. Here, as it restarts the worker."""
    with running(CONFIG, {"lab_drivers": DRIVERS}) as own:
        done = on_rig(own, "call", "dev", "die")
        assert done.status == 5
        assert "killed by SIGKILL" in done.err
        assert "whose outcome is unknown" in done.err
        assert on_rig(own, "call", "dev", "move", "1").out == "1.0\n"
