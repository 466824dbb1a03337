"""Threads that can't be started."""

from __future__ import annotations

import errno
import threading

import pytest

from transports.room import need_threads


def test_enough() -> None:
    """None of them stays."""
    before = threading.active_count()
    need_threads(5, "this")
    assert threading.active_count() == before


def test_too_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """What could be started has ended."""
    before, start, left = threading.active_count(), threading.Thread.start, [None] * 3

    def scarce(self: threading.Thread) -> None:
        if not left:
            raise RuntimeError("can't start new thread")
        left.pop()
        start(self)

    monkeypatch.setattr(threading.Thread, "start", scarce)
    with pytest.raises(
        OSError, match="this takes 5 processes and threads, and only 3 more"
    ) as told:
        need_threads(5, "this")
    assert told.value.errno == errno.EAGAIN
    assert threading.active_count() == before
