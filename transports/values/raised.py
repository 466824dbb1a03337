"""What a raised exception carries beside its text, so that a client of ours can raise its like.

Beside the keys that every client reads, the object of a driver's exception has

- `name`: the name of its class;
- `bases`: names of the builtin exceptions that its class derives from, in the order of its MRO;
- `fields`: its arguments and public attributes, each as `application/x-orch` has it, in base64;
- `cause`, `context`: objects of the same kind without a traceback, or absent; `suppress`;
- `group`: of an exception group its text and the objects of its exceptions.

An argument or attribute that has no form, or is too large, is its text there, and it is said which
one that is. All of it is bounded.
"""

from __future__ import annotations

import base64
import functools
import reprlib
from collections.abc import Callable
from dataclasses import dataclass, field
from types import MemberDescriptorType
from typing import Any

import msgspec

from transports.errors import SerializationError
from transports.values.codec import decode, encode
from transports.values.exceptions import arguments_of, builtin_attributes, is_builtin
from transports.values.kinds import NoForm

DEEPEST = 8
"""How many exceptions may be nested in one."""
MOST = 64
"""How many exceptions one may hold in all, and how many attributes each may have."""
LARGEST = 65_536
"""Bytes of the fields of one exception, encoded."""

_UNREAD = object()
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 200

Form = list[bytes] | int | None
"""Payload, and raw frame if there is one; or the number of the argument that it is; or None if it
is the exception's whole text."""


@dataclass
class Fields:
    """Arguments and attributes of an exception as they arrived.

    Attributes:
        args: The arguments; None if they aren't known.
        attributes: The public attributes.
        altered: What isn't as it was raised: a line for each.
    """

    args: tuple[Any, ...] | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    altered: list[str] = field(default_factory=list)


class _Packed(msgspec.Struct, array_like=True):
    args: list[Form] | None
    attributes: dict[str, Form]
    altered: list[str]


def parts_of(
    error: BaseException, brief: Callable[[BaseException], dict[str, Any]]
) -> dict[str, Any]:
    """The further keys of an exception's object.

    Args:
        error: The exception. Its class is a driver's code, which may raise in anything.
        brief: Gives the other keys, for exceptions that are nested in it.
    """
    return _Parts(brief).of(error, 0)


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
            "fields": _Packing(error, mro).text(),
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


class _Packing:
    """Arguments and attributes of one exception, as far as there is room for them."""

    def __init__(self, error: BaseException, mro: tuple[type, ...]) -> None:
        self._error = error
        self._mro = mro
        self._left = LARGEST
        self._altered: list[str] = []

    def text(self) -> str:
        """All of it, as text."""
        args = arguments_of(self._error)
        is_group = issubclass(type(self._error), BaseExceptionGroup)  # made of its members
        forms = None if is_group else self._arguments(args)
        sent = args[: len(forms or ())]
        packed = _Packed(forms, self._attributes(sent[:MOST]), self._altered)
        return base64.b64encode(msgspec.msgpack.encode(packed)).decode()

    def _arguments(self, args: tuple[Any, ...]) -> list[Form]:
        if len(args) == 1 and type(args[0]) is str and len(args[0]) > self._left:
            whole = args[0]
            is_utf8 = _attempt(whole.encode) is not _UNREAD
            if is_utf8 and _attempt(lambda: str(self._error)) == whole:
                return [None]  # the report has it already
        forms: list[Form] = []
        for number, value in enumerate(args, 1):
            if self._left <= 0:
                self._say(f"{len(args) - len(forms)} more arguments are left out")
                break
            forms.append(self._form(value, f"argument {number}"))
        return forms

    def _attributes(self, args: tuple[Any, ...]) -> dict[str, Form]:
        public = _own(self._error, self._mro)
        forms: dict[str, Form] = {}
        for name, value in public.items():
            if self._left <= 0 or len(forms) >= MOST:
                self._say(f"{len(public) - len(forms)} more attributes are left out")
                return forms
            argument = next((n for n, each in enumerate(args) if each is value), None)
            forms[name] = self._form(value, f"attribute {name}") if argument is None else argument
        for base in self._mro:
            for name, value in _members(base) if not is_builtin(base) else ():
                if _is_public(name, value) and name not in forms and len(forms) < MOST:
                    form, _ = self._encoded(value)
                    if form is not None:  # most are its methods
                        forms[name] = form
        return forms

    def _form(self, value: Any, what: str) -> list[bytes]:
        form, why = self._encoded(value)
        if form is None:
            self._say(f"{what} is sent as text: {why}")
            shown = _attempt(lambda: _SHORT.repr(value))
            text = shown if type(shown) is str else f"<{type(value).__name__}>"
            form = [bytes(each) for each in encode(text)]
            self._left -= len(form[0])
        return form

    def _encoded(self, value: Any) -> tuple[list[bytes] | None, str]:
        """Its form, or why it has none."""
        try:
            payload, raw = encode(value, objects=False, largest=max(self._left, 0))
        except NoForm as refusal:
            return None, refusal.told("it") if refusal.steps else refusal.reason
        except BaseException as error:  # noqa: BLE001  a value's own code may raise anything
            return None, f"{type(error).__name__} was raised as it was read"
        size = len(payload) + len(raw)
        if size > self._left:
            return None, f"{size} bytes are too many for what an error carries, {LARGEST} in all"
        self._left -= size
        return [bytes(payload), bytes(raw)] if len(raw) else [bytes(payload)], ""

    def _say(self, line: str) -> None:
        told = line[:400].encode("utf-8", "backslashreplace").decode()
        self._altered.append(told)
        self._left -= len(told)


def _own(error: BaseException, mro: tuple[type, ...]) -> dict[str, Any]:
    """The public attributes that an exception has itself: its dictionary's, slots, a builtin's."""
    stored = _attempt(lambda: error.__dict__)
    found = dict(stored) if type(stored) is dict else {}
    for base in mro:
        for name, slot in () if is_builtin(base) else _members(base):
            if isinstance(slot, MemberDescriptorType):
                found.setdefault(name, _attempt(functools.partial(slot.__get__, error)))
    found = {**builtin_attributes(error), **found}
    return {name: value for name, value in found.items() if _is_public(name, value)}


def _members(kind: type) -> list[tuple[Any, Any]]:
    return list(type.__dict__["__dict__"].__get__(kind).items())


def _is_public(name: object, value: object) -> bool:
    return type(name) is str and not name.startswith("_") and value is not _UNREAD


def _attempt(get: Callable[[], Any]) -> Any:
    """What a driver's code gives; the marker if it raises."""
    try:
        return get()
    except BaseException:  # noqa: BLE001  an exception's attributes may be anything
        return _UNREAD


# -- reading --------------------------------------------------------------------------------------


def decoded(text: Any, message: str = "") -> Fields:
    """Fields as `parts_of` gave them; none of what isn't.

    Args:
        text: The value of `fields`.
        message: The exception's text.
    """
    if not isinstance(text, str) or not text:
        return Fields()
    try:
        packed = msgspec.msgpack.decode(base64.b64decode(text), type=_Packed)
    except (ValueError, RecursionError, msgspec.DecodeError):
        return Fields()
    found = Fields(altered=packed.altered)
    if packed.args is not None:
        found.args = tuple(
            _value(form, (), message, f"argument {number}", found.altered)
            for number, form in enumerate(packed.args, 1)
        )
    for name, form in packed.attributes.items():
        found.attributes[name] = _value(
            form, found.args or (), message, f"attribute {name}", found.altered
        )
    return found


def _value(form: Form, args: tuple[Any, ...], message: str, what: str, altered: list[str]) -> Any:
    if form is None:
        return message
    try:
        if isinstance(form, int):
            return args[form]
        payload, *raw = form
        return decode(payload, bytearray(*raw))  # whose arrays are writable
    except (SerializationError, LookupError, ValueError, TypeError) as error:
        altered.append(f"{what} can't be read here: {error}")
        return None
