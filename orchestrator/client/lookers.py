"""How an attribute is asked for: by code that wants it, or by a tool that only looks.

Tab completion, `inspect.getmembers` and debuggers get every attribute of an object, and `hasattr`
gets one to see whether it is there. None of them may read a property of a device for that. Python
doesn't tell an object what it is asked for, but its caller's frame does.
"""

from __future__ import annotations

import dis
import functools
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
    for instruction in dis.get_instructions(code):
        if instruction.offset == offset:
            break
        before.append(instruction)
    else:
        return None
    name = instruction.opname
    if name == "LOAD_METHOD" or (name == "LOAD_ATTR" and _is_method_form(instruction)):
        return _METHOD
    return _callee(before, instruction.arg or 0) if name == "CALL" else None


def _is_method_form(instruction: dis.Instruction) -> bool:
    """From Python 3.12 the two forms of LOAD_ATTR are told apart by a bit."""
    return "LOAD_METHOD" not in dis.opmap and bool((instruction.arg or 0) & 1)


def _callee(before: list[dis.Instruction], wanted: int) -> str | None:
    """The name of the function whose `wanted` arguments the instructions have just loaded."""
    steps = list(before)
    if steps and steps[-1].opname == "PRECALL":  # the half of a call that Python 3.11 has
        steps.pop()
    while steps and wanted > 0:
        step = steps.pop()
        if step.opcode in dis.hasjrel or step.opcode in dis.hasjabs:
            return None  # an argument with a choice in it
        wanted -= dis.stack_effect(step.opcode, step.arg, jump=False)
    while steps and steps[-1].opname in _BESIDE:
        steps.pop()
    if wanted != 0 or not steps:
        return None
    step = steps[-1]
    known = step.opname in _NAMES or step.opname.startswith("LOAD_FAST")
    return step.argval if known and isinstance(step.argval, str) else None
