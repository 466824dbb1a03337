"""How long operations took lately, and what went wrong last."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.core.children import ChildSpec
from orchestrator.core.vitals import (
    BOUNDS,
    LONGEST_ERROR,
    MOST_MEMBERS,
    OTHERS,
    REMEMBERED,
    Durations,
    Sums,
    Trouble,
    Vitals,
    last_trouble,
)
from tests.core.kit import Bench
from tests.core.supervision_kit import CRASH
from tests.core.supervision_kit import Rig as Supervised
from transports.exceptions import FAILED, NOT_STARTED, refusal_payload
from transports.headers import Limits


@pytest.fixture
def up() -> Bench:
    """A worker that is ready, whose operations may take 5 s."""
    bench = Bench()
    bench.add(limits=Limits(None, 5.0))
    bench.bring_up()
    return bench


def took(up: Bench, seconds: float, **reply: object) -> None:
    """Have an operation done that takes so long."""
    up.ask(f"{len(up.sent)}")
    up.now += seconds
    up.reply(up.sent[-1], **reply)  # type: ignore[arg-type]


def raised(message: str, kind: str = "ValueError") -> dict[str, object]:
    return {"value": {"exception": {"type": kind, "message": message}}, "kind": "EXCEPTION"}


class TestDurations:
    def test_of_none_nothing_is_told(self) -> None:
        assert Durations().quantiles(0.5, 0.99) == [None, None]

    def test_shares_of_them_took_at_most_so_long(self) -> None:
        durations = Durations()
        for number in range(100, 0, -1):
            durations.add(float(number))
        assert durations.quantiles(0.0, 0.5, 0.99, 1.0) == [1.0, 51.0, 100.0, 100.0]

    def test_the_newest_count(self) -> None:
        durations = Durations()
        for seconds in (9.0, *[1.0] * REMEMBERED):
            durations.add(seconds)
        assert (durations.count, durations.quantiles(1.0)) == (REMEMBERED, [1.0])


class TestOperations:
    def test_each_counts_from_its_dispatch_to_its_answer(self, up: Bench) -> None:
        """The time in which it waited for another one doesn't."""
        up.ask("a")
        up.ask("b")
        up.now += 2.0
        up.reply(up.sent[-1])
        up.now += 0.5
        up.reply(up.sent[-1])
        vitals = up.broker.peers["stage"].vitals
        assert vitals.durations.quantiles(0.0, 1.0) == [0.5, 2.0]
        assert vitals.trouble is None

    def test_one_that_overran_counts_with_the_time_that_its_client_waited(self, up: Bench) -> None:
        up.ask("a")
        up.at(up.now + 5.0)
        up.now += 60.0
        up.reply(up.sent[-1])
        vitals = up.broker.peers["stage"].vitals
        assert vitals.durations.quantiles(1.0) == [5.0]
        assert vitals.trouble == Trouble(105.0, "overran its execution timeout of 5 s", "move", "a")

    def test_the_last_error_stays_when_others_go_well(self, up: Bench) -> None:
        took(up, 0.1, **raised("x is too far\nby much"))
        took(up, 0.1)
        trouble = up.broker.peers["stage"].vitals.trouble
        assert trouble is not None
        assert (trouble.member, trouble.request, trouble.at) == ("move", "0", 100.1)
        assert trouble.told() == "ValueError: x is too far"

    def test_what_was_refused_before_it_began_is_no_error_of_the_worker(self, up: Bench) -> None:
        vitals = up.broker.peers["stage"].vitals
        header, request = b'{"messageType":"EXCEPTION",', None
        up.ask("a")
        (request,) = up.broker.running("stage")
        vitals.answered(request, header, refusal_payload("TypeError", "x?", NOT_STARTED), 101.0)
        assert vitals.trouble is None
        vitals.answered(request, header, refusal_payload("TypeError", "x?", FAILED), 101.0)
        assert vitals.trouble is not None

    @pytest.mark.parametrize(
        "payload", [b"", b"{", b"\xff", b"[]", json.dumps({"exception": "x"}).encode()]
    )
    def test_an_error_that_cant_be_read_is_told_all_the_same(self, payload: bytes) -> None:
        assert Trouble(1.0, payload=payload).told() == "raised an error, which its log may tell"

    def test_one_without_a_message_is_its_type(self) -> None:
        payload = json.dumps({"exception": {"type": "KeyError", "message": ""}}).encode()
        assert Trouble(1.0, payload=payload).told() == "KeyError"

    def test_a_huge_error_isnt_kept(self, up: Bench) -> None:
        took(up, 0.1, **raised("x" * LONGEST_ERROR))
        trouble = up.broker.peers["stage"].vitals.trouble
        assert trouble is not None
        assert trouble.payload == b""


def sums(up: Bench, member: str = "move") -> dict[str, float]:
    found = up.broker.peers["stage"].vitals.sums[member]
    return {key: n for key in Sums.__slots__ if key != "took" and (n := getattr(found, key))}


def histogram(up: Bench) -> dict[float, int]:
    """How many took up to so many seconds."""
    found = up.broker.peers["stage"].vitals.sums["move"]
    return {upto: n for upto, n in zip((*BOUNDS, math.inf), found.took, strict=True) if n}


def request(up: Bench, seconds: float) -> Any:
    """One that was started so long ago."""
    return SimpleNamespace(started=up.now - seconds, member="move")


class TestSums:
    def test_each_outcome_counts_for_its_member(self, up: Bench) -> None:
        took(up, 0.5)
        took(up, 0.25)
        took(up, 0.25, **raised("x is too far"))
        assert sums(up) == {"done": 2, "raised": 1, "seconds": 1.0}

    def test_what_was_refused_by_the_worker_counts_as_that(self, up: Bench) -> None:
        vitals = up.broker.peers["stage"].vitals
        up.ask("a")
        (request,) = up.broker.running("stage")
        refusal = refusal_payload("TypeError", "x?", NOT_STARTED)
        vitals.answered(request, b'{"messageType":"EXCEPTION",', refusal, up.now)
        assert sums(up) == {"refused": 1}

    def test_one_that_overran_counts_once_its_late_answer_not(self, up: Bench) -> None:
        up.ask("a")
        up.at(up.now + 5.0)
        up.now += 60.0
        up.reply(up.sent[-1])
        assert sums(up) == {"overran": 1, "seconds": 5.0}

    def test_what_waited_in_vain_never_took_time(self) -> None:
        bench = Bench()
        bench.add(limits=Limits(1.0, 5.0))
        bench.bring_up()
        bench.ask("a")
        bench.ask("b", objekt="home")
        bench.at(bench.now + 1.0)
        assert sums(bench, "home") == {"expired": 1}

    def test_what_ended_with_its_life(self, up: Bench) -> None:
        up.ask("a")
        up.lose()
        assert sums(up) == {"lost": 1}

    def test_each_counts_among_those_that_took_about_as_long(self, up: Bench) -> None:
        for seconds in (0.5, 0.25, 0.25001, 0.0, 400.0):
            up.broker.peers["stage"].vitals.answered(request(up, seconds), b"{", b"null", up.now)
        assert histogram(up) == {0.001: 1, 0.25: 1, 0.5: 2, math.inf: 1}

    def test_one_that_overran_does_too(self, up: Bench) -> None:
        up.ask("a")
        up.at(up.now + 5.0)
        up.now += 60.0
        up.reply(up.sent[-1])
        assert histogram(up) == {5.0: 1}

    def test_members_that_are_told_apart_are_bounded(self) -> None:
        vitals = Vitals()
        for number in range(MOST_MEMBERS + 2):
            vitals.of(f"m{number}").done += 1
        assert len(vitals.sums) == MOST_MEMBERS + 1
        assert vitals.sums[OTHERS].done == 2
        vitals.of("m0").done += 1
        assert vitals.sums["m0"].done == 2


class TestLives:
    def test_a_death_is_told_after_the_next_life_is_ready(self) -> None:
        rig = Supervised(ChildSpec("a"))
        rig.up("a")
        assert rig.core.children["a"].trouble is None
        rig.now += 3.0
        rig.exit(how=CRASH)
        died = rig.now
        rig.to_deadline()
        rig.ready("a")
        child = rig.core.children["a"]
        assert child.reason == ""
        assert child.trouble == Trouble(died, CRASH.text)

    def test_a_stop_is_none(self) -> None:
        rig = Supervised(ChildSpec("a"))
        rig.up("a")
        rig.stop("a")
        rig.exit(how=CRASH)
        assert rig.core.children["a"].trouble is None

    def test_a_start_that_failed_is_one(self) -> None:
        rig = Supervised(ChildSpec("a"))
        rig.start("a")
        rig.unlaunched("a", wants=True)
        assert rig.core.children["a"].trouble == Trouble(rig.now, "no such file")

    def test_the_newest_is_told(self) -> None:
        early, late = Trouble(1.0, "early"), Trouble(2.0, "late")
        assert last_trouble((late, early)) == last_trouble((early, None, late)) == late
        assert last_trouble((None, None)) is None


class TestWaiting:
    def test_those_who_came_first_are_told_first(self) -> None:
        """Also those that wait at the worker already."""
        bench = Bench()
        bench.add()
        bench.bring_up(claims=True)
        bench.ask("quick")
        bench.reply(bench.sent[-1])
        for id_, client in (("1", "ada"), ("2", "ada"), ("3", "bob"), ("4", "ada")):
            bench.ask(id_, client=client)
        peer = bench.broker.peers["stage"]
        assert [each.message_id for each in peer.first_waiting(9)] == ["2", "3", "4"]
        assert [each.message_id for each in peer.first_waiting(1)] == ["2"]


def test_what_is_looked_at_again_is_sorted_anew_once_another_came() -> None:
    durations = Durations()
    for number in range(REMEMBERED):
        durations.add(number + 0.5)
    assert durations.quantiles(0.0, 1.0) == [0.5, REMEMBERED - 0.5]
    assert durations.quantiles(0.0, 1.0) == [0.5, REMEMBERED - 0.5]
    durations.add(REMEMBERED + 0.5)  # in place of the oldest one
    assert durations.quantiles(0.0, 1.0) == [1.5, REMEMBERED + 0.5]


def test_what_is_told_of_members_has_a_new_revision_with_each_change(up: Bench) -> None:
    """By which those who keep a description know that it is old."""
    peer = up.broker.peers["stage"]
    seen = [peer.revision]
    peer.set_limits(Limits(1.0, 1.0), {"move": 2.0})
    seen.append(peer.revision)
    peer.describe(frozenset(), 0, {"actions": {}})
    seen.append(peer.revision)
    assert seen == sorted(set(seen))
