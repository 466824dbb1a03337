"""A rig's state as plain values, for `status`."""

from __future__ import annotations

import os
import time
from itertools import accumulate
from typing import Any

from orchestrator.config.loader import RigConfig
from orchestrator.core.alarms import Watched
from orchestrator.core.effects import RigUp
from orchestrator.core.request import Request
from orchestrator.core.rig import Rig
from orchestrator.core.vitals import BOUNDS, Durations, Sums, Trouble, last_trouble
from orchestrator.rig.callers import Callers
from orchestrator.rig.connections import Connections
from orchestrator.rig.hosts import Hosts
from orchestrator.rig.processes import Processes
from orchestrator.rig.sockets import Sockets
from orchestrator.words import tcp_pairs

MOST_WAITING = 5
"""Requests that wait of which it is told for whom."""


def snapshot(
    config: RigConfig,
    started: float,
    sockets: Sockets,
    rig: Rig,
    processes: Processes,
    connections: Connections,
    hosts: Hosts,
) -> dict[str, Any]:
    """What is known of a rig and its workers without asking the system.

    Args:
        config: The rig's config.
        started: When it was started, in seconds since the epoch.
        sockets: Its addresses.
        rig: What waits and runs, and the workers' states.
        processes: The workers' processes.
        connections: Who is connected.
        hosts: The other hosts.

    Returns:
        As `status` gives it, except that a worker has in place of CPU and memory: `own` (whether
        it is a process of its own on this machine), and `used` (CPU seconds and memory of one on
        another, if that is known).
    """
    now, callers = time.monotonic(), connections.callers
    workers = []
    for name, child in rig.children.items():
        handle = processes.handles.get(name)
        peer = rig.broker.peers[name]
        worker = config.workers.get(name)  # none of one that is about to be removed
        pid = handle[1].pid if handle else peer.pid
        requests = rig.broker.queued(name) + len(rig.broker.running(name))
        waiting = peer.first_waiting(MOST_WAITING)
        begun = rig.broker.begun(name, processes.unclaimed(name))
        workers.append(
            {
                "name": name,
                "state": str(child.status),
                "pid": pid,
                "host": None if worker is None else worker.host,
                "own": pid is not None and pid != os.getpid() and not (worker and worker.host),
                "used": hosts.usage(name),
                "incarnation": child.incarnation,
                "life": peer.life,
                "revision": peer.revision,
                "restarts": child.restarts,
                "queue": requests - len(begun),
                "in_flight": len(begun),
                "running": [_running(each, now, callers) for each in begun if each.started],
                "waiting": [_waiting(each, now, callers) for each in waiting],
                "latency": _latency(peer.vitals.durations),
                "last_error": _error(last_trouble((peer.vitals.trouble, child.trouble)), now, rig),
                "uptime": round(now - child.launched, 3) if pid is not None else None,
                "reason": rig.hide(rig.why(name, now)) or None,
                "memory_limit": (worker.limits or {}).get("memory") if worker else None,
                "alarms": [
                    _alarm(member, each, now, rig) for member, each in rig.alarms.of(name).items()
                ],
                "lease": rig.broker.leasing.status(name, now),
                "leased": rig.broker.leasing.is_demanded(name),
                "sick": rig.hide(rig.health.of(name)) or None,
                "securing": round(now - child.securing_since, 3) if child.securing else None,
                "unsafe": rig.hide(child.unsecured) or None,
                "settled": child.settled,
                "driver": None if worker is None else worker.driver,
                "simulated": worker is not None and worker.simulated,
            }
        )
    return {
        "rig": config.rig,
        "run": rig.broker.run,
        "pid": os.getpid(),
        "config": str(config.file),
        "config_digest": config.digest,
        "started": started,
        "uptime": round(time.time() - started, 3),
        "addresses": sockets.addresses,
        "events": sockets.event_addresses,
        "connections": {"tcp": connections.count("tcp"), "ipc": connections.count("ipc")},
        "connections_at_most": connections.cap,
        "counts": dict(rig.broker.counts),
        "shared_memory": rig.slots.status(),
        "hosts": hosts.status(),
        "workers": workers,
    }


def operations(rig: Rig) -> dict[str, dict[str, dict[str, Any]]]:
    """What came of all operations so far, by worker and member; see `core.vitals.Sums`.

    `took` has pairs: seconds, and how many took no longer; None for all.
    """
    vitals = {name: rig.broker.peers[name].vitals for name in rig.children}
    return {
        name: {
            member: {key: getattr(sums, key) for key in Sums.__slots__}
            | {"took": list(zip((*BOUNDS, None), accumulate(sums.took), strict=True))}
            for member, sums in each.sums.items()
        }
        for name, each in vitals.items()
    }


def announcement(
    rig: str, up: RigUp, took: float, sockets: Sockets, web: str | None
) -> tuple[str, str, dict[str, Any]]:
    """The record that a rig is up: level, text, fields.

    Args:
        rig: Its id.
        up: What the core tells.
        took: Seconds since it was started.
        sockets: Its addresses.
        web: That of its web server, if it has one.
    """
    fields: dict[str, Any] = {"seconds": round(took, 3), "address": sockets.addresses[0]}
    if published := tcp_pairs(sockets.addresses, sockets.event_addresses):
        fields["listens"] = "; ".join(published)
    if web is not None:
        fields["web"] = web
    if up.failed:
        fields["failed"] = ", ".join(up.failed)
    if up.later:
        fields["later"] = ", ".join(up.later)
    text = f"rig {rig} is up: {up.ready} of {up.total} workers ready"
    return "warning" if up.failed or up.later else "info", text, fields


def _running(request: Request, now: float, callers: Callers) -> dict[str, Any]:
    """What a worker is at: since when, for whom, against which limit."""
    return {
        "member": request.member,
        "client": request.sender,
        "who": callers.who(request),
        "peer": callers.peer(request.client) or None,
        "request": str(request.message_id),
        "seconds": round(now - request.started, 3),
        "limit": request.execution_timeout,
    }


def _waiting(request: Request, now: float, callers: Callers) -> dict[str, Any]:
    """What waits for its turn: since when, for whom, until when."""
    until = request.waits_until
    return {
        "member": request.member,
        "client": request.sender,
        "who": callers.who(request),
        "peer": callers.peer(request.client) or None,
        "request": str(request.message_id),
        "seconds": round(now - request.arrived, 3),
        "limit": None if until is None else round(until - request.arrived, 3),
    }


def _alarm(member: str, watched: Watched, now: float, rig: Rig) -> dict[str, Any]:
    """What is known of a value that is watched; times in seconds."""
    return {
        "member": member,
        "state": str(watched.state),
        "raised": watched.raised,
        "value": watched.value,
        "age": None if watched.value is None else round(now - watched.read, 3),
        "seconds": round(now - watched.since, 3) if watched.since else None,
        "above": watched.alarm.above,
        "below": watched.alarm.below,
        "reason": rig.hide(watched.reason),
    }


def _latency(durations: Durations) -> dict[str, float | int | None]:
    """Seconds that operations took lately, and how many of them were looked at."""
    half, most = durations.quantiles(0.5, 0.99)
    return {"count": durations.count, "p50": half, "p99": most}


def _error(trouble: Trouble | None, now: float, rig: Rig) -> dict[str, Any] | None:
    if trouble is None:
        return None
    request = str(trouble.request) or None
    about = {"member": trouble.member or None, "request": request}
    return {"text": rig.hide(trouble.told()), **about, "age": round(now - trouble.at, 3)}
