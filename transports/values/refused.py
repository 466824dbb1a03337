"""What is something to work with rather than data, told by its type, and what to do instead."""

from __future__ import annotations

import io
from types import (
    AsyncGeneratorType,
    BuiltinFunctionType,
    CoroutineType,
    FunctionType,
    GeneratorType,
    MethodType,
    ModuleType,
)

from transports.values.kinds import name_of

_FUNCTIONS = (FunctionType, BuiltinFunctionType, MethodType)
_STREAMS = (GeneratorType, AsyncGeneratorType, CoroutineType)


def refusal_of(value: object) -> str | None:
    """Why a value of no known kind isn't data, with the mend; None if it may be."""
    kind = type(value)
    name = f"a value of type {name_of(kind)}"
    if isinstance(value, type):
        return f"a class ({name_of(value)}) has no form; send its name"
    if isinstance(value, ModuleType):
        return f"a module ({value.__name__}) has no form; send its name"
    if isinstance(value, _FUNCTIONS) or (callable(value) and not _stores(kind)):
        return "a function has no form; send what it returns"
    if isinstance(value, _STREAMS):
        return f"{name} has no form; send its items, such as list(items)"
    if any(each.__module__ == "logging" for each in kind.__mro__) and "msg" not in vars(value):
        return f"{name} has no form; what it logs is in the rig's log"
    has = frozenset().union(*(each.__dict__ for each in kind.__mro__ if each is not object))
    if isinstance(value, io.IOBase) or {"read", "close"} <= has or {"write", "close"} <= has:
        return f"{name} is file-like and has no form; send what is read from it, or its path"
    if "__next__" in has or "__anext__" in has:
        return f"{name} is an iterator and has no form; send its items, such as list(items)"
    if "__enter__" in has or "__aenter__" in has:
        return f"{name} is a context manager and has no form; use it where it is, and send data"
    return None


def _stores(kind: type) -> bool:
    """Whether objects of a type may have attributes of their own."""
    return "__dict__" in dir(kind) or any("__slots__" in each.__dict__ for each in kind.__mro__)
