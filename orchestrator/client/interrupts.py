"""What Ctrl-C must not tear: it strikes right after, not in between.

pyzmq looks for signals before and after it sends a frame, and raises either way: whoever sends
several can't tell whether the last one went. So the interrupt's handler waits while a message goes.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` looks numbers up in enumerations
import threading
from collections.abc import Callable
from typing import Any, TypeVar

R = TypeVar("R")

_MAIN = threading.main_thread
_SIGINT = int(_signal.SIGINT)
_set: Callable[[int, Any], Any] = _signal.signal
_get: Callable[[int], Any] = _signal.getsignal


def uninterrupted(function: Callable[[Any], R], argument: Any) -> R:
    """Call a function; an interrupt meanwhile is handled when it has returned or raised.

    It must not wait for anything. Only the main thread is interrupted, so others just call it.
    """
    if threading.get_ident() != _MAIN().ident:
        return function(argument)
    handler = _get(_SIGINT)
    if not callable(handler):  # none of Python's: nothing can be raised
        return function(argument)
    struck: list[tuple[int, Any]] = []

    def note(number: int, frame: Any) -> None:
        struck.append((number, frame))

    try:
        # Once this has returned nothing can strike but `note`; before it has, nothing is changed.
        _set(_SIGINT, note)
        return function(argument)
    finally:
        _set(_SIGINT, handler)
        if struck:
            handler(*struck[-1])
