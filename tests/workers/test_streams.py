"""The generators that a worker keeps: how many, for how long, and how each ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from workers.failures import Refused
from workers.serving import streams as module
from workers.serving.streams import Streams


class Scan:
    """A generator's driver."""

    def __init__(self) -> None:
        self.ended = 0
        self.inside = threading.Event()
        self.goes_on = threading.Event()

    def points(self, raises: bool = False) -> Iterator[int]:
        try:
            yield 1
            self.inside.set()
            assert self.goes_on.wait(10)
            yield 2
        finally:
            self.ended += 1
            if raises:
                raise OSError("the line is dead")


@pytest.fixture
def kept() -> Streams:
    return Streams(lambda awaitable: awaitable, frozenset({"beside"}))


def test_nothing_is_waited_for_while_there_is_none(kept: Streams) -> None:
    assert kept.patience == -1
    opened = kept.open(Scan().points(), "client", "points")
    assert 0 < kept.patience <= module.IDLE * 1000
    kept.step(opened.number, ends=True)
    assert kept.patience == -1


def test_one_that_nobody_asks_is_ended(kept: Streams, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = Scan()
    opened = kept.open(scan.points(), "client", "points")
    assert kept.step(opened.number) == (True, 1)
    kept.end_idle()
    assert scan.ended == 0
    monkeypatch.setattr(module, "IDLE", 0.0)
    kept.end_idle()
    assert scan.ended == 1
    with pytest.raises(Refused, match="has ended"):
        kept.step(opened.number)


def test_there_are_not_too_many(kept: Streams) -> None:
    for _ in range(module.MOST):
        kept.open(Scan().points(), "client", "points")
    with pytest.raises(Refused, match="100 streams of this worker are open"):
        kept.open(Scan().points(), "client", "points")
    kept.close()
    assert kept.open(Scan().points(), "client", "beside").beside


def test_a_client_that_left_ends_its_own(kept: Streams) -> None:
    scans = [Scan(), Scan()]
    for client, scan in zip(("one", "other"), scans, strict=True):
        kept.step(kept.open(scan.points(), client, "points").number)
    kept.client_left("one")
    assert [scan.ended for scan in scans] == [1, 0]


def test_one_that_makes_an_item_ends_after_that(kept: Streams) -> None:
    scan, got = Scan(), list[Any]()
    opened = kept.open(scan.points(), "client", "points")
    kept.step(opened.number)
    thread = threading.Thread(target=lambda: got.append(kept.step(opened.number)))
    thread.start()
    assert scan.inside.wait(10)
    kept.close()
    assert scan.ended == 0
    scan.goes_on.set()
    thread.join(10)
    assert got == [(True, 2)]
    assert scan.ended == 1


def test_what_it_raises_at_its_end_is_recorded(
    kept: Streams, caplog: pytest.LogCaptureFixture
) -> None:
    opened = kept.open(Scan().points(raises=True), "client", "points")
    kept.step(opened.number)
    assert kept.step(opened.number, ends=True) == (False, None)
    assert "stream points raised when it was ended" in caplog.text
