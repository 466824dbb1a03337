"""How a driver tells that its members have changed."""

from __future__ import annotations

import threading
from collections.abc import Callable

Listener = Callable[[object], None]

_listeners: tuple[Listener, ...] = ()
_lock = threading.Lock()


def members_changed(part: object) -> None:
    """Have the worker that serves an object describe its driver anew.

    To be called after a driver, or a part of it, has got other members: a channel that was added,
    an axis that was found. May be called from any thread; who asks for the description after this
    has returned in a request, gets the new one. It does nothing in a program without workers.

    Args:
        part: The driver, or a part of it that was described.
    """
    for listener in _listeners:
        listener(part)


def listen(listener: Listener) -> Callable[[], None]:
    """Have a function called with each object whose members have changed.

    Returns:
        A function that ends it.
    """
    global _listeners
    with _lock:
        _listeners = (*_listeners, listener)

    def end() -> None:
        global _listeners
        with _lock:
            _listeners = tuple(other for other in _listeners if other is not listener)

    return end
