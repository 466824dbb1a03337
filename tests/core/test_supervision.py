"""The supervisor's core: every transition, and the order of starts, stops and restarts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from orchestrator.core.children import ChildSpec, Exit
from orchestrator.core.effects import Launch, Signal
from orchestrator.core.states import Status as S
from tests.core.supervision_kit import CRASH, DONE, Rig, in_state, worker_of
from tests.core.told import AskToStop, Hold, Lost

EVENTS: dict[str, Callable[[Rig], None]] = {
    "start": lambda rig: rig.start("a"),
    "stop": lambda rig: rig.stop("a"),
    "restart": lambda rig: rig.restart("a"),
    "ready": lambda rig: rig.ready("a"),
    "unbuilt": Rig.unbuilt,
    "done": lambda rig: rig.exit("a", DONE),
    "crash": Rig.exit,
    "unlaunched": Rig.unlaunched,
    "wanting": lambda rig: rig.unlaunched(wants=True),
    "overran": Rig.overran,
    "recovered": Rig.recovered,
    "shut_down": lambda rig: rig.core.shut_down(rig.now),
    "kill": lambda rig: rig.core.kill(rig.now),
}
# A worker of restart: permanent. "-": the state stays.
TRANSITIONS = """
            WAITING  STARTING READY    STALLED  STOPPING STOPPED  BACKOFF  FAILED
start       -        -        -        -        -        STARTING STARTING STARTING
stop        STOPPED  STOPPING STOPPING STOPPING -        -        STOPPED  -
restart     -        STOPPING STOPPING STOPPING -        STARTING STARTING STARTING
ready       -        READY    -        -        -        -        -        -
unbuilt     -        -        -        -        -        -        -        -
done        -        BACKOFF  BACKOFF  BACKOFF  STOPPED  -        -        -
crash       -        BACKOFF  BACKOFF  BACKOFF  STOPPED  -        -        -
unlaunched  -        FAILED   FAILED   FAILED   FAILED   -        -        -
wanting     -        BACKOFF  -        -        STOPPED  -        -        -
overran     -        -        STALLED  -        -        -        -        -
recovered   -        -        -        READY    -        -        -        -
shut_down   STOPPED  STOPPING STOPPING STOPPING -        -        STOPPED  -
kill        STOPPED  STOPPING STOPPING STOPPING -        -        STOPPED  -
"""


def table() -> list[tuple[str, S, S]]:
    """The rows of TRANSITIONS as (event, before, after)."""
    head, *rows = (line.split() for line in TRANSITIONS.strip().splitlines())
    return [
        (event, S(before), S(before if after == "-" else after))
        for event, *cells in rows
        for before, after in zip(head, cells, strict=True)
    ]


@pytest.mark.parametrize(("event", "before", "after"), table())
def test_transitions(event: str, before: S, after: S) -> None:
    """Each event leads from each state where the table says."""
    rig = in_state(before)
    EVENTS[event](rig)
    assert rig.status() is after


def test_the_table_is_complete() -> None:
    """No state and no event is left out of the table."""
    rows = table()
    assert {before for _, before, _ in rows} == set(S)
    assert {event for event, _, _ in rows} == set(EVENTS)
    assert len(rows) == len(S) * len(EVENTS)


class TestStart:
    def test_effects(self) -> None:
        """A start holds what comes for the worker and launches its first incarnation."""
        rig = Rig(ChildSpec("a"))
        rig.start("a")
        assert rig.take() == [Hold("a"), Launch("a", 1)]

    def test_after(self) -> None:
        """A worker starts when those that it starts after are ready, not before."""
        rig = Rig(ChildSpec("c", after=("a", "b")), ChildSpec("b", after=("a",)), ChildSpec("a"))
        rig.start("c", "b", "a")
        assert rig.of(Launch) == ["a"]
        rig.ready("a")
        assert rig.of(Launch) == ["b"]
        rig.ready("b")
        assert rig.of(Launch) == ["c"]

    def test_after_one_that_is_not_wanted(self) -> None:
        """A worker that nobody wants to run isn't waited for."""
        rig = Rig(ChildSpec("a"), ChildSpec("b", after=("a",)))
        rig.start("b")
        assert rig.of(Launch) == ["b"]

    def test_after_one_that_failed(self) -> None:
        """A worker that was given up isn't waited for; one that will be tried again is."""
        rig = Rig(ChildSpec("a"), ChildSpec("b", after=("a",)))
        rig.start("a", "b")
        rig.exit("a")
        assert rig.statuses == "BACKOFF WAITING"
        rig.to_deadline()
        assert rig.statuses == "STARTING WAITING"
        rig.unbuilt("a")
        assert rig.status("b") is S.WAITING
        rig.exit("a")
        assert rig.statuses == "FAILED STARTING"

    def test_after_one_that_is_stopped_meanwhile(self) -> None:
        """Stopping the one that is waited for lets those that wait start."""
        rig = Rig(ChildSpec("a"), ChildSpec("b", after=("a",)))
        rig.start("a", "b")
        rig.stop("a")
        assert rig.statuses == "STOPPING WAITING"
        rig.exit("a", DONE)
        assert rig.statuses == "STOPPED STARTING"

    def test_a_running_worker_is_left_alone(self) -> None:
        """A start of what runs does nothing."""
        rig = in_state(S.READY)
        rig.start("a")
        assert rig.take() == []

    def test_it_takes_back_a_stop_that_has_not_begun(self) -> None:
        """A worker whose stop still waits for others' is left alone when it is wanted again."""
        rig = Rig(ChildSpec("a"), ChildSpec("b", after=("a",)))
        rig.up("a", "b")
        rig.stop("a", "b")
        rig.start("a")
        rig.exit("b", DONE)
        assert rig.statuses == "READY STOPPED"
        assert rig.of(AskToStop) == ["b"]

    def test_it_does_not_take_back_a_restart(self) -> None:
        """A restart that still waits happens, though a start is asked for meanwhile."""
        rig = Rig(ChildSpec("a"), ChildSpec("b", after=("a",)))
        rig.up("a", "b")
        rig.restart("a", "b")
        rig.start("a")
        rig.exit("b", DONE)
        assert rig.of(AskToStop) == ["b", "a"]

    def test_during_a_stop(self) -> None:
        """A worker that is stopping starts again once it has stopped; requests queue meanwhile."""
        rig = in_state(S.STOPPING)
        rig.start("a")
        assert rig.take() == [Hold("a")]
        rig.exit("a", DONE)
        reason = "worker 'a' was stopped (ended with status 0)"
        assert rig.take() == [Lost("a", reason, True), Hold("a"), Launch("a", 2)]

    def test_from_backoff_at_once(self) -> None:
        """A start doesn't wait for the back-off, and its restarts are counted anew."""
        rig = in_state(S.BACKOFF)
        rig.start("a")
        assert rig.of(Launch) == ["a"]
        assert rig.core.next_deadline == 5.0  # when a start takes long
        assert not rig.core.children["a"].history

    def test_could_not_be_launched(self) -> None:
        """A worker whose process can't be started fails with the reason."""
        rig = in_state(S.STARTING)
        rig.unlaunched()
        assert rig.take() == [Lost("a", "worker 'a' is FAILED: no such file", False)]
        assert rig.core.children["a"].reason == "no such file"

    def test_could_not_be_launched_while_it_should_stop(self) -> None:
        """It fails, too, where a stop waits, and nobody waits for its end."""
        rig = Rig(ChildSpec("a"), ChildSpec("b", after=("a",)))
        rig.up("a", "b")
        rig.exit("a")
        rig.to_deadline()
        rig.stop("a", "b")
        rig.unlaunched("a")
        rig.exit("b", DONE)
        assert rig.statuses == "FAILED STOPPED"
        assert rig.core.all_down


class TestStop:
    def test_effects(self) -> None:
        """A stop asks the worker; its end refuses what waits and says so."""
        rig = in_state(S.READY)
        rig.stop("a")
        assert rig.take() == [AskToStop("a", hold=False)]
        rig.exit("a", DONE)
        assert rig.take() == [Lost("a", "worker 'a' was stopped (ended with status 0)", False)]
        assert rig.core.next_deadline is None

    @pytest.mark.parametrize("state", [S.WAITING, S.BACKOFF])
    def test_without_an_incarnation(self, state: S) -> None:
        """What only waits to start is stopped at once and doesn't start later."""
        rig = in_state(state)
        rig.stop("a")
        assert rig.take() == [Lost("a", "worker 'a' is stopped", False)]
        rig.ready("first")
        rig.at(1000)
        assert rig.of(Launch) == []

    def test_reverse_order(self) -> None:
        """Each worker stops before those that it started after, whatever order is asked for."""
        rig = Rig(
            ChildSpec("a"),
            ChildSpec("b", after=("a",)),
            ChildSpec("c", after=("b",)),
            ChildSpec("d"),
        )
        rig.up("a", "b", "c", "d")
        rig.stop("a", "b", "c", "d")
        assert rig.of(AskToStop) == ["c", "d"]
        rig.exit("c", DONE)
        assert rig.of(AskToStop) == ["b"]
        rig.exit("b")
        assert rig.of(AskToStop) == ["a"]

    def test_only_those_that_stop_are_waited_for(self) -> None:
        """A worker stops without those after it if only it is to stop."""
        rig = Rig(ChildSpec("a"), ChildSpec("b", after=("a",)))
        rig.up("a", "b")
        rig.stop("a")
        assert rig.of(AskToStop) == ["a"]
        assert rig.status("b") is S.READY

    def test_ladder(self) -> None:
        """A worker that doesn't stop gets TERM after 5 s, CONT and TERM 1 s later, KILL 1 s on."""
        rig = in_state(S.READY)
        rig.stop("a")
        rig.take()
        steps = []
        while rig.core.next_deadline is not None:
            rig.to_deadline()
            steps += [(rig.now, effect) for effect in rig.take()]
        assert steps == [
            (5.0, Signal("a", "term")),
            (6.0, Signal("a", "wake")),
            (7.0, Signal("a", "kill")),
        ]
        assert rig.status() is S.STOPPING
        rig.exit("a", CRASH)
        assert rig.status() is S.STOPPED

    def test_a_thread_is_left_behind(self) -> None:
        """It takes no signal: it has its time, and what is told says so."""
        rig = in_state(S.READY, ChildSpec("a", thread=True, stop_timeout=3.0))
        rig.stop("a")
        rig.take()
        rig.to_deadline()
        assert (rig.now, rig.take()) == (3.0, [Signal("a", "kill")])
        assert rig.core.next_deadline is None
        assert "its thread is left behind" in rig.facts[-1].text

    def test_not_before_its_time(self) -> None:
        """No signal is sent before its deadline, however often the clock ticks."""
        rig = in_state(S.READY)
        rig.stop("a")
        rig.take()
        for now in (1.0, 2.0, 2.999):
            rig.at(now)
        assert rig.take() == []

    def test_untold(self) -> None:
        """A worker that can't be told over its link is signalled at once, then as usual."""
        rig = in_state(S.STARTING)
        rig.holder.untold.add("a")
        rig.stop("a")
        assert rig.take() == [AskToStop("a", hold=False), Signal("a", "term")]
        assert rig.core.next_deadline == 1.0
        rig.to_deadline()
        assert rig.take() == [Signal("a", "wake")]

    def test_a_stop_ends_the_ladder(self) -> None:
        """Once it has ended, no signal follows."""
        rig = in_state(S.STOPPING)
        rig.exit("a", DONE)
        rig.take()
        rig.at(1000)
        assert rig.take() == []

    def test_death_before_its_turn_to_stop(self) -> None:
        """A worker that dies while its stop waits for others' is stopped, not restarted."""
        rig = Rig(ChildSpec("a"), ChildSpec("b", after=("a",)))
        rig.up("a", "b")
        rig.stop("a", "b")
        rig.exit("a", CRASH)
        assert rig.statuses == "STOPPED STOPPING"
        rig.at(1000)
        assert rig.of(Launch) == []

    def test_a_stop_takes_back_a_start(self) -> None:
        """Stopping again while it stops, after a start, leaves it stopped."""
        rig = in_state(S.STOPPING)
        rig.start("a")
        rig.stop("a")
        rig.exit("a", DONE)
        assert rig.status() is S.STOPPED


class TestRestart:
    def test_what_waits_is_held(self) -> None:
        """A restart keeps the queue and starts the next incarnation after the end."""
        rig = in_state(S.READY)
        rig.restart("a")
        assert rig.take() == [AskToStop("a", hold=True)]
        rig.exit("a", DONE)
        lost, *rest = rig.take()
        assert lost == Lost("a", "worker 'a' was stopped (ended with status 0)", True)
        assert rest == [Hold("a"), Launch("a", 2)]
        assert rig.core.children["a"].restarts == 1

    @pytest.mark.parametrize("names", [("a", "b"), ("b", "a")])
    @pytest.mark.parametrize("plans", [(0, 1), (1, 0)])
    def test_of_several(self, names: tuple[str, ...], plans: tuple[int, int]) -> None:
        """All stop in reverse order first, then start in order, in whichever order they stand."""
        both = (ChildSpec("a"), ChildSpec("b", after=("a",)))
        rig = Rig(*(both[index] for index in plans))
        rig.up("a", "b")
        rig.restart(*names)
        order = []
        for name, event in (("b", rig.exit), ("a", rig.exit), ("a", rig.ready), ("b", rig.ready)):
            order += [f"{type(each).__name__} {worker_of(each)}" for each in rig.take()]
            event(name)
        assert order == [
            "AskToStop b",
            "Lost b",
            "Hold b",
            "AskToStop a",
            "Lost a",
            "Hold a",
            "Launch a",
            "Launch b",
        ]
        assert rig.statuses == "READY READY"

    def test_one_for_one(self) -> None:
        """A worker's restart leaves those that started after it running."""
        rig = Rig(ChildSpec("a"), ChildSpec("b", after=("a",)))
        rig.up("a", "b")
        rig.restart("a")
        rig.exit("a", DONE)
        rig.ready("a")
        assert rig.of(AskToStop) == ["a"]
        assert rig.statuses == "READY READY"

    def test_in_the_middle_of_starting(self) -> None:
        """A worker that starts is stopped and started anew."""
        rig = in_state(S.STARTING)
        rig.restart("a")
        rig.exit("a", CRASH)
        assert rig.of(Launch) == ["a"]

    def test_does_not_count_as_a_crash(self) -> None:
        """Restarts that were asked for are no reason to give up."""
        rig = in_state(S.READY, ChildSpec("a", intensity=1))
        for _ in range(10):
            rig.restart("a")
            rig.exit("a", CRASH)
            rig.ready("a")
        assert rig.status() is S.READY
        assert rig.core.children["a"].restarts == 10

    def test_while_its_stop_waits(self) -> None:
        """A restart overrules a stop that hasn't begun; the queue is kept."""
        rig = Rig(ChildSpec("a"), ChildSpec("b", after=("a",)))
        rig.up("a", "b")
        rig.stop("a", "b")
        rig.restart("a")
        rig.take()
        rig.exit("b", DONE)
        assert AskToStop("a", hold=True) in rig.take()


def test_each_change_of_a_state_is_told_with_its_reason() -> None:
    """In order, with the life that it happened to."""
    rig = Rig(ChildSpec("a", intensity=1))
    rig.core.start(["a"], rig.now)
    rig.core.ready("a", 1, rig.now)
    rig.core.overran("a", 1, "move", rig.now, stalls=True, taken=True)
    rig.core.recovered("a", 1, rig.now + 2.5)
    rig.core.overran("a", 1, "home", rig.now, stalls=True, taken=True)
    rig.core.exited("a", 1, Exit("signal 9", normal=False), rig.now)
    rig.collect()
    assert [(move.was, move.state, move.incarnation, move.reason) for move in rig.moves] == [
        ("STOPPED", "WAITING", 0, "start is asked for"),
        ("WAITING", "STARTING", 1, "those before it have settled"),
        ("STARTING", "READY", 1, "says that it is ready"),
        ("READY", "STALLED", 1, "move overran its execution timeout and still runs"),
        ("STALLED", "READY", 1, "what kept it has ended, 2.5 s after it was STALLED"),
        ("READY", "STALLED", 1, "home overran its execution timeout and still runs"),
        ("STALLED", "BACKOFF", 1, "signal 9"),
    ]
    assert {move.worker for move in rig.moves} == {"a"}
