"""Descriptors: how many there are, and how many of them strangers' connections may take."""

from __future__ import annotations

import resource

from transports.errors import AddressError

OWN = 64
"""Descriptors of the rig itself: its sockets, pipes, files, log collector."""
EACH_WORKER = 10
"""Of one worker: its process, its output, its connections."""
MOST_CONNECTIONS = 4096
"""Connections by tcp, and as many by ipc, however many descriptors there are."""
LEAST = 16
"""Connections with which a rig is of use."""
SLOTS = 65535
"""ZeroMQ sockets of a process at most."""


def raise_limit() -> int:
    """Raise the limit of open files as far as this user may; returns it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return MOST_CONNECTIONS * 100 if hard == resource.RLIM_INFINITY else hard


def connection_cap(limit: int, workers: int) -> int:
    """How many connections there may be by tcp, and as many by ipc.

    Half of what the rig and its workers leave stays free: connections are closed a moment after
    they were accepted.

    Args:
        limit: Open files of this process.
        workers: How many workers the rig has.

    Raises:
        AddressError: The limit is too low for them.
    """
    own = OWN + EACH_WORKER * workers
    cap = min((limit - own) // 4, MOST_CONNECTIONS)
    if cap < LEAST:
        raise AddressError(
            f"the limit of open files is {limit}: {workers} workers need "
            f"{own + 4 * LEAST}; raise it (ulimit -Hn, LimitNOFILE= of a systemd unit)"
        )
    return cap
