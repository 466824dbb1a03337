"""The caller's span goes with each request, where the caller has any."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from orchestrator.client.exchange import Exchange, compose
from orchestrator.client.tracing import API, current_span
from transports.headers import (
    TRACE_PARENT,
    TRACE_STATE,
    Limits,
    Operation,
    RequestHeader,
    decode_request_header,
    read_limits,
)


def asked(**options: object) -> Exchange:
    return compose("id-1", "me", "lab", "stage", Operation.INVOKE, "move", **options)  # type: ignore[arg-type]


def header(exchange: Exchange) -> RequestHeader:
    return decode_request_header(bytes(exchange.frames[1]))


@pytest.fixture
def tracer() -> trace.Tracer:
    return TracerProvider(shutdown_on_exit=False).get_tracer("test")


@pytest.mark.parametrize("by_slot", [False, True])
def test_it_is_in_the_header_beside_what_is_there_anyway(
    tracer: trace.Tracer, by_slot: bool
) -> None:
    before = header(asked(by_slot=by_slot))
    with tracer.start_as_current_span("measure") as span:
        found = header(asked(by_slot=by_slot))
    context = span.get_span_context()
    flags = int(context.trace_flags)
    parent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{flags:02x}"
    assert found.thingExecutionContext == {
        **before.thingExecutionContext,  # type: ignore[dict-item]
        TRACE_PARENT: parent,
    }
    assert found.messageID == "id-1"
    usual = Limits(1.0, 2.0)
    assert read_limits(found.serverExecutionContext, usual) == usual
    assert header(asked(by_slot=by_slot)) == before


def test_timeouts_are_kept_beside_it(tracer: trace.Tracer) -> None:
    with tracer.start_as_current_span("measure"):
        exchange = asked(execution_timeout=2.0, usual=Limits(1.0, 5.0))
    assert read_limits(header(exchange).serverExecutionContext, Limits()).execution_timeout == 2.0
    assert exchange.limit == 3.0


def test_without_the_library_the_header_is_the_one_of_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It isn't even encoded anew."""
    monkeypatch.delitem(sys.modules, API)
    monkeypatch.setattr(
        "orchestrator.client.exchange.current_span", lambda: pytest.fail("it was asked")
    )
    assert TRACE_PARENT.encode() not in bytes(asked().frames[1])
    assert API not in sys.modules
    assert current_span() == {}


def test_a_library_that_is_only_just_being_imported_has_no_span(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, API, SimpleNamespace())  # type: ignore[arg-type]
    assert current_span() == {}


def test_no_span_is_none() -> None:
    assert current_span() == {}


def test_what_tracing_systems_keep_with_a_span_goes_with_it(tracer: trace.Tracer) -> None:
    state = trace.TraceState([("vendor", "a:1"), ("other@x", "b")])
    remote = trace.SpanContext(7, 8, is_remote=True, trace_state=state)
    above = trace.set_span_in_context(trace.NonRecordingSpan(remote))
    with tracer.start_as_current_span("measure", above):
        found = header(asked()).thingExecutionContext
    assert found is not None
    assert found[TRACE_STATE] == "vendor=a:1,other@x=b"
    assert found[TRACE_PARENT].startswith(f"00-{7:032x}-")
