"""From an annotation to what fits values to it: text to an Enum, a list to a tuple, int to float.

Values come as JSON, as text from a terminal or a config, or as they are from Python. What has an
unambiguous meaning for the annotation is made one of its values; anything else is `Unfit`. What an
annotation doesn't say, or says in terms unknown here, is left as it is.
"""

from __future__ import annotations

import collections
import collections.abc
import dataclasses
import enum
import sys
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from inspect import Parameter
from typing import Any

from workers.driver.choices import enum_fitter, literal_fitter
from workers.driver.fitter import Fitter, Unfit, a, is_array
from workers.driver.hints import QUALIFIERS, Array, own_annotations, resolve, scope_of
from workers.driver.scalars import SCALARS

_DEEPEST_HINT = 12
"""Levels of an annotation that are looked at; one that names itself has no end."""
_LISTS = (list, collections.abc.MutableSequence)
_SEQUENCES = (collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection)
_MAPPINGS = (
    dict,
    collections.OrderedDict,
    collections.defaultdict,
    collections.abc.Mapping,
    collections.abc.MutableMapping,
)
_SETS = {set: set, frozenset: frozenset, collections.abc.Set: frozenset}


def fitter_of(annotation: Any, scope: dict[str, Any], depth: int = _DEEPEST_HINT) -> Fitter | None:
    """What fits values to an annotation; None where any value does.

    Args:
        annotation: An annotation, possibly as text.
        scope: Global names of the module in which it was written.
        depth: How many levels of it to look at.
    """
    if isinstance(annotation, typing.ForwardRef):
        annotation = annotation.__forward_arg__
    annotation = resolve(annotation, scope)
    if annotation is None:
        annotation = type(None)
    if any(annotation is each for each in (Any, object, Parameter.empty)) or not depth:
        return None
    try:
        return _composed(annotation, scope, depth - 1)
    except Exception:  # noqa: BLE001  exotic annotations raise whatever they like
        return None


def _composed(annotation: Any, scope: dict[str, Any], depth: int) -> Fitter | None:
    origin = typing.get_origin(annotation)
    args = typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return union_fitter([fitter_of(arg, scope, depth) for arg in args])
    if origin is typing.Literal:
        return literal_fitter(args)
    if origin is typing.Annotated or origin in QUALIFIERS:
        return fitter_of(args[0], scope, depth)
    if isinstance(annotation, typing.NewType):
        return fitter_of(annotation.__supertype__, scope, depth)
    if isinstance(annotation, typing.TypeVar):
        if constraints := annotation.__constraints__:
            return union_fitter([fitter_of(each, scope, depth) for each in constraints])
        return fitter_of(annotation.__bound__ or Any, scope, depth)
    if hasattr(annotation, "__value__"):  # a type statement's name
        return fitter_of(annotation.__value__, scope, depth)
    kind = origin or annotation
    if not isinstance(kind, type):
        return None
    items = [fitter_of(arg, scope, depth) for arg in args if arg is not ...]
    return _of_class(kind, args, items)


def _of_class(kind: type, args: tuple[Any, ...], items: list[Fitter | None]) -> Fitter | None:
    if kind in SCALARS:
        return SCALARS[kind]
    if issubclass(kind, enum.Enum):
        return enum_fitter(kind)
    if kind is Array or (kind.__name__ == "ndarray" and kind.__module__ == "numpy"):
        return _array_fitter(args)
    first = items[0] if items else None
    if kind in _LISTS:
        return Fitter("a list", _of_items(list, first, "a list"), _exact(list, items))
    if kind in _SEQUENCES:
        return Fitter("a list", _sequence(kind, first))
    if kind is tuple:
        return _tuple_fitter(args, items)
    if kind in _SETS:
        made = _SETS[kind]
        return Fitter("a set", _of_items(made, first, "a set"), _exact(made, items))
    if kind in _MAPPINGS:
        return Fitter("a mapping", _mapping(items), _exact(kind, items))
    if typing.is_typeddict(kind):
        return _typed_dict_fitter(kind)
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return _named_tuple_fitter(kind)
    if dataclasses.is_dataclass(kind):
        return _dataclass_fitter(kind)
    return None


def _exact(kind: type, items: list[Fitter | None]) -> frozenset[type]:
    return frozenset() if any(items) else frozenset([kind])


def union_fitter(choices: list[Fitter | None]) -> Fitter | None:
    """Of alternatives: as it is if it is one of them, else made the first that it can be."""
    known = [choice for choice in choices if choice is not None]
    if len(known) < len(choices):
        return None  # one of them takes anything
    if len(known) == 1:
        return known[0]
    wanted = " or ".join(dict.fromkeys(choice.wanted for choice in known))

    def convert(value: Any) -> Any:
        made: list[Any] = []
        reasons: list[Unfit] = []
        for choice in known:
            try:
                fitted = choice(value)
            except Unfit as unfit:
                reasons.append(unfit)
                continue
            if fitted is value:
                return value
            made.append(fitted)
        if made:
            return made[0]
        # what is wrong inside says more than that it is none of them
        inner = next((unfit for unfit in reasons if unfit.path), None)
        mends = "; ".join(dict.fromkeys(unfit.mend for unfit in reasons if unfit.mend))
        raise inner or Unfit(value, wanted, mends)

    return Fitter(wanted, convert, frozenset().union(*(choice.exact for choice in known)))


def fit_all(values: Iterable[Any], item: Fitter | None) -> list[Any]:
    """Each of the values, fitted. Raises Unfit with its index."""
    listed = list(values)
    if item is None or (item.exact and item.exact.issuperset(map(type, listed))):
        return listed
    for index, value in enumerate(listed):
        try:
            listed[index] = item(value)
        except Unfit as unfit:
            raise unfit.within(f"[{index}]") from None
    return listed


def _unchanged(before: Iterable[Any], after: list[Any]) -> bool:
    return all(one is other for one, other in zip(before, after, strict=True))


def _of_items(kind: type, item: Fitter | None, wanted: str) -> Callable[[Any], Any]:
    """Of lists and sets. Sets aren't put in an order, nor texts and mappings taken apart."""

    def convert(value: Any) -> Any:
        taken = (list, tuple, range) if kind is list else (list, tuple, range, set, frozenset)
        if is_array(value):
            value = value.tolist()
        if not isinstance(value, taken):
            raise Unfit(value, wanted)
        fitted = fit_all(value, item)
        if isinstance(value, kind) and _unchanged(value, fitted):
            return value
        try:
            return kind(fitted)
        except TypeError:  # what a set can't hold
            raise Unfit(value, f"{wanted} of what a set can hold") from None

    return convert


def _sequence(kind: type, item: Fitter | None) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        if is_array(value):
            return value
        if not isinstance(value, kind):
            raise Unfit(value, "a list")
        if isinstance(value, str) and item is not None:
            try:
                fit_all(value, item)
            except Unfit:
                raise Unfit(value, "a list") from None
        if not isinstance(value, (list, tuple)):
            return value
        fitted = fit_all(value, item)
        return value if _unchanged(value, fitted) else type(value)(fitted)

    return convert


def _tuple_fitter(args: tuple[Any, ...], items: list[Fitter | None]) -> Fitter:
    endless = not args or args[-1] is ...

    def convert(value: Any) -> Any:
        if is_array(value):
            value = value.tolist()
        if not isinstance(value, (list, tuple, range)):
            raise Unfit(value, "a list or tuple")
        if endless:
            fitted = fit_all(value, items[0] if items else None)
        else:
            wanted = 0 if args == ((),) else len(items)
            if len(value) != wanted:
                raise Unfit(value, f"a list or tuple of {wanted}")
            fitted = _each(value, items)
        same = isinstance(value, tuple) and _unchanged(value, fitted)
        return value if same else tuple(fitted)

    return Fitter("a list or tuple", convert, frozenset() if any(items) else frozenset([tuple]))


def _each(values: Iterable[Any], items: Iterable[Fitter | None]) -> list[Any]:
    fitted = []
    for index, (value, item) in enumerate(zip(values, items, strict=True)):
        try:
            fitted.append(value if item is None else item(value))
        except Unfit as unfit:
            raise unfit.within(f"[{index}]") from None
    return fitted


def _mapping(items: list[Fitter | None]) -> Callable[[Any], Any]:
    key_fitter, value_fitter = items if len(items) == 2 else (None, None)

    def convert(value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise Unfit(value, "a mapping")
        fitted = {}
        for key, each in value.items():
            try:
                new = _fit_key(key, key_fitter)
                fitted[new] = each if value_fitter is None else value_fitter(each)
            except Unfit as unfit:
                raise unfit.within(f"[{key!r}]") from None
        if len(fitted) < len(value):
            raise Unfit(value, "a mapping", "two of its keys are one")
        same = _unchanged(value, list(fitted)) and _unchanged(value.values(), list(fitted.values()))
        return value if same else fitted

    return convert


def _fit_key(key: Any, fitter: Fitter | None) -> Any:
    """A key of a mapping: JSON writes each as text, numbers too."""
    if fitter is None:
        return key
    try:
        return fitter(key)
    except Unfit:
        if not isinstance(key, str):
            raise
        for number in (int, float):
            try:
                return fitter(number(key))
            except (Unfit, ValueError):
                continue
        raise


class _Fields:
    """The fields of a record, whose fitters are made when the first record comes."""

    def __init__(self, owner: type, names: Iterable[str], required: Iterable[str]) -> None:
        self._owner = owner
        self.names = list(names)
        self._required = list(required)
        self._fitters: dict[str, Fitter | None] | None = None

    def fit(self, given: Mapping[str, Any], whole: Any) -> dict[str, Any]:
        """The given fields, fitted. Raises Unfit if one is unknown, lacks or doesn't fit."""
        wanted = a(self._owner)
        for name in given:
            if name not in self.names:
                raise Unfit(whole, wanted, f"it has no field {name!r}, but {', '.join(self.names)}")
        lacking = [name for name in self._required if name not in given]
        if lacking:
            raise Unfit(whole, wanted, f"it lacks {', '.join(lacking)}")
        fitted = {}
        for name, value in given.items():
            fitter = self._all()[name]
            try:
                fitted[name] = value if fitter is None else fitter(value)
            except Unfit as unfit:
                raise unfit.within(f".{name}") from None
        return fitted

    def fit_each(self, values: Any) -> list[Any]:
        """The same for values in the order of the fields."""
        return list(self.fit(dict(zip(self.names, values, strict=False)), values).values())

    def _all(self) -> dict[str, Fitter | None]:
        if self._fitters is None:
            found: dict[str, Fitter | None] = dict.fromkeys(self.names)
            bases = [*getattr(self._owner, "__orig_bases__", ()), *reversed(self._owner.__mro__)]
            for base in bases:
                scope = scope_of(base)
                for name, annotation in own_annotations(base).items():
                    if name in found:
                        found[name] = fitter_of(annotation, scope)
            self._fitters = found
        return self._fitters


def _typed_dict_fitter(kind: Any) -> Fitter:
    required: Iterable[str] = kind.__required_keys__
    fields = _Fields(kind, [*kind.__required_keys__, *kind.__optional_keys__], required)

    def convert(value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise Unfit(value, f"a mapping ({kind.__name__})")
        fitted = fields.fit(value, value)
        return value if _unchanged(value.values(), list(fitted.values())) else fitted

    return Fitter(f"a mapping ({kind.__name__})", convert)


def _named_tuple_fitter(kind: Any) -> Fitter:
    required = [name for name in kind._fields if name not in kind._field_defaults]
    fields = _Fields(kind, kind._fields, required)
    wanted = a(kind)

    def convert(value: Any) -> Any:
        if isinstance(value, kind):
            return value
        if isinstance(value, Mapping):
            return kind(**fields.fit(value, value))
        if not isinstance(value, (list, tuple)) or len(value) > len(fields.names):
            raise Unfit(value, wanted, f"it has the fields {', '.join(fields.names)}")
        return kind(*fields.fit_each(value))

    return Fitter(wanted, convert, frozenset([kind]))


def _dataclass_fitter(kind: Any) -> Fitter:
    taken = [field for field in dataclasses.fields(kind) if field.init]
    missing = dataclasses.MISSING
    required = [
        field.name
        for field in taken
        if field.default is missing and field.default_factory is missing
    ]
    fields = _Fields(kind, [field.name for field in taken], required)
    wanted = a(kind)

    def convert(value: Any) -> Any:
        if isinstance(value, kind):
            return value
        if not isinstance(value, Mapping):
            raise Unfit(value, wanted, f"give its fields as a mapping: {', '.join(fields.names)}")
        fitted = fields.fit(value, value)
        try:
            return kind(**fitted)
        except (TypeError, ValueError) as error:
            raise Unfit(value, wanted, str(error)) from None

    return Fitter(wanted, convert, frozenset([kind]))


def _array_fitter(args: tuple[Any, ...]) -> Fitter:
    """Of numpy.ndarray: lists are made arrays, of the type that the annotation names."""
    named = typing.get_args(args[1]) if len(args) == 2 else ()
    dtype = named[0] if named and isinstance(named[0], type) else None

    def convert(value: Any) -> Any:
        if is_array(value):
            return value
        if not isinstance(value, (list, tuple, range)):
            raise Unfit(value, "an array (numpy.ndarray)")
        import numpy

        concrete = dtype if dtype in numpy.sctypeDict.values() else None
        try:
            return numpy.asarray(value, concrete)
        except (TypeError, ValueError) as error:
            raise Unfit(value, "an array (numpy.ndarray)", str(error)) from None

    kind = getattr(sys.modules.get("numpy"), "ndarray", Array)
    return Fitter("an array (numpy.ndarray)", convert, frozenset([kind]))
