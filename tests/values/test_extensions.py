"""Values of classes written in C, and numbers and texts with attributes."""

from __future__ import annotations

import copy
import functools
import logging
import operator
import pickle
from typing import Any

import pytest
from msgspec.msgpack import Ext
from msgspec.msgpack import encode as pack

from transports.errors import SerializationError
from transports.values.codec import decode, encode, encode_arguments
from transports.values.kinds import Kind, NoForm
from transports.values.marked import Marked


def in_c(name: str, **members: Any) -> Any:
    """A class as C has them: no dictionary, no slots, and no function of Python."""
    made = type(name, (), {"__slots__": (), "__module__": "lab", **members})
    del made.__slots__
    return made


Version = in_c(
    "Version",
    number=property(operator.methodcaller("__sizeof__")),
    broken=property(operator.attrgetter("nothing")),
)
Numbers = in_c(
    "Numbers",
    __len__=functools.partial(len, [1, 2]),
    __getitem__=functools.partial(operator.getitem, [1, 2]),
    __iter__=functools.partial(iter, [1, 2]),
    append=functools.partial(print),
)


class Reading(float):
    """A number with a time, as control systems give it."""

    def __init__(self, value: float) -> None:
        self.timestamp = 1.5
        self.source: Any = print
        self._raw = b"1.5"


class State(str):
    def __init__(self, value: str) -> None:
        self.machine = print


class Row(list[int]):
    title: str

    def __init__(self, values: list[int]) -> None:
        super().__init__(values)
        self.format = print


def test_a_structure_of_c_is_a_record_of_its_fields() -> None:
    version = Version()
    back = decode(*encode({"version": version}))["version"]
    assert back.number == version.__sizeof__()
    with pytest.raises(AttributeError, match="can't be read: AttributeError"):
        _ = back.broken
    with pytest.raises(NoForm, match="pass its fields"):
        encode_arguments((version,), {})


def test_a_class_with_methods_may_be_a_device() -> None:
    device = in_c("Device", number=Version.number, move=functools.partial(print))
    with pytest.raises(NoForm, match="no public fields"):
        encode(device())


def test_a_list_of_c_is_a_list() -> None:
    assert decode(*encode((Numbers(), 3))) == ([1, 2], 3)


def test_a_number_keeps_its_attributes() -> None:
    back = decode(*encode([Reading(2.5)]))[0]
    assert back == 2.5
    assert isinstance(back, float)
    assert isinstance(back, Marked)
    assert back.timestamp == 1.5
    assert repr(back) == "Reading(2.5, timestamp=1.5)"
    assert f"{back} {back:.2f}" == "2.5 2.50"
    with pytest.raises(AttributeError, match=r"it was left out: \.source: a function"):
        _ = back.source
    with pytest.raises(AttributeError, match="has no attribute 'unit'"):
        _ = back.unit
    for again in (pickle.loads(pickle.dumps(back)), copy.copy(back), decode(*encode(back))):
        assert (again, again.timestamp, repr(again)) == (2.5, 1.5, repr(back))


def test_a_text_keeps_its_attributes() -> None:
    state = State("idle")
    state.since = 3
    back = decode(*encode(state))
    assert (back, str(back), back.since, type(str(back))) == ("idle", "idle", 3, str)


def test_attributes_that_are_no_data_are_no_loss() -> None:
    back = decode(*encode([State("idle"), Row([1])]))
    assert back == ["idle", [1]]
    assert [type(each) for each in back] == [str, list]
    row = Row([1])
    row.title = "a"
    for each in (encode, lambda value: encode_arguments((value,), {})):
        with pytest.raises(NoForm, match="attributes beside its list"):
            each(row)


@pytest.mark.parametrize(
    "content",
    [
        ["lab", "X", [], {}, {}],
        ["lab", "X", 1.5, {1: 2}, {}],
        ["lab", "X", 1.5, {}, None],
        ["lab", "X", 1.5],
    ],
)
def test_what_others_send_as_such_is_judged(content: list[Any]) -> None:
    with pytest.raises(SerializationError):
        decode(pack(Ext(Kind.MARKED, pack(content))))


def test_loggers_are_no_data() -> None:
    class Node:
        def __init__(self) -> None:
            self.number = 3
            self.logger = logging.getLogger("lab")

    back = decode(*encode(Node()))
    assert back._asdict() == {"number": 3}
    assert "Logger has no form" in back._omitted["logger"]
