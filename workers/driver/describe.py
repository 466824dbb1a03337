"""What a driver offers: its properties, actions and events, read from its class.

The description is an allow-list. It is made once, before the first request, and from the class
alone: no property of the object is evaluated for it. A name with a leading underscore is never
in it.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import types
import typing
from collections.abc import Iterable, Iterator
from dataclasses import InitVar
from typing import Any

from transports import terms
from workers.driver.markers import ACTION_MARK, IDEMPOTENT_MARK, Event, prop
from workers.driver.schemas import (
    Schema,
    own_annotations,
    parameters_schema,
    resolve,
    schema_of,
    scope_of,
    signature_of,
    signature_text,
    unnamed_types,
)
from workers.errors import SpecError

PROPERTY, ACTION, EVENT = "properties", "actions", "events"

Description = dict[str, Any]
"""`title`, `description`, and `properties`, `actions`, `events` as in a Thing Description."""


def describe(cls: type, *, concurrent: Iterable[str] = (), place: str = "") -> Description:
    """Describe the objects of a class.

    Members are: `property` objects and their subclasses, `functools.cached_property`, other data
    descriptors, public annotated attributes; public functions, methods and what is called like
    them; `orch.Event`. A class in the body, a module, an attribute without annotation are not.
    Nor is what `object` and other builtin types bring with them.

    Args:
        cls: Class of the driver.
        concurrent: Names of members that may run beside the queued ones.
        place: Where these names stand in the configuration, for the error.

    Raises:
        SpecError: A name in `concurrent` is no property or action of the class.
    """
    description: Description = {"title": cls.__name__, PROPERTY: {}, ACTION: {}, EVENT: {}}
    members = ClassMembers(cls)
    if members.text:
        description["description"] = members.text
    for name in members.names():
        kind, affordance = members.affordance(name)
        if kind is not None:
            description[kind][name] = affordance
    mark_concurrent(description, set(concurrent), place)
    return description


def concurrent_members(description: Description) -> tuple[str, ...]:
    """Names of the members that run beside the queued ones."""
    return tuple(
        name
        for kind in (PROPERTY, ACTION)
        for name, affordance in description[kind].items()
        if affordance.get(terms.CONCURRENT)
    )


def nearest(name: str, names: Iterable[str]) -> str:
    """A hint such as `; did you mean 'move'?`, or nothing when no name is near."""
    close = difflib.get_close_matches(name[:80], list(names), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def mark_concurrent(
    description: Description, names: set[str], place: str, key: str = "concurrent"
) -> None:
    """Let members run beside the queued ones.

    Args:
        description: What they are members of; it is changed.
        names: Their names.
        place, key: Where these stand in the configuration, for the error.

    Raises:
        SpecError: One is no property or action.
    """
    for name in sorted(names):
        for kind in (PROPERTY, ACTION):
            if name in description[kind]:
                # a copy: objects of one class share what is said of it
                description[kind][name] = {**description[kind][name], terms.CONCURRENT: True}
                break
        else:
            known = [*description[PROPERTY], *description[ACTION]]
            raise SpecError(
                f"{_at(place)}{key}: {name!r} is no property or action of "
                f"{description['title']}{nearest(name, known)}"
            )


def _at(place: str) -> str:
    return f"{place}: " if place else ""


class ClassMembers:
    """The static view of a class: what its bodies say, the most derived one first.

    Attributes:
        text: Its docstring.
        is_frozen: Its objects' fields can't be assigned.
    """

    def __init__(self, cls: type) -> None:
        self._bases = [base for base in cls.__mro__ if base.__module__ != "builtins"]
        self.is_frozen = _is_frozen(cls)
        self.text = _doc(cls)
        self._annotations: dict[str, tuple[type, Any]] = {}
        for base in self._bases:
            for name, annotation in own_annotations(base).items():
                self._annotations.setdefault(name, (base, annotation))

    def annotates(self, name: str) -> bool:
        """Whether the body of the class or of a base has an annotation for a name."""
        return name in self._annotations

    def names(self) -> Iterator[str]:
        """Public names, those of the outermost base first, each once."""
        seen: set[str] = set()
        for base in reversed(self._bases):
            for name in (*own_annotations(base), *vars(base)):
                if name not in seen and not name.startswith("_") and name.isidentifier():
                    seen.add(name)
                    yield name

    def affordance(self, name: str) -> tuple[str | None, Schema]:
        """Kind and description of a name; kind None if it isn't a member."""
        owner, value = self.find(name)
        kind = type(value)
        if issubclass(kind, Event):
            return EVENT, event_schema(value, scope_of(owner))
        if issubclass(kind, property):
            return PROPERTY, self._of_property(name, value)
        if issubclass(kind, functools.cached_property):
            return PROPERTY, self._of_getter(name, value.func, read_only=True)
        if issubclass(kind, (staticmethod, classmethod)):
            if not callable(value.__func__):
                return None, {}
            bound = issubclass(kind, classmethod)
            return ACTION, self._action(name, value.__func__, takes_self=bound)
        if issubclass(kind, functools.partialmethod):
            return ACTION, self._action(name, value, takes_self=True)
        if issubclass(kind, (type, types.ModuleType)):
            return None, {}
        if _has(kind, "__get__"):
            if _has(kind, "__set__") or _has(kind, "__delete__"):
                return self._of_descriptor(name, owner, value)
            if callable(value) or issubclass(kind, functools.singledispatchmethod):
                return ACTION, self._action(name, value, takes_self=True)
        return self._of_annotation(name)

    def find(self, name: str) -> tuple[type | None, Any]:
        """The class that has a name in its body, and what it stands for there."""
        for base in self._bases:
            if name in vars(base):
                return base, vars(base)[name]
        return None, None

    def _of_property(self, name: str, value: property) -> Schema:
        affordance = self._of_getter(name, value.fget, read_only=value.fset is None)
        if value.fget is None and value.fset is not None:
            affordance["writeOnly"] = True
        text = _clean(value.__doc__) or affordance.get("description")
        if isinstance(value, prop):
            text = value.description or text
            if value.unit:
                affordance["unit"] = value.unit
            if value.observable:
                affordance["observable"] = True
            if value.safe:
                affordance[terms.SAFE] = True
        if text:
            affordance["description"] = text
        return affordance

    def _of_getter(self, name: str, getter: Any, *, read_only: bool) -> Schema:
        function = inspect.unwrap(getter) if callable(getter) else getter
        returns = own_annotations(function).get("return", inspect.Parameter.empty)
        affordance = schema_of(resolve(returns, scope_of(function)))
        if not affordance and name in self._annotations:
            affordance = schema_of(self._annotation(name))
        text = _doc(function) or self._inherited_doc(name)
        if text:
            affordance["description"] = text
        if read_only:
            affordance["readOnly"] = True
        return affordance

    def _of_descriptor(
        self, name: str, owner: type | None, value: Any
    ) -> tuple[str | None, Schema]:
        """A data descriptor; a slot without annotation is an attribute without annotation."""
        if type(value) is types.MemberDescriptorType and "__slots__" in vars(owner or object):
            return self._of_annotation(name)
        affordance = schema_of(self._annotation(name)) if name in self._annotations else {}
        if affordance.pop(terms.TYPE, None):  # of the descriptor, not of its value
            affordance.pop(terms.PYTHON, None)
        # an instance without a docstring shows its class's, which says nothing of this member
        own = getattr(value, "__dict__", {}).get("__doc__")
        text = _clean(own if isinstance(own, str) else None)
        if not text and type(value) in (types.GetSetDescriptorType, types.MemberDescriptorType):
            text = _clean(value.__doc__)
        if text:
            affordance["description"] = text
        if not _has(type(value), "__set__"):
            affordance["readOnly"] = True
        return PROPERTY, affordance

    def _of_annotation(self, name: str) -> tuple[str | None, Schema]:
        if name not in self._annotations:
            return None, {}
        written = self._annotations[name][1]
        annotation = self._annotation(name)
        text = str(written if isinstance(written, str) else annotation)
        origin = typing.get_origin(annotation) or annotation
        head = text.partition("[")[0].rpartition(".")[2]
        if origin is typing.ClassVar or head == "ClassVar":
            return None, {}
        if isinstance(origin, InitVar) or origin is InitVar or head == "InitVar":
            return None, {}
        read_only = self.is_frozen or head == "Final" or origin is typing.Final
        if origin is typing.Final:
            annotation = (*typing.get_args(annotation), inspect.Parameter.empty)[0]
        affordance = schema_of(annotation)
        if read_only:
            affordance["readOnly"] = True
        return PROPERTY, affordance

    def _annotation(self, name: str) -> Any:
        owner, annotation = self._annotations[name]
        return resolve(annotation, scope_of(owner))

    def _action(self, name: str, value: Any, *, takes_self: bool) -> Schema:
        return action_schema(value, takes_self=takes_self, usual=self._inherited_doc(name))

    def _inherited_doc(self, name: str) -> str:
        """The docstring of the nearest base that documents a function of this name."""
        for base in self._bases:
            value = vars(base).get(name)
            if isinstance(value, (types.FunctionType, property)):
                text = _clean(value.__doc__)
                if text:
                    return text
        return ""


def action_schema(value: Any, *, takes_self: bool = False, usual: str = "") -> Schema:
    """Describe what can be called.

    Args:
        value: A function, a method, or another callable object.
        takes_self: Its first parameter is the object that it is called on.
        usual: Its description, if it has no docstring of its own.
    """
    function = value.func if isinstance(value, _PARTIAL) else value
    affordance: Schema = {}
    text = _doc(function) or usual
    if text:
        affordance["description"] = text
    scope = scope_of(inspect.unwrap(function) if callable(function) else function)
    try:
        signature = _signature(value)
    except Exception:  # noqa: BLE001  functions in C often have none
        affordance[terms.SIGNATURE] = "(...)"
    else:
        parameters = list(signature.parameters.values())
        if takes_self and parameters and parameters[0].kind in _POSITIONAL:
            del parameters[0]
        accepted = parameters_schema(parameters, scope)
        if accepted is not None:
            affordance["input"] = accepted
        if types := unnamed_types(parameters, scope):
            affordance[terms.PYTHON] = types
        returned = schema_of(resolve(signature.return_annotation, scope))
        if returned:
            affordance["output"] = returned
        affordance[terms.SIGNATURE] = signature_text(parameters, signature.return_annotation)
    affordance[terms.CONCURRENT] = bool(
        getattr(value, ACTION_MARK, getattr(function, ACTION_MARK, False))
    )
    if getattr(value, IDEMPOTENT_MARK, getattr(function, IDEMPOTENT_MARK, False)):
        affordance[terms.IDEMPOTENT] = True
    return affordance


_PARTIAL = (functools.partial, functools.partialmethod)
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _signature(value: Any) -> inspect.Signature:
    if not isinstance(value, functools.partialmethod):
        return signature_of(value)
    # as bound to an object: what was given in advance is gone from the front
    signature = signature_of(value.func)
    parameters = list(signature.parameters.values())
    kept = [parameters[0], *parameters[1 + len(value.args) :]]
    given = value.keywords
    changed = [
        parameter.replace(kind=parameter.KEYWORD_ONLY, default=given[parameter.name])
        if parameter.name in given
        else parameter
        for parameter in kept
    ]
    return signature.replace(parameters=sorted(changed, key=lambda parameter: parameter.kind))


def event_schema(event: Event, scope: dict[str, Any]) -> Schema:
    """How an event is described; types that its data names are looked for in a scope."""
    affordance: Schema = {}
    if event.description:
        affordance["description"] = _clean(event.description)
    if event.data is not None:
        data = event.data if isinstance(event.data, dict) else resolve(event.data, scope)
        schema = data if isinstance(data, dict) else schema_of(data)
        if schema:
            affordance["data"] = schema
    return affordance


def _is_frozen(cls: type) -> bool:
    for base in cls.__mro__:
        for name in ("__dataclass_params__", "__struct_config__"):  # of dataclasses, of msgspec
            if name in vars(base):
                return bool(vars(base)[name].frozen)
    return False


def _has(kind: type, name: str) -> bool:
    return any(name in vars(base) for base in kind.__mro__)


def _doc(value: Any) -> str:
    try:
        own = value.__doc__
    except Exception:  # noqa: BLE001  a metaclass or descriptor may raise
        return ""
    if isinstance(value, type) and own == object.__doc__:
        return ""
    return _clean(own if isinstance(own, str) else None)


def _clean(text: str | None) -> str:
    return inspect.cleandoc(text) if text else ""
