"""Optional markers for drivers: `action`, `prop` and `Event`.

A driver needs none of them, and one that uses them works without a rig as well: an event then
reaches the callbacks that were subscribed to it in the program, and nobody else.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Self, TypeVar, overload

F = TypeVar("F", bound=Callable[..., Any])

ACTION_MARK = "__orch_action__"
"""Attribute of a marked function; its value is whether the action is concurrent."""
IDEMPOTENT_MARK = "__orch_idempotent__"
"""The same for whether it is idempotent."""


@overload
def action(function: F, /) -> F: ...
@overload
def action(*, concurrent: bool = False, idempotent: bool = False) -> Callable[[F], F]: ...
def action(function: Any = None, /, *, concurrent: bool = False, idempotent: bool = False) -> Any:
    """Mark a method as an action. Public methods are actions without it as well.

    Example:
        ```python
        class Stage:
            @action(concurrent=True)
            def abort(self) -> None: ...
        ```

    Args:
        function: The method, when used without parentheses.
        concurrent: It may run beside the worker's other members, in another thread; the driver
            sees to its own locks.
        idempotent: To do it twice is as good as once: a client that asks for tries may repeat it
            also when it can't be known whether it was done.
    """

    def mark(target: F) -> F:
        setattr(target, ACTION_MARK, concurrent)
        setattr(target, IDEMPOTENT_MARK, idempotent)
        return target

    return mark if function is None else mark(function)


class prop(property):
    """A property with what its readers want to know: unit, meaning, whether it can be observed.

    Example:
        ```python
        class Stage:
            @prop(unit="mm", observable=True)
            def position(self) -> float: ...

            @position.setter
            def position(self, value: float) -> None: ...
        ```

    Args:
        fget: The getter, when used without parentheses.
        fset: The setter.
        fdel: The deleter.
        doc: Docstring; the getter's if left out.
        unit: Unit of the value, such as `mm`.
        observable: A change that a read or a write brings to light is published as an event.
        description: Text for descriptions in place of the docstring.
        safe: To read it is free of effect, on the device too, so that readers may: those to whom
            a rig's config gives that role.
    """

    def __init__(
        self,
        fget: Callable[[Any], Any] | None = None,
        fset: Callable[[Any, Any], None] | None = None,
        fdel: Callable[[Any], None] | None = None,
        doc: str | None = None,
        *,
        unit: str | None = None,
        observable: bool = False,
        description: str | None = None,
        safe: bool = False,
    ) -> None:
        super().__init__(fget, fset, fdel, doc)
        self.unit = unit
        self.safe = safe
        self.observable = observable
        self.description = description

    def __call__(self, fget: Callable[[Any], Any]) -> Self:
        """Take the getter: the second half of `@prop(unit=…)`."""
        if self.fget is not None:
            raise TypeError("this property has its getter; use .getter to replace it")
        return self._with(fget, self.fset, self.fdel)

    def getter(self, fget: Callable[[Any], Any]) -> Self:
        """A copy with another getter."""
        return self._with(fget, self.fset, self.fdel)

    def setter(self, fset: Callable[[Any, Any], None]) -> Self:
        """A copy with a setter."""
        return self._with(self.fget, fset, self.fdel)

    def deleter(self, fdel: Callable[[Any], None]) -> Self:
        """A copy with a deleter."""
        return self._with(self.fget, self.fset, fdel)

    def _with(self, fget: Any, fset: Any, fdel: Any) -> Self:
        return type(self)(
            fget,
            fset,
            fdel,
            unit=self.unit,
            observable=self.observable,
            description=self.description,
            safe=self.safe,
        )


class BoundEvent:
    """The event of one object; `Event` makes it.

    Attributes:
        name: Name of the event.
    """

    __slots__ = ("_publish", "_subscribers", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._publish: Callable[[Any], None] | None = None
        self._subscribers: tuple[Callable[[Any], object], ...] = ()

    def emit(self, value: Any = None) -> None:
        """Publish a value. May be called from any thread, also before a worker serves the object.

        Args:
            value: Anything that can be an action's result: JSON values, bytes, a numpy array.

        Raises:
            TypeError: A worker serves the object and the value can't be sent.
        """
        if self._publish is not None:
            self._publish(value)
        for callback in self._subscribers:
            callback(value)

    def subscribe(self, callback: Callable[[Any], object]) -> Callable[[], None]:
        """Call `callback(value)` at each emit, in the emitting thread of this process.

        Returns:
            A function that ends the subscription.
        """
        # replaced, never changed: an emit in another thread goes on with the tuple that it saw
        self._subscribers = (*self._subscribers, callback)

        def unsubscribe() -> None:
            self._subscribers = tuple(other for other in self._subscribers if other is not callback)

        return unsubscribe

    def attach(self, publish: Callable[[Any], None] | None) -> None:
        """Give the event its way out of the process, or take it away; the worker calls this."""
        self._publish = publish


class Event:
    """An event of a driver class, declared in its body; or of one object, made in `__init__`.

    Example:
        ```python
        class Stage:
            moved = Event("the stage came to rest", data=float)

            def move(self, x: float) -> None:
                self.moved.emit(x)
        ```

    Args:
        description: What the event says; for descriptions.
        data: Type of its values, as an annotation, or a JSON schema.
    """

    def __init__(self, description: str | None = None, *, data: Any = None) -> None:
        self.description = description
        self.data = data
        self.name = ""
        self._detached: dict[int, BoundEvent] = {}
        self._own = BoundEvent("")

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = self.name or name

    def own(self) -> BoundEvent:
        """The event itself, where an object holds it: no class tells its objects apart then.

        Raises:
            TypeError: It stands in a class body, and each object has its own.
        """
        if self.name:
            raise TypeError(
                f"the event {self.name!r} is of a class: emit and subscribe to that of an object,"
                f" such as self.{self.name}"
            )
        return self._own

    def emit(self, value: Any = None) -> None:
        """Publish a value, of an event that was made in `__init__`; as `BoundEvent.emit`."""
        self.own().emit(value)

    def subscribe(self, callback: Callable[[Any], object]) -> Callable[[], None]:
        """Call back, of an event that was made in `__init__`; as `BoundEvent.subscribe`."""
        return self.own().subscribe(callback)

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> BoundEvent: ...
    def __get__(self, instance: object | None, owner: type | None = None) -> Self | BoundEvent:
        if instance is None:
            return self
        attributes = getattr(instance, "__dict__", None)
        if attributes is None:
            return self._of_slotted(instance)
        bound = attributes.get(self.name)
        if bound is None:
            # setdefault: of two threads that come here at once, both get the same event
            bound = attributes.setdefault(self.name, BoundEvent(self.name))
        found: BoundEvent = bound
        return found

    def __set__(self, instance: object, value: object) -> None:
        # a dataclass assigns the default of an annotated event to each instance
        if value is not self:
            raise AttributeError(f"event {self.name!r} can't be replaced")

    def _of_slotted(self, instance: object) -> BoundEvent:
        key = id(instance)
        bound = self._detached.get(key)
        if bound is None:
            try:
                finalizer = weakref.finalize(instance, self._detached.pop, key, None)
            except TypeError:
                raise TypeError(
                    f"{type(instance).__name__} has __slots__; add '__weakref__' to them, "
                    f"the event {self.name!r} needs it"
                ) from None
            finalizer.atexit = False
            bound = self._detached.setdefault(key, BoundEvent(self.name))
        return bound
