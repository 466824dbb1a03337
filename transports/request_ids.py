"""Requests' ids as people see and write them."""

from __future__ import annotations

ELLIPSIS = "…"
"""Stands for the middle of a request's id in its short form."""


def short_id(request: str) -> str:
    """An id as people see it: clients count in the last digits, and differ in the first."""
    return request if len(request) <= 16 else f"{request[:8]}{ELLIPSIS}{request[-6:]}"


def is_meant(request: str, written: str) -> bool:
    """Whether a request's id is the one that somebody wrote, be it in its short form."""
    begin, middle, end = written.partition(ELLIPSIS)
    if not middle:
        return request == written
    return len(begin) > 0 < len(end) and request.startswith(begin) and request.endswith(end)
