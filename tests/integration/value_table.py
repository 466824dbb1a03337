"""Values as scientists' drivers take and return them, what becomes of each, and how that is judged.

Each is the same on the other side, or another one that the table of `docs/values.md` names, or
refused. The module is imported on both sides, so that its classes are known on both; those of
`ELSEWHERE` are the driver's alone.
"""

from __future__ import annotations

import array
import ctypes
import dataclasses
import datetime as dt
import enum
import math
import threading
import uuid
from collections import ChainMap, Counter, OrderedDict, UserDict, defaultdict, deque, namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pint

try:
    import astropy.units
    import quantities
    import xarray
except ImportError:  # pragma: no cover  the extra `values` has them
    astropy = xarray = None


class Mode(enum.Enum):
    CW = "cw"
    PULSED = ("pulsed", 1.5)


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Unit(enum.StrEnum):
    VOLT = "V"


class Status(enum.Flag):
    HOT = 1
    LOCKED = 2


class Bits(enum.IntFlag):
    A = 1
    B = 2


Point = namedtuple("Point", "x y")


class Reading(NamedTuple):
    value: float
    unit: str = "V"


@dataclass
class Settings:
    gain: float
    mode: Mode = Mode.CW
    trace: Any = None


@dataclass(frozen=True, slots=True)
class Frozen:
    a: int
    b: tuple[int, ...] = ()


@dataclass
class Derived:
    a: int
    double: int = dataclasses.field(init=False, default=0)

    def __post_init__(self) -> None:
        self.double = 2 * self.a


class Text(str):
    pass


class Amount(float):
    pass


class Bag(dict[str, int]):
    pass


class Marked(float):
    unit = "V"

    def __init__(self, value: float) -> None:
        self.unit = "mV"


class Plain:
    def __init__(self) -> None:
        self.gain = 2.0
        self.trace = np.arange(3)
        self._handle = threading.Lock()

    @property
    def costly(self) -> float:
        raise AssertionError("a property of an object was evaluated")


class Slotted:
    __slots__ = ("_b", "a")

    def __init__(self) -> None:
        self.a, self._b = 1, 2


class Structure(ctypes.Structure):
    _fields_ = [
        ("serial", ctypes.c_char * 8),
        ("gain", ctypes.c_double),
        ("bins", ctypes.c_int * 3),
    ]


class Stage:
    """Something to work with: it can be closed and read from."""

    def read(self) -> bytes:
        return b""

    def close(self) -> None:
        return


@dataclass(frozen=True)
class Case:
    """One value.

    Attributes:
        name: What it is.
        make: Makes it.
        arrives: What it is on the other side, if that is another type than it has.
        refused: A part of the refusal, if it is refused everywhere.
        argument: The same, if it is refused as an argument alone.
    """

    name: str
    make: Callable[[], Any]
    arrives: Callable[[], Any] | None = None
    refused: str = ""
    argument: str = ""

    @property
    def expected(self) -> Any:
        """What is there on the other side."""
        return (self.arrives or self.make)()


CASES: dict[str, Case] = {}


def case(name: str, make: Callable[[], Any], **outcome: Any) -> None:
    """Add a value to the table."""
    assert name not in CASES, name
    CASES[name] = Case(name, make, **outcome)


def same(**values: Any) -> None:
    """Add values that can't be changed, by their names."""
    for name, value in values.items():
        case(name.replace("_", " "), lambda value=value: value)


def record_of(value: Any, *fields: str) -> Callable[[], Any]:
    """A record of an object's fields."""
    from transports.values.records import Record

    kind = type(value)
    found = {name: getattr(value, name) for name in fields}
    return lambda: Record(kind.__module__, kind.__qualname__, found)


def marked_of(value: float, **fields: Any) -> Callable[[], Any]:
    """What stands for a number with attributes."""
    from transports.values.marked import _made

    kind = type(value)
    return lambda: _made(kind.__module__, kind.__qualname__, float(value), fields, {})


BERLIN = ZoneInfo("Europe/Berlin")
PLUS_TWO = dt.timezone(dt.timedelta(hours=2), "lab")
NOON = dt.datetime(2024, 5, 6, 12, 0, 0, 123456)

# -- plain
same(
    none=None,
    true=True,
    false=False,
    zero=0,
    one=1,
    least_of_64_bits=-(2**63),
    most_of_64_bits=2**64 - 1,
    beyond_64_bits=2**64,
    far_below=-(2**64),
    hundreds_of_digits=7**400,
    float=1.5,
    tiny=5e-324,
    minus_zero=-0.0,
    infinity=math.inf,
    minus_infinity=-math.inf,
    nan=math.nan,
    text="grün",
    empty_text="",
    text_of_zeros="a\0b",
    lone_surrogate="\udc80",
    long_text="x" * 70_000,
    number_as_text="7",
    complex=50 + 1j,
    complex_nan=complex(math.nan, -0.0),
    ellipsis=...,
)
# -- bytes
same(bytes=b"\x00\xff", empty_bytes=b"", long_bytes=bytes(range(256)) * 40)
case("bytearray", lambda: bytearray(b"\x01\x02"))
case("long bytearray", lambda: bytearray(9000))
case("memoryview", lambda: memoryview(b"abc"))
case("memoryview of doubles", lambda: memoryview(array.array("d", [1.5, math.inf])))
case("array of doubles", lambda: array.array("d", [1.5, -0.0]))
case("array of shorts", lambda: array.array("h", range(3000)))
case("array of text", lambda: array.array("u", "ab"))
# -- containers
same(
    empty_tuple=(),
    pair=(1, 2.5),
    nested_tuples=((1, (2,)), ("a",)),
    frozenset=frozenset({1, "a", (2, 3)}),
    range=range(2, 20, 3),
    huge_range=range(2**70),
    slice=slice(1, None, 2),
)
case("empty list", list)
case("list", lambda: [1, 2.5, None, "a", True])
case("nested lists", lambda: [[1, [2, [3]]], []])
case("list of pairs", lambda: [(0.0, 1), (0.5, 2)])
case("list with nan and inf", lambda: [1.0, math.nan, math.inf])
case("list of bytes", lambda: [b"a", b"", b"\xff"])
case("list of big ints", lambda: [2**64, -(2**70)])
case("numbers of a sweep", lambda: [x / 7 for x in range(2000)])
case("set", lambda: {1, 2, (3, 4)})
case("empty set", set)
case("deque", lambda: deque([1, (2,)], maxlen=5))
case("empty dict", dict)
case("dict", lambda: {"a": 1, "b": {"c": [1.5]}})
case("dict by int", lambda: {1: "a", 2: "b"})
case("dict by number kinds", lambda: {1.5: "a", None: "b", False: "c"})
case("dict by tuple", lambda: {(0, 1): 0.5})
case("dict by bytes", lambda: {b"k": b"v"})
case("dict by member", lambda: {Mode.CW: 1, Level.LOW: 2})
case("dict by text and its number", lambda: {"1": "a", 1: "b"})
case("dict of any texts", lambda: {"": 0, "\ud800": 1, "__args__": [1]})
case("ordered dict", lambda: OrderedDict([("b", 1), ("a", 2)]))
case("counter", lambda: Counter("abca"))
case("default dict", lambda: defaultdict(list, a=[1]), arrives=lambda: {"a": [1]})
case("chain map", lambda: ChainMap({"a": 1}, {"b": 2}), arrives=lambda: {"b": 2, "a": 1})
case("user dict", lambda: UserDict(a=1), arrives=lambda: {"a": 1})
case("mapping proxy", lambda: MappingProxyType({"a": 1}), arrives=lambda: {"a": 1})
case("namespace", lambda: SimpleNamespace(a=1, b=[(2,)]))
case("keys", lambda: {"a": 1}.keys(), arrives=lambda: ["a"])
case("values", lambda: {"a": (1,)}.values(), arrives=lambda: [(1,)])
case("items", lambda: {"a": 1}.items(), arrives=lambda: [("a", 1)])
# -- numbers and times
same(
    decimal=Decimal("1.50"),
    decimal_nan=Decimal("NaN"),
    decimal_infinity=Decimal("-Infinity"),
    decimal_minus_zero=Decimal("-0.00"),
    decimal_huge=Decimal("1E+5000"),
    fraction=Fraction(-1, 3),
    uuid=uuid.UUID(int=7),
    naive_time=NOON,
    utc_time=NOON.replace(tzinfo=dt.UTC),
    offset_time=NOON.replace(tzinfo=PLUS_TWO),
    zoned_time=NOON.replace(tzinfo=BERLIN),
    second_of_two_times=dt.datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=1),
    first_of_two_times=dt.datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN),
    naive_second_time=dt.datetime(2024, 10, 27, 2, 30, fold=1),
    date=dt.date(1, 1, 1),
    time_of_day=dt.time(23, 59, 59, 999999),
    zoned_time_of_day=dt.time(1, 2, tzinfo=PLUS_TWO),
    duration=dt.timedelta(days=-1, microseconds=1),
    longest_duration=dt.timedelta.max,
    utc=dt.UTC,
    zone=BERLIN,
    path=Path("/data/run 1"),
    relative_path=Path("a/../b"),
    posix_path=PurePosixPath("/a"),
    windows_path=PureWindowsPath("C:/data/ä"),
)
# -- classes
same(
    enum=Mode.CW,
    enum_of_tuple=Mode.PULSED,
    int_enum=Level.HIGH,
    text_enum=Unit.VOLT,
    flag=Status.HOT,
    flags=Status.HOT | Status.LOCKED,
    no_flags=Status(0),
    int_flags=Bits.A | Bits.B,
    named_tuple=Point(1, (2,)),
    typed_named_tuple=Reading(1.5),
    frozen_dataclass=Frozen(1, (2, 3)),
)
case("dataclass", lambda: Settings(1.5, Mode.PULSED, np.arange(3)))
case("dataclass with a field of its own", lambda: Derived(3))
case("list of named tuples", lambda: [Point(1, 2), Point(3.5, None)])
case("text of a class", lambda: Text("a"), arrives=lambda: "a")
case("number of a class", lambda: Amount(1.5), arrives=lambda: 1.5)
case("dict of a class", lambda: Bag(a=1), arrives=lambda: {"a": 1})
case("exception", lambda: ValueError("out of range", 3))
case("exception with errno", lambda: FileNotFoundError(2, "no such", "file"))
# -- numpy scalars
SIMPLE = (
    *("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"),
    *("f2", "f4", "f8", "c8", "c16", "longdouble"),
)
for text in (*SIMPLE, "clongdouble"):
    case(f"numpy {text}", lambda text=text: np.dtype(text).type(1))
same(
    numpy_nan=np.float64("nan"),
    numpy_minus_zero=np.float32(-0.0),
    numpy_text=np.str_("grün"),
    numpy_bytes=np.bytes_(b"a\x00b"),
    numpy_time_of_nanoseconds=np.datetime64("2024-05-06T12:00:00.123456789"),
    numpy_day=np.datetime64("2024-05-06"),
    numpy_no_time=np.datetime64("NaT", "ns"),
    numpy_duration=np.timedelta64(3, "us"),
    numpy_void=np.void(b"abc"),
    numpy_dtype=np.dtype([("a", "<i4"), ("b", ">f8")]),
)
case("list of numpy numbers", lambda: [np.float64(0.5), np.int16(3), np.bool_(True)])
# -- arrays
GRID = np.arange(24, dtype=np.float64).reshape(2, 3, 4)
for text in [
    "b1",
    "i1",
    "i2",
    "i4",
    "i8",
    "u1",
    "u2",
    "u4",
    "u8",
    "f2",
    "f4",
    "f8",
    "c8",
    "c16",
    "longdouble",
]:
    case(f"array of {text}", lambda text=text: np.array([[0, 1], [2, 3]]).astype(text))
case("array of nan", lambda: np.array([1.0, np.nan, -np.inf, -0.0]))
case("big-endian array", lambda: np.arange(4, dtype=">f4"))
case("array of text of four", lambda: np.array(["a", "grün"]))
case("array of bytes of three", lambda: np.array([b"a", b"abc"]))
case("array of void", lambda: np.array([b"ab", b"cd"], dtype="V2"))
case("array of nanoseconds", lambda: np.array(["2024-05-06", "NaT"], "M8[ns]"))
case("array of 25 s", lambda: np.array([0, 7], "m8[25s]"))
case("array of any text", lambda: np.array(["a", "xy" * 50], dtype=np.dtypes.StringDType()))
case("array without dimension", lambda: np.array(1.5))
case("empty array", lambda: np.zeros((2, 0, 3), np.int16))
case("fortran array", lambda: np.asfortranarray(GRID))
case("every second", lambda: np.arange(20)[::2], arrives=lambda: np.arange(0, 20, 2))
case("backwards", lambda: np.arange(5)[::-1], arrives=lambda: np.array([4, 3, 2, 1, 0]))
case("axes swapped", lambda: GRID.swapaxes(0, 1), arrives=lambda: GRID.swapaxes(0, 1).copy("C"))
case("one value for many", lambda: np.broadcast_to(3, (4, 5)), arrives=lambda: np.full((4, 5), 3))
case("structured array", lambda: np.array([(1, 2.5)], dtype=[("a", "<i4"), ("b", ">f8")]))
case(
    "aligned structured array",
    lambda: np.array([(1, 2.5)], dtype=np.dtype([("a", "i1"), ("b", "f8")], align=True)),
)
case(
    "overlapping fields",
    lambda: np.array(
        [(1, 1)],
        dtype={"names": ["a", "b"], "formats": ["<u4", "u1"], "offsets": [0, 0], "itemsize": 8},
    ),
)
case("fields with shapes", lambda: np.zeros(2, dtype=[("v", "<f4", (2, 3)), ("n", [("x", "u1")])]))
case("record array", lambda: np.rec.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]))
case("one row", lambda: np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")])[0])
case("masked array", lambda: np.ma.array([1, 2, 3], mask=[0, 1, 0], fill_value=-9))
case("masked array without mask", lambda: np.ma.array([1.5, 2.5]))
case(
    "masked structured array",
    lambda: np.ma.array([(1, 2.5)], mask=[(0, 1)], dtype=[("a", "i4"), ("b", "f8")]),
)
case("masked", lambda: np.ma.masked)
case("image", lambda: np.arange(1080 * 1920, dtype=np.uint8).reshape(1080, 1920))
# -- arrays in others
case("two arrays", lambda: (np.arange(3.0), np.arange(3)))
case("nothing and an image", lambda: (None, np.ones((3, 4), np.uint16)))
case("an image and its settings", lambda: {"img": np.ones((3, 4)), "t": 3})
case("traces", lambda: [np.arange(n, dtype=np.int16) for n in range(1, 6)])
case("arrays by number", lambda: {1: np.arange(2), (2, "a"): [np.arange(3)]})
case("bytes and an array", lambda: [b"x" * 9000, np.arange(3), bytearray(b"y" * 9000)])
# -- packages
case("table", lambda: pd.DataFrame({"t": [1, 2], "v": [0.5, math.nan], "s": ["a", None]}))
case("table by time", lambda: pd.DataFrame({"v": [1]}, index=pd.date_range("2024", periods=1)))
case("series", lambda: pd.Series([1, None], dtype="Int64", name="n"))
case("categories", lambda: pd.Series(["u", "v", "u"], dtype="category"))
case("index", lambda: pd.MultiIndex.from_product([["a"], [1, 2]], names=["x", "y"]))
case("timestamp", lambda: pd.Timestamp("2024-05-06 12:00:00.123456789", tz="Europe/Berlin"))
case("no timestamp", lambda: pd.NaT)
case("pandas duration", lambda: pd.Timedelta(7, "ns"))
case("quantity", lambda: pint.get_application_registry().Quantity(1.5, "mV"))
case("quantities", lambda: pint.get_application_registry().Quantity(np.arange(3.0), "m / s**2"))
case("unit", lambda: pint.get_application_registry().Unit("kV"))
if xarray is not None:
    case(
        "labelled array",
        lambda: xarray.DataArray(
            GRID[0], dims=("x", "y"), coords={"x": [1, 2, 3]}, name="v", attrs={"unit": "V"}
        ),
    )
    case("data set", lambda: xarray.Dataset({"a": ("x", [1, 2])}, attrs={"by": ("me", 1)}))
    case("counted quantity", lambda: quantities.Quantity([1.5, 2.5], "mV*s"))
    case("astropy quantity", lambda: np.arange(3.0) * astropy.units.km / astropy.units.s)
# -- objects
WHOLE = "has no form"
case(
    "number with a unit of its own",
    lambda: Marked(1.5),
    arrives=marked_of(Marked(1.5), unit="mV"),
    argument="attributes beside its float",
)
case("object", Plain, arrives=record_of(Plain(), "gain", "trace"), argument=WHOLE)
case("object of slots", Slotted, arrives=record_of(Slotted(), "a"), argument=WHOLE)
case(
    "structure of ctypes",
    lambda: Structure(b"SN-7", 1.5, (1, 2, 3)),
    arrives=lambda: record_of(SimpleStructure(b"SN-7", 1.5, [1, 2, 3]), "serial", "gain", "bins")(),
    argument=WHOLE,
)
case("number of ctypes", lambda: ctypes.c_uint16(7), arrives=lambda: 7)
case("numbers of ctypes", lambda: (ctypes.c_double * 2)(1.5, 2.5), arrives=lambda: [1.5, 2.5])


class SimpleStructure(NamedTuple):
    """What `Structure` has."""

    serial: bytes
    gain: float
    bins: list[int]


SimpleStructure.__qualname__ = "Structure"
# -- refused
case("function", lambda: math.sin, refused="a function has no form")
case("method", lambda: Stage().read, refused="a function has no form")
case("class", lambda: Stage, refused="a class")
case("module", lambda: math, refused="a module")
case("lock", threading.Lock, refused="type _thread.lock")
case("thing to work with", Stage, refused="file-like")
case("lock deep inside", lambda: {"x": [1, (threading.Lock(),)]}, refused=r"\['x'\]\[1\]\[0\]: ")
case("array of objects", lambda: np.array([None, 1]), refused="holds Python objects")
case("plain object", object, refused="object")
case("iterator", lambda: iter([1]), refused="send its items")
case("pointer", lambda: ctypes.pointer(ctypes.c_int(1)), refused="a pointer")
case("period", lambda: pd.Period("2024"), refused="has no form")


def endless() -> list[Any]:
    """A list that holds itself."""
    items: list[Any] = [1]
    items.append(items)
    return items


case("endless list", endless, refused="holds itself")


# -- judging ----------------------------------------------------------------------------------


def difference(one: Any, other: Any) -> str:
    """How two values differ; empty if they are the same, type and all."""
    if type(one) is not type(other):
        return f"{type(one).__name__} has become {type(other).__name__}: {other!r:.200}"
    for kind, judge in _JUDGES:
        if isinstance(one, kind):
            return judge(one, other)
    if one is other:
        return ""
    equal = bool(one == other) or (one != one and other != other)
    return "" if equal and repr(one) == repr(other) else f"{one!r:.200} != {other!r:.200}"


def _of_parts(*names: str) -> Callable[[Any, Any], str]:
    def judge(one: Any, other: Any) -> str:
        return next(
            (
                f".{name}: {text}"
                for name in names
                if (text := difference(getattr(one, name), getattr(other, name)))
            ),
            "",
        )

    return judge


def _of_items(one: Any, other: Any) -> str:
    if len(one) != len(other):
        return f"{len(one)} items have become {len(other)}"
    pairs = enumerate(zip(one, other, strict=True))
    return next((f"[{i}]: {text}" for i, (a, b) in pairs if (text := difference(a, b))), "")


def _of_mappings(one: Any, other: Any) -> str:
    return _of_items(list(one.items()), list(other.items()))


def _of_floats(one: Any, other: Any) -> str:
    if np.isnan(one) and np.isnan(other):
        return ""
    equal = one == other and math.copysign(1, one) == math.copysign(1, other)
    return "" if equal else f"{one!r} != {other!r}"


def _of_arrays(one: Any, other: Any) -> str:
    if isinstance(one, np.ma.MaskedArray):
        masks = _of_arrays(np.ma.getmaskarray(one), np.ma.getmaskarray(other))
        fills = difference(one.fill_value, other.fill_value)
        return masks or fills or _of_arrays(np.ma.getdata(one), np.ma.getdata(other))
    for name in ("dtype", "shape"):
        if getattr(one, name) != getattr(other, name):
            return f"{name} {getattr(one, name)} has become {getattr(other, name)}"
    if one.dtype.isalignedstruct != other.dtype.isalignedstruct:
        return "its structure is aligned otherwise"
    if one.flags.fnc != other.flags.fnc:
        return "its order in memory has changed"
    if one.dtype.kind == "T":
        return _of_items(one.tolist(), other.tolist())
    if one.dtype.names is not None:
        return next((t for n in one.dtype.names if (t := _of_arrays(one[n], other[n]))), "")
    if one.dtype.char in "gG":  # with bytes that mean nothing
        return _of_items(one.ravel().tolist(), other.ravel().tolist())
    return "" if one.tobytes() == other.tobytes() else f"{one!r:.100} != {other!r:.100}"


def _of_frames(one: Any, other: Any) -> str:
    name = {pd.DataFrame: "frame", pd.Series: "series"}.get(type(one), "index")
    try:
        getattr(pd.testing, f"assert_{name}_equal")(one, other)
    except AssertionError as error:
        return str(error)
    return ""


def _of_labelled(one: Any, other: Any) -> str:
    try:
        xarray.testing.assert_identical(one, other)
    except AssertionError as error:
        return str(error)
    return _of_mappings(one.attrs, other.attrs)


def _of_times(one: Any, other: Any) -> str:
    texts = [f"{each!r} {each.fold}" for each in (one, other)]
    return "" if texts[0] == texts[1] else f"{texts[0]} has become {texts[1]}"


def _of_counted(one: Any, other: Any) -> str:
    units = one.dimensionality.string, other.dimensionality.string
    return difference(one.magnitude, other.magnitude) or difference(*units)


_JUDGES: list[tuple[Any, Callable[[Any, Any], str]]] = [
    (bool, lambda one, other: "" if one is other else "not the same"),
    ((enum.Enum, type(pd.NaT)), lambda one, other: "" if one is other else f"{other!r}"),
    (pd.Timestamp, lambda one, other: "" if repr(one) == repr(other) else f"{other!r}"),
    (Decimal, lambda one, other: "" if repr(one) == repr(other) else f"{other!r}"),
    ((dt.datetime, dt.time), _of_times),
    ((pd.DataFrame, pd.Series, pd.Index), _of_frames),
    *([((xarray.DataArray, xarray.Dataset), _of_labelled)] if xarray else []),
    *([(astropy.units.Quantity, _of_parts("value", "unit"))] if xarray else []),
    *([(quantities.Quantity, _of_counted)] if xarray else []),
    (pint.Quantity, _of_parts("magnitude", "units")),
    (type(np.ma.masked), lambda one, other: "" if one is other else "not the same"),
    (np.ndarray, _of_arrays),
    (np.void, lambda one, other: _of_arrays(np.asarray(one), np.asarray(other))),
    ((complex, np.complexfloating), _of_parts("real", "imag")),
    ((float, np.floating), _of_floats),
    ((tuple, list, array.array), _of_items),
    (deque, lambda one, other: difference([*one, one.maxlen], [*other, other.maxlen])),
    (dict, _of_mappings),
    (SimpleNamespace, lambda one, other: _of_mappings(vars(one), vars(other))),
    ((set, frozenset), lambda one, other: "" if one == other else f"{other!r}"),
    (slice, _of_parts("start", "stop", "step")),
    (memoryview, lambda one, other: difference((one.format, [*one]), (other.format, [*other]))),
    (BaseException, _of_parts("args")),
    (Settings, _of_parts("gain", "mode", "trace")),
]


def judge(name: str, value: Any) -> str:
    """How what has come of a value differs from what is documented; empty if it doesn't."""
    from transports.values.records import Record

    expected = CASES[name].expected
    if isinstance(expected, Record) and isinstance(value, Record):
        if value._type != expected._type:
            return f"a record of {value._type}"
        return _of_mappings(expected._asdict(), value._asdict())
    return difference(expected, value)
