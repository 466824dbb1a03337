"""The caller's own span, for a rig that sends traces: W3C's `traceparent` and `tracestate`, from
OpenTelemetry.

The library isn't imported here. Where the caller's program hasn't loaded it there can be no span,
and to look for it among the modules is all that a request costs.

Source: W3C Trace Context, sections 3.2 and 3.3 (version 00); of the API only `get_current_span` is
used.
"""

from __future__ import annotations

import sys

from transports.headers import TRACE_PARENT, TRACE_STATE

API = "opentelemetry.trace"
"""The module without which there is no span."""


def current_span() -> dict[str, str]:
    """The span in which the caller is, as a request's header has it; empty if there is none.

    `traceparent` is `00-trace-span-flags`; `tracestate`, what the vendors of tracing systems keep
    with it, is there only if it has any members.
    """
    api = sys.modules.get(API)
    if api is None:
        return {}
    try:
        context = api.get_current_span().get_span_context()
    except AttributeError:  # another thread is importing it just now
        return {}
    if not context.is_valid:
        return {}
    parent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    state = context.trace_state.to_header()
    return {TRACE_PARENT: parent} | ({TRACE_STATE: state} if state else {})
