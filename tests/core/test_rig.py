"""The rig's core: broker and supervision as one, and what it adds to them."""

from __future__ import annotations

import pytest

from orchestrator.core.alarms import Alarm
from orchestrator.core.children import ChildSpec
from orchestrator.core.effects import (
    Alarmed,
    Describe,
    Launch,
    OrderDone,
    RigUp,
    Signal,
    ToWorker,
    Unblock,
)
from orchestrator.core.endings import UNBUILT_GRACE
from orchestrator.core.hang import INSIST_AFTER
from orchestrator.core.states import Status as S
from tests.core.kit import RIG, Answer, Sent
from tests.core.rig_kit import CRASH, DONE, Bench
from transports.headers import Limits

SHORT = {"execution_timeout": 1}
PAIR = (ChildSpec("a"), ChildSpec("b", after=("a",)))


def number_of(effects: list[object]) -> list[int]:
    """The requests that workers were given, without control messages."""
    return [effect.number for effect in effects if isinstance(effect, Sent) and effect.number]


class TestBecomingReady:
    def test_it_gets_what_waits(self) -> None:
        """What came for a worker before it was ready goes out when it is, in order."""
        bench = Bench()
        bench.ask("1")
        bench.order("start", "a")
        assert bench.take() == [Launch("a", 1)]
        token = bench.open()
        assert bench.take() == []
        bench.say_ready(token)
        assert [(sent.id, sent.lane) for sent in bench.of(Sent)] == [("1", "a1.q")]
        assert bench.status() is S.READY

    def test_its_effects_are_in_order_of_cause(self) -> None:
        """The record first, then those that waited for it, then its requests, then who asked."""
        bench = Bench(*PAIR)
        number = bench.order("start", "a")
        bench.order("start", "b")
        bench.ask("1")
        token = bench.open("a")
        bench.take()
        bench.say_ready(token)
        launch, sent, done = bench.take()
        assert launch == Launch("b", 1)
        assert isinstance(sent, Sent)
        assert done == OrderDone(number, {"a": "READY"})
        assert [fact.text for fact in bench.facts] == ["ready"]

    @pytest.mark.parametrize(
        ("verb", "kinds"), [("stop", ["ConnectionRefusedError"]), ("restart", [])]
    )
    def test_told_to_stop_in_that_moment_it_gets_nothing(self, verb: str, kinds: list[str]) -> None:
        """Its READY crosses the word to stop: it is given nothing, a restart keeps what waits."""
        bench = Bench()
        bench.order("start", "a")
        bench.ask("1")
        token = bench.open()
        bench.order(verb, "a")  # type: ignore[arg-type]
        told = bench.take()
        assert [each.error["type"] for each in told if isinstance(each, Answer)] == kinds
        bench.say_ready(token)
        assert number_of(bench.take()) == []
        assert bench.status() is S.STOPPING
        bench.exit("a", DONE)
        if verb == "restart":
            bench.come_up()
            assert [(each.id, each.lane) for each in bench.of(Sent)] == [("1", "a2.q")]

    def test_an_unbuilt_driver_refuses_what_waits(self) -> None:
        """The reason that a worker gives for not being built is what its clients are told."""
        bench = Bench()
        bench.order("start", "a")
        bench.ask("1")
        token = bench.open()
        exception = {"type": "ImportError", "message": "no module", "traceback": ["x"]}
        bench.control(f"{token}.q", {"type": "failed", "stage": "import", "exception": exception})
        assert bench.rig.next_deadline == bench.now + UNBUILT_GRACE
        bench.exit()
        (answer,) = bench.of(Answer)
        assert "couldn't be imported: ImportError: no module" in answer.error["message"]
        assert bench.status() is S.FAILED

    def test_one_that_cannot_be_launched_refuses_what_waits(self) -> None:
        """It fails, and nobody waits for it."""
        bench = Bench()
        bench.ask("1")
        number = bench.order("start", "a")
        bench.take()
        bench.rig.unlaunched("a", 1, "no such file", bench.now, wants=False)
        answer, done, up = bench.take()
        assert answer.error["message"] == "worker 'a' is FAILED: no such file"
        assert done == OrderDone(number, {"a": "FAILED"})
        assert up == RigUp(0, 1, ("a",))


class TestDeath:
    def test_what_ran_is_settled_and_another_life_follows(self) -> None:
        """What ran is answered "unknown"; what waited goes to the life that comes next."""
        bench = Bench()
        bench.start()
        bench.ask("runs")
        bench.ask("waits")
        bench.take()
        bench.exit()
        (answer,) = bench.take()
        assert answer.summary == ("runs", "EXCEPTION", "ConnectionResetError", "unknown")
        assert bench.rig.next_deadline == bench.now + ChildSpec("stage").backoff[0]
        bench.to_deadline()
        assert bench.take() == [Launch("a", 2)]
        bench.come_up()
        assert [(sent.id, sent.lane) for sent in bench.of(Sent)] == [("waits", "a2.q")]

    def test_of_an_earlier_life(self) -> None:
        """News of one that is over changes nothing."""
        bench = Bench()
        bench.start()
        bench.exit()
        bench.to_deadline()
        bench.take()
        bench.rig.exited("a", 1, CRASH, bench.now)
        bench.rig.unlaunched("a", 1, "late", bench.now, wants=False)
        assert bench.take() == []
        assert bench.status() is S.STARTING

    def test_a_request_that_could_not_be_sent_waits(self) -> None:
        """It goes to the next life: it was never started."""
        bench = Bench()
        bench.start()
        bench.ask("1")
        (sent,) = bench.of(Sent)
        bench.rig.unreachable(sent.number, bench.now)
        bench.exit()
        assert bench.of(Answer) == []
        bench.to_deadline()
        bench.come_up()
        assert [sent.lane for sent in bench.of(Sent)] == ["a2.q"]


class TestOverrun:
    def test_stacks_are_asked_for_then_insisted_on(self) -> None:
        """The client is answered first; then evidence is gathered, twice of what is too early."""
        bench = Bench(unblock_again=1.0)
        bench.start()
        bench.ask("1", context=SHORT)
        bench.take()
        bench.at(101)
        answer, *evidence = bench.take()
        assert answer.summary == ("1", "TIMEOUT", "execution")
        assert evidence == [Unblock("a"), Signal("a", "stacks")]
        assert bench.status() is S.STALLED
        bench.at(101 + INSIST_AFTER)
        assert bench.take() == [Signal("a", "forced stacks")]
        bench.at(102)
        assert bench.take() == [Unblock("a")]
        assert bench.rig.next_deadline is None

    def test_it_is_insisted_before_it_is_asked_again(self) -> None:
        """In one turn: a worker that was asked only just now isn't to be forced."""
        bench = Bench()
        bench.start(concurrent=("peek",))
        bench.ask("1", context=SHORT)
        bench.ask("2", member="peek", context={"execution_timeout": 1 + INSIST_AFTER})
        bench.at(101)
        bench.take()
        bench.at(101 + INSIST_AFTER)
        asked = [each.how for each in bench.take() if isinstance(each, Signal)]
        assert asked == ["forced stacks", "stacks"]

    def test_of_several_at_once(self) -> None:
        """Stacks show all that runs, so they are asked for once."""
        bench = Bench()
        bench.start(concurrent=("peek",))
        bench.ask("1", context=SHORT)
        bench.ask("2", member="peek", context=SHORT)
        bench.at(101)
        assert bench.of(Signal) == [Signal("a", "stacks")]

    def test_its_end(self) -> None:
        """The worker takes operations again, and its late reply reaches nobody."""
        bench = Bench()
        bench.start()
        bench.ask("1", context=SHORT)
        bench.ask("2")
        (sent,) = bench.of(Sent)
        bench.at(101)
        bench.take()
        bench.reply(sent)
        (next_,) = bench.take()
        assert isinstance(next_, Sent)
        assert next_.id == "2"
        assert bench.status() is S.READY

    def test_of_one_that_is_to_be_restarted_for_it(self) -> None:
        """It is signalled after its stacks were asked for, and its next life isn't asked."""
        bench = Bench(ChildSpec("a", restart_on_overrun=True))
        bench.start()
        bench.ask("1", context=SHORT)
        bench.at(101)
        assert bench.of(Signal) == [Signal("a", "stacks"), Signal("a", "term")]
        bench.exit()
        bench.to_deadline()
        bench.come_up()
        bench.take()
        bench.at(200)
        assert bench.take() == []

    def test_of_the_rig_s_own_worker(self) -> None:
        """Nobody keeps it: it is neither signalled nor shown as stalled."""
        bench = Bench()
        bench.rig.broker.add_worker(RIG, Limits(None, None))
        bench.rig.expect(RIG, 1, "own")
        bench.control("own.q", {"type": "lane_open"})
        bench.say_ready("own")
        bench.ask("1", RIG, context=SHORT)
        (sent,) = bench.of(Sent)
        bench.at(101)
        assert [type(effect) for effect in bench.take()] == [Answer]
        bench.reply(sent)
        assert bench.take() == []


class TestOrders:
    def test_are_told_once_when_done(self) -> None:
        """Each by its number, with the states that came of it."""
        bench = Bench(ChildSpec("a"), ChildSpec("b"))
        first, second = bench.order("start", "a"), bench.order("start", "a", "b")
        assert bench.of(OrderDone) == []
        bench.come_up("a")
        assert bench.of(OrderDone) == [OrderDone(first, {"a": "READY"})]
        bench.come_up("b")
        assert bench.of(OrderDone) == [OrderDone(second, {"a": "READY", "b": "READY"})]
        bench.exit("a")
        bench.to_deadline()
        bench.come_up("a")
        assert bench.of(OrderDone) == []

    def test_of_what_is_so_already(self) -> None:
        """It is done at once."""
        bench = Bench()
        number = bench.order("stop", "a")
        assert bench.take() == [OrderDone(number, {"a": "STOPPED"})]
        bench.start()
        number = bench.order("start", "a")
        assert bench.take() == [OrderDone(number, {"a": "READY"})]

    def test_a_restart_waits_for_the_next_life(self) -> None:
        """The one that is to be replaced doesn't count, though it still serves."""
        bench = Bench()
        bench.start()
        number = bench.order("restart", "a")
        bench.exit("a", DONE)
        assert bench.of(OrderDone) == []
        bench.come_up()
        assert bench.of(OrderDone) == [OrderDone(number, {"a": "READY"})]

    def test_a_stop_waits_for_its_turn(self) -> None:
        """One that is to stop after another one still serves: the order isn't done."""
        bench = Bench(*PAIR)
        bench.start("a", "b")
        first, second = bench.order("stop", "b"), bench.order("stop", "a")
        assert bench.of(OrderDone) == []
        bench.exit("b", DONE)
        assert bench.of(OrderDone) == [OrderDone(first, {"b": "STOPPED"})]
        bench.exit("a", DONE)
        assert bench.of(OrderDone) == [OrderDone(second, {"a": "STOPPED"})]

    def test_while_the_rig_closes(self) -> None:
        """Who waits for an order is told, whatever comes of it; nothing is started any more."""
        bench = Bench()
        bench.start()
        before = bench.order("restart", "a")
        bench.rig.shut_down(bench.now)
        during = bench.order("start", "a")
        assert bench.of(OrderDone) == []
        bench.exit("a", DONE)
        assert bench.take() == [
            OrderDone(before, {"a": "STOPPED"}),
            OrderDone(during, {"a": "STOPPED"}),
        ]


class TestRigUp:
    def test_once_when_all_have_settled(self) -> None:
        """It tells how many serve, and who failed; later changes aren't the rig's start."""
        bench = Bench(ChildSpec("a"), ChildSpec("b"), ChildSpec("c"))
        bench.order("start", "a", "b", "c")
        bench.come_up("a")
        bench.rig.unlaunched("b", 1, "no such file", bench.now, wants=False)
        assert bench.of(RigUp) == []
        bench.come_up("c")
        assert bench.of(RigUp) == [RigUp(2, 3, ("b",))]
        bench.exit("a")
        bench.to_deadline()
        bench.come_up("a")
        assert bench.of(RigUp) == []

    def test_not_before_anything_was_started(self) -> None:
        """A rig in which nothing has happened isn't up."""
        bench = Bench()
        bench.at(200)
        bench.ask("1")
        assert bench.of(RigUp) == []

    def test_not_while_it_closes(self) -> None:
        """A rig that is shut down as it starts never was up."""
        bench = Bench()
        bench.order("start", "a")
        bench.rig.shut_down(bench.now)
        bench.exit()
        assert bench.of(RigUp) == []


class TestNextDeadline:
    def test_is_the_minimum_of_the_parts(self) -> None:
        """Of requests, of workers and of evidence, whichever comes first."""
        b = ChildSpec("b", stop_timeout=3.0)
        bench = Bench(ChildSpec("a"), b, ChildSpec("c"), unblock_again=3.0)
        assert bench.rig.next_deadline is None
        bench.start("a", "b")
        assert bench.rig.next_deadline is None
        bench.ask("1", "c", context={"invokation_timeout": 10})
        assert bench.rig.next_deadline == 110
        bench.order("stop", "b")  # which is told, and signalled after its 3 s
        assert bench.rig.next_deadline == 103
        bench.ask("2", "a", context=SHORT)
        assert bench.rig.next_deadline == 101
        bench.at(101)
        assert bench.rig.next_deadline == 101 + INSIST_AFTER
        bench.at(101 + INSIST_AFTER)
        assert bench.rig.next_deadline == 103
        bench.exit("b", DONE)
        assert bench.rig.next_deadline == 104
        bench.at(104)
        assert bench.rig.next_deadline == 110
        bench.at(110)
        assert bench.rig.next_deadline is None

    def test_nothing_happens_before_it(self) -> None:
        """However often the clock ticks."""
        bench = Bench()
        bench.start()
        bench.order("stop", "a")
        bench.take()
        for now in (100.5, 101.0, 102.9):
            bench.at(now)
        assert bench.take() == []


class TestEnd:
    def test_shut_down_refuses_what_waits_and_what_comes(self) -> None:
        """What runs may end; all else is told that it wasn't started."""
        bench = Bench(*PAIR)
        bench.start("a", "b")
        for id_ in ("runs", "waits"):
            bench.ask(id_)
        (sent,) = bench.of(Sent)
        bench.rig.shut_down(bench.now)
        assert bench.rig.is_closing
        bench.ask("comes")
        assert [answer.summary[0::3] for answer in bench.of(Answer)] == [
            ("waits", "not started"),
            ("comes", "not started"),
        ]
        bench.reply(sent)
        assert [answer.summary for answer in bench.of(Answer)] == [("runs", "REPLY", "done")]

    def test_who_comes_late_is_told_that_the_rig_stops(self) -> None:
        """Not that this worker does, which is how the rig goes about it."""
        bench = Bench(*PAIR)
        bench.start("a", "b")
        bench.rig.shut_down(bench.now)
        bench.ask("while it closes", worker="b")
        bench.exit("b", DONE)
        bench.ask("when it has ended", worker="b")
        bench.ask("before its turn", worker="a")
        reasons = [answer.value["exception"]["message"] for answer in bench.of(Answer)]
        assert reasons == [f"rig {RIG!r} is stopping"] * 3

    def test_it_is_over_when_the_last_has_ended(self) -> None:
        """In reverse order of start."""
        bench = Bench(*PAIR)
        bench.start("a", "b")
        assert not bench.rig.is_over
        bench.rig.shut_down(bench.now)
        for name in ("b", "a"):
            assert not bench.rig.is_over
            assert [sent.lane for sent in bench.of(Sent)] == [f"{name}1.q"]
            bench.exit(name, DONE)
        assert bench.rig.is_over
        assert bench.rig.next_deadline is None

    def test_kill_refuses_what_waits_and_what_comes(self) -> None:
        """At once: those who wait aren't to wait for the end of all that is killed."""
        bench = Bench(*PAIR)
        bench.start("a", "b")
        for id_ in ("runs", "waits"):
            bench.ask(id_)
        bench.take()
        bench.rig.kill(bench.now)
        bench.ask("comes")
        assert [answer.summary[0::3] for answer in bench.of(Answer)] == [
            ("waits", "not started"),
            ("comes", "not started"),
        ]

    def test_kill_waits_for_nobody(self) -> None:
        """All that lives is signalled at once, and what ran is settled by its end."""
        bench = Bench(*PAIR)
        bench.start("a", "b")
        bench.ask("1")
        bench.take()
        bench.rig.kill(bench.now)
        assert bench.of(Signal) == [Signal("a", "kill"), Signal("b", "kill")]
        for name in ("a", "b"):
            bench.exit(name)
        assert [answer.summary[-1] for answer in bench.of(Answer)] == ["unknown"]
        assert bench.rig.is_over


def test_a_description_is_answered_by_who_performs() -> None:
    """From what the worker said of itself; its lane isn't taken for it."""
    bench = Bench()
    bench.start()
    bench.ask("1", member="get_thing_description")
    (describe,) = bench.take()
    assert isinstance(describe, Describe)
    bench.rig.described(describe.number, "REPLY", b'{"title": "Stage"}')
    assert [answer.value for answer in bench.of(Answer)] == [{"title": "Stage"}]


def test_limits_and_timeouts_are_each_worker_s_own() -> None:
    """A request that brings none gets those of its member, else of its worker, else none."""
    specs = (ChildSpec("a"), ChildSpec("b"))
    bench = Bench(*specs)
    rig = type(bench.rig)(RIG, specs, limits={"a": Limits(4.0, 9.0)}, timeouts={"a": {"move": 2.0}})
    limits = {name: peer.limits_of for name, peer in rig.broker.peers.items()}
    assert limits["a"]("move") == Limits(4.0, 2.0)
    assert limits["a"]("other") == Limits(4.0, 9.0)
    assert limits["b"]("move") == Limits(None, None)


class TestAClientThatLeft:
    def test_its_workers_are_told_to_end_its_streams(self) -> None:
        """Those of which it had streams, once; nobody else is told of it."""
        bench = Bench(ChildSpec("a"), ChildSpec("b"))
        bench.start("a")
        bench.start("b")
        bench.ask("1", "a", "_stream", client="alice")
        bench.ask("2", "b", "move", client="alice")
        bench.ask("3", "a", "_stream_beside", client="bob")
        bench.take()
        bench.rig.client_left(b"alice")
        (told,) = bench.of(Sent)
        assert (told.lane, told.number) == ("a1.q", 0)
        assert told.header == {"type": "client_left", "client": "alice"}
        bench.rig.client_left(b"alice")
        bench.rig.client_left(b"carol")
        assert bench.take() == []
        assert list(bench.rig.broker.ledger.streams) == [b"bob"]


def test_a_worker_is_told_what_to_tell_by_the_rig() -> None:
    """On the private link, and what it tells reaches the alarms; plans change them live."""
    bench = Bench(ChildSpec("a"), alarms={"a": {"t": Alarm(above=60)}})
    bench.order("start", "a")
    token = bench.open("a")
    bench.say_ready(token)
    sent = [e for e in bench.rig.effects if isinstance(e, ToWorker) and b'"watch"' in e.frames[2]]
    assert len(sent) == 1
    bench.take()
    bench.control(f"{token}.q", {"type": "polled", "name": "t", "value": "61.0"})
    assert bench.of(Alarmed)[0].value == 61.0
    assert bench.rig.next_deadline == bench.now + 10.0
    bench.to_deadline()
    assert bench.of(Alarmed)[0].state == "stale"
    bench.exit("a")
    bench.take()
    assert bench.rig.alarms.of("a")["t"].raised
