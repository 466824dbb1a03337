"""Values and arguments fitted to annotations. These are texts here, as in many drivers."""

# ruff: noqa: F401  (names that only the texts of annotations use)

from __future__ import annotations

import collections.abc
import datetime
import decimal
import enum
import fractions
import functools
import math
import pathlib
import typing
import uuid
from collections import namedtuple
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    Required,
    TypedDict,
    TypeVar,
)

import numpy as np
import numpy.typing as npt
import pytest

from workers.driver.calls import Misfit, Parameters, value_fitter
from workers.driver.fitter import Unfit
from workers.driver.fitting import fitter_of

if TYPE_CHECKING:
    pass  # type: ignore[import-not-found]


class Mode(enum.Enum):
    CW = "cw"
    PULSED = "pulsed"


class Gain(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Odd(enum.Enum):
    a = 1
    A = 2


class Bits(enum.Flag):
    READY = 1
    BUSY = 2


class Point(NamedTuple):
    x: float
    y: float = 0.0


Bare = namedtuple("Bare", "x y")


class Options(TypedDict, total=False):
    gain: float
    name: str


class Marked(TypedDict, total=False):
    gain: Required[float]
    name: str


class Strict(Options):
    unit: str


@dataclass
class Roi:
    x: int
    y: int = 0
    inner: Roi | None = None
    area: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.x < 0:
            raise ValueError("x must not be negative")


@dataclass(frozen=True)
class Cfg:
    a: int
    b: float = None  # type: ignore[assignment]


@dataclass
class Made:
    """Gives its fields another type than it is given."""

    path: str

    def __post_init__(self) -> None:
        self.path = pathlib.Path(self.path)  # type: ignore[assignment]


class Pt:
    def __init__(self, x: float = 0.0) -> None:
        self.x = x


class Like:
    """Has what a Pt has."""

    x = 2.0


class Label(str):
    def __init__(self, text: str) -> None: ...


Volt = NewType("Volt", float)
Number = TypeVar("Number", int, str)
Bound = TypeVar("Bound", bound=float)
MODES = Mode


def fitted(annotation: Any, value: Any) -> Any:
    fitter = fitter_of(annotation, globals())
    return value if fitter is None else fitter(value)


UNIT = datetime.timedelta
SAME = object()


@pytest.mark.parametrize(
    ("annotation", "value", "result"),
    [
        # numbers
        ("float", 1, 1.0),
        ("float", np.float32(0.5), 0.5),
        ("float", np.array(2.0), 2.0),
        ("float", float("inf"), SAME),
        ("float", fractions.Fraction(1, 2), 0.5),
        ("int", 1.0, 1),
        ("int", np.int16(3), 3),
        ("complex", 2, 2 + 0j),
        ("complex", "50 + 1j", 50 + 1j),
        ("decimal.Decimal", 0.1, decimal.Decimal("0.1")),
        ("decimal.Decimal", "1.50", decimal.Decimal("1.50")),
        ("fractions.Fraction", "1/3", fractions.Fraction(1, 3)),
        # true and false
        ("bool", True, SAME),
        ("bool", np.bool_(False), False),
        ("bool", "False", False),
        ("bool", "TRUE", True),
        # texts
        ("str", "123", SAME),
        ("bytes", bytearray(b"ab"), b"ab"),
        ("pathlib.Path", "a/b", pathlib.Path("a/b")),
        ("uuid.UUID", str(uuid.UUID(int=5)), uuid.UUID(int=5)),
        # times
        ("datetime.datetime", "2026-01-31T12:00:00Z", None),
        ("datetime.date", "2026-01-31", datetime.date(2026, 1, 31)),
        ("datetime.time", "12:30", datetime.time(12, 30)),
        ("UNIT", "250ms", UNIT(milliseconds=250)),
        ("UNIT", "-2 min", UNIT(minutes=-2)),
        ("UNIT", "PT1H30M", UNIT(minutes=90)),
        ("UNIT", "-P1DT0.5S", -UNIT(days=1, seconds=0.5)),
        # out of a few
        ("Mode", "cw", Mode.CW),
        ("Mode", "PULSED", Mode.PULSED),
        ("Mode", "Cw", Mode.CW),
        ("Mode", Mode.CW, SAME),
        ("Gain", 2, Gain.HIGH),
        ("Gain", "high", Gain.HIGH),
        ("Odd", "a", Odd.a),
        ("Bits", 3, Bits.READY | Bits.BUSY),
        ("Bits", "ready|BUSY", Bits.READY | Bits.BUSY),
        ("Literal['fast', 'slow', 3]", "FAST", "fast"),
        ("Literal['fast', 'slow', 3]", 3, SAME),
        ("Literal[Mode.CW]", "cw", Mode.CW),
        # several
        ("list[float]", [1, 2.0], [1.0, 2.0]),
        ("list[float]", (1.0,), [1.0]),
        ("list[float]", np.arange(2.0), [0.0, 1.0]),
        ("list", [1, "a"], SAME),
        ("Sequence[Mode]", ["cw"], [Mode.CW]),
        ("Sequence[float]", [1.0], SAME),
        ("Sequence[str]", "abc", SAME),
        ("tuple[int, ...]", [1, 2], (1, 2)),
        ("tuple[float, str]", [1, "a"], (1.0, "a")),
        ("tuple[()]", [], ()),
        ("tuple", [1], (1,)),
        ("set[int]", [1, 2], {1, 2}),
        ("frozenset", [1], frozenset([1])),
        ("dict[str, float]", {"a": 1}, {"a": 1.0}),
        ("dict[int, str]", {"1": "a"}, {1: "a"}),
        ("Mapping[str, Any]", {"a": 1}, SAME),
        # records
        ("Point", [1, 2], Point(1.0, 2.0)),
        ("Point", {"x": 1}, Point(1.0)),
        ("Bare", [1, "b"], Bare(1, "b")),
        ("Options", {"gain": 1}, {"gain": 1.0}),
        ("Strict", {"unit": "V"}, SAME),
        ("Roi", {"x": 1, "inner": {"x": 2}}, Roi(1, inner=Roi(2))),
        # arrays
        ("npt.ArrayLike", [1, 2], SAME),
        # alternatives
        ("float | None", 1, 1.0),
        ("float | None", None, SAME),
        ("int | str", "5", SAME),
        ("float | str", 5, 5.0),
        ("int | float", 5, SAME),
        ("Mode | float", "cw", Mode.CW),
        ("typing.Optional[Mode]", "cw", Mode.CW),
        ("str | datetime.date", "2026-01-31", SAME),
        # what stands for something else
        ("Annotated[float, 'mm']", 1, 1.0),
        ("Volt", 1, 1.0),
        ("Number", "5", SAME),
        ("Bound", 1, 1.0),
        ("typing.Final[float]", 1, 1.0),
        ("list['Mode']", ["cw"], [Mode.CW]),
        (None, None, SAME),
        # what isn't known
        ("Any", "x", SAME),
        ("object", "x", SAME),
        ("Unknown", "x", SAME),
        ("list[Unknown]", ["x"], SAME),
        ("float | Unknown", "x", SAME),
        ("collections.abc.Callable[[int], int]", "x", SAME),
        ("type[int]", "x", SAME),
        ("not an annotation", "x", SAME),
    ],
)
def test_a_value_that_means_one_thing_becomes_it(annotation: str, value: Any, result: Any) -> None:
    """What is one already stays the same object."""
    made = fitted(annotation, value)
    if result is SAME:
        assert made is value
    elif result is not None:
        assert made == result
        assert type(made) is type(result)
        assert repr(made) == repr(result)


@pytest.mark.parametrize(
    ("annotation", "value", "text"),
    [
        ("float", "abc", "x is the text 'abc', not a number (float)"),
        ("float", "1.5", "x is the text '1.5', not a number (float); it is text; without quotes"),
        ("float", "1e400", "it is text; as a number it is more than a float can hold"),
        ("float", "inf", "it is text; the number is float('inf') or 'nan' in Python, .inf or"),
        ("float", 2**53 + 1, "x is 9007199254740993, not a number that a float can hold"),
        ("float", 10**400, "not a number (float)"),
        ("complex", 2**53 + 1, "not a number that a float can hold"),
        ("float | None", 2**53 + 1, "of so large ones only some are floats"),
        ("list[float]", [1, 2**53 + 1], "x[1] is 9007199254740993, not a number that a float"),
        ("float", True, "x is True, not a number (float)"),
        ("float", [1.0], "x is a list of 1, not a number (float)"),
        ("int", True, "x is True, not a whole number (int)"),
        ("int", 1.5, "x is 1.5, not a whole number (int)"),
        ("int", None, "x is None, not a whole number (int)"),
        ("complex", "j1", "x is the text 'j1', not a complex number such as '50+1j'"),
        ("complex", None, "x is None, not a complex number"),
        ("str", 123, "x is 123, not a text (str); in quotes it is one"),
        ("str", b"a", "x is a bytes, not a text (str)"),
        ("bytes", "AP8=", "x is the text 'AP8=', not bytes; bytes can't be written as text"),
        ("decimal.Decimal", "a", "x is the text 'a', not a decimal number"),
        ("decimal.Decimal", True, "x is True, not a decimal number"),
        ("fractions.Fraction", 0.5, "x is 0.5, not a fraction"),
        ("pathlib.Path", 3, "x is 3, not a path"),
        ("datetime.date", "31.1.2026", "not a date; write it as 2026-01-31"),
        ("UNIT", 5, "x is 5, not a time (timedelta); write it with its unit, such as '250ms'"),
        ("UNIT", "5 apples", "not a time (timedelta)"),
        ("Mode", "cww", "not a Mode; it is one of CW, PULSED"),
        ("Mode", "PULSE", "not a Mode; it is one of CW, PULSED; did you mean 'PULSED'?"),
        ("Mode", Odd.a, "x is an Odd, not a Mode"),
        ("Gain", True, "x is True, not a Gain"),
        ("Odd", "B", "not an Odd"),
        ("Bits", 9, "x is 9, not a Bits"),
        ("Bits", "READY|GONE", "not a Bits"),
        ("Literal['fast', 3]", True, "it is one of 'fast', 3"),
        ("list[float]", "abc", "x is the text 'abc', not a list"),
        ("list[float]", [1, "a"], "x[1] is the text 'a', not a number (float)"),
        ("list[float]", {1.0}, "x is a set of 1, not a list"),
        ("Sequence[float]", "12", "x is the text '12', not a list"),
        ("Sequence[float]", 3, "x is 3, not a list"),
        ("tuple[int, int]", [1], "x is a list of 1, not a list or tuple of 2"),
        ("tuple[int, int]", [1, "a"], "x[1] is the text 'a'"),
        ("tuple[int, ...]", 1, "x is 1, not a list or tuple"),
        ("set", [[1]], "not a set of what a set can hold"),
        ("dict[str, float]", {"a": "b"}, "x['a'] is the text 'b', not a number"),
        ("dict[int, str]", {"a": "b"}, "x (a key) is the text 'a', not a whole number"),
        ("dict[int, str]", {"1": "a", 1: "b"}, "two of its keys are one"),
        ("dict", [1], "x is a list of 1, not a mapping"),
        ("Point", [1, 2, 3], "it has the fields x, y"),
        ("Point", [], "it lacks x"),
        ("Options", {"gian": 1}, "it has no field 'gian', but"),
        ("Options", 3, "x is 3, not a mapping (Options)"),
        ("Strict", {}, "it lacks unit"),
        ("Roi", {"x": "a"}, "x.x is the text 'a', not a whole number"),
        ("Roi", {"x": -1}, "x must not be negative"),
        ("Roi", [1], "give its fields as a mapping: x, y, inner"),
        ("Roi | None", {"x": 1, "inner": {"x": "a"}}, "x.inner.x is the text 'a'"),
        ("float | bool", "yes", "not a number (float) or true or false"),
        ("Roi | None", 3, "x is 3, not a Roi or nothing (None)"),
        ("Cfg", Cfg("s"), "x.a is the text 's', not a whole number"),  # type: ignore[arg-type]
        ("list[Cfg]", [Cfg(1), Cfg(1, "x")], "x[1].b is the text 'x', not a number"),  # type: ignore[arg-type]
        ("Point", Point("x"), "x.x is the text 'x', not a number"),  # type: ignore[arg-type]
        *[
            ("Pt", value, "not a Pt")
            for value in (3, 1.5, 1j, "abc", b"a", True, None, np.float64(1), bytearray(b"a"))
        ],
        ("Pt | None", 3, "x is 3, not a Pt or nothing (None)"),
        ("list[Pt]", [Pt(), "a"], "x[1] is the text 'a', not a Pt"),
        ("Marked", {"name": "a"}, "not a Marked; it lacks gain"),
        ("Marked", {"nam": "a"}, "not a Marked; it has no field 'nam', but gain, name"),
        ("np.float32", "x", "x is the text 'x', not a number (float)"),
        ("np.floating", True, "x is True, not a number (float)"),
        ("np.uint8", 1.5, "x is 1.5, not a whole number (int)"),
        ("np.bool_", 1, "x is 1, not true or false"),
        ("npt.NDArray[np.float64]", [[1, 2**53 + 1]], "x[0][1] is 9007199254740993, not "),
        (
            "np.ndarray",
            [1.5, 2**60 + 1],
            "x[1] is 1152921504606846977, not what an array of float64",
        ),
        ("np.ndarray", [1, "a"], "x[0] is 1, not what an array of <U21 holds exactly"),
        ("np.ndarray", [[2, True]], "x[0][1] is True, not what an array of int64 holds exactly"),
        ("np.ndarray", [None], "x[0] is None, not what an array of object holds exactly"),
        ("np.ndarray", [2**70], "not what an array of object holds exactly"),
        ("np.ndarray", ["a\0"], "not what an array of <U2 holds exactly"),
        ("npt.NDArray[np.int64]", [1.5], "x[0] is 1.5, not what an array of int64 holds exactly"),
        ("npt.NDArray[np.int8]", [300], "out of bounds for int8"),
        ("npt.NDArray[np.bool_]", [1], "x[0] is 1, not what an array of bool holds exactly"),
        ("npt.NDArray[np.float32]", [1e300], "x[0] is 1e+300, not what an array of float32"),
        ("np.ndarray", "abc", "x is the text 'abc', not an array"),
        ("np.ndarray", [[1], [1, 2]], "not an array (numpy.ndarray); setting an array element"),
        *[("bool", value, "true or false; write true or false") for value in ("no", "0", 0, 1)],
    ],
)
def test_a_value_that_does_not_fit_is_told(annotation: str, value: Any, text: str) -> None:
    """What it is, what is wanted, and how to write it."""
    with pytest.raises(Unfit) as caught:
        fitted(annotation, value)
    assert text in caught.value.said_of("x")


LIKE = Like()


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        ("Pt", Pt()),
        ("Pt", LIKE),
        ("Pt", [1]),  # the class may be no more than a hint
        ("Pt | None", None),
        ("Label", "text"),
        ("Cfg", Cfg(1)),
        ("Cfg", Cfg(1, None)),  # type: ignore[arg-type]
        ("Made", Made("x")),
        ("Point", Point(1.0)),
        ("np.float32", np.float32(1)),
        ("np.generic", "x"),
    ],
)
def test_objects_and_whole_records_are_left_alone(annotation: str, value: Any) -> None:
    assert fitted(annotation, value) is value


def test_a_whole_records_fields_are_fitted_in_a_copy() -> None:
    given = Cfg(1.0, 2)  # type: ignore[arg-type]
    made = fitted("Cfg", given)
    assert (repr(made), repr(given)) == ("Cfg(a=1, b=2.0)", "Cfg(a=1.0, b=2)")
    assert repr(fitted("Point", Point(1))) == "Point(x=1.0, y=0.0)"
    assert repr(fitted("np.float32", 1)) == "1.0"


def test_a_parameter_of_a_class_is_made_of_a_mapping_and_takes_its_default() -> None:
    def go(at: Pt = None, to: Pt = "home") -> None: ...  # type: ignore[assignment]

    args, _ = fit(go, {"x": 1}, "away")
    assert (type(args[0]), args[0].x, args[1]) == (Pt, 1.0, "away")
    assert fit(go, None) == ([None], {})
    for given in (3, {"q": 1}):
        with pytest.raises(Misfit, match="not a Pt"):
            fit(go, given)


class Device:
    power: Pt

    @property
    def at(self) -> Pt | None: ...


def test_a_property_that_gives_an_object_may_take_anything() -> None:
    assert value_fitter(Device, "power") is None
    assert value_fitter(Device, "at") is None


def test_lists_become_arrays_where_an_array_is_meant() -> None:
    array = fitted("npt.NDArray[np.float32]", [1, 2])
    assert (array.dtype, array.shape) == (np.float32, (2,))
    assert fitted("np.ndarray", [[1, 2]]).shape == (1, 2)
    assert fitted("Unknown.ndarray", [1]).shape == (1,)
    assert fitted("np.ndarray", [1, 2.5]).tolist() == [1, 2.5]
    assert fitted("np.ndarray", [np.int8(1), True][:1]).dtype == np.int8
    assert fitted("npt.NDArray[np.complex128]", [1, 2.5, 1j]).tolist() == [1, 2.5, 1j]
    assert fitted("npt.NDArray[np.float32]", [0.1, math.inf]).tolist()[1] == math.inf
    now = datetime.datetime(2026, 1, 1)
    assert fitted("np.ndarray", [now]).tolist() == [now]
    assert fitted("npt.NDArray[np.object_]", [None, 1]).tolist() == [None, 1]
    given = np.zeros(3, np.int8)
    assert fitted("npt.NDArray[np.float32]", given) is given


def device(
    x: float, /, mode: Mode = Mode.CW, *rest: int, name: str, flex: int = "auto", **more: bool
):  # type: ignore[assignment]
    """Takes all kinds of parameters."""


def fit(function: Any, *args: Any, **kwargs: Any) -> Any:
    found = Parameters(function).fit(args, kwargs)
    return [*found[0]], found[1]


def test_arguments_are_fitted_by_position_and_name() -> None:
    assert fit(device, 1, "cw", 2.0, name="n", flex="x", other="true") == (
        [1.0, Mode.CW, 2],
        {"name": "n", "flex": "x", "other": True},
    )


def test_arguments_that_fit_are_left_alone() -> None:
    args, kwargs = [1.0, Mode.CW], {"name": "n"}
    found = Parameters(device).fit(args, kwargs)
    assert found[0] is args
    assert found[1] is kwargs


@pytest.mark.parametrize(
    ("args", "kwargs", "text"),
    [
        ((), {"name": "n"}, "missing a required argument: 'x'"),
        ((1.0,), {}, "missing a required argument: 'name'"),
        ((), {"x": 1.0, "name": "n"}, "'x' parameter is positional only"),
        ((1.0, "cw"), {"mode": "cw", "name": "n"}, "multiple values for argument 'mode'"),
        ((1.0, "cw", "a"), {"name": 3, "o": 1}, "argument 3 is the text 'a', not"),
        ((1.0, "cw", "a"), {"name": 3, "o": 1}, "name is 3, not a text"),
        ((1.0, "cw", "a"), {"name": 3, "o": 1}, "o is 1, not true or false"),
        ((1.0,), {"name": "n", "flex": None}, "not a whole number (int) or a text (str)"),
    ],
)
def test_arguments_that_do_not_fit_are_all_told(args: Any, kwargs: Any, text: str) -> None:
    with pytest.raises(Misfit) as caught:
        fit(device, *args, **kwargs)
    assert text in str(caught.value)


T = TypeVar("T")


class Boxed(Generic[T]):
    def __init__(self, value: int) -> None:
        self.value = value


class Anything:
    def keywords(self, **given: int) -> None: ...

    def boxed(self, box: Boxed[int]) -> None: ...


def test_what_a_method_is_bound_to_is_given_already() -> None:
    with pytest.raises(Misfit, match="multiple values for argument 'self'"):
        fit(Anything().keywords, self=1)
    assert fit(Anything().keywords, other=1) == ([], {"other": 1})


def test_an_object_of_a_generic_class_is_made_of_its_arguments() -> None:
    (made,), _ = fit(Anything().boxed, {"value": 3})
    assert (type(made), made.value) == (Boxed, 3)


def test_an_unknown_argument_is_told_the_nearest() -> None:
    def move(speed: float, *, wait: bool = True) -> None: ...

    with pytest.raises(Misfit, match=r"argument 'sped'; did you mean 'speed'\?; missing"):
        fit(move, sped=1.0)
    with pytest.raises(Misfit, match="too many positional arguments"):
        fit(move, 1.0, False)


class Laser:
    """With properties of each kind."""

    power: float = 0.0
    label: str | None
    port: int = "none"  # type: ignore[assignment]

    def __init__(self, serial: str, limit: float = 1.0) -> None: ...

    def __call__(self, x: float) -> None: ...

    @property
    def on(self) -> bool:
        return True

    @on.setter
    def on(self, value): ...  # type: ignore[no-untyped-def]

    @property
    def mode(self):  # type: ignore[no-untyped-def]
        return Mode.CW

    @mode.setter
    def mode(self, value: Mode) -> None: ...

    @functools.cached_property
    def gain(self) -> float:
        return 1.0

    @property
    def bare(self):  # type: ignore[no-untyped-def]
        return 1


class Derived(Laser):
    pass


@pytest.mark.parametrize(
    ("name", "value", "result"),
    [
        ("power", 1, 1.0),
        ("label", None, None),
        ("port", "none", "none"),
        ("on", "false", False),
        ("mode", "cw", Mode.CW),
        ("gain", 1, 1.0),
    ],
)
def test_a_property_takes_what_its_class_says(name: str, value: Any, result: Any) -> None:
    fitter = value_fitter(Derived, name)
    assert fitter is not None
    assert repr(fitter(value)) == repr(result)


def test_a_property_that_says_nothing_takes_anything() -> None:
    assert value_fitter(Derived, "bare") is None
    assert value_fitter(Derived, "nothing") is None


def test_whatever_can_be_called_says_what_it_takes() -> None:
    for function in (
        Derived,
        functools.partial(Derived, limit=2),
        functools.wraps(Laser)(lambda *args, **kwargs: Laser(*args, **kwargs)),
    ):
        with pytest.raises(Misfit, match="serial is 1, not a text"):
            fit(function, 1)
    assert fit(Derived("a"), 1) == ([1.0], {})
    assert fit(Derived("a").__call__, 1) == ([1.0], {})
    assert fit(Roi, 1.0) == ([1], {})
    assert fit(Point, 1) == ([1.0], {})
    with pytest.raises((TypeError, ValueError)):
        Parameters(dict)
