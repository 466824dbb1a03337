"""What the table and its details say of workers: pure, in all widths."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.top import rows
from tests.statuses import worker
from tests.top.top_kit import alarm, operation, rig

WORKERS = (
    worker(
        "stage",
        running=[operation("move", 4.5, 5.0)],
        queue=2,
        waiting=[operation("home", 1, 5, "w")],
    ),
    worker("camera", state="FAILED", cpu=None, memory=None, reason="no such port", uptime=None),
    worker(
        "oven",
        alarms=[alarm()],
        last_error={"text": "hot", "member": None, "request": "e", "age": 5.0},
    ),
    worker("clock", running=[operation("tick", 9.0, 5.0, "a"), operation("tock", 1.0, None, "b")]),
)


OVEN = WORKERS[2]


def table(width: int, order: str = "", *, back: bool = False, text: str = "") -> list[str]:
    by = next(each for each in rows.ORDERS if each.title == order)
    shown = rows.chosen(rig(*WORKERS), by, back=back, text=text)
    return [
        "".join(t for t, _ in line).rstrip() for line in rows.table(shown, width, by, back=back)
    ]


def names(order: str = "", **how: Any) -> list[str]:
    return [line.split()[0] for line in table(200, order, **how)[1:]]


def test_all_of_it_where_there_is_room() -> None:
    head, stage, *_ = table(200)
    assert head.split() == [
        *("WORKER", "STATE", "RUNS", "OF", "LIMIT", "ALARM", "FOR", "QUEUE", "P50", "P99"),
        *("LAST", "ERROR", "UP", "LIFE", "RESTARTS", "CPU", "MEMORY", "PID"),
    ]
    assert "move 4.5s/5s" in stage
    assert "███████▎" in stage


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    lines = table(width)
    assert max(map(len, lines)) <= width
    assert len(lines) == 5
    assert all(title in lines[0] for title in ("WORKER", "STATE", "RUNS"))


@pytest.mark.parametrize(
    ("order", "first"),
    [
        ("", ["stage", "camera", "oven", "clock"]),
        ("WORKER", ["camera", "clock", "oven", "stage"]),
        ("STATE", ["oven", "camera", "stage", "clock"]),
        ("OF LIMIT", ["clock", "stage", "camera", "oven"]),
        ("QUEUE", ["stage", "camera", "oven", "clock"]),
        ("LAST ERROR", ["oven", "stage", "camera", "clock"]),
        ("MEMORY", ["stage", "oven", "clock", "camera"]),
    ],
)
def test_what_matters_comes_first(order: str, first: list[str]) -> None:
    assert names(order) == first
    assert names(order, back=True) == first[::-1]


def test_the_column_that_is_sorted_by_is_marked() -> None:
    assert "QUEUE▼" in table(200, "QUEUE")[0]
    assert "QUEUE▲" in table(200, "QUEUE", back=True)[0]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("", 4),
        ("STAGE", ["stage"]),
        ("failed", ["camera"]),
        ("scan move", ["stage"]),
        ("home", ["stage"]),
        ("alarm", ["oven"]),
        ("alarm failed", []),
    ],
)
def test_words_filter(text: str, left: Any) -> None:
    found = names(text=text)
    assert (found if isinstance(left, list) else len(found)) == left


def test_where_no_worker_has_the_words_the_headings_stay() -> None:
    for width in (30, 200):
        (head,) = table(width, text="nothing has this")
        assert head.split()[:2] == ["WORKER", "STATE"]


@pytest.mark.parametrize(
    ("seconds", "limit", "text", "style"),
    [
        (0.0, 5.0, "········", "green"),
        (2.5, 5.0, "████····", "green"),
        (4.5, 5.0, "███████▎", "yellow"),
        (5.0, 5.0, "████████", "yellow"),
        (60.0, 5.0, "████████", "red"),
        (60.0, None, "········", "green"),
    ],
)
def test_bars_show_how_much_of_the_limit_is_gone(
    seconds: float, limit: float | None, text: str, style: str
) -> None:
    assert rows.bar(worker("a", running=[operation("x", seconds, limit)])) == (text, style)


def test_memory_has_the_colour_of_its_limit() -> None:
    def style(memory: int) -> str:
        line = rows.table(
            [worker("a", memory=memory, memory_limit=100)], 300, rows.ORDERS[0], back=False
        )
        return next(style for text, style in line[1] if text.endswith(" B"))

    assert [style(memory) for memory in (80, 81, 101)] == ["", "yellow", "red"]


LEASE = {
    "number": 7,
    "who": "ada@lab3:scan.py",
    "why": "alignment",
    "seconds": 60.0,
    "left": 245.0,
    "waiting": [{"who": "bob@lab3:orch", "why": ""}],
}


def test_leases_have_a_cell_and_are_found_by_words() -> None:
    leased = worker("camera", lease=LEASE)
    found = rig(leased, worker("stage", lease=None))
    for line, text in zip(
        rows.table(found["workers"], 300, rows.ORDERS[0], back=False)[1:],
        ("4m05s +1 ada@lab3:scan.py", "-"),
        strict=True,
    ):
        assert text in [cell for cell, _ in line]
    shown = rows.chosen(found, rows.ORDERS[0], back=False, text="leased ALIGN")
    assert shown == [leased]
    told = "".join(text for line in rows.details(leased) for text, _ in line)
    assert told == (
        "camera: leased to ada@lab3:scan.py (alignment) for 1m00s, 4m05s left; then bob@lab3:orch"
    )
    (line,) = rows.details(worker("spare", leased=True))
    assert line[1][0] == ": nobody has its lease, and none has an effect on it without"


def test_alarms_have_a_cell() -> None:
    def cell(*alarms: dict[str, Any]) -> str:
        line = rows.table([worker("a", alarms=[*alarms])], 300, rows.ORDERS[0], back=False)[1]
        return "".join(text for text, _ in line)

    assert rows.table([OVEN], 40, rows.ORDERS[0], back=False)[1][0] == ("oven", "bold red")
    assert "temperature 63.2 +1" in cell(alarm(), alarm(member="pressure"))
    assert "temperature  " in cell(alarm("stale"))
    assert "temperature not known" in cell({**alarm("stale"), "raised": False})
    assert "temperature" not in cell({**alarm("ok"), "raised": False})


def test_keys_are_about_what_runs_longest_then_what_waits_then_what_failed() -> None:
    stage, camera, oven, clock = WORKERS
    assert [rows.request_of(each) for each in (stage, camera, oven, clock)] == [
        "7f-1",
        None,
        "e",
        "a",
    ]
    assert rows.request_of({**stage, "running": []}) == "w"


def test_it_is_known_what_an_end_would_break_off() -> None:
    stage, camera, _, clock = WORKERS
    assert rows.breaks(stage) == "it runs move and 2 wait"
    assert rows.breaks(clock) == "it runs tick, tock"
    assert rows.breaks(camera) == ""


def test_details_say_it_in_full() -> None:
    lines = ["".join(text for text, _ in line) for line in rows.details(WORKERS[0])]
    assert lines == [
        "stage: runs move for 4.5 s of 5 s, asked by ada@lab3:scan.py; to end it: orch cancel 7f-1",
        "stage: waiting: home for ada@lab3:scan.py (1.0s), and 1 more",
    ]
    assert rows.details(None) == []
    assert rows.details(worker("idle")) == [[("idle", "bold"), (": READY", "")]]
