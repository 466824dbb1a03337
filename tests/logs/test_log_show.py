"""What people and programs see of a record."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.logs.read.lookup import Entry
from orchestrator.logs.show.display import Display
from orchestrator.logs.show.lines import Printer, run_rows
from orchestrator.logs.show.trace import Trace, trace_lines
from orchestrator.logs.store.segments import Run
from tests.logs.log_kit import NOW
from transports.levels import DRIVER, SPAN_LOGGER

NASTY = "red\x1b[31m\nbell\x07\0\r\x9b2J\u202e\u2028end\x7f"


def entry(**changes: Any) -> Entry:
    given: dict[str, Any] = {
        "time": NOW + 0.1234,
        "level": "info",
        "worker": "stage",
        "incarnation": 2,
        "stream": "record",
        "event": "moved",
        "run": 3,
        "cursor": "1.7",
        **changes,
    }
    return Entry(**given)


def shown(style: str, **changes: Any) -> str:
    return Printer(style, utc=True).text(entry(**changes))


def test_short_is_one_line_with_what_tells_records_apart():
    assert (
        shown(
            "short",
            level="warning",
            logger="motion",
            request="1f3a9c2d-1111-4000-8000-000000000000",
            member="move",
            fields={"axis": 1, "why": "too far"},
            exception="Traceback…\nValueError: far",
        )
        == "2023-11-14 22:13:20.123 warning  stage    [move 1f3a9c2d…000000] motion: moved axis=1 "
        'why="too far" (ValueError: far)\n'
    )
    assert shown("short", stream="stdout").startswith("2023-11-14 22:13:20.123 stdout   stage ")


def test_full_has_everything():
    text = shown(
        "full",
        event="moved\nfar",
        request="1f",
        member="move",
        logger="motion",
        fields={"axis": 1},
        exception="Traceback…\nValueError: far",
    )
    assert text == (
        "2023-11-14 22:13:20.123Z stage info\n    moved\n    far\n    incarnation=2\n    run=3\n"
        "    logger=motion\n    member=move\n    request=1f\n    axis=1\n"
        "    | Traceback…\n    | ValueError: far\n"
    )


def test_a_drivers_fields_hide_nothing_of_the_record():
    text = shown(
        "full",
        request="1f",
        member="move",
        fields={"request": "R", "member": "M", "worker": "W", "level": "L", "run": 9, "axis": 1},
    )
    lines = [line.strip() for line in text.splitlines()]
    assert {"request=1f", "member=move", "run=3", "axis=1"} <= set(lines)
    assert {"fields.request=R", "fields.member=M", "fields.worker=W", "fields.run=9"} <= set(lines)


def test_a_stack_is_shown_as_a_traceback_is():
    stack = 'Stack (most recent call last):\n  File "a.py", line 3, in go\n    log()'
    text = shown("full", fields={"stack": stack, "axis": 1})
    assert text.endswith(
        '    axis=1\n    | Stack (most recent call last):\n    |   File "a.py", line 3, in go\n'
        "    |     log()\n"
    )
    assert shown("short", fields={"stack": stack}).endswith(
        ' moved (stack: File "a.py", line 3, in go)\n'
    )


def test_json_is_the_record():
    found = json.loads(shown("json", fields={"axis": 1}))
    assert found == {
        "time": NOW + 0.1234,
        "level": "info",
        "worker": "stage",
        "incarnation": 2,
        "stream": "record",
        "event": "moved",
        "fields": {"axis": 1},
        "run": 3,
        "cursor": "1.7",
    }


def test_cat_is_the_text():
    assert shown("cat") == "moved\n"


@pytest.mark.parametrize("style", ["short", "full", "json", "cat"])
def test_nothing_in_a_record_is_obeyed_by_a_terminal(style: str):
    text = shown(
        style,
        event=NASTY,
        worker=NASTY,
        logger=NASTY,
        request=NASTY,
        member=NASTY,
        exception=NASTY,
        fields={NASTY: NASTY},
    )
    for character in "\x1b\x07\0\r\x9b\u202e\u2028\x7f":
        assert character not in text
    if style != "full":
        assert text.count("\n") == 1
    if style == "json":
        assert json.loads(text)["event"] == NASTY


def test_levels_have_colours_where_there_are_any():
    assert "\x1b[31merror" in Printer("short", colour=True).text(entry(level="error"))
    assert "\x1b" not in shown("short", level="error")


def test_a_time_is_not_rounded_into_the_next_second():
    assert shown("short", time=NOW + 0.9999996).startswith("2023-11-14 22:13:21.000")
    assert shown("short", time=NOW + 0.9996).startswith("2023-11-14 22:13:20.999")


def test_runs_have_an_end_or_a_reason_for_none():
    stopped = Run(1, "1f", NOW, NOW + 60, "stopped", config="lab.yaml")
    crashed, last = Run(2, "2e", NOW + 100), Run(3, "3d", NOW + 200)
    runs = [(stopped, None), (crashed, NOW + 130), (last, NOW + 230)]
    rows = run_rows(runs, is_running=True, utc=True)
    assert [row[:2] + row[3:5] for row in rows] == [
        ["-2", "1", "2023-11-14 22:14:20", "stopped"],
        ["-1", "2", "2023-11-14 22:15:30", "crashed"],
        ["0", "3", "-", "running"],
    ]
    assert run_rows(runs, is_running=False, utc=True)[2][3:5] == ["2023-11-14 22:17:10", "crashed"]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"raised": "RuntimeError: DevFailed[ desc ]", "exception": "…\n]"}, "DevFailed[ desc ]"),
        (
            {"exception": 'Traceback…\n  File "a.py", line 1, in f\n    g()\nE: a\n  b\n]\nnote'},
            "(E: a b ] note)",
        ),
        ({"exception": "one\ntwo"}, "(two)"),
    ],
)
def test_an_exception_is_its_type_and_message(changes: dict[str, Any], line: str):
    """As its worker told them, else as far as a text tells."""
    text = shown("short", **changes)
    assert text.count("\n") == 1
    assert line in text


def test_stacks_are_folded_but_in_full():
    stacks = 'Thread 0x7f (most recent call first):\n  File "psu.py", line 56 in _ask'
    changes = {"event": "in psu.py:56 _ask", "exception": stacks}
    assert shown("short", **changes).endswith("stage    in psu.py:56 _ask\n")
    assert Display().render(entry(**changes)).count("\n") == 1
    assert '    |   File "psu.py", line 56 in _ask' in shown("full", **changes)
    assert json.loads(shown("json", **changes))["exception"] == stacks
    trace = Trace("1f", [entry(request="1f", **changes)])
    assert len(list(trace_lines(trace))) == 2


def test_a_trace_tells_the_broker_s_words_from_the_worker_s():
    """Also where the broker speaks of the worker."""
    entries = [
        entry(request="1f", event="dispatched", logger=""),
        entry(request="1f", event="hello"),
        entry(request="1f", event="refused", incarnation=0, worker="bench"),
    ]
    _, *lines = trace_lines(Trace("1f", entries))
    assert [line.split()[4] for line in lines] == ["broker", "stage[2]", "broker"]


def test_a_span_is_no_word_of_the_broker_s_on_a_request_s_life():
    """It is at its end only; how long the driver took is its worker's word."""
    span = entry(request="1f", event="done", logger=SPAN_LOGGER, level="debug", incarnation=0)
    driver = entry(request="1f", event=DRIVER, logger=SPAN_LOGGER, level="debug")
    trace = Trace("1f", [driver, span])
    assert not trace.has_life
    assert [line.split()[4] for line in list(trace_lines(trace))[1:]] == ["stage[2]", "broker"]
    assert Trace("1f", [entry(request="1f", logger="", level="debug")]).has_life
