"""Statuses as a rig gives them."""

from __future__ import annotations

from typing import Any


def worker(name: str, **other: Any) -> dict[str, Any]:
    """A worker's status as the rig gives it."""
    return {
        "name": name,
        "state": "READY",
        "pid": 4711,
        "incarnation": 1,
        "restarts": 0,
        "queue": 0,
        "in_flight": 0,
        "running": [],
        "waiting": [],
        "latency": {"count": 0, "p50": None, "p99": None},
        "last_error": None,
        "uptime": 12.0,
        "reason": None,
        "cpu": 1.0,
        "memory": 40 << 20,
        **other,
    }
