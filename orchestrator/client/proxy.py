"""What stands for a worker, and for a component within it: members are attributes.

Each worker gets a class of its own, made from its description (see `generated`), with a property
for each property and a method for each action. Everything public on it is the driver's; names of
ours are added only where the driver has none.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, ClassVar, NoReturn

from orchestrator.client.lookers import calls_at_once, is_tool, only_looks
from orchestrator.client.parameters import Parameter, reading
from orchestrator.client.paths import Step, joined, steps_of
from orchestrator.client.surface import surface
from orchestrator.errors import NameRefused, ResultUnsendable, WorkerUnavailable
from orchestrator.words import did_you_mean
from transports.values.records import Record


class Member(property):
    """A property of a worker, in the class that is made for it.

    Args:
        path: Its path in the worker.
        getter: Shows its type to tools; never called by us.
        doc: What it is, with its unit.
        parameter: It may be called too, to read and write it; see `parameters`.
        unit: Its unit, if it has one.
    """

    def __init__(
        self, path: str, getter: Any, doc: str, *, parameter: bool = False, unit: str | None = None
    ) -> None:
        super().__init__(getter, None, None, doc)
        self.__doc__ = doc
        self.path = path
        self.parameter = parameter
        self.unit = unit

    def __get__(self, part: Any, owner: type | None = None) -> Any:
        """The member itself in a class; its value in an object of it."""
        return self if part is None else _own(part, "_handle")._get(self.path)

    def __set__(self, part: Any, value: Any) -> None:
        _own(part, "_handle")._set(self.path, value)

    def __repr__(self) -> str:
        return f"<property {self.path}>"


class EventMember(property):
    """An event of a worker, in the class that is made for it."""

    def __init__(self, path: str, doc: str) -> None:
        super().__init__(None, None, None, doc)
        self.__doc__ = doc
        self.path = path

    def __get__(self, part: Any, owner: type | None = None) -> Any:
        """The event in a class; an object of it has no value for it."""
        if part is None:
            return self
        name = part._handle.name
        raise NameRefused(f"{name}.{self.path} is an event: use subscribe({self.path!r})")

    def __repr__(self) -> str:
        return f"<event {self.path}>"


class ComponentMember(property):
    """A component of a worker, in the class that is made for it."""

    def __init__(self, path: str, made: type[Component]) -> None:
        super().__init__(None, None, None, made.__doc__)
        self.__doc__ = made.__doc__
        self.path = path
        self.made = made

    def __get__(self, part: Any, owner: type | None = None) -> Any:
        """The component; nothing is asked for that."""
        return self if part is None else self.made(part._handle, self.path)

    def __repr__(self) -> str:
        return f"<component {self.path}>"


class Part:
    """A worker or a component of one: what its class has in common with others.

    Reading an attribute reads the property, assigning writes it, calling invokes the action; each
    raises what `orch.errors` lists, or the driver's own. A private or unknown name is an
    AttributeError, and nothing is sent.
    """

    __slots__ = ("__weakref__", "_handle", "_path")

    _handle: Any
    _path: str

    def __init__(self, handle: Any, path: str = "") -> None:
        object.__setattr__(self, "_handle", handle)
        object.__setattr__(self, "_path", path)

    # Not `__getattr__`: Python would ask that too when a property of the driver has raised an
    # AttributeError, and the device would be read twice.
    @surface
    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_"):
            if name in _SHOWN and type(self) is Proxy:
                self._handle._learn_soon()
                _adopt(self)
            return _own(self, name)
        return fetch(self, name, sys._getframe(2))

    @surface
    def __setattr__(self, name: str, value: Any) -> None:
        member = _find(self, name)
        if not isinstance(member, Member):
            raise NameRefused(f"{_name(self, name)} {_NOT_ASSIGNED.get(type(member), _FIXED)}")
        member.__set__(self, value)

    def __delattr__(self, name: str) -> None:
        raise NameRefused(f"{_name(self, name)}: members can't be deleted")

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{_own(self, '_handle')._title} can't be copied or pickled: it is of a connection; "
            "connect anew where it is needed"
        )


class Proxy(Part):
    """A worker of a rig. Its description isn't known yet; it is asked for when it is needed."""

    __slots__ = ()

    def __dir__(self) -> list[str]:
        self._handle._learn_soon()
        _adopt(self)
        return _listed(self)

    def __repr__(self) -> str:
        return f"<{self._handle._title}>"

    def _repr_html_(self) -> str:
        self._handle._learn_soon()
        return str(self._handle._html())


class Component(Part):
    """A component of a worker."""

    __slots__ = ()

    _items: ClassVar[dict[int | str, type[Component] | Member]] = {}

    def __dir__(self) -> list[str]:
        return _listed(self)

    def __repr__(self) -> str:
        return f"<{self._path} of {self._handle._title}>"


class Items(Component):
    """Components in a list or mapping, by position or key."""

    __slots__ = ()

    @surface
    def __getitem__(self, key: int | str | slice) -> Any:
        """A component by position or key; of a list several, by a slice."""
        items = self._items
        if isinstance(key, slice):
            keys = list(items)
            if _is_mapping(keys):
                raise TypeError(f"{_name(self, '')} has keys: {key!r} is for lists")
            return [self[each] for each in keys[key]]
        at = key
        if isinstance(key, int) and key < 0 and key not in items:
            at = len(items) + key
        found = items.get(at) if isinstance(at, (int, str)) else None
        if found is None:
            known = ", ".join(map(repr, items))
            raise NameRefused(f"{_name(self, '')} has no {key!r}; it has {known}")
        if isinstance(found, Member):
            return found.__get__(self)
        step: Step = at if isinstance(at, int) else (at,)
        return found(self._handle, joined(self._path, step))

    @surface
    def __setitem__(self, key: int | str, value: Any) -> None:
        found = self._items.get(key)
        if not isinstance(found, Member):
            raise TypeError(f"{_name(self, '')}[{key!r}] can't be assigned")
        found.__set__(self, value)

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def __iter__(self) -> Iterator[Any]:
        """The components of a list, the keys of a mapping."""
        keys = list(self._items)
        return iter(keys) if _is_mapping(keys) else (self[key] for key in keys)

    def _ipython_key_completions_(self) -> list[int | str]:
        return list(self._items)


class Mapped(Items):
    """Components in a mapping, with its methods."""

    __slots__ = ()

    def keys(self) -> list[int | str]:
        """The keys."""
        return list(self._items)

    def values(self) -> list[Any]:
        """The components."""
        return [self[key] for key in self._items]

    def items(self) -> list[tuple[int | str, Any]]:
        """Keys and components."""
        return [(key, self[key]) for key in self._items]


def _is_mapping(keys: list[int | str]) -> bool:
    return any(isinstance(key, str) for key in keys)


_own = object.__getattribute__
_SHOWN = frozenset({"__doc__", "__module__"})
"""What help asks an object for, before it shows its class."""
_FIXED = "isn't a property: it can't be assigned"
_NOT_ASSIGNED: dict[type, str] = {
    ComponentMember: "is a component: assign its members",
    EventMember: "is an event: it can't be assigned",
}


def _name(part: Part, name: str) -> str:
    path = joined(_own(part, "_path"), name) if name else _own(part, "_path")
    return f"{_own(part, '_handle').name}.{path}"


def _listed(part: Part) -> list[str]:
    return [*{*object.__dir__(part)}]


def _adopt(part: Part) -> None:
    """Give a worker or component the class of what is known of it by now."""
    made: Any = _own(part, "_handle")._made_class()
    if isinstance(part, Component):
        for step in steps_of(_own(part, "_path")) or ():
            made = below(made, step)
    if made is not None and type(part) is not made:
        object.__setattr__(part, "__class__", made)


def below(made: Any, step: Step) -> Any:
    """The class of a component by the class of what it is in; None if there is none."""
    if isinstance(step, str):
        return getattr(vars(made).get(step), "made", None) if made else None
    found = getattr(made, "_items", {}).get(step if isinstance(step, int) else step[0])
    return found if isinstance(found, type) else None


def _of_class(part: Part, name: str) -> Any:
    """What the class of a part has by a name, as it is there; None if nothing."""
    for base in type(part).__mro__:
        if name in base.__dict__:
            return base.__dict__[name]
    return None


def _find(part: Part, name: str, *, looks: bool = False) -> Any:
    """What a class has by a name, after asking for the description if that is needed.

    Args:
        part: A worker or component.
        name: The name.
        looks: Nothing may be evaluated to find it.

    Raises:
        AttributeError: Nothing, or the name is private.
        OrchError: The description can't be had; AttributeError of who only looks, if that is
            because the worker is unavailable.
    """
    handle = _own(part, "_handle")
    if name.startswith("_"):
        raise NameRefused(f"{_name(part, name)} is private; private members are not served")
    _adopt(part)
    found = _of_class(part, name)
    path = joined(path_of(part), name)
    members = handle._session.known_members(handle.name)
    if found is None and (isinstance(part, Proxy) or (members and members.may_have(path))):
        try:
            stand_in = handle._learn(path, looks=looks)
        except WorkerUnavailable as error:
            if looks:  # hasattr: there is no member to be had, whatever the reason
                raise NameRefused(str(error)) from error
            raise
        _adopt(part)
        found = _of_class(part, name) or stand_in
    if found is None:
        if isinstance(part, Proxy):
            handle._session.check_member(handle.name, name)
        known = [each for each in _listed(part) if not each.startswith("_")]
        near = did_you_mean(name, known) or f"; it has {', '.join(sorted(known))}"
        raise NameRefused(f"{handle.name}.{path_of(part)} has no member {name!r}{near}")
    return found


def fetch(part: Part, name: str, frame: Any) -> Any:
    """The value of an attribute for the code of a frame; who only looks gets what describes it."""
    if isinstance(part, Proxy):
        _adopt(part)
    found = _of_class(part, name)
    if found is None:
        if is_tool(frame):
            raise AttributeError(name)  # no request for a tool that tries names
        found = _find(part, name, looks=only_looks(frame))
    if isinstance(found, Member):
        if only_looks(frame):
            return found
        if not found.parameter:
            return _value(part, name, found)
        parameter = Parameter(_own(part, "_handle"), found.path, found.unit)
        return parameter if calls_at_once(frame) else reading(found.__get__(part), parameter)
    if isinstance(found, EventMember) and is_tool(frame):
        return found
    if hasattr(type(found), "__get__"):
        return found.__get__(part, type(part))
    return found


def _value(part: Part, name: str, member: Member) -> Any:
    """The value of a property; of one that gives a component or several, these."""
    try:
        value = member.__get__(part)
    except ResultUnsendable:
        component = _component(part, name, member)
        if component is None:
            raise
        return component
    if _holds_records(value):
        component = _component(part, name, member)
        return value if component is None else component
    return value


def _component(part: Part, name: str, member: Member) -> Component | None:
    """What a property gives that was just read, if its worker has found it to be a component."""
    handle = _own(part, "_handle")
    if member.path in handle._values:
        return None
    handle._learn(member.path)
    _adopt(part)
    found = _of_class(part, name)
    if isinstance(found, ComponentMember):
        return found.__get__(part)  # type: ignore[no-any-return]
    handle._values.add(member.path)
    return None


def _holds_records(value: Any) -> bool:
    if isinstance(value, (list, tuple, dict)) and value:
        value = next(iter(value.values() if isinstance(value, dict) else value))
    return isinstance(value, Record)


def handle_of(worker: Any) -> Any:
    """The handle of what stands for a worker; a handle is its own."""
    return _own(worker, "_handle") if isinstance(worker, Part) else worker


def path_of(worker: Any) -> str:
    """The path of a component within its worker; empty for the worker itself."""
    return str(_own(worker, "_path")) if isinstance(worker, Part) else ""
