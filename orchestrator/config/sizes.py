"""Values of a config that are a number of bytes, each with the least that is of use."""

from __future__ import annotations

from orchestrator.durations import parse_size
from orchestrator.words import say

LEAST_MEMORY = 64 << 20
"""Bytes in which a worker with numpy just starts."""
LEAST_KEPT = 1 << 20
"""Bytes of logs that can be kept at least: the store's smallest segment, while it is written."""
SHARED = 512 << 20
"""Bytes of shared memory where a config says nothing of it; what isn't used isn't taken."""
LEAST_SHARED = 16 << 20
"""Bytes of shared memory that are of any use: half of it is one worker's at most."""


def check_memory(value: object) -> int:
    """Bytes of memory, as `parse_size` reads them.

    Raises:
        ValueError: as `parse_size`, or no worker can run in it.
    """
    return _size(value, LEAST_MEMORY, "for a worker; the least is 64MiB")


def check_kept(value: object) -> int:
    """Bytes of logs to be kept, as `parse_size` reads them.

    Raises:
        ValueError: as `parse_size`, or it is less than can be kept.
    """
    return _size(value, LEAST_KEPT, "to keep anything; the least is 1MiB")


def check_shared(value: object) -> int:
    """Bytes of a rig's shared memory; 0 for ``off``.

    Raises:
        ValueError: it is no size, or too little for a frame.
    """
    if value in ("off", False):
        return 0
    return _size(value, LEAST_SHARED, "for frames; the least is 16MiB, and off is none")


def _size(value: object, least: int, why: str) -> int:
    size = parse_size(value)
    if size < least:
        raise ValueError(f"{say(value)} is too little {why}")
    return size
