"""Requests as spans of OpenTelemetry, by OTLP over HTTP.

Ids are made from what the log has of a request: whoever sends it twice, after a death, sends the
same spans. Records are events of the span, not OTLP's logs: a span and what was recorded of it
arrive as one, by one signal, through a part of the library that is stable (its logs aren't yet).
All of the log is in the rig's store anyway, by the request's id, which each span has.

Source: OpenTelemetry's specifications of traces, of OTLP and of exceptions; W3C Trace Context.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import Any
from uuid import UUID

import requests
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator

from orchestrator.gateway.spans import Told
from orchestrator.logs.read.lookup import Entry
from orchestrator.version import version
from transports.exceptions import DONE, FAILED, NOT_STARTED

PATH = "/v1/traces"
REFUSED = frozenset((400, 413))
"""Statuses of a batch that is no better the next time."""
_PARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_INVALID_VERSION = "ff-"


class _Ids(IdGenerator):
    """Gives the ids that it was told."""

    def __init__(self) -> None:
        self.trace = 0
        self.span = 0

    def generate_trace_id(self) -> int:
        return self.trace

    def generate_span_id(self) -> int:
        return self.span


class _Ended(SpanProcessor):
    """Keeps the spans that were ended."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


class Spans:
    """Makes spans of requests.

    Args:
        rig: Its id, which is the service's name.
    """

    def __init__(self, rig: str) -> None:
        self._rig = rig
        self._ids = _Ids()
        self._ended = _Ended()
        resource = Resource.create({"service.name": rig, "service.namespace": "orch"})
        provider = TracerProvider(id_generator=self._ids, resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(self._ended)
        self._tracer = provider.get_tracer("orch", version())

    def of(self, told: Sequence[Told]) -> list[ReadableSpan]:
        """Spans of requests; none of those that their client, or the environment, samples out."""
        for each in told:
            self._add(each)
        spans, self._ended.spans = self._ended.spans, []
        return spans

    def _add(self, told: Told) -> None:
        entry, fields = told.request, told.fields
        name = f"{entry.worker}.{entry.member}" if entry.member else entry.worker
        waited, seconds = _number(fields.get("waited")), _number(fields.get("seconds"))
        begun = entry.time - seconds
        outcome, reason = str(fields.get("outcome", "")), str(fields.get("reason", ""))
        self._ids.trace = _trace_id(entry)
        above = _parent(fields.get("parent"), fields.get("state"))
        root = self._start(
            *(name, entry, "request", begun - waited, above),
            kind=trace.SpanKind.SERVER,
            attributes={
                "rpc.system": "orch",
                "rpc.service": entry.worker,
                "rpc.method": entry.member or "",
                "orch.rig": self._rig,
                "orch.request": entry.request or "",
                "orch.operation": str(fields.get("operation", "")),
                "orch.outcome": outcome,
                "orch.who": str(fields.get("who", "")),
                "orch.waited": waited,
                "orch.seconds": seconds,
                **({"orch.life": fields["life"]} if fields.get("life") else {}),
                **({"orch.records_left_out": n} if (n := told.found.left_out) else {}),
            },
        )
        work = trace.set_span_in_context(root)
        if outcome != NOT_STARTED:
            worker = self._start(f"{name} worker", entry, "worker", begun, work)
            work = trace.set_span_in_context(worker)
            if not told.is_late:
                worker.end(_ns(entry.time))
        for number, driver in enumerate(told.found.drivers):
            took = _number((driver.fields or {}).get("seconds"))
            key = f"driver {number} {driver.time}"
            span = self._start(f"{name} driver", entry, key, driver.time - took, work)
            span.set_attribute("orch.incarnation", driver.incarnation)
            span.end(_ns(driver.time))
        if told.is_late:
            return  # the others were sent, and aren't again
        for record in told.found.records:
            root.add_event(*_event(record), timestamp=_ns(record.time))
        if outcome != DONE:
            kind = reason.partition(":")[0] if outcome == FAILED else outcome
            root.set_attribute("error.type", kind)
            root.set_status(trace.Status(trace.StatusCode.ERROR, reason or outcome))
        root.end(_ns(entry.time))

    def _start(
        self,
        name: str,
        entry: Entry,
        part: str,
        begun: float,
        parent: Context,
        *,
        kind: trace.SpanKind = trace.SpanKind.INTERNAL,
        attributes: dict[str, Any] | None = None,
    ) -> trace.Span:
        self._ids.span = _hashed(8, self._rig, entry.worker, entry.request, entry.time, part)
        return self._tracer.start_span(name, parent, kind, attributes, start_time=_ns(begun))


class Collector:
    """Where spans are sent.

    Args:
        to: Its address, without the path.
        timeout: Seconds for one batch, with the library's own tries.
        brief: The same where it is only to be seen whether it is there, or time is short.

    Attributes:
        refused: Whether the last batch was refused for good.
        reason: Why the last one didn't arrive.
    """

    def __init__(self, to: str, timeout: float, brief: float) -> None:
        self.refused = False
        self.reason = ""
        self._said = _Last()
        session = requests.Session()
        session.hooks["response"].append(self._answered)
        self._usual, self._brief = (
            OTLPSpanExporter(f"{to}{PATH}", timeout=each, session=session)
            for each in (timeout, brief)
        )
        # What the library says of a failure is told by us, once.
        library = logging.getLogger("opentelemetry")
        library.handlers[:] = [self._said]
        library.propagate = False

    def send(self, spans: Sequence[ReadableSpan], *, brief: bool = False) -> bool:
        """Send spans; returns whether they have arrived."""
        exporter = self._brief if brief else self._usual
        self.refused, self.reason, self._said.text = False, "", ""
        if not spans or exporter.export(spans) is SpanExportResult.SUCCESS:
            return True
        self.reason = self.reason or self._said.text or "it doesn't answer"
        return False

    def _answered(self, response: requests.Response, *args: Any, **kwargs: Any) -> None:
        self.refused = response.status_code in REFUSED
        self.reason = f"it answered {response.status_code} {response.reason}"


class _Last(logging.Handler):
    """Keeps what the library said last."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()


def _event(record: Entry) -> tuple[str, dict[str, str]]:
    """A record as a span's event: its name and attributes."""
    found = {
        "orch.level": record.level,
        "orch.text": record.event,
        "orch.stream": record.stream,
        "orch.from": f"{record.worker}[{record.incarnation}]" if record.incarnation else "rig",
        **({"orch.logger": record.logger} if record.logger else {}),
    }
    if record.exception is None:
        return "log", found
    kind, _, text = (record.raised or "").partition(": ")
    found |= {"exception.type": kind, "exception.message": text}
    return "exception", {**found, "exception.stacktrace": record.exception}


def _parent(said: object, state: object) -> Context:
    """The context of a client's span; an empty one if there is none that can be used.

    Args:
        said: What its `traceparent` was.
        state: And its `tracestate`; one that is malformed counts as none, as W3C has it.
    """
    match = _PARENT.fullmatch(said) if isinstance(said, str) else None
    if match is None or match[0].startswith(_INVALID_VERSION):
        return Context()
    trace_id, span_id, flags = (int(part, 16) for part in match.groups()[:3])
    sampled = trace.TraceFlags(flags & trace.TraceFlags.SAMPLED)
    kept = trace.TraceState.from_header([state] if isinstance(state, str) else [])
    span = trace.SpanContext(trace_id, span_id, True, sampled, kept)
    if not span.is_valid:
        return Context()
    return trace.set_span_in_context(trace.NonRecordingSpan(span), Context())


def _trace_id(entry: Entry) -> int:
    """The id of a trace that begins with a request: the request's own, if it is a UUID."""
    with suppress(ValueError):
        if found := UUID(entry.request or "").int:
            return found
    return _hashed(16, entry.worker, entry.request, entry.time)


def _hashed(size: int, *parts: object) -> int:
    return int.from_bytes(blake2b(repr(parts).encode(), digest_size=size).digest()) or 1


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
