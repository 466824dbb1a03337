"""The broker's core towards workers: incarnations, lanes, deaths, late and foreign frames."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.core.admission import Caps
from orchestrator.core.effects import Describe
from tests.core.kit import CONTROL, Bench, reply_frames
from tests.core.told import WorkerReady, WorkerUnbuilt
from transports.link import SetLevel


@pytest.fixture
def bench() -> Bench:
    """A rig with one worker, not started yet."""
    bench = Bench()
    bench.add("stage")
    return bench


@pytest.fixture
def up(bench: Bench) -> Bench:
    """A rig with one worker, ready, with a concurrent lane for two `peek`s at once."""
    bench.bring_up("stage", concurrent=["peek"], capacity=2)
    bench.others.clear()
    return bench


class TestComingUp:
    def test_requests_wait_for_ready(self, bench: Bench) -> None:
        """Nothing is dispatched before the worker is ready; then all goes out in order."""
        for id_ in "12":
            bench.ask(id_)
        bench.expect()
        bench.open_lanes()
        assert bench.started == []
        bench.say_ready()
        assert bench.others == [WorkerReady("stage", 1)]
        assert bench.started == ["1"]
        bench.reply(bench.sent[0])
        assert bench.started == ["1", "2"]

    def test_a_lane_must_be_open(self, bench: Bench) -> None:
        """A lane gets nothing before its first message, even if the worker is ready."""
        bench.expect()
        bench.control("stage1.q", {"type": "lane_open"})
        bench.say_ready(concurrent=["peek"], capacity=1)
        bench.ask("1", member="peek")
        assert bench.started == []
        bench.control("stage1.c", {"type": "lane_open"})
        assert bench.started == ["1"]
        assert bench.sent[0].lane == "stage1.c"

    def test_other_members_than_before(self, up: Bench) -> None:
        """A worker that describes its driver anew is ready as before; what waits goes by lanes."""
        up.ask("1", member="move")
        up.ask("2", member="ch1.stop")
        assert up.started == ["1"]
        message = {"type": "described", "concurrent": ["ch1.stop"], "capacity": 2}
        up.control("stage1.q", message, json.dumps({"title": "Other"}).encode())
        assert up.started == ["1", "2"]
        assert up.sent[1].lane == "stage1.c"
        assert up.broker.peers["stage"].description == {"title": "Other"}
        assert not any(isinstance(each, WorkerReady) for each in up.others)

    def test_a_description_that_cannot_be_read(self, up: Bench) -> None:
        """It is dropped; what was described before stands."""
        before = up.broker.peers["stage"].description
        up.control("stage1.q", {"type": "described"}, b"{")
        assert up.broker.peers["stage"].description == before

    def test_a_driver_that_could_not_be_built(self, bench: Bench) -> None:
        """A worker's report of a failed build is passed on, with the incarnation."""
        bench.expect(incarnation=3)
        bench.open_lanes()
        exception = {"type": "ImportError", "message": "no module", "traceback": ["x"]}
        bench.control("stage3.q", {"type": "failed", "stage": "import", "exception": exception})
        assert bench.others == [WorkerUnbuilt("stage", 3, "import", exception)]

    def test_workers_do_not_share_a_queue(self, up: Bench) -> None:
        """A busy worker doesn't delay another's requests."""
        up.add("camera")
        up.bring_up("camera")
        for id_, worker in (("1", "stage"), ("2", "stage"), ("3", "camera")):
            up.ask(id_, worker)
        assert [(sent.id, sent.lane) for sent in up.sent] == [("1", "stage1.q"), ("3", "camera1.q")]


class TestConcurrentLane:
    def test_beside_the_queue(self, up: Bench) -> None:
        """Concurrent members run beside a queued one, as many at once as declared."""
        up.ask("move")
        for id_ in ("p1", "p2", "p3"):
            up.ask(id_, member="peek")
        assert [(sent.id, sent.lane[-1]) for sent in up.sent] == [
            ("move", "q"),
            ("p1", "c"),
            ("p2", "c"),
        ]
        up.reply(up.sent[2], "second")
        assert up.started[-1] == "p3"
        assert up.summaries == [("p2", "REPLY", "second")]

    def test_a_lane_answers_for_itself(self, up: Bench) -> None:
        """A reply counts only on the lane that was given the request."""
        up.ask("1", member="peek")
        sent = up.sent[0]
        up.link("stage1.q", [sent.number.to_bytes(8, "big"), *reply_frames(sent.header)])
        assert up.answers == []
        up.reply(sent)
        assert up.summaries == [("1", "REPLY", None)]

    def test_re_laning_at_ready(self, bench: Bench) -> None:
        """What waits is sorted by the lanes that the incarnation declares, order kept."""
        for id_, member in (("1", "move"), ("2", "peek"), ("3", "move"), ("4", "peek")):
            bench.ask(id_, member=member)
        bench.bring_up(concurrent=["peek"], capacity=1)
        assert bench.started == ["1", "2"]
        bench.lose()
        bench.bring_up(incarnation=2)  # declares nothing concurrent any more
        assert bench.started == ["1", "2", "3"]
        bench.reply(bench.sent[2])
        assert (bench.sent[3].id, bench.sent[3].lane) == ("4", "stage2.q")
        bench.reply(bench.sent[3])
        bench.assert_empty()

    def test_re_laned_requests_still_time_out(self, bench: Bench) -> None:
        """A request that changed its lane keeps its deadline and its place in the counts."""
        bench.ask("1", member="peek")
        bench.ask("2", member="peek", context={"invokation_timeout": 1})
        bench.bring_up(concurrent=["peek"], capacity=1)
        bench.at(101)
        assert bench.summaries == [("2", "TIMEOUT", "invokation")]
        assert bench.broker.queued("stage") == 0


class TestEnd:
    def test_in_flight_is_unknown(self, up: Bench) -> None:
        """What ran when its worker died is answered: outcome unknown, never "failed"."""
        up.ask("1")
        up.ask("2", member="peek")
        up.lose(reason="killed by SIGKILL")
        assert up.summaries == [
            ("1", "EXCEPTION", "ConnectionResetError", "unknown"),
            ("2", "EXCEPTION", "ConnectionResetError", "unknown"),
        ]
        assert "killed by SIGKILL; it ran stage.move" in up.answers[0].error["message"]
        up.assert_empty()

    def test_what_waits_is_kept(self, up: Bench) -> None:
        """What waited goes to the next incarnation, in order, within its invocation timeout."""
        up.ask("1")
        up.ask("2")
        up.ask("3", context={"invokation_timeout": 5})
        up.ask("4", context={"invokation_timeout": 6})
        up.lose()
        up.at(105)
        up.bring_up(incarnation=2)
        for index in (1, 2):
            up.reply(up.sent[index])
        assert [(sent.id, sent.lane) for sent in up.sent] == [
            ("1", "stage1.q"),
            ("2", "stage2.q"),
            ("4", "stage2.q"),
        ]
        assert up.summaries[1] == ("3", "TIMEOUT", "invokation")
        up.assert_empty()

    def test_what_runs_is_never_tried_again(self, up: Bench) -> None:
        """No request is given to two incarnations."""
        up.ask("1")
        up.lose()
        up.bring_up(incarnation=2)
        assert up.started == ["1"]

    def test_given_up(self, up: Bench) -> None:
        """Where no incarnation may follow, what waits is refused: not started; so is what comes."""
        up.ask("1")
        up.ask("2")
        up.lose(holds=False, reason="worker 'stage' is FAILED")
        up.ask("3")
        assert up.summaries[1:] == [
            ("2", "EXCEPTION", "ConnectionRefusedError", "not started"),
            ("3", "EXCEPTION", "ConnectionRefusedError", "not started"),
        ]
        assert up.last.error["message"] == "worker 'stage' is FAILED"
        up.assert_empty()

    def test_held_again(self, up: Bench) -> None:
        """A closed worker that is to start takes requests again."""
        up.lose(holds=False)
        up.broker.hold("stage")
        up.ask("1")
        up.bring_up(incarnation=2)
        assert up.started == ["1"]

    def test_an_overdue_operation_is_answered_once(self, up: Bench) -> None:
        """What timed out before its worker died has had its answer."""
        up.ask("1", context={"execution_timeout": 1})
        up.at(101)
        up.lose()
        assert up.summaries == [("1", "TIMEOUT", "execution")]
        up.assert_empty()

    def test_nothing_is_dispatched_to_the_dead(self, up: Bench) -> None:
        """Between death and the next READY requests wait."""
        up.lose()
        up.ask("1")
        up.expect(incarnation=2)
        up.open_lanes()
        assert up.started == []
        assert up.broker.queued("stage") == 1

    def test_lost_twice(self, up: Bench) -> None:
        """The end of an incarnation settles things once."""
        up.ask("1")
        up.lose()
        up.lose()
        assert len(up.answers) == 1


class TestForeignFrames:
    def test_late_reply_of_a_dead_incarnation(self, up: Bench) -> None:
        """What a dead incarnation still had on the wire reaches nobody, and worries nobody."""
        up.ask("1")
        (late,) = up.sent
        up.lose()
        up.reply(late, "late")
        up.bring_up(incarnation=2)
        up.ask("2")
        up.reply(late, "later")
        assert [answer.kind for answer in up.answers] == ["EXCEPTION"]
        assert up.broker.counts["late replies"] == 2
        assert up.broker.counts["strangers"] == 0

    def test_a_late_ready_of_a_dead_incarnation(self, up: Bench) -> None:
        """Nor do its control messages open or ready its successor."""
        up.lose()
        up.expect(incarnation=2)
        up.tokens["stage"] = "stage1"
        up.open_lanes()
        up.say_ready()
        up.ask("1")
        assert up.others == []
        assert up.started == []

    def test_a_number_of_another_incarnation(self, up: Bench) -> None:
        """A living incarnation can't answer for a number that it wasn't given."""
        up.ask("1")
        (old,) = up.sent
        up.lose()
        up.bring_up(incarnation=2)
        up.link("stage2.q", [old.number.to_bytes(8, "big"), *reply_frames(old.header)])
        assert len(up.answers) == 1
        assert up.broker.counts["late replies"] == 1

    @pytest.mark.parametrize("lane", ["", "stage1", "stage2.q", "stage1.x", "camera1.q", "\x00"])
    def test_strangers(self, up: Bench, lane: str) -> None:
        """Only who knows an incarnation's token is heard."""
        up.ask("1")
        up.link(lane, [up.sent[0].number.to_bytes(8, "big"), *reply_frames(up.sent[0].header)])
        assert up.answers == []
        assert up.broker.counts["strangers"] == 1

    def test_a_reply_twice(self, up: Bench) -> None:
        """The second reply to a number is dropped, and gives no second credit."""
        for id_ in "123":
            up.ask(id_)
        up.reply(up.sent[0], "first")
        up.reply(up.sent[0], "again")
        assert up.summaries == [("1", "REPLY", "first")]
        assert up.started == ["1", "2"]

    @pytest.mark.parametrize(
        "frames",
        [
            [],
            [CONTROL],
            [CONTROL, b"{}", b""],
            [CONTROL, b"{}", b"", b"", b""],
            [b"", b"", b"", b""],
            [b"1234567", b"", b"", b""],
            [CONTROL, b"", b"", b""],
            [CONTROL, b"{}", b"", b""],
            [CONTROL, b'{"type": "\xff"}', b"", b""],
            [CONTROL, b'{"type": "unheard of"}', b"", b""],
            [CONTROL, b'{"type": "ready"}', b"not json", b""],
            [CONTROL, b'{"type": "ready", "capacity": "x"}', b"{}", b""],
            [CONTROL, b'{"type": "failed", "stage": "x", "exception": ' + b"[" * 9999, b"", b""],
            [
                CONTROL,
                b'{"type": "failed", "stage": "x", "exception": {"a": ' + b"[" * 9999,
                b"",
                b"",
            ],
        ],
    )
    def test_malformed(self, up: Bench, frames: list[bytes]) -> None:
        """A worker's garbage is dropped with a record and stops nothing."""
        up.ask("1")
        up.link("stage1.q", frames)
        assert up.facts[-1].text == "link message dropped"
        assert up.others == []
        assert up.answers == []
        up.reply(up.sent[0])
        assert up.summaries == [("1", "REPLY", None)]


class TestStopping:
    def test_told(self, up: Bench) -> None:
        """A worker is told on its queued lane, by a control message."""
        assert up.stop(hold=False)
        (sent,) = up.sent
        assert (sent.lane, sent.number, sent.header) == ("stage1.q", 0, {"type": "stop"})

    def test_cannot_be_told_before_its_lane_is_open(self, bench: Bench) -> None:
        """Whether it could be told is said, so that it can be signalled instead."""
        bench.expect()
        assert not bench.stop(hold=False)
        assert bench.sent == []

    def test_what_runs_may_end(self, up: Bench) -> None:
        """An operation in flight is answered by its worker as long as that lives."""
        up.ask("1")
        up.stop(hold=False)
        up.reply(up.sent[0], "done")
        assert up.summaries == [("1", "REPLY", "done")]

    def test_what_waits_is_refused(self, up: Bench) -> None:
        """Without hold, what waits and what comes is refused: not started."""
        up.ask("1")
        up.ask("2")
        up.stop(hold=False, reason="worker 'stage' is stopping")
        up.ask("3")
        up.reply(up.sent[0])
        refused = ("EXCEPTION", "ConnectionRefusedError", "not started")
        assert up.summaries == [("2", *refused), ("3", *refused), ("1", "REPLY", None)]
        assert up.started == ["1"]

    def test_what_waits_is_held(self, up: Bench) -> None:
        """With hold, nothing more is dispatched to this incarnation, all to the next."""
        up.ask("1")
        up.ask("2")
        up.stop(hold=True)
        up.ask("3")
        up.reply(up.sent[0])
        assert up.started == ["1"]
        up.lose()
        up.bring_up(incarnation=2)
        up.reply(up.sent[-1])
        assert up.started == ["1", "2", "3"]
        assert [answer.id for answer in up.answers] == ["1", "2"]

    @pytest.mark.parametrize("hold", [True, False])
    def test_ready_after_it_was_told(self, bench: Bench, hold: bool) -> None:
        """A worker that was told to stop while it started gets nothing when it says READY."""
        bench.ask("1")
        bench.expect()
        bench.open_lanes()
        bench.stop(hold=hold)
        if not hold:
            bench.broker.hold("stage")
        bench.ask("2")
        bench.say_ready()
        assert bench.started == []
        bench.lose()
        bench.bring_up(incarnation=2)
        assert bench.started == (["1"] if hold else ["2"])

    def test_refuse(self, up: Bench) -> None:
        """Refusing lets what runs end and settles the rest."""
        up.ask("1")
        up.ask("2")
        up.broker.refuse("stage", "the rig shuts down")
        up.collect()
        up.reply(up.sent[0])
        assert [answer.id for answer in up.answers] == ["2", "1"]
        up.assert_empty()

    def test_a_refusal_s_reason_stands_until_it_is_held_again(self, up: Bench) -> None:
        """That of the rig's end, whatever becomes of the worker on the way there."""

        def reason(id_: str) -> object:
            up.ask(id_)
            up.collect()
            return up.answers[-1].value["exception"]["message"]

        up.broker.refuse("stage", "the rig shuts down")
        up.stop(hold=False, reason="worker 'stage' is stopping")
        assert reason("1") == "the rig shuts down"
        up.broker.lost("stage", up.now, reason="it has ended", holds=False)
        assert reason("2") == "the rig shuts down"
        up.broker.hold("stage")
        up.stop(hold=False, reason="worker 'stage' is stopping")
        assert reason("3") == "worker 'stage' is stopping"


class TestUnreachable:
    def test_waits_again_at_the_front(self, up: Bench) -> None:
        """What couldn't be sent wasn't started: it is the first for the next incarnation."""
        for id_ in "123":
            up.ask(id_)
        up.unreachable(up.sent[0])
        assert up.answers == []
        assert up.broker.queued("stage") == 3
        up.lose()
        assert up.answers == []
        up.bring_up(incarnation=2)
        for index in (1, 2, 3):
            up.reply(up.sent[index])
        assert up.started == ["1", "1", "2", "3"]
        assert [answer.kind for answer in up.answers] == ["REPLY"] * 3
        up.assert_empty()

    def test_several_keep_their_order(self, up: Bench) -> None:
        """Two of one client that couldn't be sent start in the order in which they came."""
        for id_ in "123":
            up.ask(id_, member="peek")
        for sent in up.sent[:2]:
            up.unreachable(sent)
        up.lose()
        up.bring_up(incarnation=2, concurrent=["peek"], capacity=1)
        up.reply(up.sent[2])
        up.reply(up.sent[3])
        assert up.started[2:] == ["1", "2", "3"]

    def test_its_invocation_timeout_runs_on(self, up: Bench) -> None:
        """Its time counts from arrival, not from the failed dispatch."""
        up.ask("1", context={"invokation_timeout": 2, "execution_timeout": 50})
        up.now = 101
        up.unreachable(up.sent[0])
        assert up.broker.next_deadline == 102
        up.at(102)
        assert up.summaries == [("1", "TIMEOUT", "invokation")]
        up.assert_empty()

    def test_nothing_more_is_sent_there(self, up: Bench) -> None:
        """A lane that can't be reached is closed until it opens anew."""
        up.ask("1")
        up.unreachable(up.sent[0])
        up.ask("2")
        up.control("stage1.c", {"type": "lane_open"})
        assert up.started == ["1"]
        up.control("stage1.q", {"type": "lane_open"})
        assert up.started == ["1", "1"]

    def test_of_a_worker_that_is_closed(self, up: Bench) -> None:
        """If nobody will run it any more, it is refused: not started."""
        up.ask("1")
        up.broker.refuse("stage", "it is stopped")
        up.unreachable(up.sent[0])
        assert up.summaries == [("1", "EXCEPTION", "ConnectionRefusedError", "not started")]
        up.assert_empty()

    def test_of_an_overdue_one(self, up: Bench) -> None:
        """What was answered with a timeout is only forgotten."""
        up.ask("1", context={"execution_timeout": 1})
        up.at(101)
        up.unreachable(up.sent[0])
        assert up.summaries == [("1", "TIMEOUT", "execution")]
        up.assert_empty()

    def test_of_a_settled_one(self, up: Bench) -> None:
        """News of a request that is settled, or of a control message, changes nothing."""
        up.ask("1")
        sent = up.sent[0]
        up.lose()
        up.unreachable(sent)
        up.broker.unreachable(0, up.now)
        assert len(up.answers) == 1
        up.assert_empty()

    def test_told_twice(self, up: Bench) -> None:
        """The same news twice counts once."""
        up.ask("1")
        up.unreachable(up.sent[0])
        up.unreachable(up.sent[0])
        assert up.broker.queued("stage") == 1
        up.lose(holds=False)
        up.assert_empty()

    def test_an_accepted_request_is_not_refused_for_room(self) -> None:
        """The queue's cap is for what comes; what was accepted returns over it."""
        bench = Bench(Caps(queue=1))
        bench.add()
        bench.bring_up()
        for id_ in "12":
            bench.ask(id_)
        bench.unreachable(bench.sent[0])
        assert bench.answers == []
        assert bench.broker.queued("stage") == 2

    def test_after_other_lanes_were_declared(self, up: Bench) -> None:
        """It waits where its member belongs by now, and can time out there."""
        up.ask("1", member="peek", context={"invokation_timeout": 1})
        up.say_ready()  # nothing is concurrent any more
        up.unreachable(up.sent[0])
        up.at(101)
        assert up.summaries == [("1", "TIMEOUT", "invokation")]
        up.assert_empty()


def test_counters_tell_what_happened(up: Bench) -> None:
    """Each kind of event has a counter."""
    up.ask("1", context={"execution_timeout": 1})
    up.ask("2", context={"invokation_timeout": 1})
    up.at(101)
    up.lose()
    assert up.broker.counts["execution timeouts"] == 1
    assert up.broker.counts["invocation timeouts"] == 1
    up.bring_up(incarnation=2)
    up.ask("3")
    up.lose()
    assert up.broker.counts["unknown outcomes"] == 1


def test_describe_effects_are_not_sent_to_workers(up: Bench) -> None:
    """A description takes no credit and isn't settled by its worker's death."""
    up.ask("td", member="get_thing_description")
    up.ask("1")
    assert up.started == ["1"]
    up.lose()
    (effect,) = [each for each in up.others if isinstance(each, Describe)]
    up.describe(effect, {})
    assert [answer.id for answer in up.answers] == ["1", "td"]


def test_json_of_a_fact_is_plain(up: Bench) -> None:
    """Facts hold plain values, so that any log can store them."""
    up.ask("1", context={"execution_timeout": 1})
    up.at(101)
    up.lose()
    fields: list[dict[str, Any]] = [fact.fields for fact in up.facts]
    assert json.loads(json.dumps(fields)) == fields


class TestRecords:
    @pytest.mark.parametrize(("kind", "how"), [("REPLY", "done"), ("EXCEPTION", "raised")])
    def test_a_request_s_life_is_told_when_it_is_traced(
        self, up: Bench, kind: str, how: str
    ) -> None:
        """Its arrival, its dispatch and its answer, with the seconds between them."""
        up.broker.ledger.watch(traces=True)
        up.ask("1")
        up.ask("2")
        up.now = 102.0
        up.reply(up.sent[0], kind=kind)
        up.now = 105.0
        up.reply(up.sent[1], kind=kind)
        lives = [fact for fact in up.facts if fact.fields.get("request") == "2"]
        assert {fact.level for fact in lives} == {"debug"}
        assert [fact.text for fact in lives] == ["arrived", "dispatched", "answered"]
        arrived, dispatched, answered = (fact.fields for fact in lives)
        assert (arrived["operation"], arrived["who"]) == ("invokeaction", "alice")
        assert (dispatched["waited"], dispatched["life"]) == (2.0, 1)
        assert (answered["seconds"], answered["total"], answered["how"]) == (3.0, 5.0, how)

    def test_it_is_not_told_unasked(self, up: Bench) -> None:
        """What goes well is worth no record, and costs none."""
        up.ask("1")
        up.reply(up.sent[0])
        assert up.facts == []

    def test_the_level_of_a_worker_s_records(self, up: Bench) -> None:
        """A worker is told it over its queued lane; one that has none yet can't be."""
        assert up.broker.tell("stage", SetLevel("debug"))
        up.collect()
        (told,) = up.sent
        assert (told.lane, told.number) == ("stage1.q", 0)
        assert told.header == {"type": "set_level", "level": "debug"}
        up.lose()
        assert not up.broker.tell("stage", SetLevel("info"))
        up.collect()
        assert up.sent == [told]
