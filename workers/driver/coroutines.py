"""Which drivers belong to an event loop, and what runs them there."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Collection
from typing import Any, Protocol, TypeVar

from workers.driver.markers import ACTION_MARK

T = TypeVar("T")

_MAKES_TASKS = frozenset(
    [
        *("create_task", "ensure_future", "gather", "shield", "Future"),
        *("get_running_loop", "get_event_loop", "current_task"),
    ]
)


class Loop(Protocol):
    """A worker's event loop, in a thread of its own."""

    def wait(self, awaitable: Any) -> Any:
        """Run an awaitable to its end; give its result, or raise what it raised."""
        ...

    def call(self, function: Callable[[], T]) -> T:
        """Call a function in the loop's thread, where it finds the running loop."""
        ...


def call_here(function: Callable[[], T]) -> T:
    """Call a function in this thread: of a driver that knows no loop."""
    return function()


def belongs_to_loop(kind: type, concurrent: Collection[str] = ()) -> bool:
    """Whether objects of a class are to be built and called in the event loop's thread.

    So it is for a class with coroutine methods, as in any asyncio program: what is synchronous in
    it may make tasks and futures, and doesn't block. One that has a synchronous action that runs
    beside others is written for threads, unless its code makes tasks itself.

    Args:
        kind: The class.
        concurrent: Names of members that the configuration has run beside others.
    """
    functions = _functions(kind)
    if any(_makes_tasks(function) for function, _ in functions.values()):
        return True
    if not any(_is_async(function) for function, _ in functions.values()):
        return False
    return not any(
        (is_concurrent or name in concurrent) and not _is_async(function)
        for name, (function, is_concurrent) in functions.items()
    )


def _functions(kind: type) -> dict[str, tuple[types.FunctionType, bool]]:
    """The functions in a class by name, each with whether it is marked to run beside others."""
    found: dict[str, tuple[types.FunctionType, bool]] = {}
    for base in reversed(kind.__mro__):
        for name, value in vars(base).items():
            function = inspect.unwrap(value) if callable(value) else value
            if isinstance(function, types.FunctionType):
                found[name] = function, bool(getattr(value, ACTION_MARK, False))
    return found


def _is_async(function: types.FunctionType) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def _makes_tasks(function: types.FunctionType) -> bool:
    """Whether a synchronous function asks asyncio for what needs a running loop."""
    if _is_async(function):
        return False
    code = function.__code__
    for name in _MAKES_TASKS.intersection(code.co_names):
        of = getattr(function.__globals__.get(name), "__module__", None) or ""
        if "asyncio" in code.co_names or of.partition(".")[0] == "asyncio":
            return True
    return False
