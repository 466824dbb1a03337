"""What users call: an error, or Ctrl-C, that leaves it shows their line, and none of our frames.

One entry remains, because an exception names the function that raised it. It bears the name of
what was called and no file of ours, and pytest hides it. All frames are shown in Python's
development mode (`python -X dev`), for whoever works on orch itself.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any, ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")

FILE = "<orch>"
"""The file that a traceback names for what users call."""


def surface(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate what users call."""
    return functools.wraps(function)(named(_raising_here(function), function.__name__))


def surface_async(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a coroutine function that users call."""
    made = named(_raising_in_task(cast(Any, function)), function.__name__)
    return cast("Callable[P, R]", functools.wraps(function)(made))


def named(function: Callable[..., Any], name: str) -> Any:
    """A copy of a function that tracebacks show by a name of ours."""
    assert isinstance(function, FunctionType)
    code = function.__code__.replace(co_name=name, co_qualname=name, co_filename=FILE)
    copy = FunctionType(
        code, function.__globals__, name, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__qualname__ = name
    return copy


def _raising_here(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:  # pragma: no cover - it runs under another name
        __tracebackhide__ = True
        try:
            return function(*args, **kwargs)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  it goes on
            raise bare(error)  # noqa: B904  it is the same one

    return call


def _raising_in_task(function: Callable[..., Any]) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:  # pragma: no cover - as the other one
        __tracebackhide__ = True
        try:
            return await function(*args, **kwargs)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  it goes on
            raise bare(error)  # noqa: B904  it is the same one

    return call


def bare(error: BaseException) -> BaseException:
    """An error without the frames that it went through so far."""
    return error if sys.flags.dev_mode else error.with_traceback(None)
