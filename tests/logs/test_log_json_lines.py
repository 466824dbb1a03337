"""Printed lines that are JSON with a message are records; others are text as they are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.logs.store.json_lines import read_json
from orchestrator.logs.store.records import Record
from tests.logs.log_kit import record


def printed(text: str, stream: str = "stdout", **changes: Any) -> Record:
    level = "info" if stream == "stdout" else "warning"
    return record(text, stream=stream, level=level, request="1f", member="move", **changes)


def test_message_level_logger_and_traceback_are_the_records_and_the_rest_are_fields() -> None:
    line = json.dumps(
        {
            "level": "ERROR",
            "message": "lost",
            "logger": "vendor.axis",
            "exception": "Traceback\nLost: axis",
            "axis": 2,
            "time": "2024-05-16T23:41:07Z",
        }
    )
    read = read_json(printed(line, fields={"torn": True}))
    assert (read.stream, read.level, read.event) == ("record", "error", "lost")
    assert (read.logger, read.exception) == ("vendor.axis", "Traceback\nLost: axis")
    assert read.fields == {"axis": 2, "time": "2024-05-16T23:41:07Z", "torn": True}
    assert (read.request, read.member, read.time) == ("1f", "move", printed("").time)


@pytest.mark.parametrize(
    ("stream", "line", "level", "fields"),
    [
        ("stdout", {"msg": "x", "level": 40}, "error", None),
        ("stdout", {"event": "x", "severity": "NOTICE"}, "info", None),
        ("stdout", {"message": "x", "levelname": "WARN"}, "warning", None),
        ("stdout", {"message": "x", "lvl": "emergency"}, "critical", None),
        ("stdout", {"message": "x"}, "info", None),
        ("stderr", {"message": "x"}, "warning", None),
        ("stderr", {"message": "x", "level": "odd"}, "warning", {"level": "odd"}),
        ("stdout", {"message": "x", "level": 35}, "info", {"level": 35}),
        ("stdout", {"message": "x", "level": True}, "info", {"level": True}),
        ("stdout", {"message": "x", "msg": 1}, "info", {"msg": 1}),
    ],
)
def test_a_level_is_known_by_many_names(
    stream: str, line: dict[str, Any], level: str, fields: dict[str, Any] | None
) -> None:
    """One that isn't known stays a field; the stream says where it came from."""
    read = read_json(printed(json.dumps(line), stream))
    assert (read.event, read.level, read.fields, read.logger) == ("x", level, fields, stream)


@pytest.mark.parametrize(
    "text",
    [
        '{"x": 1}',
        '{"message": 1}',
        '{"message": ""}',
        '{"message": "x"',
        '{"message": "x"} and more',
        '[{"message": "x"}]',
        '{"message": "x"},}',
        '{"message": "x", "gain": 1, "gain": 2}',
        '{"message": "x", "at": [{"y": 1, "y": 1}]}',
        "{}",
        "{" * 5000 + "}" * 5000,
        "",
    ],
)
def test_what_has_no_message_is_the_text_that_it_is(text: str) -> None:
    assert read_json(printed(text)) is not None
    assert read_json(printed(text)) == printed(text)


def test_what_a_logger_of_ours_said_is_left_alone() -> None:
    said = record('{"message": "x"}')
    assert read_json(said) is said
