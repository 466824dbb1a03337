"""One record one line, with nothing in it that a terminal would obey."""

from __future__ import annotations

import io
import time
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.logs.display import MAX_SHOWN, Display, escape, wants_colour
from orchestrator.logs.records import Record, Stream


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def render(event: str = "moved", *, stream: Stream = "record", **more: Any) -> str:
    values: dict[str, Any] = {"time": 0.0, "level": "info", "worker": "stage", "incarnation": 1}
    return Display().render(Record(**(values | more), stream=stream, event=event))


def test_a_line_has_local_time_level_worker_and_text():
    at = 1_700_000_000.9996
    clock = time.strftime("%H:%M:%S", time.localtime(at))
    assert render(time=at, level="warning") == f"{clock}.999 warning  stage    moved\n"


def test_what_was_added_follows_as_key_value():
    line = render(
        logger="lib", request="7f", member="move", fields={"axis": 1, "to": "far away", "ok": True}
    )
    assert line.endswith(' moved logger=lib axis=1 to="far away" ok=true member=move request=7f\n')


def test_printed_lines_show_their_stream():
    assert " stdout   stage    hello\n" in render("hello", stream="stdout")
    assert " stderr   stage    oops\n" in render("oops", stream="stderr", level="warning")


def test_workers_stand_in_a_column_that_grows():
    display = Display()
    long = Record(0.0, "info", "spectrometer", 1, "record", "a")
    short = Record(0.0, "info", "x", 1, "record", "b")
    assert display.render(long).endswith("spectrometer a\n")
    assert display.render(short).endswith("x            b\n")


def test_newlines_in_texts_are_escapes():
    assert render("a\nb\r\tc", fields={"k": "x\ny"}).endswith(' a\\nb\\r\\tc k="x\\ny"\n')


def test_a_traceback_follows_indented_on_lines_of_its_own():
    line = render(level="error", exception="Traceback:\n  File \x1b[2J\nValueError: x\u2028y")
    assert line.split("\n")[1:] == [
        "    Traceback:",
        "      File \\x1b[2J",
        "    ValueError: x\\u2028y",
        "",
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31m", "\\x1b[31m"),
        ("\x00\x07\x7f", "\\x00\\x07\\x7f"),
        ("\x9b2J\x85", "\\x9b2J\\x85"),
        ("\u202egnp", "\\u202egnp"),
        ("\u2066\u200f\u061c", "\\u2066\\u200f\\u061c"),
        ("\u2028\u2029", "\\u2028\\u2029"),
        ("\udcff", "\\udcff"),
        ("µm → 3 °C", "µm → 3 °C"),
        ("C:\\new", "C:\\new"),
    ],
)
def test_escapes(text: str, shown: str):
    assert escape(text) == shown


@settings(deadline=None)
@given(st.text(), st.dictionaries(st.text(max_size=5), st.text()), st.text())
def test_nothing_in_a_record_is_obeyed(event: str, fields: dict[str, Any], worker: str):
    line = render(event, fields=fields, worker=worker, logger=event, member=worker)
    assert line.endswith("\n")
    body = line[:-1]
    assert not {unicodedata.category(character) for character in body} & {"Cc", "Cs", "Zl", "Zp"}
    marks = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
    assert not {unicodedata.bidirectional(character) for character in body} & marks


def test_a_very_long_text_is_shown_in_part():
    line = render("x" * (MAX_SHOWN + 7))
    assert line.endswith("x… (7 more characters)\n")


@pytest.mark.parametrize(
    ("level", "code"),
    [("debug", "2"), ("warning", "33"), ("error", "31"), ("critical", "1;31")],
)
def test_the_level_alone_is_coloured(level: str, code: str):
    line = Display(colour=True).render(Record(0.0, level, "stage", 1, "record", "x"))
    assert f" \x1b[{code}m{level:<8}\x1b[0m stage    x\n" in line


def test_info_has_no_colour():
    record = Record(0.0, "info", "stage", 1, "record", "x")
    assert Display(colour=True).render(record) == Display().render(record)


@pytest.mark.parametrize(
    ("stream", "environ", "wanted"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
        (None, {}, False),
    ],
)
def test_colours_are_for_terminals(stream: Any, environ: dict[str, str], wanted: bool):
    assert wants_colour(stream, environ) is wanted
