"""The caller's own span, for a rig that sends traces: W3C's `traceparent`, from OpenTelemetry.

The library isn't imported here. Where the caller's program hasn't loaded it there can be no span,
and to look for it among the modules is all that a request costs.

Source: W3C Trace Context, section 3.2 (version 00); of the API only `get_current_span` is used.
"""

from __future__ import annotations

import sys

API = "opentelemetry.trace"
"""The module without which there is no span."""


def current_parent() -> str:
    """The span in which the caller is, as `00-trace-span-flags`; empty if there is none."""
    api = sys.modules.get(API)
    if api is None:
        return ""
    try:
        context = api.get_current_span().get_span_context()
    except AttributeError:  # another thread is importing it just now
        return ""
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
