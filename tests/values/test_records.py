"""What stands for a value whose class isn't here, and what becomes of objects."""

from __future__ import annotations

import copy
import enum
import math
import pickle
import sys
import threading
from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import pytest

from transports.values.codec import decode, encode
from transports.values.kinds import NoForm
from transports.values.records import EnumValue, NamedRecord, Record, enum_value


class Mode(enum.Enum):
    CW = "cw"
    OFF = math.nan
    PAIR = (1, math.nan)


class Level(enum.IntEnum):
    HIGH = 2


class Gain(float, enum.Enum):
    HALF = 0.5


class Unit(enum.StrEnum):
    VOLT = "V"


class Status(enum.Flag):
    HOT = 1
    LOCKED = 2


Point = namedtuple("Point", "x y")


@dataclass
class Shot:
    gain: float
    note: Any = None


@dataclass
class Cached:
    gain: float

    def __post_init__(self) -> None:
        self.half = self.gain / 2


class Node:
    def __init__(self, depth: int = 0) -> None:
        self.depth = depth
        self.inner = Node(depth - 1) if depth else None


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sends values to where this module isn't imported."""

    def send(value: Any) -> Any:
        parts = encode(value)
        with monkeypatch.context() as patch:
            patch.delitem(sys.modules, __name__)
            return decode(*parts)

    return send


@pytest.mark.parametrize(
    "member", [Mode.CW, Level.HIGH, Gain.HALF, Unit.VOLT, Status.HOT, Status.HOT | Status.LOCKED]
)
def test_a_member_stands_in_and_comes_back(away: Any, member: enum.Enum) -> None:
    stand_in = away(member)
    assert isinstance(stand_in, EnumValue)
    assert (stand_in.name, stand_in.value) == (member.name, member.value)
    assert stand_in == member
    assert member == stand_in
    assert hash(stand_in) == hash(member)
    assert {member: 1}[stand_in] == 1
    assert f"{type(member).__name__}." in repr(stand_in)
    for same in (away(stand_in), pickle.loads(pickle.dumps(stand_in)), copy.copy(stand_in)):
        assert (type(same), same, same.name) == (type(stand_in), stand_in, stand_in.name)
    assert decode(*encode(stand_in)) is member


def test_a_member_whose_value_is_not_a_number_goes_by_its_name(away: Any) -> None:
    for member in (Mode.OFF, Mode.PAIR):
        assert decode(*encode(member)) is member
    stand_in = away(Mode.OFF)
    assert stand_in == Mode.OFF
    assert stand_in == away(Mode.OFF)
    assert stand_in != away(Mode.CW)


def test_a_member_that_is_a_number_or_text_stays_one(away: Any) -> None:
    assert away(Level.HIGH) + 1 == 3
    assert f"{away(Unit.VOLT)}" == "V"
    assert away(Gain.HALF) * 2 == 1.0


def test_a_member_of_another_version_is_not_taken_for_this_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Other(enum.Enum):
        CW = "continuous"

    Other.__qualname__, Other.__module__ = "Mode", __name__
    there = encode(Other.CW)
    value = decode(*there)
    assert (type(value), value.value) == (EnumValue, "continuous")
    assert value != Mode.CW
    assert value != "CW"


def test_a_look_up_of_its_own_is_not_called() -> None:
    class Odd(enum.Flag):
        A = 1

        @classmethod
        def _missing_(cls, value: object) -> Any:
            raise AssertionError("code of a class was run")

    odd = Odd.__dict__["A"]
    Odd.__qualname__ = "Odd"
    globals()["Odd"] = Odd
    try:
        payload, raw = encode(enum_value(__name__, "Odd", None, 6, ""))
        assert type(decode(payload, raw)) is EnumValue
        assert decode(*encode(odd)) is Odd.A
    finally:
        del globals()["Odd"]


def test_a_stand_in_is_of_the_builtin_that_it_is_said_to_be() -> None:
    with pytest.raises(ValueError, match="said to be int"):
        enum_value("m", "E", "A", "1", "int")


def test_a_named_tuple_stands_in_and_comes_back(away: Any) -> None:
    stand_in = away(Point(1, [2]))
    assert type(stand_in) is NamedRecord
    assert stand_in == (1, [2])
    assert (stand_in.x, stand_in._asdict(), repr(stand_in)) == (
        1,
        {"x": 1, "y": [2]},
        "Point(x=1, y=[2])",
    )
    with pytest.raises(AttributeError, match="no field"):
        _ = stand_in.z
    copied = pickle.loads(pickle.dumps(stand_in))
    assert (type(copied), copied, copied.y) == (NamedRecord, stand_in, [2])
    assert type(decode(*encode(stand_in))) is Point


def test_a_dataclass_stands_in_and_comes_back(away: Any) -> None:
    record = away(Shot(1.5, Point(1, 2)))
    assert type(record) is Record
    assert (record.gain, record["gain"], record.note.x) == (1.5, 1.5, 1)
    assert record == Shot(1.5, Point(1, 2))
    assert record != Shot(2.5)
    assert record != 1
    assert record == pickle.loads(pickle.dumps(record)) == copy.deepcopy(record)
    assert hash(away(Shot(1.5))) == hash(away(Shot(1.5)))
    assert (list(record), len(record), "gain" in record) == (["gain", "note"], 2, True)
    assert {"gain", "note"} <= set(dir(record))
    assert repr(record) == "Shot(gain=1.5, note=Point(x=1, y=2))"
    for attempt in (lambda: setattr(record, "gain", 1), lambda: delattr(record, "gain")):
        with pytest.raises(AttributeError, match="read-only"):
            attempt()
    back = decode(*encode(record))
    assert (type(back), back.gain, type(back.note)) == (Shot, 1.5, Point)


def test_a_dataclass_with_more_than_its_fields_is_a_record() -> None:
    record = decode(*encode(Cached(1.0)))
    assert (type(record), record.half) == (Record, 0.5)
    with pytest.raises(NoForm):
        encode(Cached(1.0), objects=False)


def test_what_has_no_form_is_left_out_of_an_object_and_told() -> None:
    class Device:
        def __init__(self) -> None:
            self.serial = "SN-7"
            self.lock = threading.Lock()
            self.parent = self
            self.children = [self]

    record = decode(*encode(Device()))
    assert record._asdict() == {"serial": "SN-7"}
    assert "(left out: lock, parent, children)" in repr(record)
    with pytest.raises(AttributeError, match=r"left out: \.lock: a value of type _thread"):
        _ = record.lock
    with pytest.raises(AttributeError, match=r"has no field 'gain'$"):
        _ = record.gain
    assert decode(*encode(record))._omitted == record._omitted


def test_objects_are_followed_to_a_depth() -> None:
    record = decode(*encode(Node(20)))
    for _ in range(7):
        record = record.inner
    with pytest.raises(AttributeError, match="8 levels deep"):
        _ = record.inner


def test_there_are_not_endlessly_many_objects_or_fields() -> None:
    with pytest.raises(NoForm, match="more than 10000 objects"):
        encode([Node() for _ in range(10_001)])
    wide = Node()
    vars(wide).update({f"x{number}": number for number in range(1001)})
    with pytest.raises(NoForm, match="more than 1000 fields"):
        encode(wide)


def test_an_object_of_which_nothing_can_be_sent_is_refused() -> None:
    class Device:
        def __init__(self) -> None:
            self.lock = threading.Lock()

    with pytest.raises(NoForm, match=r"no public fields that could be sent: \.lock: a value"):
        encode(Device())


def test_an_exception_that_is_no_builtin_is_a_record_of_its_arguments() -> None:
    class LimitError(ValueError):
        def __init__(self, text: str, axis: str) -> None:
            super().__init__(text)
            self.axis = axis

    record = decode(*encode(LimitError("too far", "x")))
    assert (record._type.rpartition(".")[2], record.args, record.axis) == (
        "LimitError",
        ("too far",),
        "x",
    )
