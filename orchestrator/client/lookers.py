"""How an attribute is asked for: by code that wants it, or by a tool that only looks.

Tab completion, `inspect.getmembers` and debuggers get every attribute of an object, and `hasattr`
gets one to see whether it is there. None of them may read a property of a device for that. Python
doesn't tell an object what it is asked for, but its caller's frame does.
"""

from __future__ import annotations

import dis
import functools
import sys
from types import CodeType, FrameType

TOOLS = frozenset(
    {
        "IPython",
        "_pydevd_bundle",
        "bpython",
        "debugpy",
        "inspect",
        "jedi",
        "ptpython",
        "pydevd",
        "pydoc",
        "rich",
        "rlcompleter",
        "sphinx",
        "typing",
        "unittest",
    }
)
"""Packages whose own code gets attributes to list or check them, never for their values."""

_METHOD = object()
_NAMES = frozenset({"LOAD_NAME", "LOAD_GLOBAL", "LOAD_FAST", "LOAD_DEREF", "LOAD_CLASSDEREF"})
_BESIDE = frozenset({"PUSH_NULL", "NOP", "RESUME", "CACHE", "EXTENDED_ARG"})


def is_tool(frame: FrameType) -> bool:
    """Whether the code of a frame belongs to a tool that lists or checks attributes."""
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in TOOLS


def only_looks(frame: FrameType) -> bool:
    """Whether the code of a frame asks for an attribute without wanting its value.

    That is a tool's code, and a call of the builtin `hasattr` by whatever name. One that is made
    by another function, as in `map(hasattr, …)`, can't be seen.
    """
    if is_tool(frame):
        return True
    name = _asked(frame.f_code, frame.f_lasti)
    if not isinstance(name, str):
        return False
    for scope in (frame.f_locals, frame.f_globals, frame.f_builtins):
        if name in scope:
            return scope[name] is hasattr
    return False


def calls_at_once(frame: FrameType) -> bool:
    """Whether the attribute is called where it is asked for, as in `rig.dmm.voltage()`."""
    return _asked(frame.f_code, frame.f_lasti) is _METHOD


@functools.lru_cache(maxsize=4096)
def _asked(code: CodeType, offset: int) -> object:
    """What the instruction is that asks: `_METHOD`, the name of what it calls, else None."""
    before: list[dis.Instruction] = []
    for each in dis.get_instructions(code):
        if each.offset > offset:  # it may also point at what an instruction caches behind itself
            break
        before.append(each)
    if not before:
        return None
    instruction = before.pop()
    name = instruction.opname
    if name == "LOAD_METHOD" or (name == "LOAD_ATTR" and _is_method_form(instruction)):
        return _METHOD
    if name == "CALL_FUNCTION_EX":  # of `*args`, and of `**kwargs` if the lowest bit is set
        return _callee(instruction, before, 1 + ((instruction.arg or 0) & 1))
    # The half of a call that only Python 3.11 has makes it, once the call was made a few times.
    is_call = name in ("CALL", "PRECALL")
    return _callee(instruction, before, instruction.arg or 0) if is_call else None


def _is_method_form(instruction: dis.Instruction) -> bool:
    """From Python 3.12 the two forms of LOAD_ATTR are told apart by a bit."""
    return sys.version_info >= (3, 12) and bool((instruction.arg or 0) & 1)


def _callee(call: dis.Instruction, before: list[dis.Instruction], wanted: int) -> str | None:
    """The name of the function that is called with the `wanted` values loaded just before."""
    steps = list(before)
    if steps and call.opname == "CALL" and steps[-1].opname == "PRECALL":
        steps.pop()
    while steps and wanted > 0:
        step = steps.pop()
        if step.opcode in dis.hasjrel or step.opcode in dis.hasjabs:
            return _named_at(call, before)  # an argument with a choice in it
        wanted -= dis.stack_effect(step.opcode, step.arg, jump=False)
    while steps and steps[-1].opname in _BESIDE:
        steps.pop()
    return _name_of(steps[-1]) if steps and wanted == 0 else None


def _named_at(call: dis.Instruction, before: list[dis.Instruction]) -> str | None:
    """The name with which the text of a call begins."""
    at = call.positions
    for step in reversed(before):
        where = step.positions
        if at and where and (where.lineno, where.col_offset) == (at.lineno, at.col_offset):
            name = _name_of(step)
            if name is not None:
                return name
    return None


def _name_of(step: dis.Instruction) -> str | None:
    known = step.opname in _NAMES or step.opname.startswith("LOAD_FAST")
    return step.argval if known and isinstance(step.argval, str) else None
