"""Calls that are meant for one life of a worker, and for no other.

Pure. On the wire the worker's name is followed by that life, as in `stage#3@5f0c`: the third life
of the worker in the run of the rig that `5f0c` stands for. No worker's name has a `#`, so that a
rig which doesn't know of lives refuses such a call.
"""

from __future__ import annotations

from orchestrator.core.tally import shorten
from transports.headers import OF_LIFE

_LONGEST_LIFE = 100


def split(thing_id: str) -> tuple[str, str]:
    """A worker's name, and the life that is meant; empty if any is."""
    name, _, life = thing_id.partition(OF_LIFE)
    return name, life


def another(worker: str, wanted: str, present: str, *, ended: str = "") -> str:
    """That a call isn't made on another life than the one it was meant for, in words.

    Args:
        worker: The worker.
        wanted: The life that was meant.
        present: The one that it has, or had last.
        ended: Why that has ended, if it has.
    """
    meant, own = wanted.partition("@"), present.partition("@")
    told = f"it was meant for life {shorten(meant[0], _LONGEST_LIFE)} of worker {worker!r}"
    if meant[2] != own[2]:
        told += " in another run of the rig"
    if ended:
        return f"{told}, which has ended: {ended}"
    return f"{told}, which has life {own[0]} now"
