"""From a spec to a served object: import, build, describe; and the way to close it again."""

from __future__ import annotations

import logging
import os
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from transports import terms
from workers import forks, search_path
from workers.driver.adapters.adapted import Publish
from workers.driver.adapters.frameworks import adapt, complete
from workers.driver.calls import Arguments, Misfit, Parameters
from workers.driver.coroutines import Loop, belongs_to_loop, call_here
from workers.driver.declared_events import Run, declare_events
from workers.driver.describe import Description, mark_concurrent, nearest
from workers.driver.fitter import a
from workers.driver.offer import Offer, offer_of, plain_offer
from workers.driver.opening import (
    Call,
    Manner,
    calls,
    close,
    close_built,
    closer,
    manner_of,
    open_driver,
    reopener,
    tell_if_nothing_closes,
)
from workers.driver.polled import mark_polled
from workers.driver.schemas import signature_text
from workers.driver.settle import outcome
from workers.errors import BootError, SpecError, Terminated
from workers.spec import WorkerSpec, hidden_by_ours

log = logging.getLogger("workers")


Target = Callable[..., Any]
"""A class or factory."""


@dataclass(frozen=True)
class Hosted:
    """A driver that is ready to be served.

    Attributes:
        driver: The object.
        offer: Its members, and how they are reached.
        describe: Looks at the driver anew, knowing what was found by path, as `offer_of` does;
            None where that would find the same.
        close: Closes it; None when it has nothing of the kind.
        close_name: Name of the method that `close` calls.
        call: Calls a function where the driver's code is to run: here, or in the loop's thread.
        reopen: Closes and opens it again; None unless the configuration says how it is opened.
        attach: For a driver that publishes by itself, changes of its properties included:
            gives it a publisher, or takes that away.
    """

    driver: object
    offer: Offer
    describe: Callable[[Mapping[str, Any]], Offer] | None
    close: Callable[[], Any] | None
    close_name: str
    call: Call = call_here
    reopen: Callable[[], None] | None = None
    attach: Callable[[Publish | None], None] | None = None


_NO_DRIVERS = (
    *(bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset),
    *(types.FunctionType, types.GeneratorType, types.AsyncGeneratorType, types.CoroutineType),
)
"""What a factory gives by mistake, such as for a `yield` in place of a `return`."""


def host(
    spec: WorkerSpec,
    loop: Loop,
    driver: object | None = None,
    imported: Callable[[], Target] | None = None,
) -> Hosted:
    """Import, build, open and describe a driver.

    Args:
        spec: What to host.
        loop: The worker's event loop.
        driver: An object to host in place of what `spec.driver` names.
        imported: Gives what `spec.driver` names, or raises what its import raised; None imports it.

    Raises:
        BootError: One of the stages failed; nothing of the driver is left open.
        Terminated: The supervisor ends the process by a signal.
    """
    given = driver is not None
    if driver is None:
        target = import_driver(spec) if imported is None else imported()
        with _stage("arguments", spec):
            args, kwargs = fitted_arguments(target, spec, complete(target, spec))
        with _stage("build", spec):
            driver = build(target, args, kwargs, spec, loop)
        with _stage("arguments", spec):
            if what := _no_driver(driver):
                raise SpecError(f"driver {spec.driver!r} gave {what}, there is nothing to host")
    hosted, manner = _opened(driver, spec, loop)
    _warn_of_timeouts(hosted.offer.description, spec)
    if not given:
        tell_if_nothing_closes(driver, manner)
    return hosted


def _no_driver(driver: object) -> str:
    """What a factory gave in place of a driver; empty if it is one."""
    if driver is None:
        return "None"
    if isinstance(driver, type):
        return f"the class {driver.__name__} and no object of it"
    return a(type(driver)) if type(driver) in _NO_DRIVERS else ""


def import_driver(spec: WorkerSpec, directory: str | None = None) -> Target:
    """Import the class or factory that a spec names.

    Args:
        spec: The spec.
        directory: Working directory to go to first; None stays.

    Raises:
        BootError: It can't be imported.
        Terminated: The supervisor ends the process by a signal.
    """
    with _stage("import", spec):
        if directory is not None:
            os.chdir(directory)
        if spec.folder:
            search_path.arrange(spec.folder)
        return find(spec.driver)


def _opened(built: object, spec: WorkerSpec, loop: Loop) -> tuple[Hosted, Manner]:
    """Open what was built, and describe it."""
    with _stage("describe", spec):
        try:
            adapted = adapt(built, spec)
            manner = manner_of(built, spec, loop, adapted.inert if adapted else None)
        except BaseException:
            close_built(built, spec, loop)
            raise
    with _stage("open", spec):
        try:
            driver = open_driver(built, manner, loop)
        except BaseException:
            close_built(built, spec, loop)
            raise
    stop = closer(built, manner)
    call = manner.call if driver is built else calls(driver, spec, loop)

    def run(function: Callable[[], Any]) -> Any:
        return outcome(call, loop.wait, function)

    with _stage("describe", spec):
        try:
            if adapted is not None:
                driver = adapted.driver
                offer, anew = plain_offer(driver, adapted.description), None
                mark_polled(offer.description, spec.poll, spec.place)
                declare_events(offer, spec.declared, run, spec.place)
            else:
                offer, anew = _offered(driver, spec, run)
        except BaseException:
            if stop is not None:
                close(stop, manner.closes, loop)
            raise
    if manner.closes:
        offer.description[terms.CLOSES] = manner.closes
    attach = adapted.attach if adapted else None
    again = reopener(built, manner, spec, loop)
    return Hosted(driver, offer, anew, stop, manner.closes, call, again, attach), manner


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


def _offered(driver: object, spec: WorkerSpec, run: Run) -> tuple[Offer, Callable[..., Offer]]:
    """What is served of a driver, and how to look at it anew.

    Raises:
        SpecError: A member that the spec names is none.
    """
    offer = offer_of(driver, concurrent=spec.concurrent, place=spec.place)
    mark_concurrent(offer.description, set(spec.stops), spec.place, "cancel")
    mark_polled(offer.description, spec.poll, spec.place)
    declare_events(offer, spec.declared, run, spec.place)

    def anew(found_by_use: Mapping[str, Any]) -> Offer:
        beside = (*spec.concurrent, *spec.stops)
        found = offer_of(driver, concurrent=beside, is_strict=False, found=found_by_use)
        if terms.CLOSES in offer.description:
            found.description[terms.CLOSES] = offer.description[terms.CLOSES]
        known = found.description["properties"]
        poll = {name: every for name, every in spec.poll.items() if name in known}
        mark_polled(found.description, poll, spec.place)
        declare_events(found, spec.declared, run, spec.place, is_strict=False)
        return found

    return offer, anew


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
    spec: WorkerSpec,
    loop: Loop,
) -> object | None:
    """Call the class or factory; what it gives. A class of coroutines is called in the loop.

    Raises:
        Exception: Whatever the driver raises.
    """
    of_loop = isinstance(target, type) and belongs_to_loop(target, spec.concurrent)
    call = loop.call if of_loop else call_here
    built: Any = call(lambda: target(*args, **kwargs))
    if hasattr(type(built), "__await__"):
        built = loop.wait(built)
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
