"""Callbacks that devices call, as events: each source is started while somebody is subscribed.

A source calls from whatever thread the device's library has for that; what it gives to is safe for
any thread, and raises nothing that the device would have to deal with.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from workers.driver.kinds import static
from workers.driver.targets import Place

Emit = Callable[[Any], None]
Stop = Callable[[], None]


class Source(Protocol):
    """What calls back.

    Attributes:
        subject: What it is a source of: an object's `id`, and a name there.
    """

    subject: tuple[int, str]

    def start(self, emit: Emit) -> Stop:
        """Have values given to `emit`, until the function that is returned is called.

        Raises:
            Exception: Whatever the driver raises.
        """
        ...


class Subscription:
    """An object with `subscribe` or `add_callback`, as ophyd's signals.

    Args:
        place: Where it is.
        signal: The object that is there now.
    """

    def __init__(self, place: Place, signal: object) -> None:
        self._place = place
        self.subject = (id(signal), "")

    def start(self, emit: Emit) -> Stop:
        """Subscribe."""
        signal = self._place.resolve()

        def called(*args: Any, **kwargs: Any) -> None:
            emit(value_of(args, kwargs))

        how = _first(signal, _SUBSCRIBE) or ""
        value_of = _read_value if how == "subscribe_reading" else value_called_with
        subscribe = getattr(signal, how)
        # ophyd would call at once, with a value that nobody has asked for
        options = {"run": False} if "run" in inspect.signature(subscribe).parameters else {}
        token = subscribe(called, **options)

        def stop() -> None:
            end = _first(signal, _UNSUBSCRIBE)
            if callable(token):
                token()
            elif end is not None:
                by_token = end == "unsubscribe" and token is not None
                getattr(signal, end)(token if by_token else called)

        return stop


_SUBSCRIBE = ("subscribe_reading", "subscribe", "add_callback")
_UNSUBSCRIBE = ("clear_sub", "unsubscribe", "remove_callback")


def subscribes(value: Any) -> bool:
    """Whether an object can be subscribed to, and the subscription ended."""
    return _first(value, _SUBSCRIBE) is not None and _first(value, _UNSUBSCRIBE) is not None


def _first(value: Any, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if callable(static(value, name))), None)


class Signal:
    """A signal of psygnal, which may be made by looking at it.

    Args:
        place: Its owner's.
        name: Its name there.
        owner: The object that is there now.
    """

    def __init__(self, place: Place, name: str, owner: object) -> None:
        self._place = place
        self._name = name
        self.subject = (id(owner), name)

    def start(self, emit: Emit) -> Stop:
        """Connect to it."""
        signal = getattr(self._place.resolve(), self._name)

        def called(*args: Any) -> None:
            emit(_value_of(args))

        signal.connect(called)
        return lambda: signal.disconnect(called)


class Handler:
    """An attribute that holds the function to be called, as gpiozero's `when_pressed`.

    A handler that the driver has set itself is called first, and put back at the end. Names of one
    attribute share one of these.

    Args:
        place: Its owner's.
        name: Its name there.
        owner: The object that is there now.
    """

    def __init__(self, place: Place, name: str, owner: object) -> None:
        self._place = place
        self._name = name
        self.subject = (id(owner), name)
        self._emits: tuple[Emit, ...] = ()  # replaced, never changed: threads may call meanwhile
        self._before: Any = None

    def start(self, emit: Emit) -> Stop:
        """Take the handler's place."""
        owner = self._place.resolve()
        if not self._emits:
            self._before = getattr(owner, self._name)
            setattr(owner, self._name, self._called)
        self._emits = (*self._emits, emit)

        def stop() -> None:
            self._emits = tuple(other for other in self._emits if other is not emit)
            if not self._emits:
                setattr(owner, self._name, self._before)

        return stop

    def _called(self) -> None:
        try:
            if self._before is not None:
                self._before()
        finally:
            for emit in self._emits:
                emit(None)


def value_called_with(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The keyword `value`; else one argument is the value, none is None, several are a list."""
    return kwargs["value"] if "value" in kwargs else _value_of(args)


def _read_value(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The value in bluesky's reading of one signal: value and time by the signal's name."""
    if "value" in kwargs:
        return kwargs["value"]
    (reading,) = args[0].values()
    return reading["value"]


def _value_of(args: tuple[Any, ...]) -> Any:
    """One argument is the value, none is None, several are a list."""
    return args[0] if len(args) == 1 else list(args) or None
