"""What a driver that was built offers: its own members and its parts', by path.

Looked at is what classes say and what objects hold. No property is evaluated for it, as that may
talk to the device; nor are names of `__getattr__`, which are offered if `dir` has them. Each object
is described at all its shortest paths, so that a part that knows its parent leads nowhere.
"""

from __future__ import annotations

import dataclasses
import logging
import types
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from transports import paths, terms
from workers.driver.describe import (
    ACTION,
    EVENT,
    PROPERTY,
    Description,
    event_schema,
    mark_concurrent,
)
from workers.driver.hints import scope_of
from workers.driver.kinds import (
    HELD,
    Kind,
    Library,
    attributes_of,
    getter_of,
    is_made_in,
    items,
    makes_members,
    setter_of,
    static,
    without_path,
)
from workers.driver.markers import BoundEvent, Event
from workers.driver.parameters import parameter_schema
from workers.driver.schemas import Schema, value_schema
from workers.driver.shapes import (
    BACKENDS,
    NOTHING,
    Member,
    called_schema,
    class_shape,
    delegated,
    is_public,
    listed_names,
    makes_proxies,
    slot_value,
)
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
FEW = 5
"""Of what was left out so many are named."""


@dataclasses.dataclass(frozen=True)
class Offer:
    """What is served of a driver.

    Attributes:
        description: The members by path, as `workers.driver.describe.describe` gives them, with
            `orch:parts`: class and text of each part, by path; and `orch:open`: paths of those
            that may make members by `__getattr__`.
        targets: How each is reached.
        sources: What calls back for events and observable properties, by path.
        events: Events of drivers that use ours, by path.
        parts: The driver and its parts by `id`; they are kept, so that no other gets theirs.
        library: Tells what is a part of this driver.
        places: The driver and its parts by path, and actions that may have members.
    """

    description: Description
    targets: dict[str, Target]
    sources: dict[str, Source] = dataclasses.field(default_factory=dict)
    events: dict[str, BoundEvent] = dataclasses.field(default_factory=dict)
    parts: dict[int, object] = dataclasses.field(default_factory=dict)
    library: Library | None = None
    places: dict[str, Place] = dataclasses.field(default_factory=dict)

    def holds_parts(self, value: Any) -> bool:
        """Whether a property's value is a part, or a list or mapping of parts."""
        return self.library is not None and self.library.holds_parts(value)


def plain_offer(driver: object, description: Description) -> Offer:
    """What is served of an object whose attributes are all that is described."""
    return Offer(description, dict(plain_targets(driver, description)))


def offer_of(
    driver: object,
    *,
    concurrent: Iterable[str] = (),
    place: str = "",
    is_strict: bool = True,
    found: Mapping[str, Any] | None = None,
) -> Offer:
    """Describe a driver and its parts.

    Args:
        driver: The object that is served.
        concurrent: Paths of members that may run beside the queued ones.
        place: Where these stand in the configuration, for the error.
        is_strict: Whether all of `concurrent` must be there.
        found: Parts that properties gave when they were read, and what `__getattr__` made, by path.

    Raises:
        SpecError: One of `concurrent` is no property or action.
    """
    offer = _Walk(driver, found or {}).offer
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

    def __init__(self, driver: object, found: Mapping[str, Any]) -> None:
        description: Description = {
            "title": type(driver).__name__,
            PROPERTY: {},
            ACTION: {},
            EVENT: {},
        }
        if text := class_shape(type(driver)).text:
            description["description"] = text
        self._library = Library(type(driver))
        self._found = found
        self._made: dict[str, dict[str, Any]] = {}  # what is found, by its owner
        for path, value in found.items():
            owner, name = paths.split(path)
            self._made.setdefault(owner, {})[name] = value
        self._open: list[str] = []
        parts = {id(driver): driver}
        self.offer = Offer(description, {}, parts=parts, library=self._library)
        self._parts: dict[str, Schema] = {}
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
            description[terms.PARTS] = self._parts
        if self._open:
            description[terms.OPEN] = self._open
        if self._cut:
            description[terms.CUT] = "not described: " + _listed(self._cut)
            log.warning("%s: %s", description["title"], description[terms.CUT])

    # -- one object

    def _look_at(self, part: _Part) -> None:
        self.offer.places[part.path] = part.place
        stored = attributes_of(part.value)
        seen = set(BACKENDS)
        elsewhere = delegated(part.value, stored)
        for name, member in class_shape(type(part.value)).members.items():
            if name in elsewhere or name in BACKENDS:
                continue
            seen.add(name)
            if not member.is_data and name in stored:
                self._held(part, name, stored[name], member.schema, is_told=member.kind is not None)
            else:
                self._of_class(part, name, member)
        seen.update(elsewhere)
        for held in (stored, *elsewhere.values()):
            for name, value in list(held.items()):
                if name not in seen and is_public(name):
                    seen.add(name)
                    self._held(part, name, value)
        for name in listed_names(part.value):
            if name not in seen and static(part.value, name) is None:
                seen.add(name)
                schema = {terms.DYNAMIC: True, terms.CALLABLE: True}
                self._add(PROPERTY, part, name, schema, Unclassed(part.place, name))
        if not elsewhere:  # those libraries' `__getattr__` makes nothing
            self._look_at_made(part, seen)
        called = class_shape(type(part.value)).call
        if called is not None and "call" not in seen:
            self._add(ACTION, part, "call", called, Attribute(part.place, "__call__"))

    def _look_at_made(self, part: _Part, seen: Collection[str] = ()) -> None:
        """What `__getattr__` may give of an object, and what it has given."""
        if not makes_members(type(part.value)):
            return
        self.offer.places[part.path] = part.place
        self._open.append(part.path)
        for name, value in self._made.get(part.path, {}).items():
            if name in seen or not is_public(name):
                continue
            if self._library.kind_of(value) is Kind.VALUE:  # another one at its next use
                schema = {terms.DYNAMIC: True, terms.CALLABLE: True}
                self._add(PROPERTY, part, name, schema, Unclassed(part.place, name))
            else:
                self._held(part, name, value)

    def _of_class(self, part: _Part, name: str, member: Member) -> None:
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
                self._add(PROPERTY, part, name, {terms.CALLABLE: True}, target)
        elif is_made_in(kind, "psygnal", "Signal"):
            self._add(EVENT, part, name, {}, here)
            self.offer.sources[path] = Signal(part.place, name, part.value)
        elif is_made_in(kind, "gpiozero", "event"):
            self._add(EVENT, part, name, member.schema or {}, here)
            key = (id(raw), id(part.value))
            handler = self._handlers.setdefault(key, Handler(part.place, name, part.value))
            self.offer.sources[path] = handler
        elif isinstance(raw, Event):
            self._add(EVENT, part, name, member.schema or {}, here)
            self.offer.events[path] = raw.__get__(part.value)
        elif isinstance(raw, property) and makes_proxies(raw):
            self._held(part, name, getattr(part.value, name))
        elif kind is types.MemberDescriptorType:  # a slot
            value = slot_value(raw, part.value)
            if value is not NOTHING:
                self._held(part, name, value, member.schema, is_told=member.kind is not None)
            elif member.kind is not None:
                self._add(member.kind, part, name, member.schema or {}, here)
        elif member.kind is not None:
            self._add(member.kind, part, name, member.schema or {}, here)
        elif raw is not None and not member.is_of_class and not hasattr(kind, "__get__"):
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
            self._add(ACTION, part, name, called_schema(value), here)
            self._look_at_made(_Part(part.place.at(name), path, value, part.level))
        elif kind is Kind.EVENT:
            if isinstance(value, Event) and value.name:
                return  # a class's, which is an event of that class's objects only
            made = isinstance(value, Event)
            told = event_schema(value, scope_of(type(part.value))) if made else {}
            self._add(EVENT, part, name, told, here)
            self.offer.events[path] = value.own() if made else value
        elif kind is Kind.SIGNAL:
            self._add(EVENT, part, name, {}, here)
            self.offer.sources[path] = Signal(part.place, name, part.value)
        elif kind in HELD:
            self._nested(part, path, (name,), value, kind)
        elif is_told:
            self._add(PROPERTY, part, name, schema or value_schema(value), here)
        elif kind is Kind.VALUE:
            frozen = {"readOnly": True} if class_shape(type(part.value)).is_frozen else {}
            self._add(PROPERTY, part, name, value_schema(value) | frozen | (schema or {}), here)

    def _nested(
        self, owner: _Part, path: str, steps: tuple[Step, ...], value: Any, kind: Kind
    ) -> None:
        if kind is Kind.CONTAINER:
            if len(steps) > DEPTH:
                return  # a list in itself
            for key, each in items(value):
                inner = self._library.kind_of(each)
                if inner in HELD:
                    self._nested(owner, paths.item(path, key), (*steps, Item(key)), each, inner)
            for key_type, each in without_path(value):
                if self._library.kind_of(each) in HELD:
                    self._cut.append(f"a part in {path} whose key is no text or int but {key_type}")
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
                self.offer.sources[path] = Subscription(place, value)
        elif level > DEPTH:
            self._cut.append(f"{path}, which lies deeper than {DEPTH}")
        else:
            members = class_shape(type(value))
            text = {"description": members.text} if members.text else {}
            self._parts[path] = {"title": type(value).__name__} | text
            self._next.append(_Part(place, path, value, level))

    def _add(self, kind: str, part: _Part, name: str, schema: Schema, target: Target) -> None:
        path = paths.join(part.path, name)
        self._record(kind, path, schema, target)
        value = self._found.get(path)
        if kind == PROPERTY and (held := self._library.kind_of(value)) in HELD:
            self._nested(part, path, (name,), value, held)

    def _record(self, kind: str, path: str, schema: Schema, target: Target) -> None:
        if len(self.offer.targets) >= MOST:
            raise _Full
        self.offer.description[kind][path] = schema
        self.offer.targets[path] = target


def _listed(cut: list[str]) -> str:
    more = len(cut) - FEW
    return ", ".join(cut[:FEW]) + (f" and {more} others" if more > 0 else "")
