"""What a rig tells of itself, as an attribute over which a worker of the same name wins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

V = TypeVar("V")


class told(Generic[V]):
    """A read-only property that gives way to an object's own attribute; a `property` wouldn't."""

    def __init__(self, function: Callable[[Any], V]) -> None:
        self._function = function
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__

    @overload
    def __get__(self, rig: None, owner: type | None = None) -> told[V]: ...
    @overload
    def __get__(self, rig: object, owner: type | None = None) -> V: ...
    def __get__(self, rig: object, owner: type | None = None) -> V | told[V]:
        """The value; in a class, this itself."""
        return self if rig is None else self._function(rig)
