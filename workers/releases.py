"""Which releases of another framework are hosted."""

from __future__ import annotations

HOLOLINKED = "0.4"
"""The release whose Things are hosted."""


def other_release(found: str) -> str:
    """What is wrong with Things of a release that isn't hosted; "" if it is."""
    if found.split(".")[:2] == HOLOLINKED.split("."):
        return ""
    return (
        f"is a Thing of hololinked {found or '(unknown release)'}, and Things of {HOLOLINKED} are "
        f"hosted; install hololinked {HOLOLINKED} in the interpreter that runs it"
    )
