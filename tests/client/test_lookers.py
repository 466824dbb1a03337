"""Who only looks at an attribute, as told by the code that asks for it, also once that is warm."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.client.lookers import calls_at_once, only_looks


class Watched:
    """Records how each attribute was asked for."""

    def __init__(self) -> None:
        self._seen: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_"):
            return object.__getattribute__(self, name)
        frame = sys._getframe(1)
        how = "look" if only_looks(frame) else "call" if calls_at_once(frame) else "value"
        self._seen.append(how)
        return Watched.method

    @staticmethod
    def method(*args: object) -> object:
        return args


exists = hasattr


def in_a_condition(it: Any) -> Any:
    return 1 if not hasattr(it, "x") else 2


def with_a_choice(it: Any) -> Any:
    return hasattr(it, "x" if it else "y")


def starred(it: Any, *names: str) -> Any:
    return hasattr(*(it, *(names or ("x",))))


def within_a_call(it: Any) -> Any:
    return str(hasattr(it, "x"))


def hidden(it: Any) -> Any:
    hasattr = getattr  # noqa: A001
    return hasattr(it, "x")


CASES: list[tuple[str, Callable[[Any], Any]]] = [
    ("look", lambda it: hasattr(it, "x")),
    ("look", lambda it: exists(it, "x")),
    ("look", in_a_condition),
    ("look", with_a_choice),
    ("look", starred),
    ("look", within_a_call),
    ("look", lambda it: [hasattr(it, name) for name in "x"]),
    ("look", lambda it: all(hasattr(it, name) for name in "x")),
    ("look", lambda it: hasattr(it, "x") and exists(it, "y")),
    ("look", inspect.getmembers),
    ("value", lambda it: it.x),
    ("value", lambda it: getattr(it, "x")),  # noqa: B009
    ("value", lambda it: getattr(it, "x", None)),
    ("value", lambda it: getattr(it, str("x"))),  # noqa: UP018
    ("value", lambda it: functools.partial(hasattr, it)("x")),
    ("value", lambda it: list(map(hasattr, [it], ["x"]))),
    ("value", hidden),
    ("value", lambda it: str(it.x)),
    ("value", lambda it: (it.x, hasattr)[0]),
    ("value", lambda it: it.x is hasattr),
    ("call", lambda it: it.x()),
    ("call", lambda it: it.x(1)),
    ("call", lambda it: it.x(it)),
    ("value", lambda it: eval("it.x", {"it": it})),
    ("look", lambda it: eval("hasattr(it, 'x')", {"it": it})),
    ("call", lambda it: eval("it.x()", {"it": it})),
]


@pytest.mark.parametrize(("how", "ask"), CASES)
def test_how_an_attribute_is_asked_for(how: str, ask: Callable[[Any], Any]) -> None:
    """The interpreter rewrites code that runs often; it is understood before and after."""
    it = Watched()
    for _ in range(100):
        ask(it)
    assert set(it._seen) == {how}


def test_what_pytest_makes_of_an_assertion() -> None:
    """It takes statements apart, and all parts stand in one place."""
    it = Watched()
    assert hasattr(it, "x")
    assert it._seen == ["look"]
