"""A class for a worker, made from its description: what `help`, Tab and checkers see."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from orchestrator.client.members import ACTION, PROPERTY, Members
from orchestrator.client.paths import Step, joined, steps_of
from orchestrator.client.proxy import (
    Component,
    ComponentMember,
    EventMember,
    Items,
    Mapped,
    Member,
    Part,
    Proxy,
    handle_of,
)
from orchestrator.client.signatures import signature_of, type_of
from orchestrator.client.surface import surface
from transports import terms


@dataclass
class Node:
    """Members by name, and what is nested below them.

    Attributes:
        path: Where this is in the worker.
        members: Paths of members by their names here; also by position or key.
        below: Components by name, position or key.
    """

    path: str = ""
    members: dict[Step, str] = field(default_factory=dict)
    below: dict[Step, Node] = field(default_factory=dict)


def tree_of(paths: Iterable[str]) -> Node:
    """The tree of members' paths. What isn't a path, or is private, is left out."""
    root = Node()
    for path in paths:
        steps = steps_of(path)
        if steps is None:
            continue
        node = root
        for step in steps[:-1]:
            node = node.below.setdefault(step, Node(joined(node.path, step)))
        node.members[steps[-1]] = path
    return root


def worker_class(rig: str, worker: str, members: Members, handle: type) -> type[Proxy]:
    """The class of a worker's proxy.

    Args:
        rig: Id of the rig.
        worker: The worker's name.
        members: What is known of it.
        handle: Whose public names are added where the driver has no such name.
    """
    title = str(members.description.get("title") or worker)
    root = tree_of(members.kinds)
    namespace = _namespace(root, members, f"{rig}.{worker}")
    for name, own in vars(handle).items():
        if not name.startswith("_") and name not in namespace:
            namespace[name] = _ours(name, own)
    told = str(members.description.get("description") or "")
    # never none: help would show what is said of a worker that isn't known yet
    namespace["__doc__"] = told or f"The worker {worker} of rig {rig}: a {title}."
    namespace.setdefault("name", _NAME)
    made: type[Proxy] = type(_identifier(title), (Proxy,), namespace)
    return made


_NAME = property(lambda part: part._handle.name, None, None, "The worker's name.")


def _identifier(text: str, other: str = "Worker") -> str:
    return text if text.isidentifier() else other


def _namespace(node: Node, members: Members, module: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__slots__": (), "__module__": module}
    for step, below in node.below.items():
        if isinstance(step, str):
            made = _component_class(below, members, module)
            namespace[step] = ComponentMember(below.path, made)
    for step, path in node.members.items():
        if not isinstance(step, str):
            continue
        component = namespace.get(step)
        is_action = members.kinds[path] == ACTION
        if component is None and is_action and members.is_open(path):
            component = ComponentMember(path, _component_class(Node(path), members, module))
            namespace[step] = component
        if component is None:
            namespace[step] = _member(step, path, members)
        elif is_action:  # it is called, and has members
            component.made.__call__ = _method("__call__", path, members.affordance(path))
    return namespace


def _component_class(node: Node, members: Members, module: str) -> type[Component]:
    items: dict[int | str, Any] = {}
    for step, below in node.below.items():
        if not isinstance(step, str):
            items[_key(step)] = _component_class(below, members, module)
    for step, path in node.members.items():
        if not isinstance(step, str):
            items[_key(step)] = _member(str(_key(step)), path, members)
    namespace = _namespace(node, members, module)
    ordered = sorted(items) if all(isinstance(key, int) for key in items) else items
    namespace["_items"] = {key: items[key] for key in ordered}
    listed = [str(step) for step in (*node.below, *node.members) if isinstance(step, str)]
    what = f"with {', '.join(listed)}" if listed else f"by {', '.join(map(repr, items))}"
    if not listed and not items:
        what = "whose members show at their use"
    told = members.part(node.path)
    namespace["__doc__"] = str(told.get("description") or f"{node.path}: a component {what}.")
    base: type[Component] = Component
    if items:
        base = Mapped if any(isinstance(key, str) for key in items) else Items
    name = told.get("title") or node.path.rpartition(".")[2]
    made: type[Component] = type(_identifier(str(name), "Component"), (base,), namespace)
    return made


def _key(step: int | tuple[str]) -> int | str:
    return step if isinstance(step, int) else step[0]


def _member(name: str, path: str, members: Members) -> Any:
    affordance = members.affordance(path)
    kind = members.kinds[path]
    if kind == ACTION:
        return _method(name, path, affordance)
    if kind == PROPERTY:
        return _property(name, path, affordance)
    return EventMember(path, _doc(affordance, []))


def _property(name: str, path: str, affordance: dict[str, Any]) -> Member:
    def getter(self: Part) -> Any:
        return self._handle._get(path)

    found = type_of(affordance)
    getter.__name__ = name
    getter.__annotations__ = {} if found is inspect.Parameter.empty else {"return": found}
    unit = affordance.get("unit")
    kind = affordance.get("type")
    facts = [f"Type: {kind}" if isinstance(kind, str) else "Type: any"]
    facts += [f"Unit: {unit}"] if unit else []
    for key, label in (("title", "Label"), ("minimum", "From"), ("maximum", "To")):
        if affordance.get(key) is not None:
            facts.append(f"{label}: {affordance[key]}")
    if affordance.get("enum"):
        facts.append(f"One of: {', '.join(map(repr, affordance['enum']))}")
    for key, text in (("readOnly", "Read-only"), ("writeOnly", "Write-only")):
        if affordance.get(key):
            facts.append(text)
    if affordance.get("observable"):
        facts.append("Observable")
    return Member(
        path,
        getter,
        _doc(affordance, facts),
        parameter=bool(affordance.get(terms.CALLABLE)),
        unit=str(unit) if unit else None,
    )


def _doc(affordance: dict[str, Any], facts: list[str]) -> str:
    text = str(affordance.get("description") or "")
    return "\n\n".join(each for each in (text, "\n".join(facts)) if each)


def _method(name: str, path: str, affordance: dict[str, Any]) -> Callable[..., Any]:
    def act(self: Part, /, *args: Any, **kwargs: Any) -> Any:
        return handle_of(self).call(path, *args, **kwargs)

    act.__name__ = act.__qualname__ = name
    method = surface(act)
    method.__doc__ = _doc(affordance, []) or None
    vars(method)["__signature__"] = signature_of(affordance)  # what `inspect.signature` shows
    return method


def _ours(name: str, own: Any) -> Any:
    """A name of the handle's, on the proxy of a worker whose driver has no such name."""

    @functools.wraps(own)
    def delegate(self: Part, /, *args: Any, **kwargs: Any) -> Any:
        return getattr(self._handle, name)(*args, **kwargs)

    return surface(delegate)
