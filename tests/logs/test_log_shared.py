"""Memory that outlives a collector."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from orchestrator.logs.store.records import Record
from orchestrator.logs.store.shared import SLOTS, Shared


@pytest.fixture
def shared() -> Iterator[Shared]:
    with Shared() as shared:
        yield shared


def test_what_is_in_hand_passes_to_the_successor(shared: Shared):
    shared.reading(7)
    shared.take(5)
    shared.handed_over()
    shared.reading(2)
    shared.settle(3)
    with Shared(os.dup(shared.fd)) as successor:
        assert successor.inherit() == 4
        assert successor.inherit() == 4
        successor.settle(4)
        assert shared.inherit() == 0


def test_a_slot_keeps_the_last_mark_for_the_successor(shared: Shared):
    slot = shared.take_slot()
    shared.keep_mark(slot, b"a mark, and a long one")
    shared.keep_mark(slot, b"another")
    with Shared(os.dup(shared.fd)) as successor:
        assert successor.last_mark(slot) == b"another"
    shared.keep_mark(slot, b"x" * 300)
    assert shared.last_mark(slot) == b""


def test_a_slot_is_empty_for_its_next_stream(shared: Shared):
    slot = shared.take_slot()
    shared.keep_mark(slot, b"a mark")
    shared.give_slot(slot)
    assert shared.take_slot() == slot
    assert shared.last_mark(slot) == b""


def test_streams_without_a_slot_keep_nothing(shared: Shared):
    slots = {shared.take_slot() for _ in range(SLOTS)}
    assert len(slots) == SLOTS
    slot = shared.take_slot()
    shared.keep_mark(slot, b"a mark")
    assert shared.last_mark(slot) == b""
    shared.give_slot(slot)
    assert shared.take_slot() == -1


def test_turns_have_their_time(shared: Shared):
    shared.turn()
    with Shared(os.dup(shared.fd)) as other:
        assert 0 <= other.since_turn() < 60


def test_it_is_let_go_once():
    shared = Shared()
    shared.close()
    shared.close()


def test_sums_go_on_with_the_successor(shared: Shared):
    def of(level: str) -> Record:
        return Record(1.0, level, "stage", 1, "record", "text")

    shared.wrote([of("info"), of("error"), of("info")])
    shared.lost(4)
    with Shared(os.dup(shared.fd)) as successor:
        successor.wrote([of("debug"), of("strange")])
        successor.lost(1)
    written, lost = shared.sums()
    assert written == {"debug": 1, "info": 3, "warning": 0, "error": 1, "critical": 0}
    assert lost == 5
