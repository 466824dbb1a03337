"""Values of classes that a library has in C: its lists as lists, its structures as records.

They keep nothing in a dictionary or slots; their fields are read by descriptors in C. A class that
has methods of its own may be a device rather than data: nothing of it is read.
"""

from __future__ import annotations

import sys
from types import FunctionType, GetSetDescriptorType, MemberDescriptorType
from typing import Any

from transports.values.classes import write_record
from transports.values.kinds import NoForm, name_of
from transports.values.writing import Write, Writer

_LIST = ("__len__", "__iter__", "__getitem__", "append")


def find(kind: type) -> Write | None:
    """The function that writes values of a class, if it is one in C whose objects are data."""
    if kind.__dictoffset__ or kind.__module__.partition(".")[0] in sys.stdlib_module_names:
        return None
    members = _members(kind)
    if "__slots__" in members:
        return None
    if all(_is_in_c(members.get(name)) for name in _LIST):
        return _list
    public = [value for name, value in members.items() if not name.startswith("_")]
    return _structure if public and all(map(_is_field, public)) else None


def _members(kind: type) -> dict[str, Any]:
    bases = reversed([base for base in kind.__mro__ if base is not object])
    return {name: value for base in bases for name, value in vars(base).items()}


def _is_in_c(method: Any) -> bool:
    return callable(method) and not isinstance(method, FunctionType)


def _is_field(value: Any) -> bool:
    if isinstance(value, property):
        return _is_in_c(getattr(value.fget, "__func__", value.fget))
    return isinstance(value, (GetSetDescriptorType, MemberDescriptorType))


def _list(writer: Writer, value: Any) -> Any:
    return writer.items(value, value)


def _structure(writer: Writer, value: Any) -> Any:
    kind = type(value)
    if not writer.objects:
        raise NoForm(f"a value of type {name_of(kind)} has no form; pass its fields")
    fields: dict[str, Any] = {}
    unread: dict[str, str] = {}
    for name in _members(kind):
        if name.startswith("_"):
            continue
        try:
            fields[name] = getattr(value, name)
        except Exception as error:  # noqa: BLE001  code of the library's
            unread[name] = f".{name} can't be read: {type(error).__name__}: {error}"
    return write_record(writer, value, fields, unread)
