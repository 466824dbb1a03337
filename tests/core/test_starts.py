"""The supervisor's core: starts that take long, that fail for now, and what is said of them."""

from __future__ import annotations

import pytest

from orchestrator.core.children import ChildSpec, Exit
from orchestrator.core.effects import Launch, Signal
from orchestrator.core.starts import retry_delay, standing
from orchestrator.core.states import Status as S
from tests.core.supervision_kit import CRASH, Rig
from tests.core.told import Lost, RefuseDescriptions

OFF = {"type": "OSError", "message": "is it switched on?"}


def fail_build(rig: Rig, name: str = "a", stage: str = "build") -> None:
    """The constructor of a worker's driver raises, and its process ends."""
    rig.core.unbuilt(name, rig.core.children[name].incarnation, stage, OFF, rig.now)
    rig.exit(name, Exit("exit status 70", normal=False, unusable=True))


class TestDeviceOff:
    def test_is_tried_without_end(self) -> None:
        """The delay doubles from 1 s to 30 s, and no number of failures gives the worker up."""
        rig = Rig(ChildSpec("a", intensity=2))
        rig.start("a")
        delays = []
        for _ in range(12):
            fail_build(rig)
            assert rig.status() is S.BACKOFF
            assert "is it switched on?" in rig.core.children["a"].reason
            deadline = rig.core.next_deadline
            assert deadline is not None
            delays.append(deadline - rig.now)
            rig.to_deadline()
        assert delays == [1.0, 2.0, 4.0, 8.0, 16.0, *[30.0] * 7]
        rig.ready("a")
        assert rig.status() is S.READY
        assert rig.core.children["a"].reason == ""

    def test_once_ready_it_begins_anew(self) -> None:
        """The next time that its device is off, the first delay is short again."""
        rig = Rig(ChildSpec("a"))
        rig.start("a")
        for _ in range(4):
            fail_build(rig)
            rig.to_deadline()
        rig.ready("a")
        rig.exit("a", CRASH)
        rig.to_deadline()
        fail_build(rig)
        assert rig.core.next_deadline == rig.now + 1.0

    def test_after_it_was_ready(self) -> None:
        """A device that is off when its worker is restarted is waited for alike."""
        rig = Rig(ChildSpec("a", intensity=1))
        rig.up("a")
        rig.exit("a", CRASH)
        rig.to_deadline()
        for _ in range(4):
            fail_build(rig)
            assert rig.status() is S.BACKOFF
            rig.to_deadline()

    @pytest.mark.parametrize("stage", ["import", "arguments", "describe"])
    def test_other_stages(self, stage: str) -> None:
        """What trying again can't mend fails for good."""
        rig = Rig(ChildSpec("a"))
        rig.start("a")
        fail_build(rig, stage=stage)
        assert rig.status() is S.FAILED

    @pytest.mark.parametrize(
        "spec", [ChildSpec("a", retry_start=False), ChildSpec("a", restart="temporary")]
    )
    def test_not_wanted(self, spec: ChildSpec) -> None:
        """Not with `retry_start: false`, and not for a temporary worker."""
        rig = Rig(spec)
        rig.start("a")
        fail_build(rig)
        assert rig.status() is S.FAILED

    def test_holds_nobody_back_longer(self) -> None:
        """Those after it start when its first start has failed, also while it is tried again."""
        rig = Rig(ChildSpec("a"), ChildSpec("b", after=("a",)), ChildSpec("c", after=("a",)))
        rig.start("a", "b")
        assert rig.of(Launch) == ["a"]
        fail_build(rig)
        assert rig.of(Launch) == ["b"]
        rig.to_deadline()
        rig.start("c")
        assert rig.of(Launch) == ["a", "c"]

    def test_start_tries_at_once(self) -> None:
        """A start that is asked for doesn't wait for the delay."""
        rig = Rig(ChildSpec("a"))
        rig.start("a")
        for _ in range(5):
            fail_build(rig)
            rig.to_deadline()
        fail_build(rig)
        rig.take()
        rig.start("a")
        assert rig.of(Launch) == ["a"]

    def test_what_waits_is_kept(self) -> None:
        """Requests may wait for it; who waits for its description is told at once."""
        rig = Rig(ChildSpec("a"))
        rig.start("a")
        rig.take()
        fail_build(rig)
        effects = rig.take()
        lost = next(each for each in effects if isinstance(each, Lost))
        told = next(each for each in effects if isinstance(each, RefuseDescriptions))
        assert lost.holds
        assert "'a' is BACKOFF for 0.0 s" in told.reason
        assert "is it switched on?" in told.reason
        assert "next start in 1.0 s" in told.reason


class TestWant:
    def test_is_tried_again(self) -> None:
        """A launch that failed for want of something isn't a crash; all others are untouched."""
        rig = Rig(ChildSpec("a", intensity=0), ChildSpec("b"))
        rig.up("a", "b")
        rig.restart("a")
        rig.exit("a")
        for _ in range(3):
            rig.unlaunched("a", wants=True)
            assert rig.statuses == "BACKOFF READY"
            rig.to_deadline()
        rig.ready("a")
        assert rig.statuses == "READY READY"

    def test_its_process_says_so(self) -> None:
        """A process that ends for want of threads is tried again in the same way."""
        rig = Rig(ChildSpec("a", intensity=0))
        rig.start("a")
        rig.exit("a", Exit("exit status 75", normal=False, wants=True))
        assert rig.status() is S.BACKOFF

    @pytest.mark.parametrize(("wish", "state"), [("stop", S.STOPPED), ("restart", S.STARTING)])
    def test_meanwhile_it_is_to_stop(self, wish: str, state: S) -> None:
        """A wish that came while it was launched is carried out."""
        rig = Rig(ChildSpec("a"))
        rig.start("a")
        getattr(rig, wish)("a")
        rig.unlaunched("a", wants=True)
        assert rig.status() is state


class TestLongStarts:
    def test_is_told(self) -> None:
        """After 5 s, and from then on every 30 s: what it is at, and who waits for it."""
        rig = Rig(ChildSpec("a", start_timeout=None), ChildSpec("b", after=("a",)))
        rig.start("a", "b")
        rig.core.starting("a", 1, "Chiller.__init__ (chiller.py:14)")
        told = []
        while rig.now < 100.0:
            rig.to_deadline()
            told.append((rig.now, rig.core.children["a"].reason))
        assert [now for now, _ in told] == [5.0, 30.0, 60.0, 90.0, 120.0]
        text = "still starting, 30 s in Chiller.__init__ (chiller.py:14); b waits for it"
        assert told[1][1] == text
        rig.collect()
        assert [fact.text for fact in rig.facts] == [reason for _, reason in told]

    def test_is_told_to_whoever_waits(self) -> None:
        """Of it and of those that start after it, whose reason names it."""
        rig = Rig(ChildSpec("a"), ChildSpec("b", after=("a",)), ChildSpec("c", after=("b",)))
        rig.start("a", "b", "c")
        rig.take()
        rig.to_deadline()
        told = {e.worker: e.reason for e in rig.take() if isinstance(e, RefuseDescriptions)}
        assert sorted(told) == ["a", "b", "c"]
        assert told["a"].startswith("worker 'a' is STARTING for 5.0 s: still starting, 5 s")
        assert told["b"] == "worker 'b' is WAITING for 5.0 s: waits for a (STARTING)"

    def test_is_told_before_that_to_whoever_can_t_wait(self) -> None:
        """What it is at, and why it starts again; of those that wait for it too."""
        rig = Rig(ChildSpec("a"), ChildSpec("b", after=("a",)))
        children = rig.core.children
        rig.start("a", "b")
        assert standing(children["a"], children, 0.2) == "worker 'a' is STARTING for 0.2 s"
        rig.core.starting("a", 1, "Chiller.__init__ (chiller.py:14)")
        where = "in Chiller.__init__ (chiller.py:14)"
        assert standing(children["a"], children, 0.5).endswith(f" for 0.5 s: {where}")
        assert standing(children["b"], children, 0.5).endswith(f": waits for a (STARTING {where})")
        rig.to_deadline()
        slow = f"still starting, 8 s {where}; b waits for it"
        assert standing(children["a"], children, 8.0).endswith(f" for 8.0 s: {slow}")
        rig.exit("a", CRASH)
        rig.to_deadline()
        rig.core.starting("a", 2, "Chiller.__init__ (chiller.py:14)")
        assert f" s: {where}; killed by SIGSEGV" in standing(children["a"], children, rig.now)

    def test_ends_at_its_timeout(self) -> None:
        """It is ended, with the ladder, and counts as a crash with that reason."""
        rig = Rig(ChildSpec("a", start_timeout=8.0, intensity=1))
        rig.start("a")
        rig.core.starting("a", 1, "Chiller.__init__ (chiller.py:14)")
        rig.take()
        steps = []
        for _ in range(4):
            rig.to_deadline()
            steps += [(rig.now, each.how) for each in rig.take() if isinstance(each, Signal)]
        assert steps == [(8.0, "term"), (9.0, "wake"), (10.0, "kill")]
        rig.ready("a")
        assert rig.status() is S.STARTING
        rig.exit("a", CRASH)
        assert rig.status() is S.BACKOFF
        reason = "didn't start within 8 s in Chiller.__init__ (chiller.py:14)"
        assert rig.core.children["a"].reason == reason

    def test_a_short_one_isn_t(self) -> None:
        """A start that is over in time leaves nothing to be told."""
        rig = Rig(ChildSpec("a"))
        rig.start("a")
        rig.at(4.9)
        rig.ready("a")
        rig.at(1000)
        rig.collect()
        assert [fact.text for fact in rig.facts] == ["ready"]
        assert standing(rig.core.children["a"], rig.core.children, 1000) == (
            "worker 'a' is READY for 995.1 s"
        )


def test_delays_stay_numbers() -> None:
    """Also after more failures than a float could double."""
    assert retry_delay(10_000) == 30.0
