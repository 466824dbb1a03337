"""Numbers and texts of classes that give them attributes, such as a unit or a time.

What stands for one is a number or text itself, and has the public attributes.
"""

from __future__ import annotations

from typing import Any

from msgspec.msgpack import Ext

from transports.errors import SerializationError
from transports.values.kinds import Kind, NoForm
from transports.values.reading import Read, Reader
from transports.values.writing import Write, Writer


class Marked:
    """A number or text with attributes; it is also a `float`, `int` or `str`."""

    _module: str
    _type: str
    _omitted: dict[str, str]

    def __getattr__(self, name: str) -> Any:
        why = vars(self).get("_omitted", {}).get(name)
        told = f"; it was left out: {why}" if why else ""
        raise AttributeError(f"this {type(self).__name__} has no attribute {name!r}{told}")

    def __str__(self) -> str:
        return str(_plain(self))

    def __repr__(self) -> str:
        fields = "".join(f", {name}={value!r}" for name, value in _public(vars(self)).items())
        return f"{self._type}({_plain(self)!r}{fields})"

    def __reduce__(self) -> tuple[Any, ...]:
        fields = _public(vars(self))
        return _made, (self._module, self._type, _plain(self), fields, self._omitted)


class MarkedFloat(Marked, float):
    """A float with attributes."""


class MarkedInt(Marked, int):
    """An int with attributes."""


class MarkedText(Marked, str):
    """A text with attributes."""


BASES: dict[type, type[Any]] = {float: MarkedFloat, int: MarkedInt, str: MarkedText}
"""What stands for a number or text with attributes, by its plain type."""


def _plain(value: Marked) -> Any:
    base: Any = next(base for base in BASES if isinstance(value, base))
    return base.__new__(base, base.__str__(value) if base is str else base.__pos__(value))


def _public(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if not name.startswith("_")}


def _made(
    module: str, kind: str, value: Any, fields: dict[str, Any], omitted: dict[str, str]
) -> Marked:
    made: Marked = BASES[type(value)](value)
    vars(made).update(_public(fields), _module=module, _type=kind, _omitted=omitted)
    return made


def write(writer: Writer, value: Any, plain: Any, fields: dict[str, Any]) -> Ext | None:
    """Write a number or text that has attributes; None if these are no data.

    Args:
        writer: Of the message.
        value: It itself.
        plain: It as of exactly its plain type.
        fields: Its attributes.
    """
    kind = type(value)
    written: dict[str, Any] = {}
    omitted: dict[str, str] = {}
    writer.enter(value, is_record=True)
    for name, each in _public(fields).items():
        try:
            written[name] = writer.attempt(each)
        except NoForm as refusal:
            omitted[name] = refusal.told(f".{name}")
    writer.leave(is_record=True)
    if not written:
        return None
    content = [kind.__module__, kind.__qualname__, writer.write(plain), written, omitted]
    return writer.extension(Kind.MARKED, content)


def _again(writer: Writer, value: Any) -> Ext:
    written = writer.texts(value, _public(vars(value)), ".{}")
    content = [value._module, value._type, writer.write(_plain(value)), written, value._omitted]
    return writer.extension(Kind.MARKED, content)


def _read(reader: Reader, data: memoryview) -> Marked:
    module, kind, value, fields, omitted = reader.fields(data, 5)
    named = type(fields) is dict and all(type(name) is str for name in fields)
    if type(value) not in BASES or not named or type(omitted) is not dict:
        raise SerializationError("what has attributes is a number or text")
    return _made(str(module), str(kind), value, fields, omitted)


WRITERS: dict[type, Write] = dict.fromkeys(BASES.values(), _again)
READERS: dict[int, Read] = {Kind.MARKED: _read}
