"""What a rig and a host have in common that reach for a scheduler."""

from __future__ import annotations

import logging
import socket
from urllib.parse import urlsplit

REACHED_WITHIN = 10.0
"""Seconds for it to answer."""

SAME_KEYS = "has it the same files of orch host keys, and tls:// or tcp:// alike?"
"""What to look at where somebody listens, but doesn't answer."""


def keep_quiet() -> None:
    """Have Dask keep its log to itself: what matters is said by who uses it."""
    import distributed  # noqa: F401  it gives its loggers levels

    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def unreachable(scheduler: str) -> str:
    """Why nobody answers at an address, with the mend; empty if somebody does.

    Dask itself would try for long before it said so.
    """
    at = urlsplit(scheduler)
    try:
        socket.create_connection((at.hostname or "", at.port or 0), REACHED_WITHIN).close()
    except OSError as error:
        why = error.strerror or str(error)
        mend = "is orch host scheduler running there?"
        return f"the scheduler {scheduler} can't be reached: {why}; {mend}"
    return ""
