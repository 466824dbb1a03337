"""The end of what has started: which steps are taken, when, and what is told of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.core.effects import CancelDone
from orchestrator.core.ladder import STOPPER
from orchestrator.core.means import Means
from orchestrator.core.own_ids import is_own
from tests.core.kit import Bench, Sent
from tests.core.told import CutShort
from transports.exceptions import BY_RESTART, INTERRUPT

GRACE = 2.0


class Up(Bench):
    """A worker with `stop` beside its queue; what is sent to it and to the core itself."""

    def begin(self, *usual: str, on_timeout: bool = False, **timeouts: float) -> Sent:
        """Have a `move` begin that these can end."""
        self.add()
        self.broker.peers["stage"].means = Means(usual, grace=GRACE, on_timeout=on_timeout)
        self.bring_up(concurrent=("stop", "abort"), capacity=3)
        self.ask("1", context=timeouts or {"execution_timeout": None, "invokation_timeout": None})
        (sent,) = (each for each in self.sent if each.number)
        self.sent.clear()
        self.others.clear()
        self.facts.clear()
        return sent

    def cancel(self, request_id: str = "1", *, restart: bool = False) -> int:
        number = self.broker.dispatch.cancel(request_id, self.now, restart=restart)
        self.at(self.now)
        return number

    def wait(self, seconds: float) -> None:
        self.at(self.now + seconds)

    def answer_stop(self, sent: Sent, value: Any = None, kind: str = "REPLY") -> None:
        """A driver's stop returns, and the core hears of it."""
        self.reply(sent, value, kind)
        answer = self.answers.pop()
        assert answer.client == STOPPER.decode()
        assert is_own(STOPPER)
        header = sent.header | {"messageType": kind}
        frames = [STOPPER, b"", json.dumps(answer.header).encode(), answer.payload, b""]
        assert header["messageID"] == answer.id
        self.broker.dispatch.ladder.answered(frames)
        self.at(self.now)

    @property
    def taken(self) -> list[Any]:
        """The steps that were taken since the last look: calls, interrupts, restarts."""
        found: list[Any] = [
            each.header["objekt"] if each.number else each.header for each in self.sent
        ]
        found += [each for each in self.others if isinstance(each, CutShort)]
        self.sent.clear()
        self.others[:] = [each for each in self.others if not isinstance(each, CutShort)]
        return found


def interrupt(sent: Sent) -> dict[str, Any]:
    """The control message that has an operation interrupted."""
    return {"type": "interrupt", "number": sent.number, "seconds": GRACE}


CUT = CutShort("stage", "move was cancelled, by a restart")


@pytest.fixture
def up() -> Up:
    return Up()


def test_the_stop_runs_beside(up: Up) -> None:
    """The operation goes on with its own end, which its client is given."""
    sent = up.begin("stop")
    number = up.cancel()
    (stop,) = up.sent
    assert (stop.lane, stop.header["objekt"]) == ("stage1.c", "stop")
    assert up.others == [], "nobody is told before it is known"
    up.answer_stop(stop)
    up.reply(sent, "on its way")
    assert up.last.summary == ("1", "REPLY", "on its way")
    assert up.others == [CancelDone(number, "ended", "stage", "move", ("stop",))]
    up.assert_empty()
    assert up.broker.next_deadline is None


def test_each_step_has_its_time(up: Up) -> None:
    """The driver's own first; a restart only for those who want it."""
    sent = up.begin("stop", "abort", INTERRUPT)
    number = up.cancel()
    assert up.taken == ["stop"]
    up.wait(GRACE - 0.01)
    assert up.taken == []
    up.wait(0.01)
    assert up.taken == ["abort"]
    up.wait(GRACE)
    assert up.taken == [interrupt(sent)]
    assert up.sent == []
    up.wait(GRACE)
    assert up.taken == []
    steps = ("stop", "abort", INTERRUPT)
    assert up.others == [CancelDone(number, "runs", "stage", "move", steps)]
    assert up.broker.next_deadline is None
    assert up.facts[-1].text == "goes on, in spite of stop and abort and interrupt"
    up.reply(sent)
    assert up.last.summary == ("1", "REPLY", None)


def test_a_failed_stop_costs_no_time(up: Up) -> None:
    sent = up.begin("stop", INTERRUPT)
    up.cancel()
    (stop,) = up.sent
    up.sent.clear()
    up.answer_stop(stop, {"exception": {"type": "OSError", "message": "no"}}, "EXCEPTION")
    assert up.taken == [interrupt(sent)]
    (told,) = (each for each in up.facts if "failed" in each.text)
    assert (told.level, told.text) == ("warning", "its stop, stop, failed")
    assert (told.fields["reason"], told.fields["request"]) == ("OSError: no", "1")


def test_a_stop_that_returns_has_its_time_too(up: Up) -> None:
    """The operation may end a little later."""
    up.begin("stop", INTERRUPT)
    up.cancel()
    (stop,) = up.sent
    up.sent.clear()
    up.wait(0.5)
    up.answer_stop(stop)
    assert up.taken == []
    assert up.broker.next_deadline == 100.0 + GRACE


def test_what_a_late_stop_says_is_nobodys(up: Up) -> None:
    """Its step is over: the next one keeps its time."""
    up.begin("stop", INTERRUPT)
    up.cancel()
    (stop,) = up.sent
    up.wait(GRACE)
    up.answer_stop(stop, {"exception": {"type": "OSError", "message": "no"}}, "EXCEPTION")
    assert up.broker.next_deadline == 100.0 + 2 * GRACE


def test_an_action_isnt_stopped_by_itself(up: Up) -> None:
    up.begin("stop", INTERRUPT)
    up.ask("2", member="stop", context={"execution_timeout": None})
    (stop,) = up.sent
    up.sent.clear()
    up.cancel("2")
    assert up.taken == [interrupt(stop)]


def test_without_means_it_goes_on(up: Up) -> None:
    up.begin()
    number = up.cancel()
    assert up.others == [CancelDone(number, "runs", "stage", "move")]


def test_where_no_lane_is_an_interrupt_is_left_out(up: Up) -> None:
    up.add()
    up.broker.peers["stage"].means = Means((INTERRUPT,), grace=GRACE)
    up.expect()
    up.control("stage1.q", {"type": "lane_open"})
    up.say_ready()
    up.ask("1")
    number = up.cancel()
    assert up.others[-1] == CancelDone(number, "runs", "stage", "move")


def test_what_turns_out_to_have_begun(up: Up) -> None:
    """Its ticket was gone when it was to be taken back; who wanted a restart still does."""
    up.add()
    up.broker.peers["stage"].means = Means(("stop",), grace=GRACE)
    up.bring_up(concurrent=("stop",), capacity=1, claims=True)
    up.ask("1")
    up.sent.clear()
    number = up.cancel(restart=True)
    assert up.taken == []
    up.take_back()
    up.at(up.now)
    assert up.taken == ["stop"]
    up.wait(GRACE)
    assert up.taken == [CUT]
    up.lose()
    assert up.others[-1].number == number


def test_a_restart_is_the_last_step(up: Up) -> None:
    """It has its own time; the client is told why its worker's life has ended."""
    up.begin("stop")
    number = up.cancel(restart=True)
    assert up.taken == ["stop"]
    up.wait(GRACE)
    assert up.taken == [CUT]
    assert up.broker.next_deadline is None
    up.lose(reason="worker 'stage' died (move was cancelled, by a restart)")
    assert up.others == [CancelDone(number, "ended", "stage", "move", ("stop", BY_RESTART))]
    error = up.answers[0].error
    assert (error["type"], error["outcome"], error["step"]) == (
        "InterruptedError",
        "unknown",
        BY_RESTART,
    )
    assert error["message"].startswith("stage.move was cancelled while it ran: worker 'stage' died")


def test_another_life_that_ends_by_itself(up: Up) -> None:
    """Before it is restarted: its client is told of a death, as always."""
    up.begin("stop")
    number = up.cancel(restart=True)
    up.lose()
    assert up.others[-1] == CancelDone(number, "ended", "stage", "move", ("stop",))
    assert up.answers[0].error["type"] == "ConnectionResetError"


def test_wishes_share_the_steps(up: Up) -> None:
    """A second one begins nothing anew; a restart that it wants comes last, and once."""
    up.begin("stop", INTERRUPT)
    first = up.cancel()
    assert up.taken == ["stop"]
    up.wait(1.0)
    second, third = up.cancel(restart=True), up.cancel(restart=True)
    assert up.taken == []
    up.wait(GRACE)
    assert up.taken[0]["type"] == "interrupt"
    up.wait(GRACE)
    assert up.taken == [CUT]
    up.cancel(restart=True)
    up.wait(60)
    assert up.taken == []
    up.lose()
    steps = ("stop", INTERRUPT, BY_RESTART)
    assert up.others[:3] == [
        CancelDone(number, "ended", "stage", "move", steps) for number in (first, second, third)
    ]


def test_what_nobody_keeps_isnt_restarted(up: Up) -> None:
    """The rig's own worker."""
    up.begin()
    up.keeper.kept = False
    number = up.cancel(restart=True)
    assert up.others[-1] == CancelDone(number, "runs", "stage", "move")


def test_what_takes_too_long_is_ended(up: Up) -> None:
    """Its client is told in time, and it is said which step freed the worker."""
    sent = up.begin("stop", INTERRUPT, on_timeout=True, execution_timeout=5.0)
    up.wait(5.0)
    assert up.last.summary == ("1", "TIMEOUT", "execution")
    assert up.taken == ["stop"]
    up.wait(GRACE)
    assert up.taken == [interrupt(sent)]
    up.reply(sent)
    texts = [each.text for each in up.facts]
    assert "ended after interrupt" in texts
    assert len(up.answers) == 1


def test_by_default_what_takes_too_long_goes_on(up: Up) -> None:
    up.begin("stop", execution_timeout=5.0)
    up.wait(5.0)
    assert up.taken == []


def test_what_was_told_to_be_overdue_can_be_cancelled(up: Up) -> None:
    sent = up.begin("stop", execution_timeout=5.0)
    up.wait(6.0)
    number = up.cancel()
    assert up.taken == ["stop"]
    up.reply(sent)
    assert up.others[-1] == CancelDone(number, "ended", "stage", "move", ("stop",))


def test_a_stop_may_take_its_time(up: Up) -> None:
    """How long a driver's stop runs is not limited, and it isn't itself ended for that."""
    up.begin("stop", on_timeout=True, execution_timeout=5.0)
    up.cancel()
    (stop,) = up.sent
    assert stop.header["serverExecutionContext"]["execution_timeout"] is None


def test_members_have_their_own() -> None:
    means = Means(("abort",), {"move": ("stop", INTERRUPT), "home": ()})
    assert means.of("move") == ("stop", INTERRUPT)
    assert means.of("home") == ()
    assert means.of("other") == ("abort",)
    assert means.of("abort") == ()
    assert Means((INTERRUPT,)).of(INTERRUPT) == (INTERRUPT,)
