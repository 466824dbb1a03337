"""What strangers cause is told once a second, and none of it is lost from the sums."""

from __future__ import annotations

from collections import deque
from typing import Any

from orchestrator.core.admission import Caps
from orchestrator.core.effects import Cut, Effects, Fact
from orchestrator.core.manners import MOST_MALFORMED, Manners
from orchestrator.core.requests import Ledger
from orchestrator.core.tally import LONGEST_TEXT, Tally
from tests.core.kit import Bench, request
from tests.core.told import taken


def texts(effects: Effects) -> list[tuple[str, Any]]:
    return [(f.text, f.fields.get("times")) for f in taken(effects) if isinstance(f, Fact)]


def test_the_first_is_told_at_once_and_the_rest_as_a_sum() -> None:
    effects: Effects = deque()
    tally = Tally(effects)
    for number in range(1000):
        tally.tell("warning", "refused", 10.0 + number / 2000, reason=f"r{number}")
    assert texts(effects) == [("refused", None)]
    assert tally.next_deadline == 11.0
    tally.tick(10.9)
    assert not effects
    tally.tick(11.0)
    (fact,) = taken(effects)
    assert fact == Fact("warning", "refused", {"reason": "r1", "times": 999})
    assert tally.next_deadline is None


def test_kinds_are_told_apart_and_a_second_has_one_record_of_each() -> None:
    effects: Effects = deque()
    tally = Tally(effects)
    told, now = 0, 0.0
    for number in range(100_000):
        now = number / 10_000
        if tally.next_deadline is not None and now >= tally.next_deadline:
            tally.tick(now)
        tally.tell("warning", "even" if number % 2 else "odd", now)
    tally.tick(now + 2)
    facts = taken(effects)
    told = sum(fact.fields.get("times", 1) for fact in facts)
    assert told == 100_000
    assert len(facts) <= 2 * 12


def test_texts_are_cut() -> None:
    effects: Effects = deque()
    Tally(effects).tell("warning", "refused", 0.0, reason="x" * 60_000, number=7)
    (fact,) = taken(effects)
    assert len(fact.fields["reason"]) < LONGEST_TEXT + 40
    assert "60000 characters" in fact.fields["reason"]
    assert fact.fields["number"] == 7


def test_only_rubbish_in_a_row_and_in_a_short_time_is_too_much() -> None:
    effects: Effects = deque()
    manners = Manners(Ledger("rig", effects))
    for number in range(10 * MOST_MALFORMED):
        manners.malformed(b"slow", b"", number * 0.02)
        manners.malformed(b"mixed", b"", 0.0)
        manners.good(b"mixed")
    for _ in range(MOST_MALFORMED - 1):
        manners.malformed(b"bad", b"frame", 1.0)
    assert not effects
    manners.malformed(b"bad", b"frame", 1.0)
    assert [each.frame for each in effects if isinstance(each, Cut)] == [b"frame"]
    assert manners.is_muted(b"bad", 1.5)
    assert not manners.is_muted(b"slow", 1.5)
    assert not manners.is_muted(b"bad", 2.5)


def test_who_is_cut_off_is_neither_read_nor_answered() -> None:
    bench = Bench()
    bench.add()
    for _ in range(MOST_MALFORMED):
        bench.broker.receive_client([b"bad", b"rubbish"], bench.now)
    (cut,) = [each for each in taken(bench.broker.effects) if isinstance(each, Cut)]
    assert cut.frame == b"rubbish"
    bench.broker.receive_client(request(client="bad"), bench.now)
    assert not bench.broker.effects
    assert bench.broker.counts["dropped unread"] == 1
    bench.broker.receive_client(request(client="bad"), bench.now + 2)
    assert bench.broker.ledger.unanswered


def test_one_client_s_bytes_are_a_share_of_the_rig_s() -> None:
    bench = Bench(Caps(held_bytes=100_000, held_bytes_per_client=30_000))
    bench.add()

    def ask(client: str, id: str) -> bool:
        before = bench.broker.counts["refused"]
        frames = request(id, client=client, payload=b'"' + b"x" * 9000 + b'"')
        bench.broker.receive_client(frames, bench.now)
        return bench.broker.counts["refused"] == before

    assert [ask("alice", str(number)) for number in range(5)] == [True] * 3 + [False] * 2
    assert all(ask(f"client {number}", "1") for number in range(7))
    assert not ask("another", "1"), "all of them together have too much"
    assert 90_000 < bench.broker.ledger.held.total <= 100_000
