"""The broker's core in time: timeouts, requests without a reply, descriptions."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.core.admission import Caps
from orchestrator.core.effects import Describe
from tests.core.kit import ABSENT, Bench
from tests.core.told import Overran, Recovered, Starting
from transports.headers import Limits

ENDLESS: dict[str, Any] = {}
"""A context without limits."""


@pytest.fixture
def bench() -> Bench:
    """A rig with one worker, not started yet."""
    bench = Bench()
    bench.add("stage")
    return bench


@pytest.fixture
def up(bench: Bench) -> Bench:
    """A rig with one worker, ready."""
    bench.bring_up("stage")
    bench.others.clear()
    return bench


class TestTimeouts:
    def test_invocation(self, bench: Bench) -> None:
        """What isn't started in time is answered TIMEOUT "invokation" and never starts."""
        bench.ask("1", context={"invokation_timeout": 2})
        assert bench.broker.next_deadline == 102
        bench.at(101.9)
        assert bench.answers == []
        bench.at(102)
        assert bench.summaries == [("1", "TIMEOUT", "invokation")]
        bench.bring_up()
        assert bench.started == []
        bench.assert_empty()

    def test_execution(self, up: Bench) -> None:
        """What doesn't end in time is answered TIMEOUT "execution"; its late reply is dropped."""
        up.ask("1", context={"invokation_timeout": 2, "execution_timeout": 3})
        assert up.broker.next_deadline == 103
        up.at(103)
        assert up.summaries == [("1", "TIMEOUT", "execution")]
        assert up.others == [Overran("stage", 1, "move", stalls=True)]
        up.reply(up.sent[0], "late")
        assert up.others[1:] == [Recovered("stage", 1)]
        assert len(up.answers) == 1
        assert up.broker.counts["late replies"] == 1
        up.assert_empty()

    def test_beside_the_queue_nobody_waits(self, bench: Bench) -> None:
        """An overdue operation of the concurrent lane stalls nothing, nor is its end told."""
        bench.bring_up(concurrent=["peek"], capacity=1)
        bench.others.clear()
        bench.ask("1", member="peek", context={"execution_timeout": 3})
        bench.at(103)
        bench.reply(bench.sent[0])
        assert bench.others == [Overran("stage", 1, "peek", stalls=False)]

    def test_both_at_one_moment(self, up: Bench) -> None:
        """One that was started when half of its time was over is answered once, as it ran."""
        up.ask("1")
        up.ask("2", context={"invokation_timeout": 4, "execution_timeout": 2})
        up.now = 102.0
        up.reply(up.sent[0])
        up.at(104)
        up.at(105)
        assert up.summaries[1:] == [("2", "TIMEOUT", "execution")]
        up.reply(up.sent[1])
        up.assert_empty()

    def test_an_overdue_operation_keeps_its_worker_busy(self, up: Bench) -> None:
        """Nothing is started beside an operation that overran, until it ends."""
        up.ask("1", context={"execution_timeout": 1})
        up.ask("2")
        up.at(101)
        assert up.started == ["1"]
        assert [request.message_id for request in up.broker.running("stage")] == ["1"]
        up.reply(up.sent[0])
        assert up.started == ["1", "2"]

    def test_waiting_counts_from_arrival_and_running_from_the_start(self, up: Bench) -> None:
        """The invocation timeout ends at dispatch, the execution timeout begins there."""
        limits = {"invokation_timeout": 2, "execution_timeout": 2}
        up.ask("1", context=ENDLESS)
        up.ask("2", context=limits)
        up.at(101.5)
        up.reply(up.sent[0])
        up.at(103.4)
        assert up.summaries == [("1", "REPLY", None)]
        up.at(103.5)
        assert up.last.summary == ("2", "TIMEOUT", "execution")

    def test_expired_but_not_yet_ticked(self, up: Bench) -> None:
        """A request whose time is over isn't dispatched, even if the clock's tick comes later."""
        up.ask("1")
        up.ask("2", context={"invokation_timeout": 2})
        up.now = 102
        up.reply(up.sent[0])
        assert up.started == ["1"]
        assert up.last.summary == ("2", "TIMEOUT", "invokation")
        up.assert_empty()

    def test_an_expired_request_takes_no_turn(self, up: Bench) -> None:
        """A client whose turn falls on a request that is overdue isn't passed over."""
        for id_ in ("a1", "a2", "a3"):
            up.ask(id_, client="alice")
        up.ask("b1", client="bob", context={"invokation_timeout": 2})
        up.reply(up.sent[0])
        up.ask("b2", client="bob")
        up.now = 102
        up.reply(up.sent[1])
        assert up.started == ["a1", "a2", "b2"]

    @pytest.mark.parametrize("name", ["invokation_timeout", "execution_timeout"])
    @pytest.mark.parametrize("value", [0, -1, -0.001])
    def test_no_time_at_all(self, up: Bench, name: str, value: float) -> None:
        """Zero or less: TIMEOUT "invokation" at once, and nothing is started."""
        up.ask("1", context={name: value})
        assert up.summaries == [("1", "TIMEOUT", "invokation")]
        assert up.sent == []
        up.assert_empty()

    @pytest.mark.parametrize("context", [None, ENDLESS, {"invokation_timeout": None}])
    def test_no_limit(self, bench: Bench, context: Any) -> None:
        """Null, at any place, and missing keys are no limit."""
        bench.ask("1", context=context)
        assert bench.broker.next_deadline is None
        bench.at(1e9)
        bench.bring_up()
        assert bench.started == ["1"]
        bench.at(2e9)
        assert bench.answers == []

    @pytest.mark.parametrize(
        ("context", "member", "waits", "runs"),
        [
            (ABSENT, "move", 3, 4),
            (ABSENT, "expose", 3, 60),
            ({"defaults": True}, "expose", 3, 60),
            ({"defaults": True, "invokation_timeout": 9}, "move", 9, 4),
            ({"defaults": True, "execution_timeout": 9}, "expose", 3, 9),
            ({"executionTimeout": 9, "invokationTimeout": 8}, "expose", 8, 9),
        ],
    )
    def test_defaults_of_the_worker(
        self, context: Any, member: str, waits: float, runs: float
    ) -> None:
        """Without a context, or where it asks for defaults, the config's timeouts hold."""
        bench = Bench()
        bench.add("stage", Limits(3, 4), {"expose": 60})
        bench.ask("1", member=member, context=context)
        assert bench.broker.next_deadline == 100 + waits
        bench.bring_up()
        assert bench.broker.next_deadline == 100 + runs


class TestOneway:
    """No reply is wanted, yet the caller learns that a request was refused or timed out."""

    ONEWAY: dict[str, Any] = {"oneway": True}  # noqa: RUF012  never changed

    @pytest.mark.parametrize("kind", ["REPLY", "EXCEPTION"])
    def test_success_and_exception_are_unanswered(self, up: Bench, kind: str) -> None:
        """The worker's answer returns the credit and goes no further."""
        up.ask("1", context=self.ONEWAY)
        up.ask("2")
        up.reply(up.sent[0], None, kind)
        assert up.answers == []
        assert up.started == ["1", "2"]
        up.reply(up.sent[1])
        up.assert_empty()

    def test_invocation_timeout_is_answered(self, bench: Bench) -> None:
        """TIMEOUT "invokation" is sent."""
        bench.ask("1", context=self.ONEWAY | {"invokation_timeout": 1})
        bench.at(101)
        assert bench.summaries == [("1", "TIMEOUT", "invokation")]
        bench.ask("2", context=self.ONEWAY | {"invokation_timeout": 0})
        assert bench.last.summary == ("2", "TIMEOUT", "invokation")

    def test_execution_timeout_is_answered(self, up: Bench) -> None:
        """TIMEOUT "execution" is sent."""
        up.ask("1", context=self.ONEWAY | {"execution_timeout": 1})
        up.at(101)
        assert up.summaries == [("1", "TIMEOUT", "execution")]
        up.reply(up.sent[0])
        assert len(up.answers) == 1
        up.assert_empty()

    def test_refusals_are_answered(self, up: Bench) -> None:
        """INVALID_MESSAGE is sent."""
        up.ask("1", "nobody", context=self.ONEWAY)
        up.ask("2", context=self.ONEWAY | {"execution_timeout": "x"})
        assert [answer.kind for answer in up.answers] == ["INVALID_MESSAGE"] * 2

    def test_a_full_queue_is_answered(self) -> None:
        """Over a cap the refusal is an INVALID_MESSAGE, so it is sent."""
        bench = Bench(Caps(queue=0))
        bench.add()
        bench.ask("1", context=self.ONEWAY)
        assert bench.summaries == [("1", "INVALID_MESSAGE", "BufferError", "not started")]

    def test_the_loss_of_its_worker_is_unanswered(self, up: Bench) -> None:
        """EXCEPTION isn't sent, whether its request was running, waiting or came too late."""
        up.ask("1", context=self.ONEWAY)
        up.ask("2", context=self.ONEWAY)
        up.lose(holds=False)
        up.ask("3", context=self.ONEWAY)
        assert up.answers == []
        up.assert_empty()

    def test_a_description_is_unanswered(self, up: Bench) -> None:
        """A description that nobody waits for isn't sent either."""
        up.ask("1", member="get_thing_description", context=self.ONEWAY)
        up.describe(up.others.pop(), {"id": "stage"})
        assert up.answers == []
        up.assert_empty()

    def test_in_camel_case_contexts(self, up: Bench) -> None:
        """Oneway has one spelling and works beside either spelling of the timeouts."""
        up.ask("1", context={"invokationTimeout": 5, "executionTimeout": 5, "oneway": True})
        up.reply(up.sent[0])
        assert up.answers == []


class TestDescription:
    """`get_thing_description`: from the broker for a worker that was described once."""

    ASK: dict[str, Any] = {"member": "get_thing_description", "payload": b'{"protocol": "IPC"}'}  # noqa: RUF012

    def test_after_ready(self, up: Bench) -> None:
        """The broker answers while the worker is busy."""
        up.ask("1")
        up.ask("td", **self.ASK)
        (effect,) = up.others
        assert isinstance(effect, Describe)
        assert (effect.worker, effect.payload) == ("stage", b'{"protocol": "IPC"}')
        assert effect.content_type == "application/json"
        up.describe(effect, {"id": "stage"})
        assert up.summaries == [("td", "REPLY", {"id": "stage"})]
        assert up.started == ["1"]

    def test_a_failure_is_an_exception(self, up: Bench) -> None:
        """Where no description can be made, the caller is told why."""
        up.ask("td", **self.ASK)
        error = {"exception": {"type": "ValueError", "outcome": "failed", "traceback": ["x"]}}
        up.describe(up.others[0], error, "EXCEPTION")
        assert up.summaries == [("td", "EXCEPTION", "ValueError", "failed")]
        up.assert_empty()

    def test_while_it_is_described_it_is_pending(self, up: Bench) -> None:
        """A repeated id is dropped between question and answer too."""
        up.ask("td", **self.ASK)
        up.ask("td", **self.ASK)
        assert len(up.others) == 1
        up.describe(up.others[0], {})
        up.assert_empty()

    def test_before_ready_it_waits(self, bench: Bench) -> None:
        """Before the first READY it queues, with its invocation timeout."""
        bench.ask("td", **self.ASK, context={"invokation_timeout": 2})
        bench.ask("late", **self.ASK, context={"invokation_timeout": 1})
        assert bench.others == []
        bench.at(101)
        assert bench.summaries == [("late", "TIMEOUT", "invokation")]
        bench.bring_up()
        (effect,) = [each for each in bench.others if isinstance(each, Describe)]
        bench.describe(effect, {"id": "stage"})
        assert bench.last.summary == ("td", "REPLY", {"id": "stage"})
        assert bench.sent == []
        bench.assert_empty()

    def test_at_ready_it_waits_for_no_operation(self, bench: Bench) -> None:
        """At READY those that wait are answered at once, also behind operations of their lane."""
        for id_ in ("1", "2"):
            bench.ask(id_)
        bench.ask("td", **self.ASK)
        bench.bring_up()
        assert [type(each).__name__ for each in bench.others] == ["WorkerReady", "Describe"]
        assert bench.started == ["1"]
        assert bench.broker.queued("stage") == 1

    def test_while_down(self, up: Bench) -> None:
        """A worker that was described stays so while it is held and when it is closed."""
        up.lose(holds=True)
        up.ask("held", **self.ASK)
        up.broker.refuse("stage", "it is stopped")
        up.ask("closed", **self.ASK)
        assert len([each for each in up.others if isinstance(each, Describe)]) == 2
        assert up.answers == []

    def test_never_described_and_closed(self, bench: Bench) -> None:
        """Without a description a closed worker's is refused like anything else."""
        bench.broker.refuse("stage", "it is stopped")
        bench.ask("td", **self.ASK)
        assert bench.summaries == [("td", "EXCEPTION", "ConnectionRefusedError", "not started")]

    def test_without_time(self, up: Bench) -> None:
        """A timeout of zero is a timeout here too."""
        up.ask("td", **self.ASK, context={"invokation_timeout": 0})
        assert up.summaries == [("td", "TIMEOUT", "invokation")]
        assert up.others == []

    def test_of_one_that_is_late(self, bench: Bench) -> None:
        """Where it can't be told when there will be one, whoever asks is told so at once."""
        bench.ask("waits", **self.ASK)
        bench.ask("other", context={"invokation_timeout": 5})
        bench.keeper.late["stage"] = "worker 'stage' is BACKOFF for 2.0 s"
        bench.broker.refuse_descriptions("stage", "worker 'stage' is STARTING for 5.0 s")
        bench.collect()
        assert bench.last.error["message"] == "worker 'stage' is STARTING for 5.0 s"
        bench.ask("asks", **self.ASK)
        assert bench.last.error["message"] == "worker 'stage' is BACKOFF for 2.0 s"
        refused = ("EXCEPTION", "ConnectionRefusedError", "not started")
        assert bench.summaries == [("waits", *refused), ("asks", *refused)]
        bench.at(105)
        assert bench.last.summary == ("other", "TIMEOUT", "invokation")
        assert bench.last.raw == b"worker 'stage' is BACKOFF for 2.0 s"
        bench.assert_empty()


def test_a_timeout_says_what_runs(up: Bench) -> None:
    """In the last frame, beside the payload that all clients know."""
    up.ask("1", client="alice")
    up.ask("2", context={"invokation_timeout": 2})
    up.at(102)
    assert up.last.summary == ("2", "TIMEOUT", "invokation")
    assert up.last.raw.startswith(b"stage runs move for 2.0 s, asked by ")


def test_a_start_says_what_it_is_at(bench: Bench) -> None:
    """The keeper is told."""
    bench.expect()
    bench.control("stage1.q", {"type": "starting", "doing": "Chiller.__init__ (chiller.py:14)"})
    assert Starting("stage", 1, "Chiller.__init__ (chiller.py:14)") in bench.others
