"""An exception on one line: its type and message, whatever its traceback ends with."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from workers.output.raised import MAX_LINE, one_line, raised


class Unprintable(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError


def caught(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as found:
        return found


def noted() -> BaseException:
    error = ValueError("too far")
    error.add_note("allowed: 0 to 5\nsee the manual")
    return error


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            RuntimeError("DevFailed[\n  desc = no attribute\n]"),
            "RuntimeError: DevFailed[ desc = no attribute ]",
        ),
        (noted(), "ValueError: too far"),
        (KeyError("x"), "KeyError: 'x'"),
        (TimeoutError(), "TimeoutError"),
        (Unprintable(), "Unprintable: (its text can't be shown: ZeroDivisionError)"),
        (
            ExceptionGroup("several", [ValueError("one"), KeyError("two")]),
            "ExceptionGroup: several (2 sub-exceptions): ValueError: one; KeyError: 'two'",
        ),
        (
            ValueError('Traceback (most recent call last):\n  File "x", line 1\nKeyError: 1'),
            'ValueError: Traceback (most recent call last): File "x", line 1 KeyError: 1',
        ),
    ],
)
def test_one_line_is_type_and_message(error: BaseException, line: str) -> None:
    assert one_line(error) == line
    told = raised(caught(error))
    assert told is not None
    assert told.line == line
    assert "\n" not in told.line


def test_it_has_a_bound() -> None:
    """Of a group with many members in groups, too."""
    assert len(one_line(ValueError("x" * 10**6))) == MAX_LINE
    deep = ExceptionGroup("g", [ValueError("x" * 500)] * 10)
    for _ in range(50):
        deep = ExceptionGroup("g", [deep, deep])
    line = one_line(deep)
    del deep  # whoever shows it goes through all of it
    each = "ExceptionGroup: g (2 sub-exceptions)"
    assert line == f"{each}: {each}; {each}"


def test_loggers_give_an_exception_a_triple_or_true() -> None:
    error = caught(ValueError("x"))
    assert raised(None) is raised(False) is raised((None, None, None)) is None
    assert raised(error) == raised((type(error), error, error.__traceback__))
    try:
        raise ValueError("now")
    except ValueError:
        told = raised(True)
    assert told is not None
    assert (told.line, told.traceback.splitlines()[-1]) == ("ValueError: now", "ValueError: now")


def test_pydantic_s_errors_are_whole() -> None:
    """Their messages have a line for each finding."""

    class Position(BaseModel):
        x: float

    with pytest.raises(ValidationError) as found:
        Position.model_validate({"x": "far"})
    line = one_line(found.value)
    assert line.startswith("ValidationError: 1 validation error for Position x Input should be a")
