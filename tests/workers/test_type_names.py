"""Types of annotations as text that means the same in every module."""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import dataclasses
import datetime as dt
import decimal
import enum
import pathlib
import typing
import uuid
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from transports import terms
from workers.driver.describe import describe
from workers.driver.hints import Array
from workers.driver.schemas import schema_of
from workers.driver.type_names import type_name

Volts = typing.NewType("Volts", float)
Number = typing.TypeVar("Number", int, float)
Bound = typing.TypeVar("Bound", bound=dt.date)
Free = typing.TypeVar("Free")


@dataclasses.dataclass
class Point:
    x: float = 0.0


class Mode(enum.Enum):
    FAST = "fast"


class Odd:
    @property
    def __module__(self) -> str:  # type: ignore[override]
        raise RuntimeError


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (None, "None"),
        (float, "float"),
        (dt.datetime, "datetime.datetime"),
        (dt.timedelta | None, "datetime.timedelta | None"),
        (typing.Optional[int], "int | None"),  # noqa: UP045
        (decimal.Decimal, "decimal.Decimal"),
        (uuid.UUID, "uuid.UUID"),
        (pathlib.Path, "pathlib.Path"),
        (dict[str, tuple[int, ...]], "dict[str, tuple[int, ...]]"),
        (list[Point], f"list[{__name__}.Point]"),
        (typing.List[int], "list[int]"),  # noqa: UP006
        (typing.Literal["a", 2], "Literal['a', 2]"),
        (typing.Literal[Mode.FAST], "Any"),
        (typing.Annotated[dt.date, "day"], "datetime.date"),
        (typing.Final[int], "int"),
        (Volts, "float"),
        (Number, "int | float"),
        (Bound, "datetime.date"),
        (Free, "Any"),
        (npt.NDArray[np.float64], "numpy.ndarray"),
        (np.float64, "numpy.float64"),
        (Array, "numpy.ndarray"),
        (tuple[()], "tuple"),
        (typing.Iterator[int], "collections.abc.Iterator[int]"),
        (collections.deque[int], "collections.deque[int]"),
        (concurrent.futures.Future[int], "concurrent.futures.Future[int]"),
        (asyncio.Future[int], "asyncio.Future[int]"),
        (typing.Callable[[int], str], "Any"),
        (Any, "Any"),
        (object, "Any"),
        (3, "Any"),
        (Odd(), "Any"),
        (typing.Literal["x" * 3000], "Any"),
    ],
)
def test_names(annotation: Any, text: str) -> None:
    assert type_name(annotation) == text


def test_a_type_that_has_no_end_is_cut() -> None:
    nested: Any = int
    for _ in range(30):
        nested = list[nested]
    assert type_name(nested).strip("list[]") == "Any"


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (float, None),
        (list[str] | None, None),
        (dict[str, float], None),
        (typing.Literal["a", 2], None),
        (np.ndarray, None),
        (Odd, None),
        (dict, "dict"),
        (dict[int, float], "dict[int, float]"),
        (complex, "complex"),
        (dt.datetime, "datetime.datetime"),
        (Point, f"{__name__}.Point"),
        (Mode, f"{__name__}.Mode"),
        (set[int], "set[int]"),
    ],
)
def test_a_schema_has_the_type_where_it_does_not_tell_it(annotation: Any, text: str | None) -> None:
    assert schema_of(annotation).get(terms.PYTHON) == text


class Stage:
    def wait(self, until: dt.datetime, /, *more: dt.timedelta, mode: Mode = Mode.FAST) -> None: ...

    def odd(self, x: Mode = object(), y: float = 1.0) -> None: ...  # type: ignore # noqa: B008


Stage.odd.__annotations__["x"] = "no type"


def test_of_parameters_that_are_no_keywords_too() -> None:
    actions = describe(Stage)["actions"]
    assert actions["wait"][terms.PYTHON] == {
        "until": "datetime.datetime",
        "more": "datetime.timedelta",
    }
    assert terms.PYTHON not in actions["odd"]


def test_a_signature_can_be_parsed_whatever_its_defaults_are() -> None:
    actions = describe(Stage)["actions"]
    assert "mode: Mode = Mode.FAST" in actions["wait"]["orch:signature"]
    assert actions["odd"]["orch:signature"] == "(x: ... = ..., y: float = 1.0) -> None"
