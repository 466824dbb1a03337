"""Exceptions on the wire: rebuilt by a client from a builtin's name and one argument."""

from __future__ import annotations

import builtins
import json
from typing import Any

import pytest

from transports.exceptions import (
    FAILED,
    NOT_STARTED,
    UNKNOWN,
    describe_exception,
    exception_payload,
    refusal_payload,
    type_name,
)


class StageError(Exception):
    pass


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def test_an_exception_has_the_keys_that_a_proxy_reads() -> None:
    error = raised(ValueError("x is 7"))
    error.add_note("allowed: 0 to 5")
    body = json.loads(exception_payload(error))
    assert set(body) == {"exception"}
    found = body["exception"]
    assert (found["type"], found["message"], found["outcome"]) == ("ValueError", "x is 7", FAILED)
    assert found["notes"] == ["allowed: 0 to 5"]
    assert found["traceback"][0] == "Traceback (most recent call last):"
    assert "ValueError: x is 7" in found["traceback"]


def test_an_exception_that_was_never_raised_has_a_traceback_all_the_same() -> None:
    found = describe_exception(KeyError("x"), NOT_STARTED)
    assert found["traceback"] == ["KeyError: 'x'"]
    assert (found["message"], found["notes"], found["outcome"]) == ("'x'", None, "not started")


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (ValueError("x"), "ValueError"),
        (StageError("x"), "StageError"),
        (KeyboardInterrupt(), "RuntimeError"),
        (SystemExit(3), "RuntimeError"),
        (StopIteration(), "RuntimeError"),
        (ExceptionGroup("g", [ValueError()]), "RuntimeError"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), "RuntimeError"),
        (type("ValueError", (Exception,), {"__module__": "lab"})("x"), "lab.ValueError"),
        (type("print", (Exception,), {"__module__": "lab"})("x"), "lab.print"),
    ],
)
def test_only_names_that_can_be_rebuilt_travel(error: BaseException, name: str) -> None:
    assert type_name(error) == name
    found = getattr(builtins, name, None)
    if found is not None:
        assert issubclass(found, Exception)
        found("one argument")


def test_a_replaced_name_stays_in_the_message() -> None:
    assert describe_exception(SystemExit(3))["message"] == "SystemExit: 3"
    assert describe_exception(KeyboardInterrupt())["message"] == "KeyboardInterrupt"


def test_an_exception_whose_text_raises_is_described() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise ValueError("no text")

    found = describe_exception(raised(Broken()))
    assert found["type"] == "Broken"
    assert "ValueError" in found["message"]
    assert found["traceback"]
    json.loads(exception_payload(raised(Broken())))


def test_a_text_with_an_unpaired_surrogate_travels() -> None:
    found = json.loads(exception_payload(raised(ValueError("a\ud800b"))))
    assert found["exception"]["message"] == "a\\ud800b"


def test_the_runtimes_own_frames_can_be_left_out() -> None:
    def driver() -> None:
        raise ValueError("deep")

    def runtime() -> Any:
        try:
            driver()
        except ValueError as error:
            return error

    error = runtime()
    assert any("in runtime" in line for line in describe_exception(error)["traceback"])
    trimmed = describe_exception(error, skip_frames=1)["traceback"]
    assert not any("in runtime" in line for line in trimmed)
    assert any("in driver" in line for line in trimmed)
    assert describe_exception(error, skip_frames=99)["traceback"]


@pytest.mark.parametrize("outcome", [FAILED, NOT_STARTED, UNKNOWN])
def test_a_refusal_looks_like_an_exception(outcome: str) -> None:
    found = json.loads(refusal_payload("KeyError", "no worker 'x'", outcome, ["known: y"]))
    body = found["exception"]
    assert (body["type"], body["message"], body["outcome"]) == (
        "KeyError",
        "no worker 'x'",
        outcome,
    )
    assert body["notes"] == ["known: y"]
    assert body["traceback"] == ["KeyError: no worker 'x'"] * 2
