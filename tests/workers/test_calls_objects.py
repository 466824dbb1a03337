"""Arguments that are objects of a driver's own classes, given as a mapping or record of fields."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Protocol

import pytest

from transports.values.records import Record
from workers.driver.calls import Misfit, Parameters


class Message:
    def __init__(self, number: int, data: bytes = b"") -> None:
        if number < 0:
            raise ValueError("number must not be negative")
        self.number, self.data = number, data


class Like(Protocol):
    number: int


class Client:
    class Kind(enum.Enum):
        FLOAT = "f"

    def convert(self, kind: Kind) -> None: ...


class Bag(dict[str, Any]):
    pass


def send(message: Message, other: Like = None, bag: Bag = None) -> None: ...  # type: ignore[assignment]


def fitted(*args: Any, **kwargs: Any) -> Any:
    return Parameters(send).fit(args, kwargs)[0][0]


@pytest.mark.parametrize(
    "given",
    [
        {"number": 3.0, "data": b"x"},
        Record("can", "Message", {"number": 3, "data": b"x"}),
    ],
)
def test_an_object_is_made_of_its_arguments(given: Any) -> None:
    made = fitted(given)
    assert type(made) is Message
    assert (made.number, made.data) == (3, b"x")


def test_an_object_is_left_as_it_is_and_what_is_none_is_refused() -> None:
    message, other = Message(1), SimpleNamespace(number=1)
    assert fitted(message) is message
    assert fitted(other) is other
    with pytest.raises(Misfit, match="is the text 'text', not a Message"):
        fitted("text")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"nmber": 1}, "nmber"),
        ({"number": -1}, "negative"),
        ({"number": "x"}, "whole number"),
        ({}, "number"),
    ],
)
def test_what_does_not_fit(given: Mapping[str, Any], told: str) -> None:
    with pytest.raises(Misfit, match=told):
        fitted(given)


def test_a_class_within_a_class_is_known_by_its_name() -> None:
    """As its annotations name it, which are texts here."""
    assert Parameters(Client().convert).fit(("FLOAT",), {})[0] == [Client.Kind.FLOAT]


def test_protocols_and_mappings_take_a_mapping_as_it_is() -> None:
    given = {"number": 1}
    assert Parameters(send).fit((Message(1), given, given), {})[0][1:] == (given, given)
