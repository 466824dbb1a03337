"""What an answer becomes when it is raised."""

from __future__ import annotations

import ast
import builtins
import math
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import orch.errors
from orchestrator import errors
from orchestrator.client.answers import error_from_response
from orchestrator.client.exchange import compose
from transports.exceptions import DONE, FAILED, NOT_STARTED, UNKNOWN, describe_exception
from transports.headers import Operation, ResponseHeader

REPORT = ("type", "message", "traceback", "notes", "outcome")
WHERE = {"request_id": "7", "worker": "stage", "member": "move"}


class OwnDriverError(Exception):
    pass


def answered(error: BaseException, outcome: str = FAILED) -> Exception:
    """What a client raises for a driver's exception."""
    try:
        raise error
    except BaseException as raised:
        body = {"exception": describe_exception(raised, outcome)}
    return error_from_response("EXCEPTION", body, **WHERE)


@pytest.mark.parametrize(
    ("kind", "roots"),
    [
        (errors.InvocationTimeout, (errors.NotStarted, TimeoutError)),
        (errors.WorkerUnavailable, (errors.NotStarted, ConnectionError)),
        (errors.RigNotReachable, (errors.NotStarted, ConnectionError)),
        (errors.Refused, (errors.NotStarted,)),
        (errors.ExecutionTimeout, (errors.OutcomeUnknown, TimeoutError)),
        (errors.WorkerDied, (errors.OutcomeUnknown, ConnectionError)),
        (errors.RigLost, (errors.OutcomeUnknown, ConnectionError)),
        (errors.DriverError, (errors.OrchError,)),
        (errors.ArgumentUnsendable, (errors.NotStarted, TypeError)),
        (errors.ResultUnsendable, (errors.OrchError, TypeError)),
    ],
)
def test_the_tree(kind: type[errors.OrchError], roots: tuple[type, ...]) -> None:
    """Each leaf says what happened and is also the builtin that people catch; it pickles."""
    error = kind("text", **WHERE)
    for root in (*roots, errors.OrchError):
        assert isinstance(error, root)
    assert not isinstance(error, errors.NotStarted) or not isinstance(error, errors.OutcomeUnknown)
    copy = pickle.loads(pickle.dumps(error))
    for each in (error, copy):
        assert str(each).endswith("text")
        assert (each.request_id, each.worker, each.member) == ("7", "stage", "move")
    assert str(copy) == str(error)


@pytest.mark.parametrize("error", [ValueError("bad"), ZeroDivisionError("x / 0"), OSError("no")])
def test_a_builtin_of_the_driver_is_raised_as_itself(error: Exception) -> None:
    """With the remote traceback and its own notes in the notes."""
    error.add_note("check the cable")
    got = answered(error)
    assert type(got) is type(error)
    assert str(got) == str(error)
    notes = got.__notes__
    assert notes[0] == "check the cable"
    assert notes[1].startswith("raised in stage.move, request 7:")
    assert "raise error" in notes[1]


@pytest.mark.parametrize("key", ["axis", "it's", 'a"b', "back\\slash", ""])
def test_a_key_is_not_quoted_twice(key: str) -> None:
    """A KeyError shows its key's repr, and it would show that of the repr."""
    got = answered(KeyError(key))
    assert type(got) is KeyError
    assert got.args == (key,)


def test_a_text_that_only_looks_quoted_stays() -> None:
    """What isn't a string literal is the text itself."""
    body = {"exception": {"type": "KeyError", "message": "'a' isn't 'b'", "traceback": ["x"]}}
    assert error_from_response("EXCEPTION", body).args == ("'a' isn't 'b'",)


def test_any_other_exception_of_the_driver() -> None:
    """Is a DriverError with its type, text and traceback."""
    got = answered(OwnDriverError("jammed"))
    assert isinstance(got, errors.DriverError)
    assert (got.type, got.message, str(got)) == (
        "OwnDriverError",
        "jammed",
        "OwnDriverError: jammed",
    )
    assert got.remote_traceback[-1].endswith("OwnDriverError: jammed")
    assert got.worker == "stage"


@pytest.mark.parametrize(
    "name",
    [
        "SystemExit",
        "KeyboardInterrupt",
        "GeneratorExit",
        "BaseException",
        "StopIteration",
        "StopAsyncIteration",
        "UnicodeDecodeError",
        "ExceptionGroup",
        "print",
        "int",
        "__import__",
        "no such",
    ],
)
def test_names_that_are_not_raised_as_themselves(name: str) -> None:
    """Only exceptions that a text rebuilds and that end nothing in the client."""
    body = {"exception": {"type": name, "message": "m", "traceback": ["x"], "outcome": FAILED}}
    assert isinstance(error_from_response("EXCEPTION", body), errors.DriverError)


@pytest.mark.parametrize(
    ("message_type", "body", "expected"),
    [
        ("TIMEOUT", "invokation", errors.InvocationTimeout),
        ("TIMEOUT", "execution", errors.ExecutionTimeout),
        ("TIMEOUT", None, errors.OutcomeUnknown),
        ("EXCEPTION", None, errors.OutcomeUnknown),
        ("EXCEPTION", {"exception": 3}, errors.OutcomeUnknown),
        ("INVALID_MESSAGE", [], errors.OutcomeUnknown),
    ],
)
def test_timeouts_and_unreadable_bodies(message_type: str, body: Any, expected: type) -> None:
    """Each wording of the wire has its type; what can't be read tells nothing."""
    error = error_from_response(message_type, body, **WHERE)
    assert type(error) is expected
    assert str(error).startswith("stage.move")


@pytest.mark.parametrize(
    ("error", "outcome", "expected"),
    [
        (ConnectionResetError("worker died"), UNKNOWN, errors.WorkerDied),
        (RuntimeError("?"), UNKNOWN, errors.OutcomeUnknown),
        (ConnectionRefusedError("FAILED"), NOT_STARTED, errors.WorkerUnavailable),
        (TypeError("move() got an unexpected keyword"), NOT_STARTED, errors.ArgumentsRefused),
        (ConnectionResetError("the device hung up"), FAILED, ConnectionResetError),
    ],
)
def test_the_outcome_decides(error: Exception, outcome: str, expected: type) -> None:
    """A driver's own ConnectionResetError is no dead worker."""
    got = answered(error, outcome)
    assert type(got) is expected
    assert str(got) == str(error)


def test_what_cannot_be_dispatched_is_refused() -> None:
    """Whatever its type, it never started."""
    body = {"exception": describe_exception(KeyError("camera"), NOT_STARTED)}
    error = error_from_response("INVALID_MESSAGE", body, **WHERE)
    assert type(error) is errors.NameRefused


PRODUCT = Path(errors.__file__).parents[1]
FOR_OTHERS = {"PermissionError", "NotImplementedError"}
"""Refusals of what our clients never ask for: EXIT, and operations that aren't served."""


def said_by(function: str, at: int) -> set[str]:
    """The names of exceptions that the product's code gives a function, as argument `at`."""
    found = set()
    files = [*PRODUCT.glob("orchestrator/core/*.py"), *PRODUCT.glob("workers/**/*.py")]
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and len(node.args) > at:
                name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
                name = node.func.id if isinstance(node.func, ast.Name) else name
                given = node.args[at]
                if name == function and isinstance(given, ast.Constant):
                    found.add(given.value)
    return found


def test_each_refusal_is_not_started_and_also_the_builtin() -> None:
    """Whoever writes a new one, of the broker or a worker, finds it here."""
    refused = said_by("Refusal", 0) | said_by("Refused", 0)
    assert {"KeyError", "BufferError", "TypeError", "AttributeError", "LookupError"} <= refused
    for kind in refused - FOR_OTHERS:
        builtin = getattr(builtins, kind)
        for message_type in ("EXCEPTION", "INVALID_MESSAGE"):
            body = {"exception": describe_exception(builtin("why"), NOT_STARTED)}
            error = error_from_response(message_type, body, **WHERE)
            assert isinstance(error, errors.NotStarted), kind
            assert isinstance(error, builtin), (kind, type(error))
            assert "why" in str(error)
            assert type(pickle.loads(pickle.dumps(error))) is type(error)


def test_each_answer_of_the_broker_tells_whether_it_started() -> None:
    told = said_by("answer_error", 1)
    refused = {"ConnectionAbortedError", "ConnectionRefusedError", "InterruptedError"}
    refused |= {"BlockingIOError"}
    assert told == {"ConnectionResetError", *refused}
    for kind in told:
        for outcome, root in ((NOT_STARTED, errors.NotStarted), (UNKNOWN, errors.OutcomeUnknown)):
            body = {"exception": {"type": kind, "message": "why", "outcome": outcome}}
            assert isinstance(error_from_response("EXCEPTION", body, **WHERE), root)


def test_what_we_raise_is_one_of_the_three() -> None:
    """Not started, unknown, or what became of a driver's own exception or result."""
    ours = [each for each in vars(orch.errors).values() if isinstance(each, type)]
    roots = (errors.NotStarted, errors.OutcomeUnknown, errors.DriverError, errors.ResultUnsendable)
    others = {each for each in ours if not issubclass(each, roots)}
    assert others == {errors.OrchError, errors.Cancelled}, "the latter is either of the first two"
    assert {each.__name__ for each in ours} == set(orch.errors.__all__)
    assert {each for each in vars(errors).values() if isinstance(each, type)} - {Any} == set(ours)


@pytest.mark.parametrize("timeout", ["soon", -1, math.nan, [1]])
def test_a_timeout_that_is_none_is_refused_before_anything_is_sent(timeout: Any) -> None:
    for name in ("invocation_timeout", "execution_timeout"):
        with pytest.raises(errors.ValueRefused, match=name) as caught:
            compose("1", "me", "rig", "stage", Operation.INVOKE, "move", **{name: timeout})
        assert isinstance(caught.value, (TypeError, ValueError))


def test_an_answer_that_cannot_be_read_tells_nothing() -> None:
    """But that of a result tells that it was done."""
    for kind, root in (("REPLY", errors.ResultUnsendable), ("EXCEPTION", errors.OutcomeUnknown)):
        exchange = compose("1", "me", "rig", "stage", Operation.INVOKE, "move")
        exchange.header = ResponseHeader(
            messageType=kind, messageID="1", receiverID="me", senderID="rig"
        )
        exchange.payload, exchange.raw = b"{", b""
        with pytest.raises(root, match="can't be read"):
            exchange.result()


def test_a_name_that_is_refused_is_shown_as_it_is() -> None:
    """A KeyError would show its repr."""
    error = errors.NameRefused("rig bench has no worker 'x'", worker="x")
    for builtin in (AttributeError, KeyError, IndexError):
        assert isinstance(error, builtin)
    assert str(pickle.loads(pickle.dumps(error))) == str(error) == "rig bench has no worker 'x'"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(
    message_type=st.sampled_from(["EXCEPTION", "INVALID_MESSAGE", "TIMEOUT", "ODD"]),
    body=json_values
    | st.fixed_dictionaries(
        {
            "exception": st.fixed_dictionaries(
                {},
                optional=dict.fromkeys(
                    ("type", "message", "traceback", "notes", "outcome"), json_values
                ),
            )
        }
    ),
)
def test_any_body_becomes_an_exception(message_type: str, body: Any) -> None:
    """Nothing that a rig sends breaks its reading."""
    error = error_from_response(message_type, body, **WHERE)
    assert isinstance(error, Exception)
    str(error)


def test_a_result_that_cannot_be_sent_is_neither_not_started_nor_unknown() -> None:
    body = {"exception": {"type": "TypeError", "message": "it was done, but …", "outcome": DONE}}
    error = error_from_response("EXCEPTION", body, **WHERE)
    assert type(error) is errors.ResultUnsendable
    assert str(error) == "stage.move: it was done, but …"


@pytest.mark.parametrize(("step", "expired"), [("expired", True), ("", False), (None, False)])
def test_a_lease_that_ended_says_whether_its_time_was_over(step: str | None, expired: bool) -> None:
    report = {"type": "BlockingIOError", "message": "m", "outcome": NOT_STARTED, "step": step}
    error = error_from_response("EXCEPTION", {"exception": report})
    assert isinstance(error, errors.Leased)
    assert error.expired is expired
