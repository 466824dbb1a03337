"""Operations at a worker that claims them: which have started is known, whatever happened."""

from __future__ import annotations

import pytest

from orchestrator.core.effects import CancelDone, TakeBack
from orchestrator.core.peers import AHEAD, AHEAD_BYTES, BRISK
from tests.core.kit import Bench, Sent
from tests.core.told import Overran, Recovered
from transports.headers import DESCRIPTION

WAIT = {"invocation_timeout": 1, "execution_timeout": 5, "invokation_timeout": 1}
TAKE_BACK = TakeBack("stage", 1)


@pytest.fixture
def up() -> Bench:
    """A worker that claims; its last operation was a brisk one."""
    bench = Bench()
    bench.add()
    bench.bring_up(claims=True)
    bench.ask("first")
    bench.reply(bench.sent[-1])
    bench.sent.clear()
    bench.answers.clear()
    bench.others.clear()
    return bench


def ask(up: Bench, *ids: str, client: str = "alice") -> list[Sent]:
    """Send requests with limits; what was sent to the worker for them."""
    before = len(up.sent)
    for id_ in ids:
        up.ask(id_, client=client, context=WAIT)
    return up.sent[before:]


class TestAhead:
    def test_brisk_operations_wait_at_the_worker(self, up: Bench) -> None:
        """As many as the credit says; the others wait here."""
        ids = [str(number) for number in range(AHEAD + 3)]
        assert len(ask(up, *ids)) == AHEAD
        assert up.broker.queued("stage") == AHEAD + 2
        assert [request.message_id for request in up.broker.running("stage")] == ["0"]

    def test_numbers_rise_and_name_their_tickets(self, up: Bench) -> None:
        ask(up, "1", "2", client="bob")
        up.ask("3", client="alice")
        numbers = [sent.number for sent in up.sent]
        assert numbers == sorted(set(numbers))

    def test_a_slow_one_is_the_only_one(self, up: Bench) -> None:
        """After it the next one, and that one alone, until one was brisk."""
        (slow,) = ask(up, "1")
        up.now += BRISK * 2
        up.reply(slow)
        assert len(ask(up, "2", "3")) == 1

    def test_large_ones_wait_here(self, up: Bench) -> None:
        """A worker's memory isn't filled with what it can't run yet."""
        for id_ in "1234":
            up.ask(id_, payload=b"1" * AHEAD_BYTES)
        assert up.started == ["1", "2"]

    def test_without_tickets_one_is_in_flight(self) -> None:
        bench = Bench()
        bench.add()
        bench.bring_up()
        assert len(ask(bench, "1", "2")) == 1

    def test_who_comes_has_his_turn(self, up: Bench) -> None:
        """While a long one runs, those behind it are brought back, and the clients take turns."""
        sent = ask(up, "1", "2", "3", "4")
        up.now += BRISK * 2
        up.ask("b", client="bob")
        assert up.others == [TAKE_BACK]
        up.take_back(*sent[1:])
        up.sent.clear()
        up.reply(sent[0])
        for each in sent[1:]:
            up.give_back(each)
        while len(up.sent) < 4:
            up.reply(up.sent[-1])
        assert up.started == ["2", "b", "3", "4"]

    def test_its_turn_comes_with_its_predecessors_answer(self, up: Bench) -> None:
        """From there its execution's time counts."""
        first, _ = ask(up, "1", "2")
        up.now += 0.5
        up.reply(first)
        up.at(up.now + 0.5)  # its invocation would be over
        up.take_back()  # it is claimed
        up.at(105.49)
        assert up.summaries == [("1", "REPLY", None)]
        up.at(105.5)
        assert up.last.summary == ("2", "TIMEOUT", "execution")


class TestTakenBack:
    def test_an_invocation_times_out_at_the_worker(self, up: Bench) -> None:
        """Its ticket proves that it never started; those behind it keep their order."""
        sent = ask(up, "1", "2")
        sent += ask(up, "3")
        up.at(101.0)
        assert up.answers == []
        up.take_back(*sent[1:])
        assert up.summaries == [("2", "TIMEOUT", "invokation"), ("3", "TIMEOUT", "invokation")]

    def test_what_was_claimed_has_started(self, up: Bench) -> None:
        """Whatever its invocation's time says; its execution's counts from when that is known."""
        ask(up, "1", "2")
        up.at(101.0)
        up.take_back()
        assert len(up.broker.running("stage")) == 2
        up.at(106.0)
        assert {each.summary for each in up.answers} == {
            ("1", "TIMEOUT", "execution"),
            ("2", "TIMEOUT", "execution"),
        }

    def test_the_others_wait_again_and_go_out_once_more(self, up: Bench) -> None:
        sent = ask(up, "1", "2")
        up.ask("3")
        up.at(101.0)
        up.take_back(sent[1], up.sent[2])
        assert up.summaries == [("2", "TIMEOUT", "invokation")]
        old = up.sent[2]
        up.reply(sent[0])
        up.give_back(sent[1])
        assert up.started == ["1", "2", "3"], "the worker still has one to give back"
        up.give_back(old)
        assert up.started == ["1", "2", "3", "3"]
        assert up.sent[-1].number > old.number
        up.reply(up.sent[-1])
        assert up.last.summary == ("3", "REPLY", None)
        up.assert_empty()

    def test_nothing_goes_out_while_tickets_are_taken(self, up: Bench) -> None:
        """Its ticket wouldn't be among them, as if it had been claimed."""
        (sent,) = ask(up, "1")
        up.at(101.0)
        up.reply(sent)  # it was claimed, and has ended meanwhile
        assert ask(up, "2") == []
        up.take_back()
        assert up.started == ["1", "2"]

    def test_clients_keep_their_turns(self, up: Bench) -> None:
        sent = [*ask(up, "1"), *ask(up, "2"), *ask(up, "b", client="bob")]
        sent += ask(up, "c", client="carol")
        up.now += BRISK * 2
        up.ask("d", client="dan")
        up.take_back(*sent[1:])
        up.reply(sent[0])
        for each in sent[1:]:
            up.give_back(each)
        while len(up.sent) < 8:
            up.reply(up.sent[-1])
        assert up.started[4:] == ["2", "b", "c", "d"]

    def test_what_was_given_back_is_no_late_reply(self, up: Bench) -> None:
        sent = ask(up, "1", "2")
        up.at(101.0)
        up.take_back(sent[1])
        up.reply(sent[0])
        up.give_back(sent[1])
        assert up.broker.counts["late replies"] == 0

    def test_another_life_is_not_meant(self, up: Bench) -> None:
        (sent,) = ask(up, "1")
        up.take_back(sent, incarnation=2)
        assert len(up.broker.running("stage")) == 1


class TestStandingStill:
    """A worker that is stopped, or polls without end, claims nothing."""

    def test_its_invocation_times_out(self, up: Bench) -> None:
        (sent,) = ask(up, "1")
        up.at(101.0)
        up.take_back(sent)
        assert up.summaries == [("1", "TIMEOUT", "invokation")]
        assert up.others == [TAKE_BACK], "it isn't said to hang yet"

    def test_it_is_said_to_hang_after_the_executions_time(self, up: Bench) -> None:
        """And to be well again when it gives back what was taken."""
        (sent,) = ask(up, "1")
        up.at(101.0)
        up.take_back(sent)
        up.at(105.0)
        assert up.others[1:] == [Overran("stage", 1, "move", stalls=True, taken=False)]
        up.give_back(sent)
        assert up.others[2:] == [Recovered("stage", 1)]
        up.assert_empty()

    def test_it_waits_on_if_it_may(self, up: Bench) -> None:
        """No limit to its invocation: it isn't answered, but the worker is said to hang."""
        up.ask("1", context={"execution_timeout": 5, "invocation_timeout": None})
        (sent,) = up.sent
        up.at(105.0)
        up.take_back(sent)
        assert up.answers == []
        assert up.others == [TAKE_BACK, Overran("stage", 1, "move", stalls=True, taken=False)]
        assert up.broker.queued("stage") == 1

    def test_it_dies(self, up: Bench) -> None:
        """What it never claimed waits for the next life; it was answered, or isn't lost."""
        sent = ask(up, "1")
        up.at(101.0)
        up.take_back(*sent)
        up.lose()
        assert up.summaries == [("1", "TIMEOUT", "invokation")]
        up.assert_empty()


class TestEnds:
    def test_at_death_only_what_was_claimed_is_unknown(self, up: Bench) -> None:
        sent = ask(up, "1", "2", "3")
        up.take_back(*sent[1:])
        up.lose()
        assert up.summaries == [("1", "EXCEPTION", "ConnectionResetError", "unknown")]
        up.bring_up(incarnation=2, claims=True)
        assert up.started[3:] == ["2"]

    def test_at_death_two_may_be_claimed(self, up: Bench) -> None:
        """The first one's answer was under way."""
        sent = ask(up, "1", "2", "3")
        up.take_back(sent[2])
        up.lose(holds=False)
        outcomes = [each.error["outcome"] for each in up.answers]
        assert outcomes == ["unknown", "unknown", "not started"]
        up.assert_empty()

    def test_without_tickets_all_of_it_is_unknown(self, up: Bench) -> None:
        """Nobody could tell which were claimed."""
        ask(up, "1", "2")
        up.lose()
        assert [each.error["outcome"] for each in up.answers] == ["unknown", "unknown"]
        up.assert_empty()

    @pytest.mark.parametrize("hold", [True, False])
    def test_a_stop_is_told_after_tickets_were_taken(self, up: Bench, hold: bool) -> None:
        """Or it would run all that it has before it hears of it."""
        sent = ask(up, "1", "2")
        up.stop(hold=hold)
        assert up.others == [TAKE_BACK]
        up.take_back(sent[1])
        outcome = [] if hold else [("2", "EXCEPTION", "ConnectionRefusedError", "not started")]
        assert up.summaries == outcome
        assert up.broker.queued("stage") == hold

    def test_a_worker_is_given_up(self, up: Bench) -> None:
        sent = ask(up, "1", "2")
        up.broker.refuse("stage", "the rig is stopping")
        up.collect()
        assert up.others == [TAKE_BACK]
        up.take_back(sent[1])
        assert up.last.summary == ("2", "EXCEPTION", "ConnectionRefusedError", "not started")

    def test_an_unreachable_one_waits_again(self, up: Bench) -> None:
        """Its place among those that wait at the worker isn't counted any more."""
        sent = ask(up, "1", "2")
        up.unreachable(sent[1])
        assert up.broker.queued("stage") == 1
        up.reply(sent[0])
        up.control("stage1.q", {"type": "lane_open"})
        up.reply(up.sent[-1])
        assert up.started == ["1", "2", "2"]
        up.assert_empty()


class TestCancel:
    """What hasn't started is withdrawn, wherever it waits; of all else it is told."""

    WITHDRAWN = ("2", "EXCEPTION", "InterruptedError", "not started")

    def cancel(self, up: Bench, request_id: str) -> int:
        number = up.broker.dispatch.cancel(request_id, up.now)
        up.collect()
        return number

    def test_at_the_worker(self, up: Bench) -> None:
        sent = ask(up, "1", "2", "3")
        number = self.cancel(up, "2")
        assert up.others == [TAKE_BACK], "nobody is told before it is known"
        up.take_back(*sent[1:])
        assert up.others[1:] == [CancelDone(number, "withdrawn", "stage", "move")]
        assert up.summaries == [self.WITHDRAWN]
        up.reply(sent[0])
        up.give_back(sent[1])
        up.give_back(sent[2])
        assert up.started == ["1", "2", "3", "3"]

    def test_in_the_queue(self) -> None:
        bench = Bench()
        bench.add()
        number = 0
        bench.ask("2")
        number = self.cancel(bench, "2")
        assert bench.others == [CancelDone(number, "withdrawn", "stage", "move")]
        assert bench.summaries == [self.WITHDRAWN]
        bench.assert_empty()

    def test_what_was_claimed_goes_on(self, up: Bench) -> None:
        (sent,) = ask(up, "1")
        first, second = self.cancel(up, "1"), self.cancel(up, "1")
        up.take_back()
        third = self.cancel(up, "1")
        up.at(up.now)
        told = [CancelDone(number, "runs", "stage", "move") for number in (first, second, third)]
        assert up.others == [TAKE_BACK, *told]
        up.reply(sent)
        assert up.last.summary == ("1", "REPLY", None)

    def test_it_ends_before_that_is_known(self, up: Bench) -> None:
        (sent,) = ask(up, "1")
        number = self.cancel(up, "1")
        up.reply(sent)
        assert up.others == [TAKE_BACK, CancelDone(number, "ended", "stage", "move")]

    def test_its_worker_dies_before_that_is_known(self, up: Bench) -> None:
        ask(up, "1")
        number = self.cancel(up, "1")
        up.lose()
        assert up.others == [TAKE_BACK, CancelDone(number, "ended", "stage", "move")]

    def test_its_time_is_over_as_well(self, up: Bench) -> None:
        """It is answered once."""
        (sent,) = ask(up, "1")
        number = self.cancel(up, "1")
        up.now = 101.0
        up.take_back(sent)
        assert up.others == [TAKE_BACK, CancelDone(number, "withdrawn", "stage", "move")]
        assert up.summaries == [("1", "TIMEOUT", "invokation")]

    def test_it_was_told_before(self, up: Bench) -> None:
        """Its time was over before it was begun, and its worker hasn't looked since."""
        (sent,) = ask(up, "1")
        up.at(101.0)
        up.take_back(sent)
        up.others.clear()
        number = self.cancel(up, "1")
        assert up.others == [CancelDone(number, "withdrawn", "stage", "move")]

    def test_what_the_rig_answers_itself(self, up: Bench) -> None:
        up.ask("1", member=DESCRIPTION)
        number = self.cancel(up, "1")
        assert up.others[1:] == [CancelDone(number, "runs", "stage", DESCRIPTION)]

    def test_nobody_waits_for_it(self, up: Bench) -> None:
        number = self.cancel(up, "7")
        assert up.others == [CancelDone(number, "unknown", "", "")]
