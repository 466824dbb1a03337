"""What is known of an object without asking it: by its class, and by how its library is made."""

from __future__ import annotations

import dataclasses
import functools
import logging
import types
from collections.abc import Iterator
from typing import Any

from workers.driver.describe import ClassMembers, action_schema
from workers.driver.kinds import in_class, is_made_in, remembered
from workers.driver.schemas import Schema

log = logging.getLogger("workers")

NOTHING: Any = object()
"""What an unfilled slot holds."""


@dataclasses.dataclass(frozen=True)
class Member:
    """A name in the body of a class: what it stands for, and what is said of it.

    Attributes:
        kind: `properties`, `actions` or `events`; None if the class alone doesn't make it one.
        schema: Its description; None with `kind`.
        value: The object in the body.
        is_data: It goes before what an object stores under the name.
        is_of_class: Its annotation says that it is none of an object's: `ClassVar`, `InitVar`.
    """

    kind: str | None
    schema: Schema | None
    value: Any
    is_data: bool
    is_of_class: bool


@dataclasses.dataclass(frozen=True)
class Shape:
    """A class as it shows in its objects.

    Attributes:
        text: Its docstring.
        members: Its public names.
        call: What is said of calling an object; None if it can't be called.
        is_frozen: Its objects' fields can't be assigned.
    """

    text: str
    members: dict[str, Member]
    call: Schema | None
    is_frozen: bool


@remembered
def class_shape(cls: type) -> Shape:
    """What its bodies say."""
    found = ClassMembers(cls)
    members = {}
    for name in found.names():
        kind, schema = found.affordance(name)
        value = found.find(name)[1]
        is_data = any("__set__" in vars(b) or "__delete__" in vars(b) for b in type(value).__mro__)
        is_of_class = kind is None and found.annotates(name)
        members[name] = Member(kind, schema if kind else None, value, is_data, is_of_class)
    _, call = found.find("__call__")
    called = action_schema(call, takes_self=True) if isinstance(call, types.FunctionType) else None
    return Shape(found.text, members, called, found.is_frozen)


def called_schema(value: Any) -> Schema:
    """What is said of a value that is called."""
    if isinstance(value, (types.FunctionType, types.MethodType, functools.partial)):
        return action_schema(value)
    if isinstance(value, (types.BuiltinFunctionType, types.MethodWrapperType)):
        return action_schema(value)
    return action_schema(type(value).__call__, takes_self=True)


def is_public(name: Any) -> bool:
    """Whether it is a name that may be reached."""
    return isinstance(name, str) and not name.startswith("_") and name.isidentifier()


def slot_value(raw: Any, owner: Any) -> Any:
    """What an object holds in a slot, or `NOTHING`."""
    try:
        return raw.__get__(owner)
    except AttributeError:
        return NOTHING


def listed_names(value: Any) -> Iterator[str]:
    """Public names that a `__dir__` of the object's class gives; none if it has the usual one."""
    own = in_class(type(value), "__dir__")
    if own is None or own is object.__dir__ or not isinstance(own, types.FunctionType):
        return
    try:
        names = list(own(value))
    except Exception as error:  # noqa: BLE001  it is the driver's code
        kind = type(value).__name__
        log.warning("__dir__ of %s raised %s: %s", kind, type(error).__name__, error)
        return
    yield from filter(is_public, names)


BACKENDS = frozenset({"adapter", "pin_factory"})
"""What PyMeasure's and gpiozero's objects talk through; it would be taken for a part."""
_OF_QCODES = (
    *("delegate_attr_dicts", "delegate_attr_objects", "omit_delegate_attrs"),
    "instrument_modules",  # those of the submodules that are no lists
)
"""Attributes of its instruments that repeat what they have."""


def delegated(value: Any, stored: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What `__getattr__` of known libraries gives, by the attribute that holds it."""
    cls = type(value)
    if is_made_in(cls, "gpiozero", "CompositeDevice"):
        return {"_named": dict(stored.get("_named", {}))}
    names = in_class(cls, "delegate_attr_dicts")
    if not isinstance(names, (list, tuple)):
        return {}
    held = {name: stored[name] for name in names if isinstance(stored.get(name), dict)}
    return held | {name: {} for name in _OF_QCODES}


@remembered
def makes_proxies(value: property) -> bool:
    """Whether a property of instrumentkit does nothing but list its channels."""
    getter = value.fget
    return (
        isinstance(getter, types.FunctionType)
        and getter.__module__.partition(".")[0] == "instruments"
        and "ProxyList" in getter.__code__.co_names
        and "query" not in getter.__code__.co_names
    )
