"""A rig as metrics, as Prometheus reads them; all are asked for when they are scraped."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orchestrator.client.cached import Cached
from orchestrator.errors import NothingThere, NotStarted, OrchError
from orchestrator.gateway.answers import told
from orchestrator.gateway.link import Link
from transports import terms

STATES = "READY", "STALLED", "STARTING", "WAITING", "STOPPING", "STOPPED", "BACKOFF", "FAILED"
OUTCOMES = ("done", "raised", "refused", "expired", "overran", "lost")
ALARMS = ("ok", "pending", "raised", "stale")

Values = Sequence[tuple[str, str, Cached]]
"""Worker, property, and what it was when it was read last."""


class Metrics:
    """The route of the metrics.

    Args:
        link: The rig.
        exports: Polled properties that are among them, by name or `worker.name`.
    """

    def __init__(self, link: Link, exports: Sequence[str]) -> None:
        self._link = link
        self._exports = exports
        self._polled: dict[tuple[str, str], list[str]] = {}  # by worker and life: exported names

    def routes(self) -> list[Route]:
        """The route."""
        return [Route("/metrics", told(self.scrape))]

    async def scrape(self, request: Request) -> Response:
        """All metrics as text; `orch_up` alone while the rig is away."""
        try:
            status = await self._link.status()
            operations = await (await self._link.own()).call("operations")
            values = await self._values(status["workers"])
        except OrchError:
            await self._link.drop()
            families: Iterable[Metric] = [_gauge("up", "Whether the rig answers", [], [((), 0)])]
        else:
            families = metrics_of(status, operations, values)
        registry = CollectorRegistry()
        registry.register(_Collected(families))
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    async def _values(self, workers: Sequence[Mapping[str, Any]]) -> Values:
        found: list[tuple[str, str, Cached]] = []
        if not self._exports:
            return found
        lives = [(each["name"], each["life"]) for each in workers if each["pid"] is not None]
        self._polled = {life: names for life, names in self._polled.items() if life in lives}
        for life in lives:
            worker = life[0]
            handle = await self._link.worker(worker)
            try:
                if life not in self._polled:
                    self._polled[life] = self._exported(worker, await handle.describe())
                for name in self._polled[life]:
                    with suppress(NothingThere):  # it wasn't read yet
                        found.append((worker, name, await handle.cached(name)))
            except NotStarted:
                continue  # it has just ended: there are no values now
        return found

    def _exported(self, worker: str, thing: Mapping[str, Any]) -> list[str]:
        polled = [name for name, each in thing.get("properties", {}).items() if terms.POLL in each]
        return [name for name in polled if {name, f"{worker}.{name}"} & set(self._exports)]


class _Collected:
    """Families as the registry wants them."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> list[Metric]:
        """The families."""
        return self._families


def metrics_of(
    status: Mapping[str, Any], operations: Mapping[str, Any], values: Values
) -> Iterator[Metric]:
    """A rig's metrics.

    Args:
        status: As the rig's `status` gives it.
        operations: As its `operations` gives it.
        values: Polled values.
    """
    workers = status["workers"]
    yield _gauge("up", "Whether the rig answers", [], [((), 1)])
    yield _gauge("uptime_seconds", "Since the rig was started", [], [((), status["uptime"])])
    changed = bool(status.get("config_changed"))
    yield _gauge("config_changed", "Whether its file says something else", [], [((), changed)])
    yield from _of_logs(status["logs"])
    events = CounterMetricFamily("orch_events", "What orch status --json counts", labels=["what"])
    for what, count in sorted(status["counts"].items()):
        events.add_metric([what], count)
    yield events
    helpers = [((each["name"],), each["state"] == "running") for each in status["helpers"]]
    yield _gauge("helper_running", "Whether a helper process runs", ["helper"], helpers)
    yield from _of_workers(workers)
    yield from _of_operations(operations)
    named = [((worker, name), _number(each.value)) for worker, name, each in values]
    yield _gauge("value", "A polled property", ["worker", "property"], named)
    read = [((worker, name), each.time) for worker, name, each in values]
    yield _gauge("value_read_seconds", "When it was read", ["worker", "property"], read)


def _of_workers(workers: Sequence[Mapping[str, Any]]) -> Iterator[Metric]:
    states = [
        ((worker["name"], state), worker["state"] == state)
        for worker in workers
        for state in (*STATES, *{worker["state"]}.difference(STATES))
    ]
    yield _gauge("worker_state", "1 for the state that it is in", ["worker", "state"], states)
    for name, key, text in (
        ("queue", "queue", "Operations that wait"),
        ("running", "in_flight", "Operations that run"),
        ("uptime_seconds", "uptime", "Since its process was started"),
        ("cpu_percent", "cpu", "Of one core, since the last look"),
        ("memory_bytes", "memory", "Resident memory"),
    ):
        known = [((each["name"],), each[key]) for each in workers if each[key] is not None]
        yield _gauge(f"worker_{name}", text, ["worker"], known)
    alarms = [
        ((each["name"], alarm["member"]), alarm["raised"])
        for each in workers
        for alarm in each.get("alarms", ())
    ]
    yield _gauge("alarm", "Whether it is raised", ["worker", "property"], alarms)
    stated = [
        ((each["name"], alarm["member"], state), alarm["state"] == state)
        for each in workers
        for alarm in each.get("alarms", ())
        for state in ALARMS
    ]
    text = "1 for the state that it is in"
    yield _gauge("alarm_state", text, ["worker", "property", "state"], stated)
    unsafe = [((each["name"],), bool(each["unsafe"])) for each in workers]
    yield _gauge("worker_unsafe", "Whether on_loss couldn't make it safe", ["worker"], unsafe)
    restarts = CounterMetricFamily("orch_worker_restarts", "Restarts", labels=["worker"])
    for worker in workers:
        restarts.add_metric([worker["name"]], worker["restarts"])
    yield restarts
    longest = [
        ((each["name"],), max((run["seconds"] for run in each["running"]), default=0.0))
        for each in workers
    ]
    yield _gauge("worker_longest_seconds", "What runs longest has run", ["worker"], longest)
    shares = [
        ((each["name"], share), each["latency"][key])
        for each in workers
        for share, key in (("0.5", "p50"), ("0.99", "p99"))
        if each["latency"][key] is not None
    ]
    text = "How long this share of the last 1000 operations took at most"
    yield _gauge("worker_recent_seconds", text, ["worker", "share"], shares)


def _of_logs(logs: Mapping[str, Any]) -> Iterator[Metric]:
    written = CounterMetricFamily("orch_log_records", "Records in the log", labels=["level"])
    for level, count in logs["written"].items():
        written.add_metric([level], count)
    yield written
    lost = CounterMetricFamily("orch_log_records_lost", "Records that the log lost", labels=[])
    lost.add_metric([], logs["lost"])
    yield lost
    text = "Log records that wait or are lost while the store can't be written"
    yield _gauge("log_records_unwritten", text, [], [((), logs["unwritten"])])


def _of_operations(operations: Mapping[str, Any]) -> Iterator[Metric]:
    labels = ["worker", "member", "outcome"]
    requests = CounterMetricFamily(
        "orch_requests", "Operations by what came of them", labels=labels
    )
    took = HistogramMetricFamily(
        "orch_request_seconds", "From dispatch to answer", labels=["worker", "member"]
    )
    for worker, members in operations.items():
        for member, sums in members.items():
            for outcome in OUTCOMES:
                if sums[outcome]:
                    requests.add_metric([worker, member, outcome], sums[outcome])
            counts = [("+Inf" if upto is None else f"{upto:g}", n) for upto, n in sums["took"]]
            took.add_metric([worker, member], counts, sums["seconds"])
    yield requests
    yield took


def _gauge(
    name: str, text: str, labels: Sequence[str], samples: Iterable[tuple[Sequence[str], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"orch_{name}", text, labels=labels)
    for values, number in samples:
        family.add_metric(values, number)
    return family


def _number(value: Any) -> float:
    """A value as a number; not a number if it is none, infinite if it is too large for a float."""
    if not isinstance(value, (int, float)):
        return math.nan
    try:
        return float(value)
    except OverflowError:  # a whole number without a limit
        return math.inf if value > 0 else -math.inf
