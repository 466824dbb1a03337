"""How a worker is made to end that doesn't by itself, step by step, and in what words it is told.

A process is interrupted, then woken in case it was stopped, then killed. A thread takes none of
that: it is asked, and left behind when its time is up. What runs in it goes on; when that ends, it
finds that it was asked to stop, closes its driver and is gone.
"""

from __future__ import annotations

from orchestrator.core.children import Child

UNBUILT_GRACE = 2.0
"""Seconds for a worker that reported a failed build to exit by itself."""
REASON_WITHIN = 0.25
"""Seconds for the reason of a worker that can't be hosted to come through after its end."""
STEP = 1.0
"""Seconds from one step to the next."""
_SAID = {"term": "interrupted", "wake": "woken and interrupted", "kill": "killed"}


def ladder(child: Child, *, asked: bool) -> list[tuple[str, float]]:
    """The signals to send, with the seconds to wait before each.

    Args:
        child: The worker.
        asked: Whether it was asked to stop, so that it has its `stop_timeout` before the first.
    """
    first = child.spec.stop_timeout if asked else 0.0
    if child.thread:
        return [("kill", first)]
    return [("term", first), ("wake", STEP), ("kill", STEP)]


def insisting(child: Child, how: str) -> str:
    """That a worker doesn't stop, and what is done about it."""
    if child.thread:
        after = "and closes its driver once what runs has ended"
        return f"doesn't stop: its thread is left behind, {after}"
    return f"doesn't stop: {_SAID[how]}"
