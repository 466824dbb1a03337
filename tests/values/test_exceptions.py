"""Exceptions that are values: results, arguments, properties, events."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from msgspec.msgpack import Ext

from transports.errors import SerializationError
from transports.values.codec import decode, encode
from transports.values.exceptions import builtin_attributes
from transports.values.kinds import Kind, NoForm
from transports.values.writing import pack


class LimitError(ValueError):
    pass


@dataclasses.dataclass
class AxisError(Exception):
    axis: str


def again(value: Any) -> Any:
    return decode(*encode(value))


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x", (1, 2), {3}),
        OSError(2, "m", "f"),
        OSError(2, "m", "a", None, "b"),
        BlockingIOError(11, "m", 7),
        UnicodeDecodeError("utf8", b"a", 0, 1, "r"),
        UnicodeEncodeError("ascii", "\xff", 0, 1, "r"),
        SyntaxError("m", ("f", 1, 2, "t")),
        ImportError("m", name="n", path="p"),
        StopIteration(3),
        SystemExit(3),
        AttributeError("m", name="q", obj=object()),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_builtin_one_is_itself(error: BaseException) -> None:
    error.__dict__["code_"] = (3, 1j)
    error.add_note("look")
    got = again(error)
    assert (type(got), got.args, str(got)) == (type(error), error.args, str(error))
    assert builtin_attributes(got) == builtin_attributes(error)
    assert vars(got) == vars(error)


def test_one_whose_errno_came_later() -> None:
    error = OSError("text")
    error.args, error.errno = (2, "m"), 2
    got = again(error)
    assert (type(got), got.args, got.errno) == (OSError, (2, "m"), 2)


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_group_has_its_members(kind: type) -> None:
    inner = ExceptionGroup("in", kind([KeyError("k")]))
    inner.__dict__["code"] = 3
    got = again(BaseExceptionGroup("g", kind([inner, KeyboardInterrupt()])))
    assert type(got) is BaseExceptionGroup
    assert (got.message, type(got.args[1])) == ("g", kind)
    found, interrupt = got.exceptions
    assert (type(found), found.code, found.exceptions[0].args) == (ExceptionGroup, 3, ("k",))
    assert type(interrupt) is KeyboardInterrupt


def test_a_cause_comes_with_it() -> None:
    error = ValueError("x")
    error.__cause__ = OSError(5, "I/O")
    got = again({"e": error})["e"]
    assert (type(got.__cause__), got.__cause__.errno) == (OSError, 5)
    assert got.__suppress_context__


def test_what_holds_one_of_another_class_is_a_record() -> None:
    error = ValueError("x")
    error.__cause__ = LimitError("far")
    error.__cause__.add_note("look")
    record = again(error)
    assert (record._type, record.args) == ("ValueError", ("x",))
    assert (record["__cause__"].args, record["__cause__"]["__notes__"]) == (("far",), ["look"])
    group = again(ExceptionGroup("g", [LimitError("far"), KeyError(1)]))
    assert (group._type, group.message, group.args) == ("ExceptionGroup", "g", ("g",))
    assert [type(each).__name__ for each in group.exceptions] == ["Record", "KeyError"]


def test_a_dataclass_that_is_raised_is_a_record() -> None:
    """Made without its constructor it would be no exception."""
    record = again(AxisError("x"))
    assert (record._type, record.axis) == ("AxisError", "x")


def test_what_has_no_form_is_refused_with_its_place() -> None:
    error = ValueError("x", print)
    with pytest.raises(NoForm, match=r"value\.args\[1\]: a function"):
        encode(error)
    error = ValueError("x")
    error.__dict__["device"] = print
    with pytest.raises(NoForm, match=r"value\.device: a function"):
        encode(error)
    error = ValueError("x")
    error.__cause__ = KeyError(1)
    error.__cause__.__cause__ = error
    with pytest.raises(NoForm, match="holds itself"):
        encode(error)


EMPTY = Ext(Kind.TUPLE, pack([]))
DECODE = Ext(Kind.TUPLE, pack(["utf8", b"a", 0, 1, "r"]))


@pytest.mark.parametrize(
    "content",
    [
        ["ValueError"],
        ["ValueError", EMPTY, 3],
        ["ValueError", [], {}],
        ["print", EMPTY],
        [3, EMPTY],
        ["UnicodeDecodeError", EMPTY],
        ["UnicodeDecodeError", DECODE, {"object": 5}],
        ["UnicodeDecodeError", DECODE, {"start": -5}],
        ["ValueError", EMPTY, {"_private": 1}],
        ["ValueError", EMPTY, {"__cause__": 1}],
        ["BaseExceptionGroup", Ext(Kind.TUPLE, pack(["g", [Ext(34, pack(["KeyError", EMPTY]))]]))],
    ],
)
def test_forged_ones_are_refused(content: Any) -> None:
    with pytest.raises(SerializationError):
        decode(pack(Ext(Kind.EXCEPTION, pack(content))))
