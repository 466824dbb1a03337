"""What a call can raise, and by which status a command ends."""

from __future__ import annotations

import inspect

from orchestrator import errors
from orchestrator.cli.failures import Exit
from references.text import prose, table

HEAD = """# All errors
Written by `scripts/reference` from `orch.errors`. [Python clients](../python.md#errors) tells how
to use them.
"""
STATUSES = {
    Exit.DONE: "done",
    Exit.RAISED: "the driver raised, or its result has no form",
    Exit.USAGE: "usage or config: also an unknown worker or member, arguments that don't fit",
    Exit.NOT_REACHABLE: "the rig can't be reached",
    Exit.NOT_STARTED: "not started: safe to try again; of `orch status`: not all are READY",
    Exit.UNKNOWN: "the outcome is unknown",
    Exit.BUG: "a fault of orch itself, with its traceback",
    Exit.OUTPUT: "the output can't be written",
}


def page() -> str:
    """The page."""
    text = inspect.cleandoc(errors.__doc__ or "")
    tree = text.partition("::\n\n")[2].partition("\n\nWhatever")[0]
    rest = text.partition("\n\nWhatever")[2]
    classes = [
        each
        for each in vars(errors).values()
        if inspect.isclass(each) and each.__module__ == errors.__name__
    ]
    statuses = table(("status", "means"), [(str(int(each)), STATUSES[each]) for each in Exit])
    return (
        "\n\n".join(
            [
                HEAD.strip(),
                f"```text\n{inspect.cleandoc(tree)}\n```",
                f"Whatever{rest}",
                *(_class(each) for each in classes),
                "## Exit statuses of commands",
                f"{statuses}\n\n130 and 143: ended by SIGINT, SIGTERM.",
            ]
        )
        + "\n"
    )


def _class(error: type[Exception]) -> str:
    bases = ", ".join(each.__name__ for each in error.__bases__)
    return f"## {error.__name__}\nIs a: {bases}.\n\n{prose(error.__doc__)}"
