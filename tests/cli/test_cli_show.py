"""How results look."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest

from orchestrator.cli.describe import type_text
from orchestrator.cli.failures import CommandError, Exit, asking, explain, unknown
from orchestrator.cli.show import (
    clock,
    duration,
    print_raw,
    print_table,
    size,
    to_json,
    to_line,
    to_text,
)
from orchestrator.cli.status import show_workers
from orchestrator.errors import (
    ArgumentUnsendable,
    DriverError,
    ExecutionTimeout,
    InvocationTimeout,
    Refused,
    ResultUnsendable,
    RigLost,
    RigNotReachable,
    WorkerDied,
    WorkerUnavailable,
)
from tests.integration.value_table import CASES
from transports.values.codec import decode, encode


def test_arrays_are_nested_lists_in_json() -> None:
    """What has no form in JSON is told as text, and never as null."""
    assert to_json(np.array([[1, 2], [3, 4]])) == "[[1,2],[3,4]]"
    assert to_json(np.array([1.5, np.nan])) == '[1.5,"NaN"]'
    assert to_json({"z": np.array([1 + 2j])}) == '{"z":["1.0+2.0j"]}'
    assert to_json((None, b"\x00\xff")) == '[null,"AP8="]'


def test_json_has_nothing_that_a_terminal_obeys_or_a_reader_takes_for_a_line_end() -> None:
    """And is the same value nevertheless."""
    value = "a\x1b\x7f\x85\u2028\u202eb\né"
    text = to_json(value)
    assert len(text.splitlines()) == 1
    assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u202e]", text)
    assert "é" in text
    assert json.loads(text) == value


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ('a "b"\x1b', b'a "b"\x1b\n'),
        (b"\x00\xff", b"\x00\xff"),
        ([1, "a"], b'[1,"a"]\n'),
        (None, b"null\n"),
    ],
)
def test_raw_is_texts_and_bytes_as_they_are(
    value: Any, written: bytes, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    print_raw(value)
    assert capfdbinary.readouterr().out == written


def test_text_for_people_is_bare_and_harmless() -> None:
    """Lines stay lines, everything else that steers is shown as what it is."""
    assert to_text("one\ntwo\x1b[2J") == "one\ntwo\\x1b[2J"
    assert to_text(b"\x00a") == "b'\\x00a'"
    assert to_text((3, b"x")) == "3\nb'x'"
    assert to_text({"a": 1}) == '{"a":1}'
    assert to_text({"a": "x" * 200}) == '{\n  "a": "' + "x" * 200 + '"\n}'


def test_array_for_people_is_its_type_its_shape_and_some_of_it() -> None:
    """Never more than a few lines; on one line no values at all."""
    image = np.zeros((1080, 1920), dtype=np.uint8)
    head, *body = to_text(image).splitlines()
    assert head == "uint8 array 1080x1920"
    assert len(body) == 7
    assert to_line(image) == "uint8 array 1080x1920"
    assert to_line(np.float64(2.0) * np.ones(())) == "2.0"
    assert to_line(np.ones(())) == "float64 array scalar"
    assert to_line(b"abc") == "3 bytes"
    assert to_text(np.array(["a\x1b"])).splitlines()[1] == r"['a\x1b']"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0, "0.0s"),
        (9.99, "9.9s"),
        (59.9, "59s"),
        (60, "1m00s"),
        (3599, "59m59s"),
        (8040, "2h14m"),
        (273_600, "3d04h"),
    ],
)
def test_duration(seconds: float | None, text: str) -> None:
    """Two units at most, never rounded up into the next one."""
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "-"),
        (0, "0 B"),
        (999, "999 B"),
        (3300, "3.2 KiB"),
        (36_626_432, "35 MiB"),
        (1_234_567_890, "1.1 GiB"),
    ],
)
def test_size(count: int | None, text: str) -> None:
    """Two or three digits."""
    assert size(count) == text


def test_clock() -> None:
    """Local time: of the day for people, in full with its offset for programs."""
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.250", clock(1e9 + 0.25, short=True))
    full = clock(1e9 + 0.25, short=False)
    assert re.fullmatch(r"2001-09-\d\dT\d\d:\d\d:\d\d\.250[+-]\d\d:\d\d", full)
    assert clock(1e9 + 0.99999, short=True).endswith(".999")


def test_table_on_a_pipe_is_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers to the right, no trailing blanks, no styles."""
    print_table(
        ("NAME", "N"), [[("a", "bold"), ("10", "")], [("longer", ""), ("9", "")]], right=[1]
    )
    assert capsys.readouterr().out == "NAME     N\na       10\nlonger   9\n"
    print_table(("NAME", "N"), [])
    assert capsys.readouterr().out == "NAME  N\n"


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({}, "any"),
        ({"type": "number", "description": "x"}, "number"),
        ({"type": "array", "items": {"type": "integer"}}, "list[integer]"),
        ({"type": "array"}, "list"),
        ({"type": "array", "orch:contentType": "application/x-npy"}, "ndarray"),
        ({"oneOf": [{"type": "string"}, {"type": "null"}]}, "string | null"),
        ({"enum": ["on", "off"]}, "on | off"),
        ({"enum": list(range(100))}, "one of 100"),
        ({"orch:type": "Session\x1b"}, "Session\\x1b"),
        ({"type": ["string", "null"]}, "string | null"),
    ],
)
def test_type_of_a_schema_in_short(schema: dict[str, object], text: str) -> None:
    """As much as fits a column."""
    assert type_text(schema) == text


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (DriverError("limit", type="OutOfRange"), Exit.RAISED),
        (ResultUnsendable("it was done"), Exit.RAISED),
        (ArgumentUnsendable("it has no form"), Exit.NOT_STARTED),
        (RigNotReachable("x"), Exit.NOT_REACHABLE),
        (InvocationTimeout("x"), Exit.NOT_STARTED),
        (WorkerUnavailable("x"), Exit.NOT_STARTED),
        (Refused("x"), Exit.NOT_STARTED),
        (ExecutionTimeout("x"), Exit.UNKNOWN),
        (WorkerDied("x"), Exit.UNKNOWN),
        (RigLost("x"), Exit.UNKNOWN),
    ],
)
def test_errors_have_their_status(error: Exception, status: int) -> None:
    """Each kind of outcome its own."""
    explained = explain(error)
    assert explained is not None
    assert explained.status == status


def test_driver_error_of_any_type_is_the_drivers(capsys: pytest.CaptureFixture[str]) -> None:
    """Also one that our own errors derive from."""
    for error in (TimeoutError("late"), ConnectionError(""), AttributeError("x"), KeyError("k")):
        error.add_note("raised in dev.move, request 1:\n  a line")
        with pytest.raises(CommandError) as caught, asking("dev", "move"):
            raise error
        assert caught.value.status == Exit.RAISED
        assert caught.value.message == f"dev.move raised {type(error).__name__}: {error}".rstrip(
            ": "
        )
        assert caught.value.details == ("raised in dev.move, request 1:", "  a line")


def test_unknown_name_shows_the_nearest_or_what_there_is() -> None:
    """Not an endless list, though."""
    names = [f"n{number:02}" for number in range(30)]
    for name, known, hint in (
        ("mvoe", ["move"], 'has no action "mvoe"; did you mean "move"?'),
        ("zzz", ["b", "a"], 'has no action "zzz"; it has a, b'),
        ("zzz", names, "n11, … (30 in all)"),
        ("zzz", [], 'has no action "zzz"; it has none'),
    ):
        with pytest.raises(CommandError) as caught:
            unknown("action", name, known, "dev")
        assert caught.value.message.endswith(hint)
        assert caught.value.status == Exit.USAGE


@pytest.mark.parametrize("name", [name for name, each in CASES.items() if not each.refused])
def test_each_kind_of_value_can_be_shown(name: str) -> None:
    """As strict JSON, as text for people that steers no terminal, and on one line."""
    value = decode(*encode(CASES[name].make()))
    parsed = json.loads(to_json(value), parse_constant=pytest.fail)
    assert parsed is not None or value is None or name in ("masked", "structure of ctypes")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", to_text(value))
    assert len(to_line(value).splitlines()) <= 1


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("nan", "NaN"),
        ("list with nan and inf", [1.0, "NaN", "Infinity"]),
        ("array of nan", [1.0, "NaN", "-Infinity", -0.0]),
        ("complex", "50.0+1.0j"),
        ("beyond 64 bits", 2**64),
        ("dict by int", [[1, "a"], [2, "b"]]),
        ("enum of tuple", "PULSED"),
        ("flags", "HOT|LOCKED"),
        ("named tuple", {"x": 1, "y": [2]}),
        ("dataclass", {"gain": 1.5, "mode": "PULSED", "trace": [0, 1, 2]}),
        ("object", {"gain": 2.0, "trace": [0, 1, 2]}),
        ("utc time", "2024-05-06T12:00:00.123456+00:00"),
        ("numpy time of nanoseconds", "2024-05-06T12:00:00.123456789"),
        ("numpy f4", 1.0),
        ("structured array", [{"a": 1, "b": 2.5}]),
        ("masked array", [1, None, 3]),
        ("an image and its settings", {"img": [[1.0] * 4] * 3, "t": 3}),
        ("quantity", {"value": 1.5, "unit": "millivolt"}),
        (
            "table",
            {
                "index": [0, 1],
                "columns": [["t", [1, 2]], ["v", [0.5, "NaN"]], ["s", ["a", "NaN"]]],
            },
        ),
        ("exception", {"type": "ValueError", "message": "('out of range', 3)"}),
        ("lone surrogate", "\udc80"),
        ("range", "range(2, 20, 3)"),
    ],
)
def test_what_json_has_no_form_for_is_as_documented(name: str, form: object) -> None:
    assert json.loads(to_json(decode(*encode(CASES[name].make())))) == form


def test_half_a_surrogate_pair_is_jsons_escape() -> None:
    assert to_json("a\udc80b") == r'"a\udc80b"'
    assert to_json({"é\udc80": [1, "\x7f\\"]}) == r'{"\u00e9\udc80":[1,"\u007f\\"]}'
    assert to_text(["\udc80"]) == r'["\udc80"]'


def test_arrays_beside_metadata_are_in_short_for_people() -> None:
    shown = to_text({"img": np.zeros((1080, 1920), np.uint8), "t": 3, "pair": (1, 2)})
    lines = shown.splitlines()
    assert lines[:2] == ["img:", "  uint8 array 1080x1920"]
    assert lines[-3:] == ["t: 3", "pair:", "  1"] or lines[-4:] == ["t: 3", "pair:", "  1", "  2"]
    assert to_line({"img": np.zeros((2, 3)), "raw": b"abc"}) == (
        '{"img":"float64 array 2x3","raw":"3 bytes"}'
    )


def test_what_runs_for_long_is_shown_below_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """For whom, and against which limit; what has just begun isn't."""
    worker = dict.fromkeys(("pid", "restarts", "queue", "cpu", "uptime", "memory", "reason"))
    worker |= {"name": "camera", "state": "READY", "incarnation": 1, "in_flight": 3}
    long = {"member": "expose", "client": "lab\x1b", "seconds": 3.21, "limit": 120.0}
    long |= {"request": "7f-1"}
    runs = [long, {**long, "limit": None}, {**long, "member": "ping", "seconds": 0.2}]
    show_workers([{**worker, "running": runs}])
    out = capsys.readouterr().out
    assert "camera: runs expose for 3.2 s of 120 s, asked by lab" in out
    assert "to end it: orch cancel 7f-1" in out
    assert "of no limit" in out
    assert "\x1b" not in out
    assert "ping" not in out
