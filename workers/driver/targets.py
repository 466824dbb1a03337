"""How each member of a driver is reached: what is read, written and called at its path.

A path was looked up when it was described; here its steps are taken again at each use, so that an
object which the driver has replaced since is the new one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from workers.driver.calls import value_fitter
from workers.driver.describe import ACTION, EVENT, PROPERTY, Description
from workers.driver.fitter import Fitter
from workers.failures import Refused


class Target(Protocol):
    """What stands at the path of a member."""

    def get(self) -> Any:
        """Read it; the value, or an awaitable of it."""
        ...

    def set(self, value: Any) -> Any:
        """Write it; what the driver's own method gives, such as a status, else None."""
        ...

    def function(self) -> Callable[..., Any]:
        """What is called."""
        ...

    def fitter(self) -> Fitter | None:
        """What fits a value to it before it is written; None where nothing is said of it."""
        ...


class Item:
    """A step to an item of a list or mapping."""

    __slots__ = ("key",)

    def __init__(self, key: int | str) -> None:
        self.key = key


Step = str | Item


class Place:
    """The driver, or a part of it."""

    __slots__ = ("_driver", "_steps")

    def __init__(self, driver: object, steps: tuple[Step, ...] = ()) -> None:
        self._driver = driver
        self._steps = steps

    def at(self, *steps: Step) -> Place:
        """What is some steps further on."""
        return Place(self._driver, (*self._steps, *steps))

    def resolve(self) -> Any:
        """The object that is there now.

        Raises:
            Exception: What getting an attribute or item raises.
        """
        found: Any = self._driver
        for step in self._steps:
            found = found[step.key] if isinstance(step, Item) else getattr(found, step)
        return found


class Attribute:
    """An attribute of the driver or of a part."""

    __slots__ = ("_name", "_place")

    def __init__(self, place: Place, name: str) -> None:
        self._place = place
        self._name = name

    def get(self) -> Any:
        """The attribute's value."""
        return getattr(self._place.resolve(), self._name)

    def set(self, value: Any) -> None:
        """Assign it."""
        setattr(self._place.resolve(), self._name, value)

    def function(self) -> Callable[..., Any]:
        """The attribute, to be called."""
        found: Callable[..., Any] = getattr(self._place.resolve(), self._name)
        return found

    def fitter(self) -> Fitter | None:
        """As its class says."""
        return value_fitter(type(self._place.resolve()), self._name)


class Unclassed(Attribute):
    """An attribute that `dir` names and only `__getattr__` gives: what it is shows at its use."""

    __slots__ = ()

    def get(self) -> Any:
        """The attribute's value.

        Raises:
            Refused: It is something to be called.
        """
        value = super().get()
        if callable(value):
            raise Refused("TypeError", f"{self._name!r} is an action: call it")
        return value

    def function(self) -> Callable[..., Any]:
        """The attribute; of what can't be called, what gives it."""
        value: Any = super().get()
        return value if callable(value) else lambda: value


class Parameter:
    """An object with `get`, and `set` or `put`: read, written, and called as QCoDeS does.

    Args:
        place: Where it is.
        getter, setter: Its methods; None if it has none.
    """

    __slots__ = ("_getter", "_place", "_setter")

    def __init__(self, place: Place, getter: str | None, setter: str | None) -> None:
        self._place = place
        self._getter = getter
        self._setter = setter

    def get(self) -> Any:
        """What its `get` gives.

        Raises:
            Refused: It can only be written.
        """
        if self._getter is None:
            raise Refused("AttributeError", "it can only be written")
        return getattr(self._place.resolve(), self._getter)()

    def set(self, value: Any) -> Any:
        """What its `set`, or else `put`, gives.

        Raises:
            Refused: It can only be read.
        """
        if self._setter is None:
            raise Refused("AttributeError", "it is read-only")
        return getattr(self._place.resolve(), self._setter)(value)

    def function(self) -> Callable[..., Any]:
        """What reads it, or with one argument writes it."""
        return self._call

    def _call(self, *args: Any) -> Any:
        if len(args) > 1:
            raise Refused("TypeError", f"it takes one value at most, not {len(args)}")
        return self.set(*args) if args else self.get()

    def fitter(self) -> Fitter | None:
        """None: it judges values itself."""
        return None


def plain_targets(driver: object, description: Description) -> dict[str, Target]:
    """How the members of an object are reached that has them all as its attributes."""
    here = Place(driver)
    return {
        name: Attribute(here, name)
        for kind in (PROPERTY, ACTION, EVENT)
        for name in description[kind]
    }
