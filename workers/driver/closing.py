"""Which method closes a driver, by its name.

It needs the standard library alone: `orch check` uses it in interpreters that lack what a worker
needs.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

EXITS = {"__exit__": "__enter__", "__aexit__": "__aenter__"}
"""What leaves a context, and what enters it."""
CLOSING = (
    *EXITS,
    "close",
    "aclose",
    "shutdown",
    "disconnect",
    "close_connection",
    "terminate",
    "finalize",
    "cleanup",
    "dispose",
)
"""Methods that close a driver, in the order in which they are looked for. Nothing that may move
hardware: `stop`, `release` and `disable` aren't among them."""
_LIKELY = re.compile(
    r"(?:^|_)(?:off|stop|disable|release|destroy|quit|exit|end|free|unload|park|standby|teardown"
    r"|logout|hangup|close|shutdown|disconnect|deinit\w*|uninit\w*|tear_down|shut_down|safe)(?:_|$)"
)
_FEW = 4


def closing_method(kind: type, passed_over: tuple[str, ...] = ()) -> str:
    """Name of the method that closes objects of a class; empty when nothing does.

    Args:
        kind: The class.
        passed_over: Names that close nothing here.
    """
    usual = (name for name in CLOSING if name not in passed_over)
    return next((name for name in usual if _closes(kind, name)), "")


def likely_methods(kind: type) -> list[str]:
    """A few public methods that may switch a device off, though nobody calls them for that."""
    found = [
        name
        for name in dir(kind)
        if not name.startswith("_") and _LIKELY.search(name) and _closes(kind, name)
    ]
    return found[:_FEW]


def nothing_closes(title: str, likely: list[str]) -> str:
    """That nothing closes a driver, with what may."""
    if not likely:
        return f"nothing closes {title}; if something should, name the method by stop_with"
    names = likely[0] if len(likely) == 1 else f"{', '.join(likely[:-1])} or {likely[-1]}"
    return f"nothing closes {title}; name what does by stop_with, such as {names}"


def _closes(kind: type, name: str) -> bool:
    """Whether it is a method that can be called without arguments, as far as it tells."""
    method: Any = inspect.getattr_static(kind, name, None)
    if isinstance(method, (staticmethod, classmethod)):
        parameters = 0 if isinstance(method, staticmethod) else 1
        method = method.__func__
    else:
        parameters = 1
    if not callable(method) or isinstance(method, type):
        return False
    if name in EXITS:
        parameters += 3
    try:
        inspect.signature(method).bind(*[None] * parameters)
    except TypeError:
        return False
    except ValueError:  # written in C, and not telling
        return True
    return True
