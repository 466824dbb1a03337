"""`watch`: events as lines, and how it ends."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from datetime import datetime

import pytest

from tests.acceptance.cli_kit import CONFIG, DRIVERS, Terminal, begin, on_rig
from tests.rigs import RunningRig, running

pytestmark = pytest.mark.measured


def watch(rig: RunningRig, *arguments: str) -> subprocess.Popen[str]:
    """Start `watch`; its subscription is live when this returns."""
    process = begin(rig.environ, "watch", *arguments)
    assert process.stderr is not None
    assert process.stderr.readline() == f"watching {arguments[0]}.{arguments[1]}\n"
    return process


def test_events_are_lines_of_time_and_json(rig: RunningRig) -> None:
    """Each is there at once; -n ends it with status 0."""
    with watch(rig, "dev", "moved", "-n", "2") as watching:
        assert watching.stdout is not None
        on_rig(rig, "call", "dev", "move", "4")
        time, _, value = watching.stdout.readline().partition(" ")
        assert datetime.fromisoformat(time).tzinfo is not None
        assert json.loads(value) == {"x": 4.0}
        on_rig(rig, "call", "dev", "move", "5")
        assert watching.stdout.readline().endswith(' {"x":5.0}\n')
        assert watching.wait(20) == 0


def test_json_is_an_object_a_line(rig: RunningRig) -> None:
    """With all that is known of the event."""
    with watch(rig, "dev", "moved", "-n", "2", "--json") as watching:
        for number in (8, 9):
            on_rig(rig, "call", "dev", "move", str(number))
        out, _ = watching.communicate(timeout=20)
    first, second = map(json.loads, out.splitlines())
    assert (first["value"], second["value"]) == ({"x": 8.0}, {"x": 9.0})
    assert second["sequence"] == first["sequence"] + 1
    assert datetime.fromisoformat(first["time"]).tzinfo is not None


def test_raw_is_the_value_alone(rig: RunningRig) -> None:
    """Which is of one event."""
    with watch(rig, "dev", "moved", "-n", "1", "--raw") as watching:
        on_rig(rig, "call", "dev", "move", "4")
        assert watching.communicate(timeout=20) == ('{"x":4.0}\n', "")
    for wrong in (["--raw"], ["moved", "--raw", "--json"]):
        assert on_rig(rig, "watch", "dev", *wrong).status == 2


def test_without_an_event_it_is_all_of_them(rig: RunningRig) -> None:
    """Each line has the name; those of the rig itself are the states of its workers."""
    for options in ([], ["--json"]):
        with begin(rig.environ, "watch", "dev", "-n", "2", *options) as watching:
            assert watching.stderr is not None
            assert watching.stderr.readline() == "watching all events of dev\n"
            on_rig(rig, "call", "dev", "move", "4")
            on_rig(rig, "call", "dev", "show")
            out, _ = watching.communicate(timeout=20)
        first, second = out.splitlines()
        if options:
            assert (json.loads(first)["event"], json.loads(first)["value"]) == ("moved", {"x": 4.0})
        else:
            assert first.partition(" ")[2] == 'moved {"x":4.0}'
        assert "moved" in second
    with begin(rig.environ, "watch", "bench", "-n", "1") as watching:
        assert watching.stderr is not None
        assert watching.stderr.readline() == "watching all events of bench\n"
        on_rig(rig, "restart", "busy")
        out, _ = watching.communicate(timeout=20)
        assert out.partition(" ")[2].startswith('worker-state {"worker":"busy"')


def test_changes_of_an_observable_property_are_events(rig: RunningRig) -> None:
    """As they come to light by a write."""
    with watch(rig, "busy", "position", "-n", "1") as watching:
        on_rig(rig, "set", "busy", "position", "77")
        out, err = watching.communicate(timeout=20)
        assert (watching.returncode, err) == (0, "")
        assert out.endswith(" 77.0\n")


def test_ctrl_c_ends_it_with_130_and_no_traceback(rig: RunningRig) -> None:
    """SIGTERM with 143."""
    for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        with watch(rig, "busy", "moved") as watching:
            watching.send_signal(number)
            out, err = watching.communicate(timeout=20)
            assert watching.returncode == status
            assert out == ""
            assert err.strip() == ""


def test_restart_of_the_worker_is_told(rig: RunningRig) -> None:
    """Events go on; that some may be missing is said on stderr."""
    with watch(rig, "busy", "moved", "-n", "2") as watching:
        on_rig(rig, "call", "busy", "move", "1")
        assert on_rig(rig, "restart", "busy").status == 0
        on_rig(rig, "call", "busy", "move", "2")
        out, err = watching.communicate(timeout=20)
        assert watching.returncode == 0
        assert [line.partition(" ")[2] for line in out.splitlines()] == ['{"x":1.0}', '{"x":2.0}']
        assert err == "the worker was restarted; events may be missing\n"


def test_terminal_shows_the_time_of_day_and_arrays_in_short(rig: RunningRig) -> None:
    """One line an event; Ctrl-C there is 130 too."""
    with Terminal(rig.environ, "watch", "dev", "moved") as terminal:
        terminal.read_until("watching dev.moved")
        on_rig(rig, "call", "dev", "move", "6")
        terminal.read_until('{"x":6.0}\n')
        on_rig(rig, "call", "dev", "show")
        terminal.read_until("uint8 array 3x3\n")
        terminal.press("\x03")
        done = terminal.finish()
    assert done.status == 130
    assert re.search(r'^\d\d:\d\d:\d\d\.\d{3} {"x":6.0}$', done.out, re.MULTILINE)
    assert "Traceback" not in done.out


def test_rig_that_goes_away_is_status_3() -> None:
    """Nothing will come any more."""
    with running(CONFIG, {"lab_drivers": DRIVERS}) as own, watch(own, "dev", "moved") as watching:
        own.process.kill()
        _, err = watching.communicate(timeout=30)
        assert watching.returncode == 3
        assert err.startswith("error: ")
        assert "Traceback" not in err
