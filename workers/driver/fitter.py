"""A fitter: what makes a value one of a type, or says why it can't be."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

_LONGEST = 60
"""Characters of a value that are shown."""


class Unfit(Exception):
    """A value isn't one of a type, and can't be made one without guessing.

    Attributes:
        value: The value, or the part of it that doesn't fit.
        wanted: What it should be, such as `a number`.
        mend: How to write it, or empty.
        path: Where the part stands in the whole, such as `[2].gain`.
    """

    def __init__(self, value: Any, wanted: str, mend: str = "", path: str = "") -> None:
        super().__init__(value, wanted, mend, path)
        self.value = value
        self.wanted = wanted
        self.mend = mend
        self.path = path

    def within(self, step: str) -> Unfit:
        """The same, told of what the value is a part of."""
        return Unfit(self.value, self.wanted, self.mend, step + self.path)

    def said_of(self, name: str) -> str:
        """In words: `x[2] is the text 'abc', not a number`."""
        mend = f"; {self.mend}" if self.mend else ""
        return f"{name}{self.path} is {say(self.value)}, not {self.wanted}{mend}"


class Fitter:
    """Makes a value one of a type.

    Attributes:
        exact: Types whose values need no look; empty where each must be looked at.
        wanted: What a value should be, in words.

    Args:
        convert: Gives the fitted value, or raises `Unfit`.
    """

    __slots__ = ("_convert", "exact", "wanted")

    def __init__(
        self, wanted: str, convert: Callable[[Any], Any], exact: frozenset[type] = frozenset()
    ) -> None:
        self.wanted = wanted
        self.exact = exact
        self._convert = convert

    def __call__(self, value: Any) -> Any:
        """The value itself if it is one already, else what it stands for.

        Raises:
            Unfit: It stands for none.
        """
        return value if type(value) in self.exact else self._convert(value)


def say(value: Any) -> str:
    """A value in a few words, for an error."""
    kind = type(value)
    if isinstance(value, str):
        return f"the text {_cut(repr(str(value)))}"
    if value is None or kind in (bool, int, float, complex):
        return _cut(repr(value))
    if kind in (list, tuple, set, frozenset, dict):
        return f"a {kind.__name__} of {len(value)}"
    return a(kind)


def a(kind: type) -> str:
    """The name of a type with its article."""
    return f"{'an' if kind.__name__[:1] in 'aeiouAEIOU' else 'a'} {kind.__name__}"


def plain(value: Any) -> Any:
    """What a numpy scalar, or an array without dimensions, is in Python; others as they are."""
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        return value.item()
    return value


def is_array(value: Any) -> bool:
    """Whether it is a numpy array; numpy isn't imported for the question."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]}..."
