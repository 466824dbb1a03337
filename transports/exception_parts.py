"""What an exception carries beside its text, so that a client of ours can raise its like.

Beside the keys that every client reads, the object of a driver's exception has

- `name`: the name of its class;
- `bases`: names of the builtin exceptions that its class derives from, in the order of its MRO;
- `fields`: its arguments (`args`) and attributes that have a form, MessagePack in base64;
- `cause`, `context`: objects of the same kind without a traceback, or absent; `suppress`;
- `group`: of an exception group its text and the objects of its exceptions.

A form have None, booleans, integers of 64 bits, floats, texts and bytes, lists and text-keyed
dictionaries of them; of derived types (`IntEnum`) the plain value travels. What has none is left
out. All of it is bounded.
"""

from __future__ import annotations

import base64
import builtins
import enum
from collections.abc import Callable
from typing import Any

import msgspec

DEEPEST = 8
"""How many exceptions may be nested in one."""
MOST = 64
"""How many exceptions one may hold in all, and how many fields each may have."""
LARGEST = 65_536
"""Bytes of the fields of one exception, encoded."""

_DEEPEST_VALUE = 6
_NONE = object()
_PLAIN = (bool, int, float, str, bytes)

BUILT_IN: dict[type[BaseException], tuple[str, ...]] = {
    OSError: ("errno", "strerror", "filename", "filename2"),
    UnicodeDecodeError: ("encoding", "object", "start", "end", "reason"),
    UnicodeEncodeError: ("encoding", "object", "start", "end", "reason"),
    UnicodeTranslateError: ("object", "start", "end", "reason"),
    ImportError: ("name", "path"),
    NameError: ("name",),
    AttributeError: ("name",),
    SyntaxError: ("msg", "filename", "lineno", "offset", "text", "end_lineno", "end_offset"),
}
"""Attributes that exceptions of a builtin class have without a dictionary."""


def parts_of(
    error: BaseException, brief: Callable[[BaseException], dict[str, Any]]
) -> dict[str, Any]:
    """The further keys of an exception's object.

    Args:
        error: The exception. Its class is a driver's code, which may raise in anything.
        brief: Gives the other keys, for exceptions that are nested in it.
    """
    return _Parts(brief).of(error, 0)


def is_builtin(kind: type) -> bool:
    """Whether a class is the builtin of its name."""
    return vars(builtins).get(type.__dict__["__name__"].__get__(kind)) is kind


class _Parts:
    def __init__(self, brief: Callable[[BaseException], dict[str, Any]]) -> None:
        self._brief = brief
        self._left = MOST

    def of(self, error: BaseException, depth: int) -> dict[str, Any]:
        kind = type(error)
        mro = type.__dict__["__mro__"].__get__(kind)
        found: dict[str, Any] = {
            "name": type.__dict__["__name__"].__get__(kind),
            "bases": [
                base.__name__ for base in mro if is_builtin(base) and issubclass(base, Exception)
            ],
            "fields": _encoded(_fields(error, mro)),
        }
        for key in ("cause", "context"):
            nested = getattr(BaseException, f"__{key}__").__get__(error)
            body = self._nested(nested, depth)
            if body is not None:
                found[key] = body
        if vars(BaseException)["__suppress_context__"].__get__(error):
            found["suppress"] = True
        if issubclass(kind, BaseExceptionGroup):  # asks nothing of the object
            members = BaseExceptionGroup.exceptions.__get__(error)
            bodies = [self._nested(member, depth) for member in members]
            text = BaseExceptionGroup.message.__get__(error)
            found["group"] = {
                "message": text.encode("utf-8", "backslashreplace").decode(),
                "exceptions": [body for body in bodies if body is not None],
                "left_out": bodies.count(None),
            }
        return found

    def _nested(self, error: BaseException | None, depth: int) -> dict[str, Any] | None:
        if error is None or depth >= DEEPEST or self._left <= 0:
            return None
        self._left -= 1
        return {**self._brief(error), **self.of(error, depth + 1)}


def _fields(error: BaseException, mro: tuple[type, ...]) -> dict[str, Any]:
    """Arguments and public attributes that have a form, those of the object first."""
    found: dict[str, Any] = {}

    def add(name: object, value: object) -> None:
        if type(name) is str and not name.startswith("_") and len(found) < MOST:
            plain = form_of(value)
            if plain is not _NONE:
                found.setdefault(name, plain)

    arguments = [form_of(each) for each in vars(BaseException)["args"].__get__(error)]
    if _NONE not in arguments:
        found["args"] = arguments
    own = _attempt(lambda: error.__dict__)
    for name, value in list(own.items()) if type(own) is dict else ():
        add(name, value)
    for kind, names in BUILT_IN.items():
        if isinstance(error, kind):
            for name in names:
                value = _attempt(lambda kind=kind, name=name: vars(kind)[name].__get__(error))  # type: ignore[misc]
                if value is not None:
                    add(name, value)
    for base in mro:
        if not is_builtin(base):
            for name, value in list(type.__dict__["__dict__"].__get__(base).items()):
                add(name, value)
    return found


def form_of(value: object, depth: int = 0) -> Any:
    """A value of plain types that equals this one; a marker if there is none."""
    kind = type(value)
    if value is None or kind in _PLAIN:
        return value if kind is not int or -(2**63) <= value < 2**64 else _NONE  # type: ignore[operator]
    if depth >= _DEEPEST_VALUE:
        return _NONE
    if kind is list:
        items = [form_of(each, depth + 1) for each in value]  # type: ignore[attr-defined]
        return _NONE if _NONE in items else items
    if kind is dict:
        pairs = {key: form_of(each, depth + 1) for key, each in value.items()}  # type: ignore[attr-defined]
        is_text = all(type(key) is str for key in pairs)
        return pairs if is_text and _NONE not in pairs.values() else _NONE
    if isinstance(value, enum.Enum):
        return form_of(_attempt(lambda: value.value), depth + 1)
    for plain in (int, float, str, bytes):
        if isinstance(value, plain):
            return form_of(_PLAINLY[plain](value), depth + 1)
    return _NONE


_PLAINLY: dict[type, Callable[[Any], Any]] = {
    int: int.__int__,
    float: float.__float__,
    str: str.__str__,
    bytes: lambda data: b"".join((data,)),
}


def _attempt(get: Callable[[], Any]) -> Any:
    """What a driver's code gives; the marker if it raises."""
    try:
        return get()
    except BaseException:  # noqa: BLE001  an exception's attributes may be anything
        return _NONE


def _encoded(fields: dict[str, Any]) -> str:
    """As text, as long as that isn't too large: then the arguments alone, or nothing."""
    arguments = {name: value for name, value in fields.items() if name == "args"}
    for kept in (fields, arguments):
        try:
            data = msgspec.msgpack.encode(kept)
        except (UnicodeEncodeError, ValueError, OverflowError, RecursionError):
            continue  # an unpaired surrogate
        if len(data) <= LARGEST:
            return base64.b64encode(data).decode()
    return ""


def decoded(text: Any) -> dict[str, Any]:
    """Fields as `parts_of` gave them; none of what isn't."""
    if not isinstance(text, str) or not text:
        return {}
    try:
        found = msgspec.msgpack.decode(base64.b64decode(text), type=dict[str, Any])
    except (ValueError, RecursionError, msgspec.DecodeError):
        return {}
    return found
