"""Exceptions as values: builtin ones as themselves, those of other classes as records.

Arguments, public attributes, notes and cause come with an exception, members with a group;
traceback and context don't.
"""

from __future__ import annotations

import builtins
from typing import Any

from msgspec.msgpack import Ext

from transports.errors import SerializationError
from transports.values.classes import stored_fields
from transports.values.kinds import Kind
from transports.values.reading import Read, Reader
from transports.values.writing import Write, Writer

BUILT_IN: dict[type[BaseException], tuple[str, ...]] = {
    OSError: ("errno", "strerror", "filename", "filename2", "characters_written"),
    UnicodeDecodeError: ("encoding", "object", "start", "end", "reason"),
    UnicodeEncodeError: ("encoding", "object", "start", "end", "reason"),
    UnicodeTranslateError: ("object", "start", "end", "reason"),
    ImportError: ("name", "path"),
    NameError: ("name",),
    AttributeError: ("name",),  # not `obj`, which Python sets: it is mostly the driver itself
    SyntaxError: ("msg", "filename", "lineno", "offset", "text", "end_lineno", "end_offset"),
    SystemExit: ("code",),
    StopIteration: ("value",),
}
"""Attributes that exceptions of a builtin class have without a dictionary."""

_CAUSE = vars(BaseException)["__cause__"]


def is_builtin(kind: type) -> bool:
    """Whether a class is the builtin of its name."""
    return vars(builtins).get(type.__dict__["__name__"].__get__(kind)) is kind


def arguments_of(error: BaseException) -> tuple[Any, ...]:
    """An exception's arguments, whatever its class has under that name."""
    found: tuple[Any, ...] = vars(BaseException)["args"].__get__(error)
    return found


def rebuilt(
    kind: type[BaseException], args: tuple[Any, ...], attributes: dict[str, Any]
) -> BaseException:
    """A builtin exception of these arguments and attributes.

    Raises:
        Exception: Whatever its constructor raises at arguments that it doesn't take; TypeError or
            ValueError if an attribute can't be set.
    """
    made = kind(*args)
    if type(made) is not kind:  # OSError takes the class of its errno, unless that is set later
        if kind is not OSError:
            raise TypeError(f"{kind.__name__} of these arguments is a {type(made).__name__}")
        made = kind.__new__(kind)
    made.args = args
    for name, value in attributes.items():
        if not isinstance(name, str) or name.startswith("_"):
            raise ValueError(f"{name!r:.80} is no public attribute")
        if callable(getattr(kind, name, None)):
            raise ValueError(f"an attribute {name} would hide that method")
        if isinstance(made, UnicodeError) and name in dir(kind):
            # its text is made in C, which doesn't look at the types again
            expected = type(getattr(made, name))
            if type(value) is not expected:
                raise TypeError(f"{name} of a {kind.__name__} is of type {expected.__name__}")
        setattr(made, name, value)
    if isinstance(made, UnicodeError) and getattr(made, "start", 0) < 0:
        raise ValueError(f"a {kind.__name__} starts at a place in its object")
    return made


def builtin_attributes(error: BaseException) -> dict[str, Any]:
    """Those of `BUILT_IN` that an exception has; nothing of its class is run."""
    found: dict[str, Any] = {}
    for kind, names in BUILT_IN.items():
        if issubclass(type(error), kind):
            for name in names:
                try:
                    value = vars(kind)[name].__get__(error)
                except (AttributeError, TypeError):
                    continue  # it isn't set
                if value is not None:
                    found[name] = value
    return found


def _write(writer: Writer, value: BaseException) -> Ext:
    kind = type(value)
    own = {name: each for name, each in stored_fields(value).items() if type(name) is str}
    args, notes, cause = arguments_of(value), own.get("__notes__"), _CAUSE.__get__(value)
    whole = _is_whole(value)
    inner: dict[str, Any] = {}
    if isinstance(value, BaseExceptionGroup):
        message = BaseExceptionGroup.message.__get__(value)
        members = BaseExceptionGroup.exceptions.__get__(value)
        if whole:
            given_tuple = len(args) > 1 and type(args[1]) is tuple
            args = (message, members if given_tuple else list(members))
        else:  # its arguments hold the members once more
            args, inner = (message,), {"message": message, "exceptions": members}
    public = {
        name: each
        for name, each in own.items()
        if not name.startswith("_")
        and not (isinstance(value, BaseExceptionGroup) and name in ("message", "exceptions"))
        and not (isinstance(value, AttributeError) and name == "obj")
        and not (whole and each is None and name in dir(kind))
    }
    public |= builtin_attributes(value)
    inner |= {"__notes__": notes} if notes else {}
    inner |= {"__cause__": cause} if cause is not None else {}
    written = dict(writer.texts(value, {"args": args, **public, **inner}, ".{}"))
    if not whole:
        origin = [kind.__module__, kind.__qualname__]
        return writer.extension(Kind.RECORD, [*origin, written, {}, False])
    content = [kind.__name__, written.pop("args")]
    return writer.extension(Kind.EXCEPTION, [*content, written] if written else content)


def _is_whole(error: BaseException) -> bool:
    """Whether it is builtin, and so are its causes and members: others can't be raised here."""
    seen: set[int] = set()
    pending = [error]
    while pending:
        each = pending.pop()
        if not is_builtin(type(each)):
            return False
        if id(each) in seen:
            continue
        seen.add(id(each))
        cause = _CAUSE.__get__(each)
        pending += [cause] if cause is not None else []
        if isinstance(each, BaseExceptionGroup):
            pending += each.exceptions
    return True


def _read(reader: Reader, data: memoryview) -> BaseException:
    content = reader.decode(data)
    if type(content) is not list or len(content) not in (2, 3):
        raise SerializationError("an exception has a name, arguments, and maybe attributes")
    name, args, *more = content
    attributes = more[0] if more else {}
    kind = builtins.__dict__.get(name) if isinstance(name, str) else None
    if not isinstance(kind, type) or not issubclass(kind, BaseException):
        raise SerializationError(f"{name!r:.80} is no builtin exception")
    if type(args) is not tuple or type(attributes) is not dict:
        raise SerializationError(f"a {name} has a tuple of arguments, and a map of attributes")
    notes, cause = attributes.pop("__notes__", None), attributes.pop("__cause__", None)
    made = rebuilt(kind, args, attributes)
    if notes is not None:
        made.__notes__ = notes
    if cause is not None:
        made.__cause__ = cause
    return made


def find(kind: type) -> Write | None:
    """The function that writes values of a class, if it is one of exceptions."""
    return _write if issubclass(kind, BaseException) else None


READERS: dict[int, Read] = {Kind.EXCEPTION: _read}
