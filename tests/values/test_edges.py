"""Limits, zones, and what a side lacks."""

from __future__ import annotations

import array
import datetime as dt
import gc
import sys
import weakref
from collections import namedtuple
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.msgpack import Ext

from tests.integration.value_table import difference
from transports.errors import SerializationError
from transports.serializers import SerializableData
from transports.values import packages, writing
from transports.values.codec import argument_told, decode, encode, encode_arguments
from transports.values.kinds import Kind, NoForm

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text(st.characters())
    | st.binary()
    | st.decimals()
    | st.fractions()
    | st.uuids()
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.datetimes(timezones=st.none() | st.timezones())
)
keys = st.integers() | st.text() | st.binary() | st.none() | st.tuples(st.integers(), st.text())
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(keys, inner)
        | st.dictionaries(st.text(), inner)
        | st.sets(keys)
        | st.frozensets(keys)
    ),
    max_leaves=15,
)


@given(values)
def test_any_value_comes_back(value: Any) -> None:
    assert difference(value, decode(*encode(value))) == ""


@given(st.lists(values, max_size=3), st.dictionaries(st.text(), values, max_size=3))
def test_any_arguments_come_back(args: list[Any], kwargs: dict[str, Any]) -> None:
    back = decode(*encode_arguments(tuple(args), kwargs))
    assert back is None or difference([args, kwargs], back) == ""


def test_nesting_has_an_end() -> None:
    value: Any = [()]
    for _ in range(writing.DEPTH + 1):
        value = [value]
    with pytest.raises(NoForm, match="nested deeper than 64 levels"):
        encode(value)


def test_a_message_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "LARGEST", 100)
    with pytest.raises(NoForm, match="too many for a message") as caught:
        encode_arguments((1, [np.zeros(5), np.zeros(9)]), {})
    assert argument_told(caught.value).startswith("argument 2[1]: ")


def test_what_is_wrong_with_all_arguments_is_said_of_them() -> None:
    assert argument_told(NoForm("they are too large")) == "arguments: they are too large"


def test_a_key_that_cannot_travel_is_told() -> None:
    class Odd:
        def __repr__(self) -> str:
            raise OSError("no text")

    with pytest.raises(NoForm, match=r"a key of type Odd.*: this key can't travel"):
        encode({Odd(): 1}, objects=False)


def test_bytes_are_at_home_without_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "numpy")
    value = [bytearray(b"x" * 5000), b"y" * 5000, 1]
    assert decode(*encode(value)) == value


class Dublin(dt.tzinfo):
    """A zone of a package of its own."""

    def utcoffset(self, at: dt.datetime | None) -> dt.timedelta | None:
        return None if at is None else dt.timedelta(hours=at.month // 6)

    def dst(self, at: dt.datetime | None) -> dt.timedelta:
        return dt.timedelta()

    def tzname(self, at: dt.datetime | None) -> str:
        return "IST"


def test_a_zone_of_another_package_is_its_offset_then() -> None:
    moment = dt.datetime(2024, 7, 1, 12, tzinfo=Dublin())
    back = decode(*encode(moment))
    assert back == moment
    assert back.tzinfo == dt.timezone(dt.timedelta(hours=1), "IST")
    with pytest.raises(NoForm, match="without a date"):
        encode(dt.time(12, tzinfo=Dublin()))


@pytest.mark.parametrize("zone", ["No/Such", "../../etc/passwd", "a" * 300])
def test_a_zone_that_is_not_known_here_is_told(zone: str) -> None:
    fields = msgspec.msgpack.encode([2024, 1, 1, 0, 0, 0, 0, 0, zone])
    with pytest.raises(SerializationError, match="zone"):
        decode(msgspec.msgpack.encode(Ext(Kind.DATETIME, fields)))


def test_a_zone_of_a_file_has_its_offset() -> None:
    with open("/usr/share/zoneinfo/UTC", "rb") as file:
        zone = ZoneInfo.from_file(file)
    back = decode(*encode(dt.datetime(2024, 1, 1, tzinfo=zone)))
    assert back.utcoffset() == dt.timedelta()


def test_a_package_that_is_missing_here_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    payload = msgspec.msgpack.encode(
        Ext(Kind.PACKAGE, msgspec.msgpack.encode(["xarray", "Dataset", {}]))
    )

    def missing(name: str) -> Any:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(packages.importlib, "import_module", missing)
    with pytest.raises(SerializationError, match="install xarray"):
        decode(payload)


def test_what_a_hololinked_thing_has_written_is_its_value() -> None:
    value = (msgspec.Raw(b'{"a":[1]}'), SerializableData(b"[1.5]"))
    assert decode(*encode(value)) == ({"a": [1]}, [1.5])
    with pytest.raises(NoForm, match="no codec"):
        encode(SerializableData(b"", "x/y"))


def test_numbers_of_the_other_byte_order_are_turned() -> None:
    other = {"little": "big", "big": "little"}[sys.byteorder]
    octets = array.array("h", [1, 2])
    octets.byteswap()
    for kind, fields in (
        (Kind.NUMBERS, ["h", 2, other, octets.tobytes()]),
        (Kind.MEMORYVIEW, ["h", [2], other, octets.tobytes()]),
    ):
        value = decode(msgspec.msgpack.encode(Ext(kind, msgspec.msgpack.encode(fields))))
        assert list(value) == [1, 2]


def test_views_of_any_shape() -> None:
    for view in (
        memoryview(np.arange(6.0).reshape(2, 3)),
        memoryview(np.zeros((), "i4")),
        memoryview(b"").cast("d"),
        memoryview(b"x" * 9000)[::2],
    ):
        back = decode(*encode(view))
        assert (back.format, back.shape, back.tolist()) == (view.format, view.shape, view.tolist())
    with pytest.raises(NoForm, match="format"):
        encode(memoryview(np.zeros(2, ">f8")))


def test_subclasses_of_arrays_that_are_not_known_are_refused() -> None:
    class WithUnit(np.ndarray):
        pass

    with pytest.raises(NoForm):
        encode(np.zeros(2).view(WithUnit))


def test_a_dtype_with_titles_is_refused() -> None:
    with pytest.raises(NoForm, match="titles"):
        encode(np.zeros(1, dtype=[(("title", "a"), "i4")]))


def test_a_named_tuple_with_attributes_of_its_own_is_refused() -> None:
    class Marked(namedtuple("Marked", "x")):
        pass

    marked = Marked(1)
    marked.unit = "V"
    with pytest.raises(NoForm, match="attributes beside its fields"):
        encode(marked)


def test_a_table_that_allows_no_label_twice_arrives_as_one() -> None:
    pandas = pytest.importorskip("pandas")
    for allows in (True, False):
        for table in (pandas.DataFrame({"a": [1, 2]}), pandas.Series([1, 2])):
            given = table.set_flags(allows_duplicate_labels=allows)
            assert decode(*encode(given)).flags.allows_duplicate_labels is allows


def test_a_frame_goes_with_the_value_that_was_read_of_it() -> None:
    """Not when cycles are collected next: there may be gigabytes of frames by then."""

    class Frame(bytearray):
        """One that can be watched."""

    payload, raw = encode({"a": np.arange(1000), "t": (1, 2)})
    frame = Frame(raw)
    left = weakref.ref(frame)
    gc.disable()
    try:
        value = decode(payload, frame)
        del frame
        assert left() is not None
        del value
        assert left() is None
    finally:
        gc.enable()
