"""Records of a request are joined, until it is complete."""

from __future__ import annotations

import pytest

from orchestrator.gateway import spans
from orchestrator.gateway.spans import LINGER, Found, Joiner, Told
from orchestrator.logs.read.lookup import Cursor, Entry
from transports.levels import AUDIT_LOGGER, DRIVER, SPAN_LOGGER


def entry(text: str, seq: int = 1, request: str | None = "r1", **changes: object) -> Entry:
    given = {
        "time": 1000.0,
        "level": "info",
        "worker": "stage",
        "incarnation": 1,
        "stream": "record",
        "event": text,
        "request": request,
        "run": 1,
        "cursor": f"1.{seq}",
    }
    return Entry(**{**given, **changes})  # type: ignore[arg-type]


def answered(seq: int = 1, request: str = "r1", **changes: object) -> Entry:
    return entry("done", seq, request, logger=SPAN_LOGGER, incarnation=0, **changes)


def driver(request: str = "r1", **changes: object) -> Entry:
    return entry(DRIVER, request=request, logger=SPAN_LOGGER, fields={"seconds": 1}, **changes)


def told(each: Told) -> tuple[str | None, list[str], int]:
    return (
        each.request.request,
        [record.event for record in each.found.records],
        len(each.found.drivers),
    )


def test_all_that_belongs_to_it_is_told_with_it_once_nothing_more_is_awaited() -> None:
    joiner = Joiner()
    for each in (
        *(entry("a"), entry("of another", request="r2"), entry("of none", request=None)),
        *(entry("of another worker", worker="laser"), entry("done", logger=AUDIT_LOGGER)),
        *(answered(), driver(), entry("b")),
    ):
        joiner.take(each, 50.0)
    assert joiner.due(50.0 + LINGER - 0.1) == []
    assert [told(each) for each in joiner.due(50.0 + LINGER)] == [("r1", ["a", "b"], 1)]
    assert joiner.due(99.0, all_of_them=True) == []


def test_at_the_end_nothing_is_awaited() -> None:
    joiner = Joiner()
    joiner.take(answered(), 50.0)
    joiner.take(answered(request="r2"), 50.0)
    assert [told(each)[0] for each in joiner.due(50.0, all_of_them=True)] == ["r1", "r2"]


def test_what_a_driver_did_past_its_time_is_told_late() -> None:
    joiner = Joiner()
    joiner.take(answered(), 50.0)
    (first,) = joiner.due(60.0)
    joiner.take(driver(), 70.0)
    (late,) = joiner.due(70.0)
    assert (late.is_late, first.is_late) == (True, False)
    assert late.request is first.request
    assert told(late) == ("r1", [], 1)
    assert joiner.due(80.0) == []


def test_an_id_that_is_used_again_is_another_request() -> None:
    joiner = Joiner()
    for number in range(2):
        joiner.take(answered(fields={"n": number}), 50.0)
    assert [each.fields["n"] for each in joiner.due(60.0)] == [0, 1]


def test_records_are_bounded_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "MOST_RECORDS", 2)
    joiner = Joiner()
    for text in "abcd":
        joiner.take(entry(text), 50.0)
    joiner.take(answered(), 50.0)
    (each,) = joiner.due(60.0)
    assert (told(each)[1], each.found.left_out) == (["a", "b"], 2)


def test_so_is_their_text() -> None:
    found = Found()
    for text in ("a" * 60_000, "b" * 6_000, "c"):
        found.add(entry(text, exception="d" * 1_000))
    assert ([each.event[0] for each in found.records], found.left_out) == (["a", "c"], 1)


def test_so_are_requests_of_which_the_oldest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "MOST_REQUESTS", 2)
    joiner = Joiner()
    for number in range(3):
        joiner.take(entry("a", request=f"r{number}"), 50.0)
    for number in range(3):
        joiner.take(answered(request=f"r{number}"), 50.0)
    assert [told(each)[1] for each in joiner.due(60.0)] == [[], ["a"], ["a"]]
    joiner.take(driver(request="r0"), 70.0)
    assert joiner.due(80.0) == []  # of which nothing is known any more


def test_another_one_begins_before_what_was_not_told() -> None:
    joiner = Joiner()
    read = Cursor(1, 9)
    assert joiner.place(read) == read
    joiner.take(answered(seq=5), 50.0)
    joiner.take(answered(seq=7, request="r2"), 51.0)
    assert joiner.place(read) == Cursor(1, 4)
    joiner.due(50.0 + LINGER)
    assert joiner.place(read) == Cursor(1, 6)
