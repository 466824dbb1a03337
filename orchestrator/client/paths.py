"""Paths of nested members: `ch1.voltage`, `channels[2].gain`, `inputs[A].level`.

A key of a mapping that isn't one word is quoted: `inputs['A 1'].level`.
"""

from __future__ import annotations

import ast
import re

from transports.paths import item, join

Step = str | int | tuple[str]
"""An attribute's name, a position in a list, or (in a tuple) a key of a mapping."""

_STEP = re.compile(
    r"""(?:^|\.)(?P<name>[^\W\d]\w*)
    | \[(?P<position>-?\d{1,9})\]
    | \[(?P<word>[^\W\d][\w-]*)\]
    | \[(?P<key>'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")\]""",
    re.VERBOSE,
)


def steps_of(path: str) -> tuple[Step, ...] | None:
    """The steps of a member's path; None if it isn't one, or a step is private."""
    steps: list[Step] = []
    if path.startswith("."):
        return None
    end = 0
    while end < len(path):
        match = _STEP.match(path, end)
        if match is None or (not steps and match["name"] is None):
            return None
        if match["name"] is not None:
            if match["name"].startswith("_") or not match["name"].isidentifier():
                return None
            steps.append(match["name"])
        elif match["position"] is not None:
            steps.append(int(match["position"]))
        elif match["word"] is not None:
            steps.append((match["word"],))
        else:
            try:
                steps.append((ast.literal_eval(match["key"]),))
            except (ValueError, SyntaxError):
                return None
        end = match.end()
    return tuple(steps) or None


def step_text(step: Step) -> str:
    """A step as it stands in a path, without the dot before a name."""
    if isinstance(step, str):
        return step
    return item("", step if isinstance(step, int) else step[0])


def joined(parent: str, step: Step) -> str:
    """The path of what is one step below another one."""
    return join(parent, step) if isinstance(step, str) else f"{parent}{step_text(step)}"
