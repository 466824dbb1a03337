"""From a spec to a served object: import, build, describe; and the way to close it again."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from workers import forks, search_path
from workers.driver.adapters.adapted import Publish
from workers.driver.adapters.frameworks import adapt, complete
from workers.driver.calls import Arguments, Misfit, Parameters
from workers.driver.describe import Description, describe, nearest
from workers.driver.schemas import signature_text
from workers.errors import BootError, SpecError, Terminated
from workers.failures import strip
from workers.spec import WorkerSpec, hidden_by_ours

log = logging.getLogger("workers")

STOP_METHODS = ("__exit__", "close", "shutdown", "disconnect")
"""Methods that close a driver, in the order in which they are looked for."""


@dataclass(frozen=True)
class Hosted:
    """A driver that is ready to be served.

    Attributes:
        driver: The object.
        description: Its members.
        close: Closes it; None when it has nothing of the kind.
        close_name: Name of the method that `close` calls.
        attach: For a driver that publishes by itself, changes of its properties included:
            gives it a publisher, or takes that away.
    """

    driver: object
    description: Description
    close: Callable[[], Any] | None
    close_name: str
    attach: Callable[[Publish | None], None] | None = None


def host(
    spec: WorkerSpec,
    wait: Callable[[Any], Any],
    driver: object | None = None,
    directory: str | None = None,
) -> Hosted:
    """Import, build and describe a driver.

    Args:
        spec: What to host.
        wait: Runs an awaitable to its end, for async factories.
        driver: An object to host in place of what `spec.driver` names.
        directory: Working directory to go to first; None stays.

    Raises:
        BootError: One of the stages failed; nothing of the driver is left open.
        Terminated: The supervisor ends the process by a signal.
    """
    if driver is None:
        with _stage("import", spec):
            if directory is not None:
                os.chdir(directory)
            if spec.folder:
                search_path.arrange(spec.folder)
            target = find(spec.driver)
        with _stage("arguments", spec):
            args, kwargs = fitted_arguments(target, spec, complete(target, spec))
        with _stage("build", spec):
            driver = build(target, args, kwargs, wait)
        with _stage("arguments", spec):
            if driver is None:
                raise SpecError(f"driver {spec.driver!r} gave None, there is nothing to host")
    with _stage("describe", spec):
        try:
            hosted = _hosted(driver, spec)
        except BaseException:
            name = next((name for name in STOP_METHODS[1:] if _has_method(driver, name)), "")
            if name:
                close(getattr(driver, name), name, wait)
            raise
    _warn_of_timeouts(hosted.description, spec)
    return hosted


def _warn_of_timeouts(description: Description, spec: WorkerSpec) -> None:
    """A timeout for what isn't there is no reason not to serve the rest."""
    known = [*description["properties"], *description["actions"]]
    for name in spec.timeouts:
        if name not in known:
            log.warning(
                "%s: timeouts: %r is no property or action of %s%s",
                spec.place,
                name,
                description["title"],
                nearest(name, known),
            )


def close(method: Callable[[], Any], name: str, wait: Callable[[Any], Any]) -> None:
    """Call the method that closes a driver; what it raises is logged.

    Args:
        method: The method, bound.
        name: Its name.
        wait: Runs an awaitable to its end.

    Raises:
        Terminated: The supervisor ends the process by a signal.
    """
    try:
        result = method()
        if hasattr(type(result), "__await__"):
            wait(result)
        forks.end_child()
    except Terminated:
        raise
    except BaseException as error:  # the driver may raise anything, SystemExit included
        forks.end_child(error)
        strip(error)
        log.error("%s raised while the driver was closed", name, exc_info=error)


def _hosted(driver: object, spec: WorkerSpec) -> Hosted:
    kind = type(driver)
    adapted = adapt(driver, spec)
    if adapted is not None:
        name = _stop_method(kind, spec, adapted.inert)
        stop: Callable[..., Any] | None = getattr(driver, name) if name else None
        if stop is not None and name == "__exit__":
            stop = functools.partial(stop, None, None, None)
        return Hosted(adapted.driver, adapted.description, stop, name, adapted.attach)
    name = _stop_method(kind, spec)
    if name != "__exit__":
        description = describe(kind, concurrent=spec.concurrent, place=spec.place)
        return Hosted(driver, description, getattr(driver, name) if name else None, name)
    leave = driver.__exit__  # type: ignore[attr-defined]
    if _has_method(driver, "__enter__"):
        entered = driver.__enter__()  # type: ignore[attr-defined]
        if kind.__module__ == "contextlib":
            # a generator with @contextmanager isn't the driver, it gives it
            driver = entered
    description = describe(type(driver), concurrent=spec.concurrent, place=spec.place)
    return Hosted(driver, description, lambda: leave(None, None, None), name)


def _stop_method(kind: type, spec: WorkerSpec, inert: tuple[str, ...] = ()) -> str:
    wanted = spec.stop_with
    if wanted is None:
        usual = (name for name in STOP_METHODS if name not in inert)
        return next((name for name in usual if callable(getattr(kind, name, None))), "")
    if not callable(getattr(kind, wanted, None)):
        at = f"{spec.place}: " if spec.place else ""
        names = [name for name in dir(kind) if callable(getattr(kind, name, None))]
        raise SpecError(
            f"{at}stop_with: {kind.__name__} has no method {wanted!r}{nearest(wanted, names)}"
        )
    return wanted


def _has_method(driver: object, name: str) -> bool:
    return callable(getattr(type(driver), name, None))


def find(path: str) -> Callable[..., Any]:
    """The class or factory that `module:attribute` names.

    Raises:
        SpecError: The text isn't of this form, or names nothing that can be called.
        Exception: Whatever the import of the module raises.
    """
    module_name, colon, attributes = path.partition(":")
    if not colon or not module_name or not attributes:
        raise SpecError(f"driver {path!r} must be written as package.module:Class")
    try:
        found: Any = import_module(module_name)
    except ModuleNotFoundError as error:
        if hidden := hidden_by_ours(error.name or ""):
            error.add_note(hidden.removeprefix("; "))
        raise
    where = module_name
    for attribute in attributes.split("."):
        try:
            found = getattr(found, attribute)
        except AttributeError:
            hint = nearest(attribute, [name for name in dir(found) if not name.startswith("_")])
            hint = hint or hidden_by_ours(module_name)
            raise SpecError(f"driver {path!r}: {where} has no {attribute!r}{hint}") from None
        where = f"{where}.{attribute}"
    if not callable(found):
        raise SpecError(
            f"driver {path!r} is no class or factory but an object of type {type(found).__name__}"
        )
    target: Callable[..., Any] = found
    return target


def fitted_arguments(
    target: Callable[..., Any], spec: WorkerSpec, keywords: dict[str, Any]
) -> Arguments:
    """The spec's arguments as a class or factory wants them, as far as it says so.

    Raises:
        TypeError: They don't fit.
    """
    try:
        parameters = Parameters(target)
    except (TypeError, ValueError):  # of C code
        return spec.args, keywords
    try:
        return parameters.fit(spec.args, keywords)
    except Misfit as misfit:
        name = getattr(target, "__qualname__", spec.driver)
        taken = signature_text(
            [*parameters.signature.parameters.values()], parameters.signature.empty
        )
        raise TypeError(f"{name}{taken}: {misfit}") from None


def build(
    target: Callable[..., Any],
    args: Sequence[Any],
    kwargs: dict[str, Any],
    wait: Callable[[Any], Any],
) -> object | None:
    """Call the class or factory; what it gives.

    Raises:
        Exception: Whatever the driver raises.
    """
    built: Any = target(*args, **kwargs)
    if hasattr(type(built), "__await__"):
        built = wait(built)
    given: object | None = built
    return given


@contextmanager
def _stage(stage: str, spec: WorkerSpec) -> Iterator[None]:
    try:
        yield
        forks.end_child()
    except Terminated:
        raise
    except BaseException as error:
        forks.end_child(error)
        if spec.place and not isinstance(error, SpecError):
            error.add_note(f"{spec.place}: driver: {spec.driver}")
        raise BootError(stage, error) from error
