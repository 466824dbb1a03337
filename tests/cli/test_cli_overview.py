"""A rig at one look, in terminals of all widths."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.cli.columns import Column, Line, cut, lay_out
from orchestrator.cli.overview import COLUMNS, overview
from orchestrator.cli.status import status_for
from tests.statuses import worker

ERROR = "ValueError: x=500 mm is beyond its limits"


def operation(member: str, seconds: float, limit: float | None, **other: Any) -> dict[str, Any]:
    client = "ada@lab3:scan.py~11645-10155d7605a04e0e"
    asked = {"member": member, "client": client, "request": "7f-1", "seconds": seconds}
    return {**asked, "limit": limit, **other}


RIG = {
    "rig": "lab",
    "uptime": 8054.0,
    "config": "/home/ada/lab.yaml",
    "config_changed": False,
    "addresses": ["tcp://127.0.0.1:5570"],
    "events": ["tcp://127.0.0.1:5571"],
    "workers": [
        worker(
            "stage",
            queue=7,
            running=[operation("move", 3.1, 5.0)],
            waiting=[operation("home", 1.2, 5.0, client="legacy")],
            latency={"count": 3, "p50": 0.00031, "p99": 2.5},
            last_error={"text": ERROR, "member": "move", "request": "7f-0", "age": 185.0},
        ),
        worker("a_camera_with_a_rather_long_name", running=[operation("snap", 0.2, None)]),
        worker(
            "chiller",
            state="FAILED",
            pid=None,
            uptime=None,
            cpu=None,
            memory=None,
            restarts=3,
            reason="no such port\n  /dev/ttyUSB7",
            last_error={"text": "no such port", "member": None, "request": None, "age": 2.0},
        ),
    ],
}


def texts(lines: list[Line]) -> list[str]:
    return ["".join(text for text, _ in line).rstrip() for line in lines]


def table(lines: list[str]) -> list[str]:
    """The table itself, its headings first."""
    begin = next(at for at, line in enumerate(lines) if line.startswith("WORKER"))
    return lines[begin : begin + 4]


@pytest.mark.parametrize("width", [30, 40, 60, 80, 100, 140, 200])
def test_the_table_fits_every_width(width: int) -> None:
    lines = texts(overview(RIG, width))
    assert max(map(len, table(lines))) <= width
    assert "STATE" in table(lines)[0]
    assert ["FAILED" in line for line in table(lines)] == [False, False, False, True]


def test_at_200_columns_all_is_in_the_table() -> None:
    lines = texts(overview(RIG, 200))
    assert lines[0] == "rig lab, up 2h14m, 2 of 3 ready, config /home/ada/lab.yaml"
    heads, stage, camera, chiller = table(lines)
    assert heads.split() == [word for column in COLUMNS for word in column.title.split()]
    begin = ["stage", "READY", "move", "3.1s/5s", "ada@lab3:scan.py", "7", "0.31ms"]
    assert stage.split()[:7] == begin
    assert "2.5s" in stage
    assert f"3m05s ago move: {ERROR}" in stage
    assert "snap 0.2s " in camera
    assert camera.startswith("a_camera_with_a_rather_long_name")
    assert chiller.split()[:4] == ["chiller", "FAILED", "-", "-"]


def test_at_80_columns_the_names_of_workers_and_what_they_run_matter_most() -> None:
    lines = texts(overview(RIG, 80))
    heads = table(lines)[0]
    assert [each in heads for each in ("RUNS", "QUEUE", "LAST ERROR", "PID")] == [
        *(True, True, True, False)
    ]
    assert "move 3.1s/5s" in table(lines)[1]


def test_at_40_columns_what_has_no_room_in_the_table_stands_below_it() -> None:
    lines = texts(overview(RIG, 40))
    assert lines[:2] == ["rig lab, up 2h14m, 2 of 3 ready,", "config /home/ada/lab.yaml"]
    assert "LAST ERROR" not in table(lines)[0]
    assert f"stage: last error 3m05s ago move: {ERROR}" in lines


@pytest.mark.parametrize("width", [40, 80, 200, None])
def test_below_it_stands_who_asked_and_who_waits(width: int | None) -> None:
    lines = texts(overview(RIG, width))
    told = "runs move for 3.1 s of 5 s, asked by ada@lab3:scan.py; to end it: orch cancel 7f-1"
    assert f"stage: {told}" in lines
    assert "stage: waiting: home for legacy (1.2s), and 6 more" in lines
    assert lines[lines.index("chiller: no such port") + 1] == "    /dev/ttyUSB7"
    assert "listens at tcp://127.0.0.1:5570, events at tcp://127.0.0.1:5571" in lines
    assert not any("snap for" in line for line in lines)  # it has just begun


def test_on_a_pipe_nothing_is_cut() -> None:
    long = "x" * 150
    error = {"text": long, "member": None, "request": None, "age": 2.0}
    lines = texts(overview({**RIG, "workers": [worker("stage", last_error=error)]}, None))
    assert long in lines[3]
    assert "PID" in lines[2]


def test_a_changed_config_is_told() -> None:
    lines = texts(overview({**RIG, "config_changed": True}, 100))
    assert lines[0].endswith("config /home/ada/lab.yaml (changed since)")
    assert lines[-1].endswith("see orch plan /home/ada/lab.yaml")


def test_what_is_near_its_limit_is_marked() -> None:
    def style(seconds: float) -> str:
        found = worker("stage", running=[operation("move", seconds, 5.0)])
        lines = overview({**RIG, "workers": [found]}, 200)
        return next(each for line in lines for text, each in line if text.startswith("move "))

    assert [style(1.0), style(4.5), style(6.0)] == ["cyan", "yellow", "red"]


def test_nothing_that_a_driver_wrote_steers_a_terminal() -> None:
    error = {"text": "a\x1b[2Jb", "member": "m", "request": None, "age": 2.0}
    found = worker(
        "stage",
        last_error=error,
        reason="\x1b[31m",
        state="STALLED",
        running=[operation("x", 9.0, 1.0, client="y\x1b~z")],
    )
    for width in (40, 200):
        assert "\x1b" not in "\n".join(texts(overview({**RIG, "workers": [found]}, width)))


def test_status_4_unless_all_are_ready() -> None:
    assert status_for({"workers": [worker("a"), worker("b")]}) == 0
    assert status_for({"workers": [worker("a"), worker("b", state="STALLED")]}) == 4


class TestColumns:
    def test_the_least_important_goes_first(self) -> None:
        columns = (Column("A", 0), Column("B", 2), Column("C", 1))
        rows = [[("aaaa", ""), ("bbbb", ""), ("cccc", "")]]
        shown = {width: lay_out(columns, rows, width)[1] for width in (14, 13, 8)}
        assert shown == {14: {"A", "B", "C"}, 13: {"A", "C"}, 8: {"A"}}

    def test_letters_that_take_two_places_are_measured(self) -> None:
        columns = (Column("A", 0, least=2), Column("B", 1))
        lines, _ = lay_out(columns, [[("温度温度温度", ""), ("b", "")]], 9)
        assert texts(lines) == ["A       B", "温度温…  b"[: len("温度温…")] + " b"]

    def test_a_cut_is_told(self) -> None:
        assert cut("abcdef", 6) == "abcdef"
        assert cut("abcdef", 4) == "abc…"


@pytest.mark.parametrize("width", [None, 80, 40])
def test_one_that_is_no_device_is_said_to_be_simulated(width: int | None) -> None:
    found = {**RIG, "workers": [worker("stage", simulated=True), worker("laser")]}
    stage, laser = table(texts(overview(found, width)))[1:3]
    assert stage.split()[:3] == ["stage", "READY", "SIMULATED"]
    assert "SIMULATED" not in laser


def test_who_asks_is_as_the_rig_knows_it() -> None:
    """Which is the kernel's word, where there is one, and not the client's."""
    runs = operation("move", 0.1, 5.0, who="root@lab3:scan.py", peer="pid 4711")
    found = {**RIG, "workers": [worker("stage", running=[runs])]}
    assert "root@lab3:scan.py" in texts(overview(found, 200))[3]


def alarm(state: str, *, raised: bool = False, seconds: float | None = 12.0) -> dict[str, Any]:
    return {
        "member": "temperature",
        "state": state,
        "raised": raised,
        "value": 63.2,
        "age": 0.2,
        "seconds": seconds,
        "above": 60.0,
        "below": None,
        "reason": "63.2, above 60",
    }


def test_of_many_alarms_some_are_named_at_the_top() -> None:
    alarms = [{**alarm("raised", raised=True), "member": each} for each in "abcde"]
    lines = texts(overview({**RIG, "workers": [worker("oven", alarms=alarms)]}, 40))
    assert lines[1] == "5 alarms: oven.a, oven.b, oven.c and 2 more,"


@pytest.mark.parametrize(
    ("found", "told", "head"),
    [
        (alarm("ok"), None, ""),
        (alarm("pending"), "temperature: 63.2, above 60, for 12s, no alarm yet", ""),
        (
            alarm("raised", raised=True),
            "ALARM temperature: 63.2, above 60, for 12s",
            ", 1 alarm: oven.temperature",
        ),
        (
            alarm("stale", raised=True),
            "ALARM temperature: 63.2, above 60; it isn't known whether it still holds",
            ", 1 alarm: oven.temperature",
        ),
        (
            alarm("stale", seconds=None),
            "alarm of temperature: 63.2, above 60; its value isn't known",
            "",
        ),
    ],
)
def test_alarms_are_told(found: dict[str, Any], told: str | None, head: str) -> None:
    """In the head those that are raised, below the table all that isn't well."""
    lines = texts(overview({**RIG, "workers": [worker("oven", alarms=[found])]}, 200))
    assert f"1 of 1 ready{head}, config" in lines[0]
    assert [line for line in lines if line.startswith("oven: ")] == (
        [] if told is None else [f"oven: {told}"]
    )
