"""One record one line, with nothing in it that a terminal would obey."""

from __future__ import annotations

import io
import json
import time
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.logs.show.display import MAX_SHOWN, Display, escape, escape_json, wants_colour
from orchestrator.logs.store.records import Record
from workers.output.pipes import Stream


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
        ("\ufeffa\u200bb\xad", "\\ufeffa\\u200bb\\xad"),
        ("\U000e0041", "\\U000e0041"),
        ("👩\u200d🔬 a\u200cb", "👩\u200d🔬 a\u200cb"),
        ("\udcff", "\\udcff"),
        ("µm → 3 °C", "µm → 3 °C"),
        ("C:\\new", "C:\\new"),
    ],
)
def test_escapes(text: str, shown: str):
    assert escape(text) == shown


def test_all_that_hides_or_reorders_is_escaped():
    joiners, marks = "\u200c\u200d", "\u06dd\u070f\u08e2\U000110bd\U000110cd"  # marks are seen
    marks += "".join(map(chr, (*range(0x600, 0x606), 0x890, 0x891, *range(0x13430, 0x13460))))
    for code in range(0x110000):
        character = chr(code)
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
            assert (escape(character) == character) is (character in joiners + marks), hex(code)


def test_json_stays_what_it_was():
    text = "\ufeff\u202e\U000e0041\x7f µm 👩\u200d🔬"
    shown = escape_json(json.dumps(text, ensure_ascii=False))
    assert shown == '"\\ufeff\\u202e\\udb40\\udc41\\u007f µm 👩\u200d🔬"'
    assert json.loads(shown) == text


def test_a_stack_follows_as_a_traceback_does():
    stack = 'Stack (most recent call last):\n  File "a.py", line 3, in go\n    log()'
    assert render(fields={"stack": stack, "axis": 1}).endswith(
        " moved axis=1\n    Stack (most recent call last):\n"
        '      File "a.py", line 3, in go\n        log()\n'
    )
    assert render(fields={"stack": "one"}).endswith(" moved stack=one\n")


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
