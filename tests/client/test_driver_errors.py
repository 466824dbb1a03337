"""A driver's exception from the worker to the client: bases, attributes, chain, group, pickle."""

from __future__ import annotations

import base64
import copy
import datetime as dt
import enum
import json
import pickle
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import errors
from orchestrator.client.answers import error_from_response
from orchestrator.client.driver_errors import driver_error_class
from transports.values.exceptions import builtin_attributes
from transports.values.raised import DEEPEST, MOST, Fields, decoded
from workers.failures import failure_payload

WHERE = {"request_id": "7", "worker": "stage", "member": "move"}


class LimitError(ValueError):
    """Of a driver, with an attribute of its class."""

    severity = 3


class DeviceError(Exception):
    def __init__(self, text: str, error_code: int) -> None:
        super().__init__(text, error_code)
        self.error_code = error_code


class BusError(TimeoutError):
    """An OSError with what that has."""


class MissingAxis(KeyError):
    pass


class BadReply(UnicodeDecodeError):
    pass


class BatchError(ExceptionGroup):  # type: ignore[type-arg]
    pass


class EndOfScan(StopIteration):
    pass


def arrives(error: BaseException) -> Any:
    """What a client raises for what a driver raised."""
    try:
        raise error
    except BaseException as caught:
        payload = failure_payload(caught)
    return error_from_response("EXCEPTION", json.loads(payload), **WHERE)


@pytest.mark.parametrize(
    ("error", "base", "text"),
    [
        (LimitError("100 mm is too far"), ValueError, "LimitError: 100 mm is too far"),
        (BusError(110, "timed out"), TimeoutError, "BusError: [Errno 110] timed out"),
        (MissingAxis("z"), KeyError, "MissingAxis: 'z'"),
        (MissingAxis("z"), LookupError, "MissingAxis: 'z'"),
        (BadReply("utf-8", b"\xff", 0, 1, "bad"), UnicodeDecodeError, None),
        (DeviceError("jammed", 17), Exception, "DeviceError: ('jammed', 17)"),
        (SystemExit(3), RuntimeError, "SystemExit: 3"),
        (KeyboardInterrupt(), RuntimeError, "KeyboardInterrupt"),
        (GeneratorExit(), RuntimeError, "GeneratorExit"),
        (StopIteration(1), RuntimeError, "StopIteration: 1"),
        (EndOfScan("done"), Exception, "EndOfScan: done"),
    ],
)
def test_bases(error: BaseException, base: type, text: str | None) -> None:
    """Caught by the builtins that the driver's class derives from, and as an OrchError."""
    got = arrives(error)
    assert isinstance(got, base)
    assert isinstance(got, errors.DriverError)
    assert not isinstance(got, (StopIteration, SystemExit, KeyboardInterrupt, GeneratorExit))
    assert type(got).__name__ == type(error).__name__ == got.type
    assert text is None or str(got) == text
    assert (got.worker, got.member, got.request_id) == ("stage", "move", "7")
    with pytest.raises(base):
        raise got


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        ValueError(),
        KeyError(3),
        KeyError("axis"),
        FileNotFoundError(2, "No such file or directory", "/dev/ttyUSB0"),
        OSError("no"),
        ZeroDivisionError("x / 0"),
        UnicodeDecodeError("utf-8", b"a\xff", 1, 2, "invalid start byte"),
        ImportError("no module", name="spam"),
        TimeoutError(110, "timed out"),
    ],
)
def test_a_builtin_is_itself(error: Exception) -> None:
    """With its arguments and attributes."""
    got = arrives(error)
    assert type(got) is type(error)
    assert got.args == error.args
    assert str(got) == str(error)
    for name in ("errno", "strerror", "filename", "start", "object", "reason", "name"):
        assert getattr(got, name, None) == getattr(error, name, None)
    assert type(pickle.loads(pickle.dumps(got))) is type(error)


def test_attributes_with_a_form_arrive() -> None:
    class Level(enum.IntEnum):
        HIGH = 2

    error = DeviceError("jammed", 17)
    error.__dict__.update(
        level=Level.HIGH, axes=["x", {"y": 1.5}], raw=b"\x00", nan=float("nan"), device=object()
    )
    got = arrives(error)
    assert (got.error_code, got.level, got.axes, got.raw) == (17, 2, ["x", {"y": 1.5}], b"\x00")
    assert got.args == ("jammed", 17)
    assert got.nan != got.nan
    assert got.device.startswith("<object object")
    assert "attribute device is sent as text: a value of type object" in got.__notes__[0]
    assert arrives(LimitError("far")).severity == 3
    bus = arrives(BusError(110, "timed out", "/dev/bus"))
    assert (bus.errno, bus.strerror, bus.filename) == (110, "timed out", "/dev/bus")


def test_names_of_ours_stay_ours() -> None:
    error = LimitError("far")
    error.__dict__.update(worker="other", message=3, request_id=None)
    got = arrives(error)
    assert (got.worker, got.message, got.request_id) == ("stage", "far", "7")


def test_cause_context_and_notes() -> None:
    """Each a link of the chain, of its own kind."""
    try:
        try:
            raise OSError(5, "I/O error")
        except OSError as io:
            io.add_note("is it plugged in?")
            raise LimitError("no answer") from io
    except LimitError as error:
        error.add_note("look")
        got = arrives(error)
    assert isinstance(got.__cause__, OSError)
    assert got.__cause__.errno == 5
    assert got.__cause__.__notes__ == ["is it plugged in?"]
    assert got.__suppress_context__
    assert got.__notes__[0] == "look"
    assert "The above exception was the direct cause" in got.__notes__[1]


def test_a_group_stays_a_group() -> None:
    """For `except*`, also one of a class of the driver's, and nested."""
    inner = ExceptionGroup("two", [LimitError("x"), BusError(110, "y")])
    got = arrives(BatchError("all", [inner, KeyError("k")]))
    assert isinstance(got, ExceptionGroup)
    assert got.message == "BatchError: all"
    caught: list[str] = []
    try:
        raise got
    except* ValueError as values:
        caught += [str(each) for each in values.exceptions[0].exceptions]  # type: ignore[attr-defined]
    except* TimeoutError:
        caught.append("timeout")
    except* KeyError as keys:
        caught += [type(each).__name__ for each in keys.exceptions]
    assert caught == ["LimitError: x", "timeout", "KeyError"]
    ended = arrives(BaseExceptionGroup("end", [KeyboardInterrupt(), ValueError("v")]))
    assert isinstance(ended, ExceptionGroup)
    assert isinstance(ended.exceptions[0], errors.DriverError)


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))]
)
@pytest.mark.parametrize(
    "error", [LimitError("far"), DeviceError("jammed", 17), BusError(110, "t", "/dev/bus")]
)
def test_copies_and_pickles(error: Exception, again: Callable[[Any], Any]) -> None:
    """Of the same class, with all that the first one has."""
    error.__cause__ = OSError(5, "I/O")
    first = arrives(error)
    second = again(first)
    assert type(second) is type(first)
    assert isinstance(second, type(error).__mro__[1])
    assert (str(second), second.args) == (str(first), first.args)
    assert second.__notes__ == first.__notes__
    assert second.__dict__ == first.__dict__
    assert getattr(second, "errno", None) == getattr(first, "errno", None)
    assert second.__cause__.errno == 5


class Hostile(Exception):
    """Raises wherever it can."""

    def __str__(self) -> str:
        raise KeyboardInterrupt

    def __getattribute__(self, name: str) -> Any:
        raise SystemExit(name)


class HostileDict(LimitError):
    __dict__ = property(lambda self: 1 / 0)  # type: ignore[assignment]


class HostileValue(int):
    def __int__(self) -> int:
        raise ValueError

    def __eq__(self, other: object) -> bool:
        raise ValueError

    __hash__ = None  # type: ignore[assignment]


def test_hostile_exceptions() -> None:
    """A worker tells of them all the same."""
    assert isinstance(arrives(Hostile("x")), Exception)
    assert isinstance(arrives(HostileDict("far")), ValueError)
    error = LimitError(HostileValue(3))
    error.__dict__["value"] = HostileValue(4)
    assert arrives(error).value == 4


def test_what_is_too_much_is_left_out() -> None:
    """Attributes, chains, groups and values are bounded."""
    large = DeviceError("jammed", 17)
    large.__dict__["image"] = "x" * 100_000
    got = arrives(large)
    assert got.args == ("jammed", 17)
    assert got.image.startswith("'xxx")
    assert len(got.image) <= 200
    assert "attribute image is sent as text: 100005 bytes are too many" in got.__notes__[0]
    group = arrives(ExceptionGroup("many", [ValueError(str(n)) for n in range(200)]))
    assert len(group.exceptions) == MOST
    assert "136 more" in group.__notes__[0]
    chain = ValueError("0")
    for n in range(30):
        later = ValueError(str(n))
        later.__cause__ = chain
        chain = later
    found = arrives(chain)
    depth = 0
    while found.__cause__ is not None:
        found, depth = found.__cause__, depth + 1
    assert depth == DEEPEST
    deep: list[Any] = []
    for _ in range(100):
        deep = [deep]
    nested = DeviceError("deep", 1)
    nested.__dict__["deep"] = deep
    assert "[...]" in arrives(nested).deep
    cycle = ValueError("a")
    cycle.__cause__ = ValueError("b")
    cycle.__cause__.__cause__ = cycle
    assert str(arrives(cycle)) == "a"


def test_odd_texts() -> None:
    error = LimitError("a\ud800b")
    error.__dict__["text"] = "\ud800"
    assert str(arrives(error)) == "LimitError: a\\ud800b"


def test_forged_bases_make_no_class_that_breaks() -> None:
    """Bases that don't go together, or are none."""
    for bases in (("OSError", "SyntaxError"), ("print", "Nobody"), ("Exception",), ()):
        made = driver_error_class("Odd", bases)
        assert issubclass(made, errors.DriverError)
        assert str(made("x")) == "Exception: x"
    assert driver_error_class("no name", ()).__name__ == "DriverError"
    assert decoded("%%%") == decoded(3) == decoded("AA==") == Fields()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
KEYS = ("name", "type", "message", "fields", "cause", "context", "suppress", "group", "notes")


@given(
    report=st.fixed_dictionaries(
        {"bases": st.lists(st.sampled_from(["ValueError", "OSError", "KeyError", "x"]))},
        optional=dict.fromkeys(KEYS, values),
    ),
    outer=st.sampled_from(["cause", "group", ""]),
)
def test_any_report_becomes_an_exception(report: dict[str, Any], outer: str) -> None:
    if outer == "cause":
        report = {"bases": ["ValueError"], "name": "E", "cause": report}
    elif outer == "group":
        report = {"bases": [], "name": "G", "group": {"message": 1, "exceptions": [report, 3]}}
    error = error_from_response("EXCEPTION", {"exception": report}, **WHERE)
    assert isinstance(error, Exception)
    str(error)
    if isinstance(error, errors.DriverError):
        pickle.dumps(error)


class Mode(enum.Enum):
    FAST = "fast"


ARGUMENTS: list[Any] = [
    ("a", 1),
    {1, 2},
    {1: "x", (2, 3): None},
    {"a": (1,)},
    bytearray(b"a"),
    2**70,
    1j,
    "\ud800",
    dt.date(2020, 1, 1),
    Path("/z"),
    Mode.FAST,
    np.float64(1.5),
    np.str_("a"),
    np.bool_(True),
    Decimal("1.50"),
]


@pytest.mark.parametrize("value", ARGUMENTS, ids=repr)
def test_arguments_and_attributes_arrive_as_results_do(value: Any) -> None:
    """Alone, beside others, in an exception of a driver's own, and as attributes; pickled too."""
    for raised in (KeyError(value), ValueError("at", value), LimitError("far", value)):
        raised.__dict__["found"] = value
        first = arrives(raised)
        for got in (first, pickle.loads(pickle.dumps(first))):
            assert got.args == raised.args
            assert [type(each) for each in got.args] == [type(each) for each in raised.args]
            assert (type(got.found), got.found) == (type(value), value)
            assert len(got.__notes__) == 1, "nothing but the remote traceback"


def test_arrays_and_exceptions_are_arguments_too() -> None:
    got = arrives(ValueError("bad", np.arange(600.0), KeyError(("a", 1)), np.nan))
    assert type(got) is ValueError
    assert got.args[1].tolist() == np.arange(600.0).tolist()
    got.args[1][0] = 7  # writable, as a result is
    assert (type(got.args[2]), got.args[2].args) == (KeyError, (("a", 1),))
    assert got.args[3] != got.args[3]


@pytest.mark.parametrize(
    "error",
    [
        SyntaxError("m", ("f", 1, 2, "t")),
        FileNotFoundError(2, "m", Path("/z")),
        OSError(2, "m", "a", None, "b"),
        BlockingIOError(11, "m", 7),
        UnicodeDecodeError("utf-8", b"a" * 40_000, 0, 1, "large"),
        ImportError("m", name="nn", path="pp"),
        ValueError("y" * 3_000_000),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_builtin_has_all_that_its_class_has(error: Exception) -> None:
    got = arrives(error)
    assert (type(got), got.args, str(got)) == (type(error), error.args, str(error))
    assert builtin_attributes(got) == builtin_attributes(error)
    assert len(got.__notes__) == 1


def test_an_argument_without_a_form_is_its_text_and_that_is_said() -> None:
    lock = threading.Lock()
    got = arrives(KeyError("axis", lock, [1, lock]))
    assert type(got) is KeyError
    assert got.args == ("axis", repr(lock), f"[1, {lock!r}]")
    told = got.__notes__[0]
    assert told.startswith("not as the driver raised it:\n  argument 2 is sent as text: a value of")
    assert "argument 3 is sent as text: it[1]: a value of type _thread.lock" in told
    wrong = arrives(UnicodeDecodeError("utf-8", b"a" * 200_000, 0, 1, "too large to be sent"))
    assert isinstance(wrong, UnicodeDecodeError)
    assert isinstance(wrong, errors.DriverError), "a builtin one takes bytes alone"
    assert wrong.args[0] == "utf-8"
    assert "argument 2 is sent as text" in wrong.__notes__[0]


def test_a_text_that_is_another_here_is_told() -> None:
    """Of a member whose class isn't at hand."""

    class Level(enum.IntEnum):
        HIGH = 2

    got = arrives(ValueError(Level.HIGH))
    assert (type(got), got.args) == (ValueError, (2,))
    assert got.__notes__[0] == "not as the driver raised it:\n  its text was '2'"


@pytest.mark.parametrize(
    "error", [ValueError("x"), LimitError("far"), ExceptionGroup("two", [ValueError(1)])]
)
def test_an_attribute_hides_no_method(error: Exception) -> None:
    error.__dict__.update(add_note="3", with_traceback=(1,))
    got = arrives(error)
    assert isinstance(got, type(error).__bases__[0])
    assert callable(got.add_note)
    assert "attribute with_traceback is left out" in got.__notes__[0]


def test_fields_are_bounded_however_many() -> None:
    many = DeviceError("jammed", 17)
    many.args = tuple(object() for _ in range(100_000))
    many.__dict__.update({f"a{n}": n for n in range(1000)})
    try:
        raise many
    except DeviceError as caught:
        caught.__traceback__ = None
        fields = json.loads(failure_payload(caught))["exception"]["fields"]
    assert len(fields) < 2 * 65_536
    told = decoded(fields).altered
    assert any("more arguments are left out" in line for line in told)
    assert any("more attributes are left out" in line for line in told)


def test_slots_and_attributes_of_a_group() -> None:
    class Slotted(Exception):
        __slots__ = ("axis", "unset")

    error = Slotted("far")
    error.axis = ("x", 1)
    got = arrives(error)
    assert got.axis == ("x", 1)
    assert not hasattr(got, "unset")
    group = ExceptionGroup("two", [ValueError(1)])
    group.__dict__["codes"] = (3, 4)
    assert arrives(group).codes == (3, 4)


def test_fields_that_cannot_be_read_here_are_told() -> None:
    forms = [[b"\xc1"], [b"\x01", b"", b""], 9, None]
    packed = base64.b64encode(msgspec.msgpack.encode([forms, {"a": 0, "b": 7}, ["before"]]))
    fields = decoded(packed.decode(), "the text")
    assert fields.args == (None, None, None, "the text")
    assert fields.attributes == {"a": None, "b": None}
    assert [line.partition(" can't")[0] for line in fields.altered] == [
        *("before", "argument 1", "argument 2", "argument 3", "attribute b")
    ]
