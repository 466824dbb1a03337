"""Leases towards clients and workers: what is refused, withdrawn, told, and to whom."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.core.effects import KeepNumber, TakeBack
from tests.core.kit import RIG, Answer, Bench
from transports.levels import AUDIT
from transports.terms import EXPIRED


@pytest.fixture
def bench() -> Bench:
    """A rig with itself and one worker, ready."""
    bench = Bench()
    bench.add(RIG)
    bench.add("stage")
    bench.bring_up("stage", concurrent=["abort"], capacity=1, claims=True)
    bench.others.clear()
    bench.sent.clear()
    return bench


def about(bench: Bench, member: str, client: str, id_: str, **asked: Any) -> Answer | None:
    """Ask for something about the lease of the stage; the answer, if it is there at once."""
    before = len(bench.answers)
    payload = json.dumps({"worker": "stage", **asked}).encode()
    bench.ask(id_, RIG, member, client=client, payload=payload)
    mine = [each for each in bench.answers[before:] if each.id == id_]
    return mine[0] if mine else None


def take(bench: Bench, client: str, **asked: Any) -> int:
    """Have the lease."""
    options = {"seconds": 10, "why": "work", "key": "k", **asked}
    answer = about(bench, "lease", client, f"lease-{client}", **options)
    assert answer is not None
    number: int = answer.value["number"]
    return number


def by(number: int) -> dict[str, Any]:
    """What a request carries that is made by a lease."""
    return {"thingExecutionContext": {"lease": number}}


def fences(bench: Bench) -> list[tuple[str, int]]:
    """What lanes were told."""
    told = [each for each in bench.sent if each.header.get("type") == "fenced"]
    return [(each.lane, each.header["number"]) for each in told]


def test_others_read_and_have_no_effect(bench: Bench) -> None:
    """Whoever has no lease reads; all else is refused with who has it, for how long and why."""
    number = take(bench, "alice")
    bench.ask("r", client="bob", member="position", operation="readproperty")
    assert bench.started == ["r"]
    for id_, operation in (("w", "writeproperty"), ("c", "invokeaction"), ("d", "deleteproperty")):
        bench.ask(id_, client="bob", operation=operation)
        assert bench.last.summary == (id_, "EXCEPTION", "BlockingIOError", "not started")
    assert "stage is leased to alice (work) for 0.0 s" in bench.last.error["message"]
    bench.ask("mine", client="alice", **by(number))
    bench.reply(bench.sent[-1] if bench.sent[-1].id == "r" else bench.sent[-2])
    assert bench.started == ["r", "mine"]


def test_the_description_and_polled_values_are_free(bench: Bench) -> None:
    """Neither reaches the device."""
    take(bench, "alice")
    bench.ask("d", member="get_thing_description", client="bob")
    bench.ask("p", member="get_cached_value", client="bob")
    assert bench.started == ["p"]


def test_what_others_have_queued_is_withdrawn(bench: Bench) -> None:
    """What waits is refused at the grant, here and at the worker; what runs ends first."""
    bench.ask("runs", client="bob")
    bench.ask("waits", client="bob")
    bench.ask("reads", client="bob", operation="readproperty")
    answer = about(bench, "lease", "alice", "l", seconds=10, key="k")
    assert answer is not None
    assert answer.value["runs"] == ["move for bob"]
    assert ("waits", "EXCEPTION", "BlockingIOError", "not started") in bench.summaries
    assert any(isinstance(each, TakeBack) for each in bench.others)
    bench.take_back()
    bench.reply(bench.sent[0])
    assert bench.started == ["runs", "reads"]


def test_what_comes_back_from_the_worker_is_withdrawn(bench: Bench) -> None:
    """What was given ahead and hasn't begun doesn't wait again."""
    bench.ask("0", client="bob")
    bench.reply(bench.sent[-1])  # a brisk one: more are given ahead
    bench.ask("1", client="bob")
    bench.ask("2", client="bob")
    assert bench.started == ["0", "1", "2"]
    ahead = bench.sent[-1]
    take(bench, "alice")
    bench.take_back(ahead)
    assert bench.last.summary == ("2", "EXCEPTION", "BlockingIOError", "not started")
    bench.reply(bench.sent[1])
    bench.give_back(ahead)
    assert bench.started == ["0", "1", "2"]


def test_an_ended_lease_never_acts(bench: Bench) -> None:
    """Neither after its time, when nobody has it, nor when somebody else does."""
    number = take(bench, "alice")
    bench.at(110.0)
    bench.ask("late", client="alice", **by(number))
    assert "lease 1 of stage ended 0.0 s ago: its time was over" in bench.last.error["message"]
    take(bench, "bob")
    bench.ask("later", client="alice", **by(number))
    assert "stage is leased to bob" in bench.last.error["message"]
    assert bench.started == []


def test_what_an_owner_queued_ends_with_the_lease(bench: Bench) -> None:
    """It waits no more when its lease is over."""
    number = take(bench, "alice")
    bench.ask("1", client="alice", **by(number))
    bench.ask("2", client="alice", **by(number))
    bench.at(110.0)
    assert bench.last.summary == ("2", "EXCEPTION", "BlockingIOError", "not started")
    bench.take_back()
    bench.reply(next(each for each in bench.sent if each.number))
    assert bench.started == ["1"]


def test_the_worker_is_told_on_both_lanes_and_in_each_life(bench: Bench) -> None:
    """Before the owner's first request, at the end, and whenever a lane opens."""
    number = take(bench, "alice")
    assert fences(bench) == [("stage1.q", number), ("stage1.c", number)]
    bench.sent.clear()
    about(bench, "unlease", "alice", "u", number=number)
    assert fences(bench) == [("stage1.q", number + 1), ("stage1.c", number + 1)]
    bench.sent.clear()
    take(bench, "bob")
    bench.lose()
    bench.sent.clear()
    bench.expect("stage", 2)
    bench.open_lanes()
    assert {("stage2.q", number + 1), ("stage2.c", number + 1)} == set(fences(bench))


def test_a_lease_outlives_its_workers_lives(bench: Bench) -> None:
    """A restart doesn't open the door to others."""
    number = take(bench, "alice")
    bench.lose()
    bench.ask("1", client="bob")
    assert bench.last.error["type"] == "BlockingIOError"
    bench.ask("2", client="alice", **by(number))
    bench.bring_up("stage", 2)
    assert bench.started == ["2"]


def test_who_waits_is_told_each_change_of_place(bench: Bench) -> None:
    """At once at first, then when it changes, or when the time is over that was asked for."""
    number = take(bench, "alice")
    want = {"seconds": 5, "key": "k"}
    for client, place in (("bob", 1), ("cy", 2)):
        answer = about(bench, "lease", client, f"{client}1", **want)
        assert answer is not None
        assert answer.value["place"] == place
        assert answer.value["held"].startswith("leased to alice")
    assert about(bench, "lease", "bob", "bob2", seen=1, within=60, **want) is None
    assert about(bench, "lease", "cy", "cy2", seen=2, within=4, **want) is None
    bench.at(104.0)
    assert bench.last.value["place"] == 2
    assert about(bench, "lease", "cy", "cy3", seen=2, within=60, **want) is None
    about(bench, "unlease", "alice", "u", number=number)
    told = {each.id: each.value for each in bench.answers if each.id in ("bob2", "cy3")}
    assert told["bob2"]["number"] == number + 1
    assert told["cy3"]["place"] == 1
    assert KeepNumber(number + 1) in bench.others


def test_giving_up_answers_what_waits(bench: Bench) -> None:
    """And it isn't in the queue any more, nor comes back into it."""
    number = take(bench, "alice")
    about(bench, "lease", "bob", "b", seconds=5, key="k", seen=1, within=60)
    about(bench, "unlease", "bob", "u", key="k")
    assert ("b", "EXCEPTION", "BlockingIOError", "not started") in bench.summaries
    about(bench, "unlease", "alice", "v", number=number)
    assert bench.broker.leasing.leases.held == {}
    bench.assert_empty()


def test_the_end_of_a_connection_frees_at_once(bench: Bench) -> None:
    """What it waited for is answered, what it had goes to the next."""
    take(bench, "alice")
    about(bench, "lease", "bob", "b", seconds=5, key="k", seen=1, within=60)
    about(bench, "lease", "cy", "c", seconds=5, key="k", seen=2, within=60)
    for client in (b"alice", b"bob"):
        bench.broker.leasing.client_left(client)
    due = bench.broker.next_deadline
    assert due is not None
    assert due <= bench.now
    bench.at(bench.now)
    assert bench.broker.leasing.leases.held["stage"].wish.client == b"cy"
    assert not bench.broker.ledger.requests


def test_who_has_it_is_told_of_its_end(bench: Bench) -> None:
    """A program that only holds a lease hears when it is broken, and why."""
    number = take(bench, "alice")
    asked = {"seconds": 10, "key": "k", "number": number, "within": 60}
    assert about(bench, "lease", "alice", "stay", **asked) is None
    about(bench, "break_lease", "root", "b", why="fire")
    told = next(each for each in bench.answers if each.id == "stay")
    assert "broken by root: fire" in told.error["message"]
    again = about(bench, "lease", "alice", "again", **asked)
    assert again is not None
    assert "broken by root: fire" in again.error["message"]


def test_who_has_it_is_told_by_a_field_whether_its_time_was_over(bench: Bench) -> None:
    """Programs needn't read the text; of other ends they are told that it was another."""
    number = take(bench, "alice")
    asked = {"seconds": 10, "key": "k", "number": number, "within": 600}
    assert about(bench, "lease", "alice", "stay", **asked) is None
    bench.at(bench.now + 11)
    told = next(each for each in bench.answers if each.id == "stay")
    assert told.error["step"] == EXPIRED
    assert "its time was over" in told.error["message"]
    asked["number"] = take(bench, "alice")
    assert about(bench, "lease", "alice", "more", **asked) is None
    about(bench, "break_lease", "root", "b", why="fire")
    told = next(each for each in bench.answers if each.id == "more")
    assert "step" not in told.error


def test_breaking_is_in_the_audit(bench: Bench) -> None:
    """Who, whose and why, whether or not the worker is audited."""
    take(bench, "alice")
    about(bench, "break_lease", "root", "b", why="fire")
    (fact,) = [each for each in bench.facts if each.level == AUDIT]
    assert (fact.fields["who"], fact.fields["reason"]) == ("root", "fire")
    assert (fact.fields["worker"], fact.fields["from"]) == ("stage", "alice")


def test_a_worker_may_demand_a_lease(bench: Bench) -> None:
    """Then nothing has an effect without one, and reading needs none."""
    bench.broker.leasing.demand(["stage"])
    bench.ask("1", client="bob")
    assert "by whoever has its lease only" in bench.last.error["message"]
    bench.ask("2", client="bob", operation="readproperty")
    bench.reply(bench.sent[-1])
    number = take(bench, "bob")
    bench.ask("3", client="bob", **by(number))
    assert bench.started == ["2", "3"]


def test_numbers_of_earlier_runs_are_refused(bench: Bench) -> None:
    """Whoever was cut off by the rig's restart can't act, though nobody has a lease."""
    bench.broker.leasing.begin_after(7)
    bench.ask("1", client="alice", **by(7))
    assert "lease 7 of stage has ended" in bench.last.error["message"]
    assert take(bench, "alice") == 8


def test_the_rigs_own_requests_pass(bench: Bench) -> None:
    """Probes, and what ends an operation, aren't anybody's."""
    take(bench, "alice")
    bench.ask("stop", client="\0orch-own-stopper")
    assert bench.started == ["stop"]


@pytest.mark.parametrize(
    ("member", "payload", "what"),
    [
        ("lease", b"{", "can't be read"),
        ("lease", b'{"worker": "stagge", "seconds": 5}', "did you mean 'stage'"),
        ("lease", b'{"worker": "rig", "seconds": 5}', "no worker"),
    ],
)
def test_what_makes_no_sense(bench: Bench, member: str, payload: bytes, what: str) -> None:
    """It is refused with what is wrong, and nothing is left of it."""
    bench.ask("1", RIG, member, payload=payload)
    assert bench.last.kind == "INVALID_MESSAGE"
    assert what in bench.last.error["message"]
    bench.assert_empty()


def test_a_time_that_is_none(bench: Bench) -> None:
    """It is refused in words."""
    answer = about(bench, "lease", "alice", "1", seconds=0)
    assert answer is not None
    assert "a lease holds for more than 0 s" in answer.error["message"]


def test_a_worker_that_is_removed(bench: Bench) -> None:
    """Whoever waits is told, and its lease is forgotten."""
    take(bench, "alice")
    about(bench, "lease", "bob", "b", seconds=5, key="k", seen=1, within=60)
    bench.broker.leasing.removed("stage")
    bench.collect()
    assert "removed from the config" in bench.last.error["message"]
    assert bench.broker.leasing.next_deadline is None
