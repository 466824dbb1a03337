"""Which restart follows a death: pauses, strategies, the required, and the slow retry."""

from __future__ import annotations

import pytest

from orchestrator.core.children import ChildSpec, Exit
from orchestrator.core.effects import Launch
from orchestrator.core.restarts import JITTER, STABLE
from orchestrator.core.starts import standing
from orchestrator.core.states import Status as S
from tests.core.rig_kit import Bench
from tests.core.supervision_kit import CRASH, DONE, Rig
from tests.core.told import AskToStop

A, B, C, D = (
    ChildSpec("a"),
    ChildSpec("b", after=("a",)),
    ChildSpec("c", after=("b",)),
    ChildSpec("d"),
)


class TestBackoff:
    def test_is_configured(self) -> None:
        """It doubles from its first value to its most, and stays there."""
        rig = Rig(ChildSpec("a", intensity=9, backoff=(1.0, 6.0)))
        rig.up("a")
        assert [pause(rig) for _ in range(5)] == [1.0, 2.0, 4.0, 6.0, 6.0]

    def test_a_stable_life_begins_anew(self) -> None:
        """Crashes before a life that served for long don't make the next pause longer."""
        rig = Rig(ChildSpec("a", intensity=99, backoff=(1.0, 60.0)))
        rig.up("a")
        assert [pause(rig) for _ in range(3)] == [1.0, 2.0, 4.0]
        rig.ready("a")
        rig.at(rig.now + STABLE - 0.5)
        assert pause(rig) == 8.0
        rig.ready("a")
        rig.at(rig.now + STABLE + 0.5)
        assert pause(rig) == 1.0

    def test_a_long_start_is_no_stable_life(self) -> None:
        rig = Rig(ChildSpec("a", intensity=99, backoff=(1.0, 60.0), start_timeout=None))
        rig.up("a")
        pause(rig)
        rig.at(rig.now + 10 * STABLE)
        assert pause(rig) == 2.0

    def test_pauses_grow_longer_than_the_period(self) -> None:
        """How many there were in a time is one question, how long to pause another."""
        rig = Rig(ChildSpec("a", intensity=3, period=2.0, backoff=(1.0, 50.0)))
        rig.up("a")
        assert [pause(rig) for _ in range(7)] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 50.0]

    @pytest.mark.parametrize(("chance", "part"), [(0.0, 1 - JITTER), (0.5, 1 - JITTER / 2)])
    def test_a_part_is_left_to_chance(self, chance: float, part: float) -> None:
        """Never more than is configured, so that its most is the most."""
        rig = Rig(ChildSpec("a", backoff=(1.0, 60.0)), chance=lambda: chance)
        rig.up("a")
        assert pause(rig) == part

    def test_a_start_by_hand_forgets(self) -> None:
        rig = Rig(ChildSpec("a", backoff=(1.0, 60.0)))
        rig.up("a")
        assert [pause(rig) for _ in range(2)] == [1.0, 2.0]
        rig.exit()
        rig.restart("a")
        rig.ready("a")
        rig.take()
        assert pause(rig) == 1.0


def pause(rig: Rig) -> float:
    """Have `a` die, and wait for its next launch; how long that took."""
    died = rig.now
    rig.exit()
    rig.to_deadline()
    assert rig.of(Launch) == ["a"]
    return round(rig.now - died, 6)


class TestStrategy:
    @pytest.mark.parametrize(
        ("strategy", "dies", "restarted"),
        [
            ("one_for_one", "a", ""),
            ("rest_for_one", "a", "c b"),
            ("rest_for_one", "b", "c"),
            ("rest_for_one", "d", ""),
            ("one_for_all", "a", "c b d"),
            ("one_for_all", "c", "b a d"),
        ],
    )
    def test_who_is_restarted_with_whom(self, strategy: str, dies: str, restarted: str) -> None:
        """Stopped in reverse order of start; what waits for them is kept."""
        rig = Rig(A, B, C, D, strategy=strategy)
        rig.up("a", "b", "c", "d")
        rig.exit(dies)
        order = []
        while asked := [each for each in rig.take() if isinstance(each, AskToStop)]:
            assert all(each.hold for each in asked)
            for each in asked:
                order.append(each.worker)
                rig.exit(each.worker, DONE)
        assert sorted(order) == sorted(restarted.split())
        assert [each for each in order if each != "d"] == restarted.replace(" d", "").split()
        rig.to_deadline()
        for name in "abcd":
            if rig.status(name) is S.STARTING:
                rig.ready(name)
        assert rig.statuses == "READY READY READY READY"
        told = [fact.fields["worker"] for fact in rig.facts if strategy in fact.text]
        assert sorted(told) == sorted(restarted.split())

    @pytest.mark.parametrize("strategy", ["rest_for_one", "one_for_all"])
    def test_it_starts_once_they_have_ended(self, strategy: str) -> None:
        """Nobody who relied on its last life sees the next one."""
        rig = Rig(A, B, strategy=strategy)
        rig.up("a", "b")
        rig.exit("a")
        rig.to_deadline()
        assert rig.statuses == "WAITING STOPPING"
        assert rig.of(Launch) == []
        rig.exit("b", DONE)
        assert rig.of(Launch) == ["a"]
        assert rig.statuses == "STARTING WAITING"

    def test_one_that_is_stopped_stays_so(self) -> None:
        rig = Rig(A, B, D, strategy="one_for_all")
        rig.up("a", "b", "d")
        rig.stop("d")
        rig.exit("a")
        rig.exit("b", DONE)
        rig.exit("d", DONE)
        rig.to_deadline()
        assert rig.statuses == "STARTING WAITING STOPPED"

    def test_neither_does_one_whose_turn_to_stop_has_not_come(self) -> None:
        rig = Rig(A, B, D, strategy="one_for_all")
        rig.up("a", "b", "d")
        rig.stop("a", "b")
        rig.exit("d")
        rig.exit("b", DONE)
        rig.exit("a", DONE)
        assert rig.statuses == "STOPPED STOPPED BACKOFF"

    def test_it_is_restarted_when_its_stop_is_taken_back(self) -> None:
        """It relied on a life that is over."""
        rig = Rig(A, B, D, strategy="one_for_all")
        rig.up("a", "b", "d")
        rig.stop("a", "b")
        rig.exit("d")
        rig.start("a")
        rig.to_deadline()
        assert rig.status("d") is S.WAITING
        rig.exit("b", DONE)
        assert rig.statuses == "STOPPING STOPPED WAITING"
        rig.exit("a", DONE)
        assert sorted(rig.of(Launch)) == ["a", "d"]

    def test_a_start_that_fails_concerns_nobody(self) -> None:
        """Those that went on without it do so until it has served again."""
        rig = Rig(A, D, strategy="one_for_all")
        rig.up("d")
        rig.start("a")
        rig.exit("a")
        assert rig.statuses == "BACKOFF READY"

    def test_neither_does_an_end_that_is_none_of_a_crash(self) -> None:
        rig = Rig(ChildSpec("a", restart="transient"), B, strategy="rest_for_one")
        rig.up("a", "b")
        rig.exit("a", DONE)
        assert rig.statuses == "STOPPED READY"
        rig.restart("b")
        rig.exit("b", DONE)
        assert rig.status("b") is S.STARTING

    def test_with_one_that_is_given_up(self) -> None:
        """They begin anew without it, as they would have from the start."""
        rig = Rig(ChildSpec("a", intensity=0), B, strategy="rest_for_one")
        rig.up("a", "b")
        rig.exit("a")
        assert rig.statuses == "FAILED STOPPING"
        rig.exit("b", DONE)
        assert rig.statuses == "FAILED STARTING"


class TestRequired:
    @pytest.mark.parametrize(
        ("how", "status"),
        [
            (Exit("exit status 3", normal=False, status=3), 3),
            (Exit("killed by SIGKILL", normal=False, status=137), 137),
            (
                Exit("exit status 0", normal=True, status=0),
                1,
            ),  # that it failed is told all the same
        ],
    )
    def test_the_rig_ends_with_it(self, how: Exit, status: int) -> None:
        """In good order, with its status, and saying why."""
        bench = Bench(ChildSpec("a", intensity=0, required=True), B)
        bench.start("a", "b")
        bench.exit("a", how)
        assert bench.rig.is_closing
        assert bench.rig.status == status
        assert bench.status("b") is S.STOPPING
        assert not bench.rig.is_over
        bench.exit("b", DONE)
        assert bench.rig.is_over
        bench.take()
        assert [f.fields["worker"] for f in bench.facts if "is required" in f.text] == ["a"]

    def test_not_before_it_is_given_up(self) -> None:
        bench = Bench(ChildSpec("a", intensity=1, required=True))
        bench.start("a")
        bench.exit("a")
        assert not bench.rig.is_closing
        bench.to_deadline()
        bench.exit("a")
        assert bench.rig.is_closing

    def test_others_may_fail(self) -> None:
        bench = Bench(ChildSpec("a", intensity=0), ChildSpec("b", required=True))
        bench.start("a", "b")
        bench.exit("a")
        assert not bench.rig.is_closing
        assert bench.rig.status == 0

    def test_while_the_rig_stops_anyway(self) -> None:
        """A failure on the way down doesn't change that it was asked for."""
        bench = Bench(ChildSpec("a", required=True))
        bench.order("start", "a")
        bench.rig.shut_down(bench.now)
        bench.rig.unlaunched("a", 1, "no such file", bench.now, wants=False)
        assert bench.rig.is_over
        assert bench.rig.status == 0


class TestRetryFailed:
    def failed(self) -> Rig:
        rig = Rig(ChildSpec("a", intensity=1, retry_failed=300.0))
        rig.up("a")
        rig.exit()
        rig.to_deadline()
        rig.exit()
        assert rig.status() is S.FAILED
        return rig

    def test_it_is_tried_anew(self) -> None:
        """After its time, with all restarts that it may have; and again."""
        rig = self.failed()
        failed = rig.now
        rig.take()
        text = standing(rig.core.children["a"], rig.core.children, rig.now + 100)
        assert text.endswith("; tried again in 200 s")
        rig.to_deadline()
        assert rig.now == failed + 300.0
        assert rig.of(Launch) == ["a"]
        rig.exit()
        rig.to_deadline()
        rig.exit()
        assert rig.status() is S.FAILED
        assert rig.core.next_deadline == rig.now + 300.0

    def test_a_stop_is_a_stop(self) -> None:
        rig = self.failed()
        rig.stop("a")
        assert rig.core.next_deadline is None

    def test_nor_is_it_tried_while_all_ends(self) -> None:
        rig = self.failed()
        rig.core.shut_down(rig.now)
        assert rig.core.next_deadline is None

    def test_a_start_by_hand_comes_first(self) -> None:
        rig = self.failed()
        rig.take()
        rig.start("a")
        assert rig.of(Launch) == ["a"]
        rig.ready("a")
        assert rig.core.next_deadline is None

    def test_who_is_not_to_be_stays_failed(self) -> None:
        rig = Rig(ChildSpec("a", intensity=0))
        rig.up("a")
        rig.exit("a", CRASH)
        assert rig.core.next_deadline is None
