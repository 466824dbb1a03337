"""Fitters of records: of dataclasses, NamedTuples and TypedDicts, field by field."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from workers.driver.alternative_fitters import union_fitter
from workers.driver.fitter import Fitter, Unfit, a
from workers.driver.hints import own_annotations, scope_of

FitterOf = Callable[[Any, dict[str, Any]], Fitter | None]
"""What gives the fitter of an annotation that was written among some names."""


def unchanged(before: Iterable[Any], after: Iterable[Any]) -> bool:
    """Whether each is the same object."""
    return all(one is other for one, other in zip(before, after, strict=True))


def allowing(fitter: Fitter | None, default: Any, fitter_of: FitterOf) -> Fitter | None:
    """A fitter that takes the default too, and what is of its type: the annotation says less."""
    if fitter is None or default is inspect.Parameter.empty:
        return fitter
    try:
        fitter(default)
    except Unfit:
        return union_fitter([fitter, fitter_of(type(default), {})])
    return fitter


class _Fields:
    """The fields of a record, whose fitters are made when the first record comes."""

    def __init__(
        self,
        owner: type,
        names: Iterable[str],
        required: Iterable[str],
        fitter_of: FitterOf,
        defaults: Mapping[str, Any],
    ) -> None:
        self._owner = owner
        self.names = list(names)
        self._required = list(required)
        self._fitter_of = fitter_of
        self._defaults = defaults
        self._fitters: dict[str, Fitter | None] | None = None

    def fit(
        self, given: Mapping[str, Any], whole: Any, *, is_whole: bool = False
    ) -> dict[str, Any]:
        """The given fields, fitted. Raises Unfit if one is unknown, lacks or doesn't fit."""
        wanted = a(self._owner)
        for name in given:
            if name not in self.names:
                raise Unfit(whole, wanted, f"it has no field {name!r}, but {', '.join(self.names)}")
        lacking = [name for name in self._required if name not in given]
        if lacking and not is_whole:
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
                        found[name] = self._fitter_of(annotation, scope)
            for name, default in self._defaults.items():
                found[name] = allowing(found[name], default, self._fitter_of)
            self._fitters = found
        return self._fitters


def typed_dict_fitter(kind: Any, fitter_of: FitterOf) -> Fitter:
    """Of a TypedDict: mappings with its keys."""
    names = list(kind.__annotations__)
    fields = _Fields(kind, names, _required_keys(kind), fitter_of, {})

    def convert(value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise Unfit(value, f"a mapping ({kind.__name__})")
        fitted = fields.fit(value, value)
        return value if unchanged(value.values(), fitted.values()) else fitted

    return Fitter(f"a mapping ({kind.__name__})", convert)


def _required_keys(kind: Any) -> set[str]:
    """The keys that a TypedDict must have; of annotations that are text its class hasn't seen."""
    required = set(kind.__required_keys__)
    try:
        hints = typing.get_type_hints(kind, include_extras=True)
    except Exception:  # noqa: BLE001  what they name isn't there
        return required
    for name, hint in hints.items():
        if typing.get_origin(hint) is typing.Required:
            required.add(name)
        elif typing.get_origin(hint) is typing.NotRequired:
            required.discard(name)
    return required


def named_tuple_fitter(kind: Any, fitter_of: FitterOf) -> Fitter:
    """Of a NamedTuple: its own, whose fields are looked at too, lists and mappings of them."""
    defaults = kind._field_defaults
    required = [name for name in kind._fields if name not in defaults]
    fields = _Fields(kind, kind._fields, required, fitter_of, defaults)
    wanted = a(kind)

    def convert(value: Any) -> Any:
        if isinstance(value, kind):
            fitted = fields.fit_each(value)
            same = len(fitted) < len(value) or unchanged(value, fitted)
            return value if same else type(value)._make(fitted)
        if isinstance(value, Mapping):
            return kind(**fields.fit(value, value))
        if not isinstance(value, (list, tuple)) or len(value) > len(fields.names):
            raise Unfit(value, wanted, f"it has the fields {', '.join(fields.names)}")
        return kind(*fields.fit_each(value))

    return Fitter(wanted, convert)


def dataclass_fitter(kind: Any, fitter_of: FitterOf) -> Fitter:
    """Of a dataclass: its own, whose fields are looked at too, and mappings of them."""
    taken = [field for field in dataclasses.fields(kind) if field.init]
    missing = dataclasses.MISSING
    defaults = {field.name: field.default for field in taken if field.default is not missing}
    required = [
        field.name
        for field in taken
        if field.default is missing and field.default_factory is missing
    ]
    fields = _Fields(kind, [field.name for field in taken], required, fitter_of, defaults)
    wanted = a(kind)

    def convert(value: Any) -> Any:
        if isinstance(value, kind):
            return _with_fields(value, fields)
        if not isinstance(value, Mapping):
            raise Unfit(value, wanted, f"give its fields as a mapping: {', '.join(fields.names)}")
        fitted = fields.fit(value, value)
        try:
            return kind(**fitted)
        except (TypeError, ValueError) as error:
            raise Unfit(value, wanted, str(error)) from None

    return Fitter(wanted, convert)


def _with_fields(value: Any, fields: _Fields) -> Any:
    """A whole dataclass, or a copy whose fields are fitted; the given one is never changed."""
    if hasattr(value, "__post_init__"):
        return value  # which may give its fields other types than it is given
    stored = [name for name in fields.names if hasattr(value, name)]
    given = {name: getattr(value, name) for name in stored}
    fitted = fields.fit(given, value, is_whole=True)
    if unchanged(given.values(), fitted.values()):
        return value
    made = copy.copy(value)
    for name, each in fitted.items():
        if each is not given[name]:
            object.__setattr__(made, name, each)  # a frozen one too
    return made
