"""What stands for a value whose class isn't at hand here: readable, comparable, and no more.

`Record` stands for an object or dataclass, `NamedRecord` for a named tuple, `EnumValue` for a
member of an enumeration. They travel on as what they stand for.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from typing import Any


class Record:
    """The public fields of an object, read-only; they are its attributes and items.

    It equals another record, or an object, of the same class and the same fields.

    Args:
        module: Of the object's class.
        kind: The class's qualified name.
        fields: The fields by name.
        omitted: Fields that couldn't travel, with the reason of each.
        is_dataclass: Whether the class is a dataclass.
    """

    __slots__ = ("_fields", "_is_dataclass", "_module", "_omitted", "_type")

    _module: str
    _type: str
    _fields: dict[str, Any]
    _omitted: dict[str, str]
    _is_dataclass: bool

    def __init__(
        self,
        module: str,
        kind: str,
        fields: Mapping[str, Any],
        omitted: Mapping[str, str] | None = None,
        *,
        is_dataclass: bool = False,
    ) -> None:
        put = object.__setattr__
        put(self, "_module", module)
        put(self, "_type", kind)
        put(self, "_fields", dict(fields))
        put(self, "_omitted", dict(omitted or {}))
        put(self, "_is_dataclass", is_dataclass)

    def _asdict(self) -> dict[str, Any]:
        """The fields as a dictionary."""
        return dict(self._fields)

    def __getattr__(self, name: str) -> Any:
        if name in Record.__slots__:  # of a copy that has nothing yet
            raise AttributeError(name)
        if name in self._fields:
            return self._fields[name]
        why = self._omitted.get(name)
        told = f"; it was left out: {why}" if why else ""
        raise AttributeError(f"this record of {self._type} has no field {name!r}{told}")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"this record of {self._type} is a copy, and read-only")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"this record of {self._type} is a copy, and read-only")

    def __getitem__(self, name: str) -> Any:
        return self._fields[name]

    def __contains__(self, name: object) -> bool:
        return name in self._fields

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __dir__(self) -> list[str]:
        return [*object.__dir__(self), *self._fields]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Record):
            return (self._module, self._type, self._fields) == (
                other._module,
                other._type,
                other._fields,
            )
        kind = type(other)
        if (kind.__module__, kind.__qualname__) != (self._module, self._type):
            return NotImplemented
        try:
            return {name: getattr(other, name) for name in self._fields} == self._fields
        except AttributeError:
            return False

    def __hash__(self) -> int:
        return hash((self._module, self._type, tuple(self._fields.items())))

    def __repr__(self) -> str:
        parts = [f"{name}={value!r}" for name, value in self._fields.items()]
        if self._omitted:
            parts.append(f"(left out: {', '.join(self._omitted)})")
        return f"{self._type}({', '.join(parts)})"

    def __reduce__(self) -> tuple[Any, ...]:
        fields = (self._module, self._type, self._fields, self._omitted)
        return (_record, (*fields, self._is_dataclass))


def _record(
    module: str, kind: str, fields: dict[str, Any], omitted: dict[str, str], is_dataclass: bool
) -> Record:
    return Record(module, kind, fields, omitted, is_dataclass=is_dataclass)


class NamedRecord(tuple[Any, ...]):
    """A named tuple whose class isn't here: a tuple with its fields as attributes."""

    _module: str
    _type: str
    _fields: tuple[str, ...]

    def __new__(
        cls, module: str, kind: str, fields: tuple[str, ...], values: tuple[Any, ...]
    ) -> NamedRecord:
        """A tuple of `values`."""
        self = super().__new__(cls, values)
        self._module, self._type, self._fields = module, kind, fields
        return self

    def _asdict(self) -> dict[str, Any]:
        """The fields as a dictionary."""
        return dict(zip(self._fields, self, strict=True))

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._fields:
            return self[self._fields.index(name)]
        raise AttributeError(f"{name!r} is no field")

    def __repr__(self) -> str:
        parts = (f"{name}={value!r}" for name, value in self._asdict().items())
        return f"{self._type}({', '.join(parts)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (NamedRecord, (self._module, self._type, self._fields, tuple(self)))


class EnumValue:
    """A member of an enumeration whose class isn't here.

    It equals the member itself, and another one that stands for it. A member that is a number or
    text too is one here as well.

    Attributes:
        name: Its name; None of a combination of flags that has none.
        value: Its value.
    """

    name: str | None
    value: Any
    _module: str
    _type: str

    def __eq__(self, other: object) -> bool:
        mine = (self._module, self._type, self.name)
        if isinstance(other, EnumValue):
            theirs: tuple[str, str, str | None] = (other._module, other._type, other.name)
        elif isinstance(other, enum.Enum):
            kind = type(other)
            theirs = (kind.__module__, kind.__qualname__, other.name)
        else:
            return NotImplemented
        if mine != theirs:
            return False
        if isinstance(self.value, float) and self.value != self.value:  # NaN equals nothing
            return isinstance(other.value, float) and other.value != other.value
        return bool(self.value == other.value)

    def __hash__(self) -> int:
        return hash(self.name)  # as the member's own

    def __repr__(self) -> str:
        return f"<{self._type}.{self.name}: {self.value!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return (enum_value, (self._module, self._type, self.name, self.value, mixin_of(self)))


class _IntValue(EnumValue, int):
    def __eq__(self, other: object) -> bool:
        return int.__eq__(self, other)

    def __hash__(self) -> int:
        return int.__hash__(self)


class _FloatValue(EnumValue, float):
    def __eq__(self, other: object) -> bool:
        return float.__eq__(self, other)

    def __hash__(self) -> int:
        return float.__hash__(self)


class _TextValue(EnumValue, str):
    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other)

    def __hash__(self) -> int:
        return str.__hash__(self)

    def __str__(self) -> str:
        return str.__str__(self)


_MIXED: dict[str, type[EnumValue]] = {"int": _IntValue, "float": _FloatValue, "str": _TextValue}
_PURE: dict[str, type] = {"int": int, "float": float, "str": str}


def mixin_of(member: object) -> str:
    """The builtin that members of an enumeration are as well; empty if there is none."""
    return next((name for name, kind in _PURE.items() if isinstance(member, kind)), "")


def enum_value(module: str, kind: str, name: str | None, value: Any, mixin: str) -> EnumValue:
    """What stands for a member of an enumeration.

    Raises:
        ValueError: Its value isn't of the builtin that it is said to be.
    """
    pure = _PURE.get(mixin)
    if pure is None:
        member = EnumValue()
    elif isinstance(value, pure):
        member = _MIXED[mixin](value)  # type: ignore[call-arg]
    else:
        raise ValueError(f"{kind}.{name} is said to be {mixin}")
    member._module, member._type, member.name, member.value = module, kind, name, value
    return member
