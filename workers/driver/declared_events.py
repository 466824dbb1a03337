"""Events that the configuration declares: a method of the driver is given a function to call.

Libraries have a call of their own for that: `register_callback(name, function)`,
`subscribe_event(name, kind, function)`. The method is called while somebody is subscribed.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, cast

from transports.placeholders import CALLBACK, TOKEN, constant, unmarked
from workers.driver.describe import ACTION, EVENT, PROPERTY, nearest
from workers.driver.kinds import static
from workers.driver.offer import Offer
from workers.driver.sources import Emit, Stop, value_called_with
from workers.errors import SpecError
from workers.spec import Call, EventCall

log = logging.getLogger("workers")

ENDERS = ("unsubscribe", "close", "cancel", "stop")
"""Methods of what a subscribing call gave that end it, if the configuration names none."""

Run = Callable[[Callable[[], Any]], Any]
"""Calls a function of the driver where its functions are called; what is awaited has been."""


def declare_events(
    offer: Offer, declared: Mapping[str, EventCall], run: Run, place: str, *, is_strict: bool = True
) -> None:
    """Offer the events that the configuration declares; one of a property's name tells its changes.

    Args:
        offer: What is served of the driver; it is changed.
        declared: The events by name.
        run: Calls the driver's methods.
        place: Where they stand in the configuration, for the error.
        is_strict: Whether one whose methods aren't there is an error; else it is left out.

    Raises:
        SpecError: A method isn't there, or the name is another member's.
    """
    for name, how in declared.items():
        try:
            source = _source(offer, name, how, run)
        except SpecError as error:
            if is_strict:
                at = f"{place}: " if place else ""
                raise SpecError(f"{at}events: {name}: {error}") from None
            continue
        if name in offer.description[PROPERTY]:
            offer.description[PROPERTY][name] |= {"observable": True}
        else:
            offer.description[EVENT][name] = {}
        offer.sources[name] = source


class DeclaredEvent:
    """A source that is started by a method of the driver.

    Args:
        name: Of the event.
        how: As the configuration says.
        begin: The method.
        end: The method that ends it; None if none is named.
        run: Calls them.
        constants: The values of what the arguments name.
    """

    def __init__(
        self,
        name: str,
        how: EventCall,
        begin: Callable[[], Callable[..., Any]],
        end: Callable[[], Callable[..., Any]] | None,
        run: Run,
        constants: Mapping[str, Any],
    ) -> None:
        self.subject = (id(how), name)
        self._name = name
        self._how = how
        self._begin = begin
        self._end = end
        self._run = run
        self._constants = constants

    def start(self, emit: Emit) -> Stop:
        """Call the method with a function that emits."""
        ended = told = False

        def called(*args: Any, **kwargs: Any) -> None:
            nonlocal told
            if ended:  # the driver goes on, as no method ends it
                return
            try:
                value = value_of(self._how.value, args, kwargs)
            except TypeError as error:  # the device has no use for it
                if not told:
                    told = True
                    log.warning("the event %s isn't told: %s", self._name, error)
                return
            emit(value)

        names = {**self._constants, CALLBACK: called}
        token = self._call(self._begin, self._how.call, names, CALLBACK)
        names[TOKEN] = token

        def stop() -> None:
            nonlocal ended
            ended = True
            if self._end is not None and self._how.end is not None:
                told = CALLBACK if token is None else TOKEN
                self._call(self._end, self._how.end, names, told)
            elif (ends := _ender(token)) is not None:
                self._run(ends)

        return stop

    def _call(
        self,
        method: Callable[[], Callable[..., Any]],
        call: Call,
        names: Mapping[str, Any],
        told: str,
    ) -> Any:
        """Call a method; `told` is its last argument if none stands for something of ours."""
        args = [_given(each, names) for each in call.args]
        kwargs = {key: _given(each, names) for key, each in call.kwargs.items()}
        if not any(each in (CALLBACK, TOKEN) for each in _texts(call)):
            args.append(names[told])
        return self._run(lambda: method()(*args, **kwargs))


def value_of(which: str | int | None, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The event's value, of what the function was called with.

    Args:
        which: The number of a positional argument; or a path of which the first name is a keyword
            or else an attribute or key of the only argument, and the others are such of what comes
            before. None means the keyword `value`, or the only argument, or all as a list.
        args, kwargs: What the function was called with.

    Raises:
        TypeError: There is no such thing.
    """
    if which is None:
        return value_called_with(args, kwargs)
    steps = str(which).split(".")
    try:
        if steps[0] in kwargs:
            found = kwargs[steps.pop(0)]
        else:
            found = args[int(steps.pop(0)) if steps[0].isdecimal() else 0]
        for step in steps:
            found = found[step] if isinstance(found, Mapping) else getattr(found, step)
    except (IndexError, KeyError, AttributeError) as error:
        raise TypeError(f"there is no {str(which)!r} in it: {error}") from error
    return found


def _source(offer: Offer, name: str, how: EventCall, run: Run) -> DeclaredEvent:
    description = offer.description
    if name in description[ACTION] or name in offer.events:
        raise SpecError(f"{description['title']} has a member of this name: choose another one")
    methods = [how.call.method, *([how.end.method] if how.end else ())]
    for method in methods:
        if method not in description[ACTION]:
            hint = nearest(method, description[ACTION])
            raise SpecError(f"{method!r} is no method of {description['title']}{hint}")
    begin, *end = (offer.targets[method].function for method in methods)
    texts = [*_texts(how.call), *(_texts(how.end) if how.end else ())]
    constants = {each: _found(each) for each in texts if constant(each)}
    return DeclaredEvent(name, how, begin, end[0] if end else None, run, constants)


def _texts(call: Call) -> list[str]:
    """Those of its arguments that are texts, some of which stand for something else."""
    return [each for each in (*call.args, *call.kwargs.values()) if isinstance(each, str)]


def _found(text: str) -> Any:
    """What `$module:NAME` names."""
    module, _, path = constant(text).partition(":")
    try:
        return functools.reduce(getattr, path.split("."), import_module(module))
    except (ImportError, AttributeError) as error:
        raise SpecError(f"{text} is not there: {error}") from error


def _ender(token: Any) -> Callable[[], Any] | None:
    """What ends a subscription that is an object: it is called, or a method of its."""
    if callable(token):
        return cast("Callable[[], Any]", token)
    return next((getattr(token, name) for name in ENDERS if static(token, name) is not None), None)


def _given(value: Any, names: Mapping[str, Any]) -> Any:
    if not isinstance(value, str):
        return value
    return names[value] if value in names else unmarked(value)
