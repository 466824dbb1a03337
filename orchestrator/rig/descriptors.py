"""Descriptors: how many there are, and how many of them strangers' connections may take."""

from __future__ import annotations

import resource

from transports.errors import AddressError

OWN = 64
"""Descriptors of the rig itself: its sockets, pipes, files, log collector."""
EACH_WORKER = 10
"""Of one worker: its process, its output, its connections."""
LANES = 4
"""Connections of one worker."""
MOST_CONNECTIONS = 4096
"""Connections by tcp, as many by ipc, and as many that aren't workers' where these come in,
however many descriptors there are."""
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
    """How many connections there may be by tcp, as many by ipc, and as many where workers come in.

    Half of what the rig and its workers leave stays free: connections are closed a moment after
    they were accepted. That is more than libzmq accepts meanwhile (four times
    `orchestrator.rig.connections.HELD`) from a limit of some 8200 on.

    Args:
        limit: Open files of this process.
        workers: How many workers the rig has.

    Raises:
        AddressError: The limit is too low for them.
    """
    own = OWN + EACH_WORKER * workers
    cap = min((limit - own) // 6, MOST_CONNECTIONS)
    if cap < LEAST:
        raise AddressError(
            f"the limit of open files is {limit}: {workers} workers need "
            f"{own + 6 * LEAST}; raise it (ulimit -Hn, LimitNOFILE= of a systemd unit)"
        )
    return cap


def worker_cap(cap: int, workers: int) -> int:
    """How many connections there may be where so many workers come in."""
    return cap + LANES * workers
