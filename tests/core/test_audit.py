"""An audit: each request that somebody makes of a worker that is audited, and what came of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.core.audit import is_audited
from orchestrator.core.changeover import Settings
from orchestrator.core.children import ChildSpec, Exit
from orchestrator.core.effects import Asked, Recorded
from orchestrator.core.own_client import OWN, request_frames
from orchestrator.core.plan import Change, Plan
from tests.core.kit import RIG, Bench, reply_frames
from tests.core.rig_kit import Bench as RigBench
from transports.headers import DESCRIPTION, STREAM, STREAM_BESIDE, Operation
from transports.levels import AUDIT


@pytest.fixture
def up() -> Bench:
    """A worker that is audited and serves."""
    bench = Bench()
    bench.add("stage")
    bench.bring_up("stage")
    bench.broker.ledger.watch(audited=["stage"])
    return bench


def told(bench: Bench) -> list[tuple[Any, ...]]:
    """Request, who and outcome of what was audited."""
    facts = [fact for fact in bench.facts if fact.level == AUDIT]
    assert all(fact.text == fact.fields["outcome"] for fact in facts)
    return [(f.fields["request"], f.fields["who"], f.text) for f in facts]


class TestOutcomes:
    def test_what_was_done_is_told_with_who_asked(self, up: Bench) -> None:
        up.ask("1", client="ada@lab:scan.py~7-1")
        up.now += 2
        up.reply(up.sent[0])
        assert told(up) == [("1", "ada@lab:scan.py", "done")]
        (fact,) = (fact for fact in up.facts if fact.asked)
        assert isinstance(fact.asked, Asked)
        assert (fact.asked.arrived, fact.asked.started) == (100.0, 100.0)
        assert bytes(fact.asked.payload) == b"null"
        assert fact.fields["operation"] == "invokeaction"
        assert (fact.fields["worker"], fact.fields["member"]) == ("stage", "move")
        assert "reason" not in fact.fields

    @pytest.mark.parametrize(
        ("outcome", "expected"), [("failed", "failed"), ("not started", "not started")]
    )
    def test_what_failed_is_told_with_its_error(
        self, up: Bench, outcome: str, expected: str
    ) -> None:
        up.ask("1")
        sent = up.sent[0]
        header, _, raw = reply_frames(sent.header, kind="EXCEPTION")
        error = {"type": "ValueError", "message": "too far\nby 3 mm", "outcome": outcome}
        payload = json.dumps({"exception": error}, separators=(",", ":")).encode()
        up.link(sent.lane, [sent.number.to_bytes(8, "big"), header, payload, raw])
        assert told(up) == [("1", "alice", expected)]
        assert up.facts[-1].fields["reason"] == "ValueError: too far"

    def test_an_error_that_cant_be_read_is_one_all_the_same(self, up: Bench) -> None:
        up.ask("1")
        up.reply(up.sent[0], "?", kind="EXCEPTION")
        up.ask("2")
        error = {"exception": {"type": "E", "message": "x" * 70_000}}
        up.reply(up.sent[1], error, kind="EXCEPTION")
        assert [each[2] for each in told(up)] == ["failed", "failed"]
        assert {fact.fields["reason"] for fact in up.facts if fact.level == AUDIT} == {
            "raised an error, which its log may tell"
        }

    def test_a_timeout_tells_whether_it_began(self, up: Bench) -> None:
        up.ask("1", context={"execution_timeout": 1})
        up.ask("2", context={"invokation_timeout": 1})
        up.at(101)
        assert sorted(told(up)) == [("1", "alice", "unknown"), ("2", "alice", "not started")]

    def test_a_death_leaves_it_unknown_once(self, up: Bench) -> None:
        up.ask("1")
        up.lose()
        assert told(up) == [("1", "alice", "unknown")]

    def test_what_is_refused_by_a_worker_that_is_down_was_not_started(self, up: Bench) -> None:
        up.broker.refuse("stage", "it is stopped")
        up.ask("1")
        assert told(up) == [("1", "alice", "not started")]
        assert up.facts[-1].fields["reason"] == "it is stopped"

    def test_one_whose_answer_nobody_wants_is_told_too(self, up: Bench) -> None:
        up.ask("1", context={"oneway": True})
        up.reply(up.sent[0])
        assert told(up) == [("1", "alice", "done")]


class TestWhich:
    def test_others_are_not_told(self, up: Bench) -> None:
        up.add("laser")
        up.bring_up("laser")
        up.ask("1", worker="laser")
        up.reply(up.sent[-1])
        assert told(up) == []

    def test_of_none_nothing_is(self, up: Bench) -> None:
        up.broker.ledger.watch(audited=[])
        assert not up.broker.ledger.is_watched
        up.ask("1")
        up.reply(up.sent[0])
        assert up.facts == []

    def test_traces_and_audits_are_switched_apart(self, up: Bench) -> None:
        ledger = up.broker.ledger
        ledger.watch(traces=True)
        assert ledger.audited == {"stage", RIG}
        ledger.watch(traces=False)
        assert ledger.is_watched
        ledger.watch(audited=())
        assert not ledger.is_watched

    @pytest.mark.parametrize(("member", "expected"), [("stop", 1), ("status", 0), ("plan", 0)])
    def test_of_the_rig_itself_orders_are_and_looks_are_not(
        self, up: Bench, member: str, expected: int
    ) -> None:
        up.add(RIG)
        up.bring_up(RIG)
        up.ask("1", worker=RIG, member=member)
        up.reply(up.sent[-1])
        assert len(told(up)) == expected

    @pytest.mark.parametrize(
        ("member", "expected"), [(DESCRIPTION, 0), (STREAM, 0), (STREAM_BESIDE, 0), ("move", 1)]
    )
    def test_what_clients_do_by_themselves_isnt(
        self, up: Bench, member: str, expected: int
    ) -> None:
        assert is_audited(b"alice", member, "invokeaction") == bool(expected)

    def test_the_rig_s_own_reads_arent_but_its_stops_are(self, up: Bench) -> None:
        for number, operation in enumerate((Operation.READ, Operation.INVOKE)):
            frames = request_frames(
                OWN + b"probe", RIG, "stage", "move", str(number), 5, 5, operation
            )
            up.broker.receive_client(frames, up.now)
            up.collect()
            up.reply(up.sent[-1])
        assert told(up) == [("1", "probe", "done")]


def test_a_changed_config_is_gone_by_at_once() -> None:
    bench = RigBench(ChildSpec("a"))
    bench.start("a")
    wanted = {"a": Settings(ChildSpec("a"), audit=True)}
    plan = Plan((Change("a", "limits", ("audit",)),))
    bench.rig.change(plan, wanted, "one_for_one", bench.now)
    assert bench.rig.broker.ledger.audited == {"a", RIG}


def test_who_asked_is_told_by_whoever_knows(up: Bench) -> None:
    """Also where what keeps a worker is told."""
    up.broker.ledger.who = lambda request: "root@lab:x"
    up.ask("1")
    up.ask("2", context={"invokation_timeout": 1})
    up.at(101)
    assert told(up) == [("2", "root@lab:x", "not started")]
    warned = [fact for fact in up.facts if fact.level == "warning"]
    assert [fact.fields["who"] for fact in warned] == ["root@lab:x"]
    assert b"asked by root@lab:x" in up.answers[-1].raw


def test_a_recorded_death_has_its_exit_status() -> None:
    """A replay ends it likewise."""
    bench = RigBench()
    bench.start("a")
    bench.rig.broker.ledger.watch(records=True)
    bench.ask("1")
    bench.exit("a", Exit("exit status 3", normal=False, status=3))
    (died,) = bench.of(Recorded)
    assert (died.life, died.answer, died.status) == (1, None, 3)
