"""Makes a device safe: a driver built and called in a process of its own, which then ends.

Run as a script when the worker that had the device is surely gone. It is read by whatever Python
the worker has. Standard input is one line of JSON: driver, arguments, calls, folder, how many
seconds its start and then the rest may take, and the descriptor of a file for its report: lines of
JSON with what it is `at`, how many calls are `made`, what `failed` (and its `trace`), or `done`.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import inspect
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, NamedTuple

LONGEST = 300
"""Characters of a failure's text."""
TRACE = 16_000
"""Characters of a traceback, from its end."""


class Call(NamedTuple):
    """A call that is to be made; `fitted`: whether its arguments are as the class wants them."""

    name: str
    args: Sequence[Any]
    kwargs: dict[str, Any]
    fitted: bool


class Recipe(NamedTuple):
    """What is to be built and called."""

    title: str
    target: Callable[..., Any]
    args: Sequence[Any]
    kwargs: dict[str, Any]
    calls: list[Call]


class Refusal(Exception):
    """A call that can't be made as it stands; the driver wasn't called."""


class Report:
    """What it is at, for who started it.

    Args:
        fd: Descriptor of the file.

    Attributes:
        fd: The same.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._pid = os.getpid()
        self._step = ""

    def at(self, step: str, made: int = 0) -> None:
        """A step begins, and so many calls are made."""
        self._step = step
        self._tell({"at": step, "made": made})

    def done(self) -> None:
        """All calls are made."""
        self._tell({"done": True})

    def failed(self, error: BaseException, folder: str) -> None:
        """The step raised."""
        from workers.failures import import_place, strip, summary

        strip(error)
        trace: str | None = None
        if isinstance(error, Refusal):
            text = str(error)
        else:
            text = f"{self._step} raised {summary(error)}"
            trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        text = " ".join(text.split())
        text = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
        place = "" if trace is None else import_place(error, folder)
        self._tell(
            {"failed": text + place, "trace": None if trace is None else trace[-TRACE:].rstrip()}
        )

    def _tell(self, line: dict[str, Any]) -> None:
        if os.getpid() != self._pid:  # a child that the driver has forked
            return
        with contextlib.suppress(OSError):  # no room for it: the device comes first
            os.write(self.fd, json.dumps(line).encode() + b"\n")


def command(python: str) -> list[str]:
    """The arguments that run a recipe in an interpreter."""
    return [python, os.path.abspath(__file__)]


def _beside(name: str) -> ModuleType:
    """A file of this folder, without making its neighbours top-level modules."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"orch_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def prepare(told: dict[str, Any], report: Report) -> Recipe:
    """Import the driver, and fit all arguments whose takers are known without building it.

    Raises:
        Refusal: Arguments don't fit.
        Exception: Whatever the import raises.
    """
    from workers.driver.build import find
    from workers.driver.calls import Parameters

    module, _, title = told["driver"].partition(":")
    report.at(f"the import of {module}")
    target = find(told["driver"])
    args, kwargs = _fitted(title, told["args"], told["kwargs"], lambda: Parameters(target).fit)
    calls = [Call(name, given, named, fitted=False) for name, given, named in told["calls"]]
    return Recipe(title, target, args, kwargs, [_fitted_to(target, call) for call in calls])


def _fitted_to(kind: Any, call: Call) -> Call:
    """A call as a class wants it, if that tells."""
    from workers.driver.calls import Misfit, fit_to_class

    if call.fitted:
        return call
    try:
        found = fit_to_class(kind, call.name, call.args, call.kwargs)
    except Misfit as misfit:
        raise Refusal(f"{call.name} can't be called so: {misfit}") from None
    return call if found is None else Call(call.name, *found, fitted=True)


async def follow(recipe: Recipe, report: Report) -> None:
    """Build the driver and make the calls, in order; what is awaitable is awaited.

    Raises:
        Refusal: A factory's driver doesn't take the arguments of a call.
        Exception: Whatever the driver raises.
    """
    from workers.driver.calls import Parameters

    report.at(recipe.title)
    driver = await _settled(recipe.target(*recipe.args, **recipe.kwargs))
    calls = [_fitted_to(type(driver), call) for call in recipe.calls]  # all before the first
    for made, (name, args, kwargs, fitted) in enumerate(calls):
        report.at(name, made)
        member = driver
        for part in name.split("."):
            member = getattr(member, part)
        if not fitted:
            taker = member
            args, kwargs = _fitted(name, args, kwargs, lambda: Parameters(taker).fit)  # noqa: B023  called at once
        await _settled(member(*args, **kwargs))
    report.at("its end", len(recipe.calls))


def _fitted(name: str, args: Any, kwargs: Any, fit: Callable[[], Any]) -> Any:
    from workers.driver.calls import Misfit

    try:
        return fit()(args, kwargs)
    except Misfit as misfit:
        raise Refusal(f"{name} can't be called so: {misfit}") from None
    except (TypeError, ValueError):  # of C code, which doesn't tell
        return args, kwargs


async def _settled(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def _go_on(number: int, frame: Any) -> None:
    """What ends others doesn't end this."""


def main() -> None:
    """Do what the line on standard input says."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != here]
    told = json.loads(sys.stdin.readline())
    os.set_inheritable(told["report"], False)
    # Ends it even when nobody is left to do so, and whatever the driver does.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _go_on)  # not SIG_IGN, which what the driver starts would inherit
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])
    signal.setitimer(signal.ITIMER_REAL, told["start"])
    _beside("bootstrap").provide()
    from workers import search_path

    search_path.arrange(told["folder"])
    report = Report(told["report"])
    try:
        recipe = prepare(told, report)
        signal.setitimer(signal.ITIMER_REAL, told["timeout"])
        asyncio.run(follow(recipe, report))
    except BaseException as error:  # noqa: BLE001  a driver may raise anything, and it is told
        report.failed(error, told["folder"])
        sys.exit(1)
    report.done()


if __name__ == "__main__":
    main()
