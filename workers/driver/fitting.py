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
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from inspect import Parameter
from typing import Any

from workers.driver.alternative_fitters import union_fitter
from workers.driver.array_fitters import array_fitter, is_numpy_scalar, numpy_scalar_fitter
from workers.driver.choices import enum_fitter, literal_fitter
from workers.driver.fields import (
    dataclass_fitter,
    named_tuple_fitter,
    typed_dict_fitter,
    unchanged,
)
from workers.driver.fitter import Fitter, Unfit, is_array
from workers.driver.hints import QUALIFIERS, Array, resolve
from workers.driver.objects import is_made_of_arguments, object_fitter
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
        return array_fitter(args)
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
        return typed_dict_fitter(kind, fitter_of)
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return named_tuple_fitter(kind, fitter_of)
    if dataclasses.is_dataclass(kind):
        return dataclass_fitter(kind, fitter_of)
    if is_numpy_scalar(kind):
        return numpy_scalar_fitter(kind)
    return object_fitter(kind) if is_object(kind) else None


def is_object(kind: Any) -> bool:
    """Whether it is a class of someone's own that has no fitter but that of objects."""
    return is_made_of_arguments(kind) and not (
        issubclass(kind, (enum.Enum, tuple)) or dataclasses.is_dataclass(kind) or kind is Array
    )


def _exact(kind: type, items: list[Fitter | None]) -> frozenset[type]:
    return frozenset() if any(items) else frozenset([kind])


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


def _of_items(kind: type, item: Fitter | None, wanted: str) -> Callable[[Any], Any]:
    """Of lists and sets. Sets aren't put in an order, nor texts and mappings taken apart."""

    def convert(value: Any) -> Any:
        taken = (list, tuple, range) if kind is list else (list, tuple, range, set, frozenset)
        if is_array(value):
            value = value.tolist()
        if not isinstance(value, taken):
            raise Unfit(value, wanted)
        fitted = fit_all(value, item)
        if isinstance(value, kind) and unchanged(value, fitted):
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
        return value if unchanged(value, fitted) else type(value)(fitted)

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
        same = isinstance(value, tuple) and unchanged(value, fitted)
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
            except Unfit as unfit:
                raise unfit.within(" (a key)") from None
            try:
                fitted[new] = each if value_fitter is None else value_fitter(each)
            except Unfit as unfit:
                raise unfit.within(f"[{key!r}]") from None
        if len(fitted) < len(value):
            raise Unfit(value, "a mapping", "two of its keys are one")
        same = unchanged(value, list(fitted)) and unchanged(value.values(), list(fitted.values()))
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
