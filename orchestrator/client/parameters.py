"""Parameter-likes: properties that are called too, as in QCoDeS.

`rig.dmm.voltage` is the value, `rig.dmm.voltage()` reads it, `rig.dmm.voltage(3)` writes it. Where
the attribute is called at once, nothing is read before. Where it isn't, the value that was read
can be called later: numbers and texts are of a class of their own then, derived from the plain
one; copies and pickles of it are plain. Other values, booleans and arrays too, are as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Parameter:
    """What a parameter-like is where it is called: `()` reads it, `(value)` writes it.

    Attributes:
        unit: Its unit; None if it has none.
    """

    __slots__ = ("_handle", "_path", "unit")

    def __init__(self, handle: Any, path: str, unit: str | None) -> None:
        self._handle = handle
        self._path = path
        self.unit = unit

    def get(self) -> Any:
        """Read it. Raises as `Worker.read` does."""
        return self._handle.read(self._path)

    def set(self, value: Any) -> Any:
        """Write it. Raises as `Worker.write` does."""
        return self._handle.write(self._path, value)

    def __call__(self, *value: Any, **options: Any) -> Any:
        """Read it without an argument, write it with one. Raises as `Worker.call` does."""
        return self._handle.call(self._path, *value, **options)

    def __repr__(self) -> str:
        return f"<parameter {self._handle.name}.{self._path}>"


def reading(value: Any, parameter: Parameter) -> Any:
    """A value that was read, so that it can be called as its parameter; see above."""
    made = _READINGS.get(type(value))
    if made is None:
        return value
    found = made(value)
    found._parameter = parameter
    return found


def _reading_of(plain: Any) -> Any:
    def call(self: Any, *value: Any, **options: Any) -> Any:
        """Read the parameter anew without an argument, write it with one."""
        return self._parameter(*value, **options)

    def reduce(self: Any, protocol: Any = None) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return plain, (plain(self),)

    def copy(self: Any, memo: Any = None) -> Any:
        return plain(self)

    text = f"A {plain.__name__} that was read from a parameter, and can be called as it."
    return type(
        plain.__name__,
        (plain,),
        {
            "__doc__": text,
            "__module__": __name__,
            "__call__": call,
            "__reduce_ex__": reduce,
            "__copy__": copy,
            "__deepcopy__": copy,
        },
    )


_READINGS = {plain: _reading_of(plain) for plain in (float, int, complex, str)}
