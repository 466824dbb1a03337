"""What a driver that was built offers: its own members and its parts', by path.

Looked at is what classes say and what objects hold. No property is evaluated for it, as that may
talk to the device; nor are names of `__getattr__`, which are offered if `dir` has them. Each object
is described at all its shortest paths, so that a part that knows its parent leads nowhere.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import types
from collections.abc import Iterable, Iterator
from typing import Any

from transports import paths
from workers.driver.describe import (
    ACTION,
    CUT,
    EVENT,
    PARTS,
    PROPERTY,
    ClassMembers,
    Description,
    action_schema,
    mark_concurrent,
)
from workers.driver.kinds import (
    Kind,
    Library,
    attributes_of,
    getter_of,
    in_class,
    is_made_in,
    items,
    remembered,
    setter_of,
    static,
)
from workers.driver.parameters import parameter_schema
from workers.driver.schemas import Schema, value_schema
from workers.driver.sources import Handler, Signal, Source, Subscription
from workers.driver.targets import (
    Attribute,
    Item,
    Parameter,
    Place,
    Step,
    Target,
    Unclassed,
    plain_targets,
)

log = logging.getLogger("workers")

DEPTH = 5
"""Parts within parts that are looked at."""
MOST = 10_000
"""Members that are described."""
_NOTHING: Any = object()


@dataclasses.dataclass(frozen=True)
class Offer:
    """What is served of a driver.

    Attributes:
        description: The members by path, as `workers.driver.describe.describe` gives them, with
            `orch:parts`: class and text of each part, by path.
        targets: How each is reached.
        sources: What calls back for events and observable properties, by path.
        parts: The driver and its parts by `id`; they are kept, so that no other gets theirs.
    """

    description: Description
    targets: dict[str, Target]
    sources: dict[str, Source] = dataclasses.field(default_factory=dict)
    parts: dict[int, object] = dataclasses.field(default_factory=dict)


def plain_offer(driver: object, description: Description) -> Offer:
    """What is served of an object whose attributes are all that is described."""
    return Offer(description, dict(plain_targets(driver, description)))


def offer_of(
    driver: object,
    *,
    concurrent: Iterable[str] = (),
    place: str = "",
    is_strict: bool = True,
) -> Offer:
    """Describe a driver and its parts.

    Args:
        driver: The object that is served.
        concurrent: Paths of members that may run beside the queued ones.
        place: Where these stand in the configuration, for the error.
        is_strict: Whether all of `concurrent` must be there.

    Raises:
        SpecError: One of `concurrent` is no property or action.
    """
    offer = _Walk(driver).offer
    names = {name for name in concurrent if is_strict or name in offer.targets}
    mark_concurrent(offer.description, names, place)
    return offer


@dataclasses.dataclass(frozen=True)
class _Part:
    place: Place
    path: str
    value: Any
    level: int


class _Full(Exception):
    """There are more members than are described."""


class _Walk:
    """Goes through a driver and its parts, those that are nearer first."""

    def __init__(self, driver: object) -> None:
        description: Description = {
            "title": type(driver).__name__,
            PROPERTY: {},
            ACTION: {},
            EVENT: {},
        }
        if text := _class_members(type(driver)).text:
            description["description"] = text
        self.offer = Offer(description, {}, {}, {id(driver): driver})
        self._parts: dict[str, Schema] = {}
        self._library = Library(type(driver))
        self._levels = {id(driver): 0}
        self._handlers: dict[tuple[int, int], Handler] = {}
        self._cut: list[str] = []
        waiting = [_Part(Place(driver), "", driver, 0)]
        try:
            while waiting:
                self._next: list[_Part] = []
                for part in waiting:
                    self._look_at(part)
                waiting = self._next
        except _Full:
            self._cut.append(f"more than {MOST} members")
        if self._parts:
            description[PARTS] = self._parts
        if self._cut:
            description[CUT] = "not described: " + ", ".join(self._cut)
            log.warning("%s: %s", description["title"], description[CUT])

    # -- one object

    def _look_at(self, part: _Part) -> None:
        stored = attributes_of(part.value)
        seen: set[str] = set()
        delegated = _delegated(part.value, stored)
        for name, member in _class_members(type(part.value)).members.items():
            seen.add(name)
            if name in delegated:
                continue
            if not member.is_data and name in stored:
                self._held(part, name, stored[name], member.schema, is_told=member.kind is not None)
            else:
                self._of_class(part, name, member)
        seen.update(delegated)
        for held in (stored, *delegated.values()):
            for name, value in list(held.items()):
                if name not in seen and _is_public(name):
                    seen.add(name)
                    self._held(part, name, value)
        for name in _listed(part.value):
            if name not in seen and static(part.value, name) is None:
                seen.add(name)
                schema = {"orch:dynamic": True, "orch:callable": True}
                self._add(PROPERTY, part, name, schema, Unclassed(part.place, name))
        called = _class_members(type(part.value)).call
        if called is not None and "call" not in seen:
            self._add(ACTION, part, "call", called, Attribute(part.place, "__call__"))

    def _of_class(self, part: _Part, name: str, member: _Member) -> None:
        """A member that its class alone tells of."""
        raw, kind = member.value, type(member.value)
        here = Attribute(part.place, name)
        path = paths.join(part.path, name)
        if is_made_in(kind, "ophyd", "Component"):
            value = attributes_of(part.value).get("_signals", {}).get(name)
            if value is not None:
                self._held(part, name, value)
            elif "component_names" not in dir(raw.cls):  # it is made when it is first used
                target = Parameter(part.place.at(name), "get", "put")
                self._add(PROPERTY, part, name, {"orch:callable": True}, target)
        elif is_made_in(kind, "psygnal", "Signal"):
            self._add(EVENT, part, name, {}, here)
            self.offer.sources[path] = Signal(part.place, name)
        elif is_made_in(kind, "gpiozero", "event"):
            self._add(EVENT, part, name, member.schema or {}, here)
            key = (id(raw), id(part.value))
            handler = self._handlers.setdefault(key, Handler(part.place, name))
            self.offer.sources[path] = handler
        elif isinstance(raw, property) and _makes_proxies(raw):
            self._held(part, name, getattr(part.value, name))
        elif kind is types.MemberDescriptorType:  # a slot
            value = _slot(raw, part.value)
            if value is not _NOTHING:
                self._held(part, name, value, member.schema, is_told=member.kind is not None)
            elif member.kind is not None:
                self._add(member.kind, part, name, member.schema or {}, here)
        elif member.kind is not None:
            self._add(member.kind, part, name, member.schema or {}, here)
        elif raw is not None and not hasattr(kind, "__get__"):
            self._held(part, name, raw, {"readOnly": True} if name.isupper() else None)

    def _held(
        self,
        part: _Part,
        name: str,
        value: Any,
        schema: Schema | None = None,
        *,
        is_told: bool = False,
    ) -> None:
        """An attribute whose value is known without asking for it.

        Args:
            part: Who has it.
            name: Its name.
            value: Its value.
            schema: What its class says of it.
            is_told: Its class tells that it is a property.
        """
        kind = self._library.kind_of(value)
        here = Attribute(part.place, name)
        path = paths.join(part.path, name)
        if kind is Kind.ACTION:
            self._add(ACTION, part, name, _called(value), here)
        elif kind is Kind.EVENT:
            self._add(EVENT, part, name, {}, here)
        elif kind is Kind.SIGNAL:
            self._add(EVENT, part, name, {}, here)
            self.offer.sources[path] = Signal(part.place, name)
        elif kind in (Kind.PARAMETER, Kind.PART, Kind.CONTAINER):
            self._nested(part, path, (name,), value, kind)
        elif is_told:
            self._add(PROPERTY, part, name, schema or value_schema(value), here)
        elif kind is Kind.VALUE:
            frozen = {"readOnly": True} if _class_members(type(part.value)).is_frozen else {}
            self._add(PROPERTY, part, name, value_schema(value) | frozen | (schema or {}), here)

    def _nested(
        self, owner: _Part, path: str, steps: tuple[Step, ...], value: Any, kind: Kind
    ) -> None:
        if kind is Kind.CONTAINER:
            if len(steps) > DEPTH:
                return  # a list in itself
            for key, each in items(value):
                inner = self._library.kind_of(each)
                if inner in (Kind.PARAMETER, Kind.PART, Kind.CONTAINER):
                    self._nested(owner, paths.item(path, key), (*steps, Item(key)), each, inner)
            return
        level = owner.level + 1
        if self._levels.setdefault(id(value), level) < level:
            return  # there is a shorter way to it
        self.offer.parts[id(value)] = value
        place = owner.place.at(*steps)
        if kind is Kind.PARAMETER:
            schema = parameter_schema(value)
            target = Parameter(place, getter_of(value), setter_of(value))
            self._record(PROPERTY, path, schema, target)
            if schema.get("observable"):
                self.offer.sources[path] = Subscription(place)
        elif level > DEPTH:
            self._cut.append(f"{path}, which lies deeper than {DEPTH}")
        else:
            members = _class_members(type(value))
            text = {"description": members.text} if members.text else {}
            self._parts[path] = {"title": type(value).__name__} | text
            self._next.append(_Part(place, path, value, level))

    def _add(self, kind: str, part: _Part, name: str, schema: Schema, target: Target) -> None:
        self._record(kind, paths.join(part.path, name), schema, target)

    def _record(self, kind: str, path: str, schema: Schema, target: Target) -> None:
        if len(self.offer.targets) >= MOST:
            raise _Full
        self.offer.description[kind][path] = schema
        self.offer.targets[path] = target


# -- what is known of a class


@dataclasses.dataclass(frozen=True)
class _Member:
    """A name in the body of a class: what it stands for, and what is said of it.

    Attributes:
        kind: `properties`, `actions` or `events`; None if the class alone doesn't make it one.
        schema: Its description; None with `kind`.
        value: The object in the body.
        is_data: It goes before what an object stores under the name.
    """

    kind: str | None
    schema: Schema | None
    value: Any
    is_data: bool


@dataclasses.dataclass(frozen=True)
class _Class:
    text: str
    members: dict[str, _Member]
    call: Schema | None
    is_frozen: bool


@remembered
def _class_members(cls: type) -> _Class:
    found = ClassMembers(cls)
    members = {}
    for name in found.names():
        kind, schema = found.affordance(name)
        value = found.find(name)[1]
        is_data = any("__set__" in vars(b) or "__delete__" in vars(b) for b in type(value).__mro__)
        members[name] = _Member(kind, schema if kind is not None else None, value, is_data)
    _, call = found.find("__call__")
    called = action_schema(call, takes_self=True) if isinstance(call, types.FunctionType) else None
    return _Class(found.text, members, called, found.is_frozen)


def _called(value: Any) -> Schema:
    """What is said of a value that is called."""
    if isinstance(value, (types.FunctionType, types.MethodType, functools.partial)):
        return action_schema(value)
    if isinstance(value, (types.BuiltinFunctionType, types.MethodWrapperType)):
        return action_schema(value)
    return action_schema(type(value).__call__, takes_self=True)


def _is_public(name: Any) -> bool:
    return isinstance(name, str) and not name.startswith("_") and name.isidentifier()


def _slot(raw: Any, owner: Any) -> Any:
    try:
        return raw.__get__(owner)
    except AttributeError:
        return _NOTHING


def _listed(value: Any) -> Iterator[str]:
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
    yield from filter(_is_public, names)


_OF_QCODES = (
    *("delegate_attr_dicts", "delegate_attr_objects", "omit_delegate_attrs"),
    "instrument_modules",  # those of the submodules that are no lists
)
"""Attributes of its instruments that repeat what they have."""


def _delegated(value: Any, stored: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The mappings in which QCoDeS' instruments hold what they have as attributes."""
    names = in_class(type(value), "delegate_attr_dicts")
    if not isinstance(names, (list, tuple)):
        return {}
    held = {name: stored[name] for name in names if isinstance(stored.get(name), dict)}
    return held | {name: {} for name in _OF_QCODES}


@remembered
def _makes_proxies(value: property) -> bool:
    """Whether a property of instrumentkit does nothing but list its channels."""
    getter = value.fget
    return (
        isinstance(getter, types.FunctionType)
        and getter.__module__.partition(".")[0] == "instruments"
        and "ProxyList" in getter.__code__.co_names
        and "query" not in getter.__code__.co_names
    )
