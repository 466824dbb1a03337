"""A rig's state as plain values, for `status`."""

from __future__ import annotations

import os
import time
from typing import Any

from orchestrator.config.loader import RigConfig
from orchestrator.core.broker import Broker
from orchestrator.core.supervision import Supervision
from orchestrator.rig.processes import Processes
from orchestrator.rig.sockets import Ports


def snapshot(
    config: RigConfig,
    started: float,
    ports: Ports,
    broker: Broker,
    supervision: Supervision,
    processes: Processes,
) -> dict[str, Any]:
    """What is known of a rig and its workers without asking the system.

    Args:
        config: The rig's config.
        started: When it was started, in seconds since the epoch.
        ports: Its addresses.
        broker: What waits and runs.
        supervision: The workers' states.
        processes: The workers' processes.

    Returns:
        As `status` gives it, except that a worker has `own` (whether its process is its own) in
        place of CPU and memory.
    """
    now = time.monotonic()
    workers = []
    for name, life in supervision.lives.items():
        handle = processes.handles.get(name)
        inproc = config.workers[name].transport == "inproc"
        workers.append(
            {
                "name": name,
                "state": str(life.status),
                "pid": handle[1].pid if handle else None,
                "own": handle is not None and not inproc,
                "incarnation": life.incarnation,
                "restarts": life.restarts,
                "queue": broker.queued(name),
                "in_flight": len(broker.running(name)),
                "uptime": round(now - life.launched, 3) if handle else None,
                "reason": life.reason or None,
                "driver": config.workers[name].driver,
            }
        )
    return {
        "rig": config.rig,
        "pid": os.getpid(),
        "config": str(config.file),
        "started": started,
        "addresses": ports.addresses,
        "events": ports.event_addresses,
        "counts": dict(broker.counts),
        "workers": workers,
    }
