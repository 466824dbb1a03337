"""What an object that a driver holds is: a value, an action, a part with members of its own.

A part is an object of the driver's own library: its class, or a base of it, comes from the same
package as the driver's class or a base of that, or from a file beside the driver's. Loggers, locks,
threads, files, sockets, modules and classes are none, nor are objects of other packages, such as
the connection that a driver talks through.
"""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import inspect
import ipaddress
import numbers
import os
import pathlib
import sys
import types
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, ParamSpec, TypeVar, cast

from workers.driver.markers import BoundEvent, Event

MOST_ITEMS = 1000
"""Items of a list or mapping that are looked at."""
FIRST_ITEMS = 8
"""Items of one that are looked at whenever a property gives it."""

LIBRARIES = frozenset(
    {"gpiozero", "instruments", "microscope", "ophyd", "ophyd_async", "pymeasure", "qcodes"}
)
"""Packages whose instruments and signals are parts wherever they are found."""

_CONTAINERS = (list, tuple, dict, types.MappingProxyType)
_ROUTINES = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.MethodWrapperType,
    functools.partial,
)
PLAIN = frozenset(
    {type(None), bool, int, float, complex, str, bytes, bytearray, memoryview, range, slice}
    | {set, frozenset}
)
"""Types whose objects are values, known at a glance."""
_VALUES = (
    *(datetime.date, datetime.time, datetime.timedelta, decimal.Decimal, fractions.Fraction),
    *(uuid.UUID, pathlib.PurePath, array.array, collections.deque, ipaddress.IPv4Address),
    *(ipaddress.IPv6Address, types.SimpleNamespace, numbers.Number, enum.Enum),
)
_OF_VALUES = frozenset({"numpy", "pandas", "xarray", "pint", "astropy", "quantities", "sympy"})
"""Packages whose objects are values."""
_MACHINERY = frozenset(
    {"threading", "_thread", "logging", "socket", "_socket", "io", "_io", "queue", "_queue"}
    | {"multiprocessing", "subprocess", "asyncio", "_asyncio", "concurrent", "select", "ssl"}
    | {"ctypes", "_ctypes", "selectors", "mmap", "sqlite3", "weakref", "unittest"}
)
"""Modules whose objects, and those of classes derived from theirs, are how a driver works."""


P = ParamSpec("P")
R = TypeVar("R")


def remembered(function: Callable[P, R]) -> Callable[P, R]:
    """Keep what a function gives for each class, or what else it is asked about."""
    return cast("Callable[P, R]", functools.lru_cache(maxsize=4096)(function))


class Kind(enum.Enum):
    """What an object is for those who look at its holder."""

    SKIPPED = "skipped"
    VALUE = "value"
    ACTION = "action"
    EVENT = "event"
    SIGNAL = "signal"
    PARAMETER = "parameter"
    PART = "part"
    CONTAINER = "container"


class Library:
    """The packages, and the folder of single files, that a driver's classes come from."""

    def __init__(self, cls: type) -> None:
        self._packages = LIBRARIES | _packages(cls)
        self._folders = frozenset(filter(None, map(_folder, _packages(cls))))
        self._known: dict[type, bool] = {}
        self._without: set[type] = set()

    def has(self, cls: type) -> bool:
        """Whether a class, or a base of it, is of it."""
        known = self._known.get(cls)
        if known is None:
            known = self._known[cls] = any(
                package in self._packages or _folder(package) in self._folders
                for package in _packages(cls)
            )
        return known

    def holds_parts(self, value: Any) -> bool:
        """Whether an object is a part, or the first items of a list or mapping are.

        It is asked of each value that a property gives, so that types are remembered that are none.
        """
        cls = type(value)
        if cls in PLAIN or cls in self._without:
            return False
        if issubclass(cls, _CONTAINERS):
            first = (each for _, each in islice(items(value), FIRST_ITEMS))
            return any(self.kind_of(each) in HELD for each in first)
        found = self.kind_of(value) in HELD
        if not found:
            self._without.add(cls)
        return found

    def kind_of(self, value: Any, levels: int = 3) -> Kind:
        """What an object is. No property of it is evaluated.

        Args:
            value: The object.
            levels: Lists within lists that are looked into.
        """
        cls = type(value)
        if cls in PLAIN:
            return Kind.VALUE
        if issubclass(cls, _CONTAINERS):
            if levels and any(self.kind_of(x, levels - 1) in HELD for _, x in items(value)):
                return Kind.CONTAINER
            return Kind.VALUE
        if issubclass(cls, _ROUTINES):
            return Kind.ACTION
        if issubclass(cls, (BoundEvent, Event)):
            return Kind.EVENT
        if is_made_in(cls, "psygnal", "SignalInstance"):
            return Kind.SIGNAL
        if issubclass(cls, (type, types.ModuleType)) or _is_machinery(cls):
            return Kind.SKIPPED
        if issubclass(cls, _VALUES) or _is_record(cls):
            return Kind.VALUE
        if is_parameter(value):
            return Kind.PARAMETER
        if self.has(cls):
            return self._kind_of_own(value)
        return _kind_of_foreign(cls)

    def _kind_of_own(self, value: Any) -> Kind:
        cls = type(value)
        if issubclass(cls, BaseException):
            return Kind.VALUE
        if not _packages(cls).isdisjoint(LIBRARIES) and (
            issubclass(cls, (Sequence, Mapping)) or is_made_in(cls, "instruments", "ProxyList")
        ):
            return Kind.CONTAINER  # others' may ask the device for an item
        if is_made_in(cls, "qcodes", "Function"):
            return Kind.ACTION
        if callable(value) and (makes_members(cls) or not any(_public_names(cls))):
            return Kind.ACTION
        return Kind.PART


HELD = (Kind.PART, Kind.PARAMETER, Kind.CONTAINER)
"""What has members of its own, or is one wherever it is held."""


def items(container: Any) -> Iterator[tuple[int | str, Any]]:
    """Index or key and object of what a list, tuple or mapping holds; keys of other types not.

    Of a class derived from one of them, what is stored counts, not what its methods may answer.
    """
    if isinstance(container, dict):
        held = list(islice(dict.items(container), MOST_ITEMS))
    elif isinstance(container, (types.MappingProxyType, Mapping)):
        held = list(islice(container.items(), MOST_ITEMS))
    elif isinstance(container, list):
        held = list(enumerate(islice(list.__iter__(container), MOST_ITEMS)))
    elif isinstance(container, tuple):
        held = list(enumerate(islice(tuple.__iter__(container), MOST_ITEMS)))
    else:
        held = list(enumerate(islice(container, MOST_ITEMS)))
    for key, value in held:
        if type(key) is int or (type(key) is str and key and not key.startswith("_")):
            yield key, value


def without_path(container: Any) -> Iterator[tuple[str, Any]]:
    """Type of the key and object of what a mapping holds under keys that a path can't have."""
    if isinstance(container, dict):
        held = list(islice(dict.items(container), MOST_ITEMS))
    elif isinstance(container, (types.MappingProxyType, Mapping)):
        held = list(islice(container.items(), MOST_ITEMS))
    else:
        return
    for key, value in held:
        if type(key) not in (int, str):
            yield type(key).__name__, value


def is_parameter(value: Any) -> bool:
    """Whether an object has `get` without arguments, and `set` or `put`: it is one property."""
    cls = type(value)
    if _top(cls) in sys.stdlib_module_names or cls in PLAIN:
        return False
    if is_made_in(cls, "qcodes", "ParameterBase"):
        return True
    if _has(cls, "component_names") or issubclass(cls, (Mapping, Sequence)):
        return False  # a device of ophyd, whose signals are the parameters; a dict has `get` too
    getter = getter_of(value)
    if getter == "get_value" and _takes(value, "subscribe_reading", 1):
        return True  # a signal of ophyd-async, which may be read-only
    return getter is not None and setter_of(value) is not None


def getter_of(value: Any) -> str | None:
    """The method that gives a parameter's value; None if there is none."""
    if is_made_in(type(value), "qcodes", "ParameterBase"):
        return "get" if "get" in attributes_of(value) else None
    for name in ("get", "get_value"):
        if _takes(value, name, 0):
            return name
    return None


def setter_of(value: Any) -> str | None:
    """The method that changes a parameter's value; None if there is none."""
    if is_made_in(type(value), "qcodes", "ParameterBase"):
        return "set" if "set" in attributes_of(value) else None
    return next((name for name in ("set", "put") if _takes(value, name, 1)), None)


def static(value: Any, name: str) -> Any:
    """An attribute as it is stored, of the object or its class; None if there is none."""
    own = attributes_of(value).get(name)
    return in_class(type(value), name) if own is None else own


@remembered
def makes_members(cls: type) -> bool:
    """Whether a class has a `__getattr__` of its own."""
    return isinstance(in_class(cls, "__getattr__"), types.FunctionType)


@remembered
def in_class(cls: type, name: str) -> Any:
    """What a name stands for in the bodies of a class and its bases; None if there is none."""
    return next((vars(base)[name] for base in cls.__mro__ if name in vars(base)), None)


def attributes_of(value: Any) -> dict[str, Any]:
    """What is stored in an object itself; a copy, as its threads may change it."""
    try:
        stored = object.__getattribute__(value, "__dict__")  # not what its class may answer
    except AttributeError:
        return {}
    return dict(stored) if isinstance(stored, dict) else {}


def _takes(value: Any, name: str, count: int) -> bool:
    """Whether it has a method that can be called with so many positional arguments."""
    own = attributes_of(value).get(name)
    if own is not None:
        return callable(own) and _accepts(own, count)
    return _class_takes(type(value), name, count)


@remembered
def _class_takes(cls: type, name: str, count: int) -> bool:
    found = in_class(cls, name)
    return isinstance(found, types.FunctionType) and _accepts(found, count + 1)


def _accepts(function: Any, count: int) -> bool:
    try:
        inspect.signature(function).bind(*[None] * count)
    except (TypeError, ValueError):
        return False
    return True


def _kind_of_foreign(cls: type) -> Kind:
    if not _packages(cls).isdisjoint(_OF_VALUES) or _has(cls, "__array__"):
        return Kind.ACTION if cls.__name__ == "ufunc" else Kind.VALUE
    return Kind.ACTION if _has(cls, "__call__") else Kind.SKIPPED


@remembered
def _is_record(cls: type) -> bool:
    """Whether its objects are values with fields: those of dataclasses and the like, no methods."""
    has_fields = dataclasses.is_dataclass(cls) or any(
        _has(cls, name) for name in ("__struct_fields__", "__attrs_attrs__", "model_fields")
    )
    return has_fields and not any(
        isinstance(value, (types.FunctionType, property))
        for base in cls.__mro__
        if _top(base) not in ("builtins", "msgspec", "pydantic")
        for name, value in vars(base).items()
        if not name.startswith("_")
    )


@remembered
def _is_machinery(cls: type) -> bool:
    if any(_top(base) in _MACHINERY for base in cls.__mro__):
        return True
    return _top(cls) in sys.stdlib_module_names and not issubclass(cls, _VALUES)


@remembered
def _packages(cls: type) -> frozenset[str]:
    """Top-level packages of a class and its bases, but the standard library's and numpy's."""
    tops = {_top(base) for base in cls.__mro__}
    return frozenset(tops - sys.stdlib_module_names - {"numpy"})


@remembered
def _folder(package: str) -> str | None:
    """The folder of a module that is one file of the user's; None for what is installed."""
    module = sys.modules.get(package)
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or hasattr(module, "__path__") or "-packages" in file:
        return None
    return os.path.dirname(os.path.abspath(file))


@remembered
def is_made_in(cls: type, package: str, name: str) -> bool:
    """Whether a class is, or is derived from, the one of that name in a package."""
    return any(base.__name__ == name and _top(base) == package for base in cls.__mro__)


def _top(cls: type) -> str:
    """The top-level package that a class says it is of."""
    return str(getattr(cls, "__module__", "")).partition(".")[0]


@remembered
def _has(cls: type, name: str) -> bool:
    return any(name in vars(base) for base in cls.__mro__ if base is not object)


def _public_names(cls: type) -> Iterator[str]:
    for base in cls.__mro__:
        if base is not object:
            yield from (name for name in vars(base) if not name.startswith("_"))
