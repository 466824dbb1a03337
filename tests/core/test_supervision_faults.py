"""The supervisor's core when things go wrong: crashes, failed builds, overruns, the end of all."""

from __future__ import annotations

import pytest

from orchestrator.core.children import ChildSpec, Exit
from orchestrator.core.effects import Launch, Signal
from orchestrator.core.endings import REASON_WITHIN, UNBUILT_GRACE
from orchestrator.core.starts import why
from orchestrator.core.states import Goal
from orchestrator.core.states import Status as S
from tests.core.supervision_kit import CRASH, DONE, IMPORT_ERROR, Rig, in_state
from tests.core.told import AskToStop, Hold, Lost

UNUSABLE = Exit("its interpreter has no orch", normal=False, unusable=True)


class TestCrash:
    def test_back_off(self) -> None:
        """A permanent worker is started again after a pause that doubles, up to the most."""
        rig = in_state(S.READY, ChildSpec("a", intensity=10, backoff=(0.1, 5.0)))
        pauses = []
        for _ in range(8):
            died = rig.now
            rig.exit()
            rig.to_deadline()
            pauses.append(round(rig.now - died, 6))
        assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]

    def test_effects(self) -> None:
        """The queue is told to wait, and the reason is kept until it is ready again."""
        rig = in_state(S.READY)
        rig.exit()
        assert rig.take() == [Lost("a", "worker 'a' died (killed by SIGSEGV)", True)]
        assert rig.core.children["a"].reason == "killed by SIGSEGV"
        rig.to_deadline()
        assert rig.take() == [Hold("a"), Launch("a", 2)]
        rig.ready("a")
        assert rig.core.children["a"].reason == ""

    def test_more_crashes_than_allowed(self) -> None:
        """With 2 restarts in a minute allowed, the third crash within it is the last."""
        rig = in_state(S.READY, ChildSpec("a", intensity=2, period=60))
        for _ in range(2):
            rig.exit()
            rig.to_deadline()
            rig.ready("a")
        rig.take()
        rig.exit()
        assert rig.status() is S.FAILED
        (lost,) = rig.take()
        assert isinstance(lost, Lost)
        assert not lost.holds
        assert "given up after 2 restarts in 60 s" in lost.reason
        rig.at(10_000)
        assert rig.take() == []

    def test_the_window_slides(self) -> None:
        """Crashes count for one period only; older ones are forgotten."""
        rig = in_state(S.READY, ChildSpec("a", intensity=2, period=60, start_timeout=None))
        for died in (0.0, 50.0, 60.0, 110.0, 120.0):
            rig.at(died)
            rig.exit()
            assert rig.status() is S.BACKOFF, died
            rig.to_deadline()
        rig.at(169.9)
        rig.exit()
        assert rig.status() is S.FAILED

    def test_none_allowed(self) -> None:
        """With no restarts allowed the first crash is the last."""
        rig = in_state(S.READY, ChildSpec("a", intensity=0))
        rig.exit()
        assert rig.status() is S.FAILED

    def test_a_great_many_allowed(self) -> None:
        """The pause stays at its most, however many crashes there were."""
        rig = in_state(S.READY, ChildSpec("a", intensity=5000, period=1e9))
        for _ in range(2000):
            rig.exit()
            rig.to_deadline()
        rig.exit()
        assert rig.core.next_deadline == rig.now + ChildSpec("a").backoff[1]

    @pytest.mark.parametrize(
        ("restart", "how", "after"),
        [
            ("permanent", DONE, S.BACKOFF),
            ("permanent", CRASH, S.BACKOFF),
            ("transient", DONE, S.STOPPED),
            ("transient", CRASH, S.BACKOFF),
            ("temporary", DONE, S.STOPPED),
            ("temporary", CRASH, S.FAILED),
        ],
    )
    def test_restart_policies(self, restart: str, how: Exit, after: S) -> None:
        """Permanent is always restarted, transient after an abnormal exit, temporary never."""
        rig = in_state(S.READY, ChildSpec("a", restart=restart))
        rig.exit("a", how)
        assert rig.status() is after
        (lost,) = rig.take()
        assert isinstance(lost, Lost)
        assert lost.holds is (after is S.BACKOFF)

    @pytest.mark.parametrize("goal", [Goal.RUN, Goal.RESTART])
    def test_who_is_given_up_is_not_wanted(self, goal: Goal) -> None:
        """Nor who ended in peace: nothing is left of the wish that it should run."""
        rig = Rig(ChildSpec("a"), ChildSpec("b", restart="transient"))
        rig.start("a", "b")
        rig.core.children["a"].goal = goal
        rig.unlaunched("a")
        rig.exit("b", DONE)
        assert rig.statuses == "FAILED STOPPED"
        assert {child.goal for child in rig.core.children.values()} == {Goal.STOP}

    @pytest.mark.parametrize("restart", ["transient", "temporary"])
    def test_an_end_in_peace_frees_those_after(self, restart: str) -> None:
        """A worker that ended and won't be restarted isn't waited for."""
        rig = Rig(ChildSpec("a", restart=restart), ChildSpec("b", after=("a",)))
        rig.start("a", "b")
        rig.exit("a", DONE)
        assert rig.statuses == "STOPPED STARTING"

    def test_a_stale_exit(self) -> None:
        """News of an earlier incarnation changes nothing, whatever the news."""
        rig = in_state(S.READY)
        rig.exit()
        rig.to_deadline()
        rig.take()
        rig.core.exited("a", 1, CRASH, rig.now)
        rig.core.ready("a", 1, rig.now)
        rig.core.unbuilt("a", 1, "build", IMPORT_ERROR, rig.now)
        rig.core.unlaunched("a", 1, "late", rig.now)
        rig.core.overran("a", 1, "move", rig.now, stalls=True, taken=True)
        assert rig.take() == []
        assert rig.status() is S.STARTING
        assert rig.core.next_deadline == rig.now + 5.0  # when a start takes long


class TestUnbuilt:
    def test_a_boot_failure_is_not_retried(self) -> None:
        """A driver that can't be built fails at once, with the reason, and isn't tried again."""
        rig = in_state(S.STARTING)
        rig.unbuilt()
        assert rig.take() == []
        rig.exit("a", Exit("ended with status 3", normal=False))
        reason = "its driver couldn't be imported: ImportError: no module"
        assert rig.take() == [Lost("a", f"worker 'a' is FAILED: {reason}", False)]
        assert rig.core.children["a"].reason == reason
        rig.at(1000)
        assert rig.take() == []

    @pytest.mark.parametrize(
        ("stage", "words"),
        [("import", "imported"), ("build", "built"), ("describe", "unusable"), ("x", "unusable")],
    )
    def test_the_stage_is_told(self, stage: str, words: str) -> None:
        """The reason and the record say what failed, and how."""
        rig = in_state(S.STARTING)
        rig.unbuilt("a", stage)
        rig.exit()
        assert words in rig.core.children["a"].reason
        rig.collect()
        fact = rig.facts[-1]
        assert (fact.level, fact.fields["worker"]) == ("error", "a")
        assert f"{words}: ImportError: no module" in fact.text

    @pytest.mark.parametrize(
        ("kind", "message", "text"),
        [
            ("RuntimeError", "SystemExit: 3", "SystemExit: 3"),
            ("RuntimeError", "no device", "RuntimeError: no device"),
            ("OSError", "SystemExit: 3", "OSError: SystemExit: 3"),
        ],
    )
    def test_what_is_no_exception_keeps_its_name(self, kind: str, message: str, text: str) -> None:
        """It travels as a RuntimeError that names it; the name isn't told twice."""
        rig = in_state(S.STARTING)
        exception = {"type": kind, "message": message, "traceback": ["x"]}
        rig.core.unbuilt("a", 1, "build", exception, rig.now)
        rig.exit()
        assert rig.core.children["a"].reason == f"its driver couldn't be built: {text}"

    def test_with_a_normal_exit(self) -> None:
        """How the process ends after its report doesn't matter."""
        rig = in_state(S.STARTING, ChildSpec("a", restart="transient"))
        rig.unbuilt()
        rig.exit("a", DONE)
        assert rig.status() is S.FAILED

    def test_it_must_exit(self) -> None:
        """A process that reported a failure and doesn't exit is killed."""
        rig = in_state(S.STARTING)
        rig.unbuilt()
        assert rig.core.next_deadline == UNBUILT_GRACE
        rig.to_deadline()
        assert rig.take() == [Signal("a", "kill")]
        rig.exit()
        assert rig.status() is S.FAILED
        assert rig.core.next_deadline is None

    def test_a_rebuild_failure_is_retried(self) -> None:
        """A driver that was ready once is tried again, within its restarts: a device may return."""
        rig = in_state(S.READY, ChildSpec("a", intensity=2))
        rig.exit()
        rig.to_deadline()
        rig.unbuilt()
        rig.exit("a", DONE)
        assert rig.status() is S.BACKOFF
        rig.to_deadline()
        rig.unbuilt()
        rig.exit("a", DONE)
        assert rig.status() is S.FAILED

    def test_a_rebuild_failure_is_never_normal(self) -> None:
        """A transient worker is restarted after one, even if the process ended with 0."""
        rig = in_state(S.READY, ChildSpec("a", restart="transient"))
        rig.exit()
        rig.to_deadline()
        rig.unbuilt()
        rig.exit("a", DONE)
        assert rig.status() is S.BACKOFF

    def test_after_it_was_mended(self) -> None:
        """A start after a boot failure forgets it."""
        rig = in_state(S.STARTING)
        rig.unbuilt()
        rig.exit()
        rig.start("a")
        assert rig.status() is S.STARTING
        rig.exit()
        assert rig.status() is S.BACKOFF

    def test_an_exit_that_says_so(self) -> None:
        """A process may end saying that trying again is of no use; that counts at first only."""
        rig = in_state(S.STARTING)
        rig.exit("a", UNUSABLE)
        rig.to_deadline()
        assert rig.status() is S.FAILED
        assert rig.core.children["a"].reason == "its interpreter has no orch"
        rig = in_state(S.READY)
        rig.exit("a", UNUSABLE)
        rig.to_deadline()
        assert rig.status() is S.BACKOFF

    def test_its_reason_may_come_after_its_end(self) -> None:
        """It is waited for a moment, and no longer than until it comes."""
        rig = in_state(S.STARTING)
        rig.exit("a", UNUSABLE)
        assert rig.take() == []
        assert rig.core.next_deadline == REASON_WITHIN
        rig.unbuilt()
        assert rig.status() is S.FAILED
        assert rig.core.children["a"].reason.endswith("ImportError: no module")
        assert rig.core.next_deadline is None

    @pytest.mark.parametrize("news", ["ready", "exit", "overran", "recovered", "unlaunched"])
    def test_no_other_news_of_it_counts_meanwhile(self, news: str) -> None:
        """It is over: nothing that it said before changes that, or makes it wait for ever."""
        rig = in_state(S.STARTING)
        rig.exit("a", UNUSABLE)
        getattr(rig, news)("a")
        assert rig.core.next_deadline == REASON_WITHIN
        rig.to_deadline()
        assert rig.status() is S.FAILED
        assert rig.core.children["a"].reason == "its interpreter has no orch"

    @pytest.mark.parametrize(
        ("wish", "status"), [("stop", S.STOPPED), ("restart", S.STARTING), ("kill", S.STOPPED)]
    )
    def test_a_wish_does_not_wait_for_the_reason(self, wish: str, status: S) -> None:
        """One that has ended is neither told to stop nor signalled."""
        rig = in_state(S.STARTING)
        rig.exit("a", UNUSABLE)
        if wish == "kill":
            rig.core.kill(rig.now)
        else:
            getattr(rig, wish)("a")
        assert rig.status() is status
        assert not [e for e in rig.take() if isinstance(e, (AskToStop, Signal))]

    def test_one_that_is_to_stop_is_not_waited_for(self) -> None:
        """Why it couldn't be hosted doesn't matter any more."""
        rig = in_state(S.STARTING)
        rig.stop("a")
        rig.exit("a", UNUSABLE)
        assert rig.status() is S.STOPPED

    def test_while_it_should_stop(self) -> None:
        """A worker that is stopped while it fails to build is stopped, and killed if it hangs."""
        rig = in_state(S.STARTING)
        rig.stop("a")
        rig.unbuilt()
        rig.take()
        rig.to_deadline()
        assert rig.take() == [Signal("a", "kill")]
        rig.exit()
        assert rig.status() is S.STOPPED


class TestOverrun:
    ENDED = ChildSpec("a", restart_on_overrun=True, intensity=2)

    def test_a_thread_is_asked_and_then_left_behind(self) -> None:
        """No signal ends what runs in it. What is asked for meanwhile waits for the next one."""
        spec = ChildSpec("a", restart_on_overrun=True, thread=True, stop_timeout=3.0)
        rig = in_state(S.READY, spec)
        rig.overran()
        assert rig.take() == [AskToStop("a", hold=True)]
        rig.to_deadline()
        assert (rig.now, rig.take()) == (3.0, [Signal("a", "kill")])
        assert "its thread is left behind" in rig.facts[-1].text
        rig.exit("a", Exit("its thread is left behind", normal=False))
        assert rig.status() is S.BACKOFF
        assert "move overran" in rig.core.children["a"].reason

    def test_a_thread_that_ends_when_it_is_asked_is_restarted(self) -> None:
        """What ran has ended in time, and its driver was closed."""
        rig = in_state(S.READY, ChildSpec("a", restart_on_overrun=True, thread=True))
        rig.overran()
        rig.recovered()
        rig.exit("a", DONE)
        assert rig.status() is S.BACKOFF

    def test_report(self) -> None:
        """A worker that can't take anything is shown as such until the operation ends."""
        rig = in_state(S.READY)
        rig.overran()
        assert rig.take() == []
        assert rig.status() is S.STALLED
        assert "move overran" in rig.core.children["a"].reason
        rig.recovered()
        assert (rig.status(), rig.core.children["a"].reason) == (S.READY, "")

    def test_beside_others(self) -> None:
        """An operation for which nobody waits stalls nothing."""
        rig = in_state(S.READY)
        rig.overran(stalls=False)
        assert rig.status() is S.READY

    def test_those_that_start_after_it(self) -> None:
        """A worker that stalls is as good as ready to them."""
        rig = Rig(ChildSpec("a"), ChildSpec("b", after=("a",)))
        rig.up("a")
        rig.overran()
        rig.start("b")
        assert rig.status("b") is S.STARTING

    @pytest.mark.parametrize("stalls", [True, False])
    @pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
    def test_restart(self, restart: str, stalls: bool) -> None:
        """Where the config says so, it is ended at once; its queue is kept."""
        rig = in_state(S.READY, ChildSpec("a", restart=restart, restart_on_overrun=True))
        rig.overran(stalls=stalls)
        assert rig.take() == [Signal("a", "term")]
        rig.overran()
        rig.recovered()
        assert rig.take() == []
        for how in ("wake", "kill"):
            rig.to_deadline()
            assert rig.take() == [Signal("a", how)]
        assert rig.now == 2.0
        rig.exit()
        assert rig.take() == [
            Lost("a", "worker 'a' died (move overran its execution timeout)", holds=True)
        ]
        rig.to_deadline()
        assert rig.of(Launch) == ["a"]

    def test_one_that_overruns_always(self) -> None:
        """It is given up as one that always crashes."""
        rig = Rig(self.ENDED)
        rig.up("a")
        for _ in range(2):
            rig.overran()
            rig.exit()
            rig.to_deadline()
            rig.ready("a")
        rig.overran()
        rig.exit()
        assert rig.status() is S.FAILED
        assert rig.core.children["a"].reason == (
            "move overran its execution timeout; given up after 2 restarts in 60 s"
        )

    def test_a_stop_meanwhile(self) -> None:
        """A wish counts for more."""
        rig = Rig(self.ENDED)
        rig.up("a")
        rig.overran()
        rig.stop("a")
        rig.exit()
        assert rig.status() is S.STOPPED

    def test_while_its_stop_waits(self) -> None:
        """An overrun doesn't turn a stop into a restart."""
        rig = Rig(ChildSpec("a", restart_on_overrun=True), ChildSpec("b", after=("a",)))
        rig.up("a", "b")
        rig.stop("a", "b")
        rig.overran()
        assert rig.of(Signal) == []
        for name in ("b", "a"):
            rig.exit(name, DONE)
        assert rig.statuses == "STOPPED STOPPED"


class TestStall:
    """What was found of a worker that is STALLED, and how long it may be."""

    def test_the_evidence_is_told(self) -> None:
        """What keeps it, and where it is; each is found by itself."""
        rig = in_state(S.STALLED)
        child, children = rig.core.children["a"], rig.core.children
        base = "move overran its execution timeout and still runs"
        assert why(child, children, rig.now) == base
        rig.core.found("a", 1, where="in camera.py:88 expose")
        assert why(child, children, rig.now) == f"{base}: in camera.py:88 expose"
        rig.core.found("a", 1, held="GIL held")
        assert why(child, children, rig.now) == f"{base}: GIL held in camera.py:88 expose"
        rig.recovered()
        rig.overran()
        assert why(child, children, rig.now) == base

    def test_of_one_that_is_not_stalled_or_another_life(self) -> None:
        rig = in_state(S.READY)
        rig.core.found("a", 1, held="GIL held")
        rig.overran()
        rig.core.found("a", 2, held="GIL held")
        assert "GIL" not in why(rig.core.children["a"], rig.core.children, rig.now)

    def test_it_is_ended_after_its_time(self) -> None:
        rig = in_state(S.STALLED, ChildSpec("a", stall_limit=4.0))
        assert rig.core.next_deadline == rig.now + 4.0
        rig.core.found("a", 1, held="GIL held")
        rig.to_deadline()
        assert rig.take() == [Signal("a", "term")]
        rig.exit()
        assert rig.status() is S.BACKOFF
        reason = rig.core.children["a"].reason
        assert reason.startswith("was STALLED for 4.0 s: move overran its execution")
        assert reason.endswith("GIL held")

    def test_unless_it_recovers(self) -> None:
        rig = in_state(S.STALLED, ChildSpec("a", stall_limit=4.0))
        rig.recovered()
        assert rig.core.next_deadline is None

    def test_or_is_only_reported(self) -> None:
        assert in_state(S.STALLED).core.next_deadline is None


class TestShutDown:
    def test_everything_in_reverse_order(self) -> None:
        """Shutting down stops all, in reverse order; then all is down."""
        rig = Rig(ChildSpec("a"), ChildSpec("b", after=("a",)), ChildSpec("c", after=("b",)))
        rig.start("a", "b", "c")
        rig.ready("a")
        rig.core.shut_down(rig.now)
        assert rig.statuses == "READY STOPPING STOPPED"
        rig.exit("b")
        assert not rig.core.all_down
        rig.exit("a")
        assert rig.core.all_down
        assert rig.core.next_deadline is None

    @pytest.mark.parametrize("state", list(S))
    def test_nothing_is_launched_any_more(self, state: S) -> None:
        """Whatever happens after it, nothing starts."""
        rig = in_state(state)
        rig.core.shut_down(rig.now)
        for wish in (rig.start, rig.restart):
            wish("a", "first")
        rig.ready("a", "first")
        rig.overran()
        for how in (CRASH, DONE):
            rig.exit("a", how)
            rig.exit("first", how)
        rig.at(1000)
        assert rig.of(Launch) == []
        assert rig.core.all_down

    def test_a_restart_under_way_stays_down(self) -> None:
        """A worker that was being restarted isn't started again."""
        rig = in_state(S.READY)
        rig.restart("a")
        rig.core.shut_down(rig.now)
        rig.exit("a")
        assert rig.status() is S.STOPPED

    def test_death_before_its_turn(self) -> None:
        """A worker that dies while it waits to be stopped isn't started again."""
        rig = Rig(ChildSpec("a"), ChildSpec("b", after=("a",)))
        rig.up("a", "b")
        rig.core.shut_down(rig.now)
        rig.exit("a")
        rig.at(1000)
        assert rig.of(Launch) == []
        assert rig.status("a") is S.STOPPED

    def test_kill(self) -> None:
        """Killing signals every incarnation at once, whatever its state, in whichever order."""
        rig = Rig(ChildSpec("a"), ChildSpec("b", after=("a",)), ChildSpec("c"), ChildSpec("d"))
        rig.up("a", "b", "c")
        rig.stop("c")
        rig.take()
        rig.core.kill(rig.now)
        killed = [effect for effect in rig.take() if isinstance(effect, Signal)]
        assert killed == [Signal(name, "kill") for name in "abc"]
        assert rig.core.next_deadline is None
        for name in "abc":
            rig.exit(name)
        assert rig.statuses == "STOPPED STOPPED STOPPED STOPPED"

    def test_kill_of_one_that_has_ended(self) -> None:
        """Its reason isn't waited for any more, nor its turn to stop; nobody is left to signal."""
        rig = Rig(ChildSpec("a"), ChildSpec("b", after=("a",)))
        rig.up("b")
        rig.start("a")
        rig.exit("a", UNUSABLE)
        rig.core.kill(rig.now)
        assert rig.of(Signal) == ["b"]
        assert rig.statuses == "STOPPED STOPPING"
        assert rig.core.next_deadline is None


class TestPlan:
    def test_nothing_runs_at_first(self) -> None:
        """A rig starts when it is told to."""
        rig = Rig(ChildSpec("a"))
        rig.at(1000)
        assert rig.take() == []
        assert rig.core.all_down
        assert rig.core.next_deadline is None

    def test_next_deadline_is_the_earliest(self) -> None:
        """With several workers waiting, the earliest counts."""
        rig = Rig(ChildSpec("a"), ChildSpec("b"))
        rig.up("a", "b")
        rig.stop("a")
        rig.exit("b")
        assert rig.core.next_deadline == 0.1

    def test_states_since(self) -> None:
        """The moment of the last change is kept, for uptimes."""
        rig = Rig(ChildSpec("a"))
        rig.start("a")
        rig.now = 7.0
        rig.ready("a")
        assert rig.core.children["a"].since == 7.0
        rig.collect()
        assert rig.facts[-1].fields == {"worker": "a", "seconds": 7.0}
