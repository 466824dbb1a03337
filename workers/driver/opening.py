"""From a built driver to one that is open, and the way to close it again."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workers import forks
from workers.driver.calls import Misfit, Parameters
from workers.driver.closing import EXITS, closing_method, likely_methods, nothing_closes
from workers.driver.coroutines import Loop, belongs_to_loop, call_here
from workers.driver.describe import nearest
from workers.driver.settle import settled
from workers.errors import BootError, SpecError, Terminated
from workers.failures import strip
from workers.spec import WorkerSpec

log = logging.getLogger("workers")

Call = Callable[[Callable[[], Any]], Any]
"""Calls a function where the driver's code is to run."""


@dataclass(frozen=True)
class Manner:
    """How a driver is opened, called and closed.

    Attributes:
        opens: Name of the method that opens it; empty when it is open once it is built.
        args: Positional arguments of that method.
        kwargs: Its keyword arguments.
        closes: Name of the method that closes it; empty when nothing does.
        call: Calls a function where the driver's code is to run.
    """

    opens: str
    args: list[Any]
    kwargs: dict[str, Any]
    closes: str
    call: Call


def manner_of(
    driver: object, spec: WorkerSpec, loop: Loop, inert: tuple[str, ...] | None = None
) -> Manner:
    """How a driver is opened and closed: as the spec says, else by the usual names.

    A context is entered if it is to be left, and left if it was entered; but where `open_with`
    names another method, that opens the driver in its place.

    Args:
        driver: The driver.
        spec: Its spec.
        loop: The worker's event loop.
        inert: For a driver of another framework, which isn't entered: methods that the framework
            gave it, which close nothing.

    Raises:
        SpecError: It has no method of a name that the spec gives, or that takes other arguments.
    """
    kind = type(driver)
    opens, args, kwargs = spec.open_with or ("", [], {})
    if opens:
        _check_method(kind, opens, "open_with", spec)
    if spec.stop_with is not None:
        closes = spec.stop_with
        _check_method(kind, closes, "stop_with", spec)
    else:
        others = tuple(exit_ for exit_, enter in EXITS.items() if opens and enter != opens)
        closes = closing_method(kind, (*(inert or ()), *others))
    enter = EXITS.get(closes, "")
    if not opens and inert is None and callable(getattr(kind, enter, None) if enter else None):
        opens = enter
    elif opens:
        args, kwargs = _fitted(driver, opens, args, kwargs, spec)
    call = calls(driver, spec, loop) if inert is None else call_here
    return Manner(opens, args, kwargs, closes, call)


def calls(driver: object, spec: WorkerSpec, loop: Loop) -> Call:
    """What calls functions where a driver's code is to run."""
    return loop.call if belongs_to_loop(type(driver), spec.concurrent) else call_here


def open_driver(driver: object, manner: Manner, loop: Loop) -> object:
    """Open a driver; gives it, or what it stands for.

    Raises:
        Exception: Whatever the driver raises.
    """
    if not manner.opens:
        return driver
    method = getattr(driver, manner.opens)
    entered = settled(manner.call(lambda: method(*manner.args, **manner.kwargs)), loop.wait)
    # a generator with @contextmanager isn't the driver, it gives it
    return entered if type(driver).__module__ == "contextlib" else driver


def closer(driver: object, manner: Manner) -> Callable[[], Any] | None:
    """What closes a driver; None when nothing does."""
    if not manner.closes:
        return None
    method = getattr(driver, manner.closes)
    if manner.closes in EXITS:
        method = functools.partial(method, None, None, None)
    return functools.partial(manner.call, method)


def reopener(
    driver: object, manner: Manner, spec: WorkerSpec, loop: Loop
) -> Callable[[], None] | None:
    """What closes a driver and opens it again; None unless `open_with` says how.

    It raises BootError if the driver can't be opened.
    """
    if spec.open_with is None:
        return None
    stop = closer(driver, manner)

    def reopen() -> None:
        if stop is not None:
            close(stop, manner.closes, loop)
        try:
            open_driver(driver, manner, loop)
            forks.end_child()
        except Terminated:
            raise
        except BaseException as error:
            raise BootError("open", error) from error

    return reopen


def close_built(driver: object, spec: WorkerSpec, loop: Loop) -> None:
    """Close a driver that was built, but couldn't be opened: no context is left."""
    name = spec.stop_with or ""
    if name in EXITS or not callable(getattr(type(driver), name, None) if name else None):
        name = closing_method(type(driver), tuple(EXITS))
    if name:
        call = calls(driver, spec, loop)
        close(functools.partial(call, getattr(driver, name)), name, loop)


def close(method: Callable[[], Any], name: str, loop: Loop) -> None:
    """Call the method that closes a driver; what it raises is logged.

    Args:
        method: The method, bound.
        name: Its name.
        loop: The worker's event loop.

    Raises:
        Terminated: The supervisor ends the process by a signal.
    """
    try:
        settled(method(), loop.wait)
        forks.end_child()
    except Terminated:
        raise
    except BaseException as error:  # the driver may raise anything, SystemExit included
        forks.end_child(error)
        strip(error)
        log.error("%s raised while the driver was closed", name, exc_info=error)


def tell_if_nothing_closes(driver: object, manner: Manner) -> None:
    """Log that nothing closes a driver: a warning if a method of it looks as if it should."""
    if not manner.closes:
        likely = likely_methods(type(driver))
        log.log(
            logging.WARNING if likely else logging.INFO,
            "%s",
            nothing_closes(type(driver).__name__, likely),
        )


def _check_method(kind: type, name: str, key: str, spec: WorkerSpec) -> None:
    if callable(getattr(kind, name, None)):
        return
    names = [each for each in dir(kind) if callable(getattr(kind, each, None))]
    raise SpecError(
        f"{_at(spec)}{key}: {kind.__name__} has no method {name!r}{nearest(name, names)}"
    )


def _fitted(
    driver: object, name: str, args: list[Any], kwargs: dict[str, Any], spec: WorkerSpec
) -> tuple[list[Any], dict[str, Any]]:
    try:
        fitted, named = Parameters(getattr(driver, name)).fit(args, kwargs)
    except Misfit as misfit:
        raise SpecError(f"{_at(spec)}open_with: {type(driver).__name__}.{name}: {misfit}") from None
    except (TypeError, ValueError):  # of C code
        return args, kwargs
    return [*fitted], named


def _at(spec: WorkerSpec) -> str:
    return f"{spec.place}: " if spec.place else ""
