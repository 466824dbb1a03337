"""Results that are work in progress: waited for, so that their outcome is the answer.

Within the execution timeout of the request: who waits longer has been answered by the broker.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

from workers.driver.kinds import PLAIN

_CHAIN = 8
"""How often a result may be something else that goes on: a coroutine that returns a status."""


def settled(value: Any, wait: Callable[[Any], Any]) -> Any:
    """The outcome of a future, a status, or an awaitable; any other value is itself.

    A status is what bluesky and ophyd mean by it: it has `done`, and `wait` or `add_callback`. Its
    outcome is None, or the exception that it failed with.

    Args:
        value: What the driver gave.
        wait: Runs an awaitable to its end and gives its result.

    Raises:
        BaseException: What it failed with.
    """
    for _ in range(_CHAIN):
        kind = type(value)
        if kind in PLAIN:
            return value
        if hasattr(kind, "__await__"):
            value = wait(value)
        elif _is_future(value):
            value = value.result()
        elif _is_status(kind) and hasattr(value, "done"):
            return _status(value)
        else:
            return value
    raise TypeError(f"its result goes on after {_CHAIN} others that it waited for")


def outcome(
    call: Callable[[Callable[[], Any]], Any],
    wait: Callable[[Any], Any],
    function: Callable[[], Any],
) -> Any:
    """What a function gives that `call` calls, once it is settled."""
    return settled(call(function), wait)


def _is_future(value: object) -> bool:
    futures = sys.modules.get("concurrent.futures._base")
    return futures is not None and isinstance(value, futures.Future)


def _is_status(kind: type) -> bool:
    return any(callable(getattr(kind, name, None)) for name in ("wait", "add_callback"))


def _status(status: Any) -> None:
    if callable(getattr(status, "wait", None)):
        status.wait()
    else:
        ended = threading.Event()
        status.add_callback(lambda *_: ended.set())
        ended.wait()
    failure = status.exception() if callable(getattr(status, "exception", None)) else None
    if failure is not None:
        raise failure
    if getattr(status, "success", True) is False:
        raise RuntimeError(f"{type(status).__name__} ended without success")
