"""What errors say of why: what ran, who waits, and what a dead worker wrote last."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.children import ChildSpec, Exit
from orchestrator.core.effects import CancelDone
from orchestrator.core.evidence import LINES, LONGEST_TOLD, WITHIN
from orchestrator.core.queues import FairQueue
from orchestrator.core.request import Request
from tests.core.kit import Answer
from tests.core.rig_kit import Bench
from tests.core.test_queues import make
from transports.headers import execution_context

CRASH = Exit("killed by SIGSEGV", normal=False, speaks=True)
OURS = {"payloadContentType": "application/x-orch"}


def ready(**options: Any) -> Bench:
    bench = Bench(ChildSpec("a"), **options)
    bench.start("a")
    return bench


def within(wait: float | None = None, run: float | None = None) -> dict[str, Any]:
    return {"context": execution_context(wait, run, False)}


class TestTimeouts:
    def test_an_invocation_timeout_names_who_goes_first_and_what_runs(self) -> None:
        bench = ready()
        bench.ask("1", member="expose", client="bob")
        bench.ask("2", client="bob")
        bench.ask("3", **within(2.0))
        bench.take()
        bench.at(bench.now + 2.0)
        (told,) = bench.of(Answer)
        assert told.raw == b"1 waits before it; a runs expose for 2.0 s, asked by bob"

    def test_a_stalled_worker_is_told_with_what_was_found_of_it(self) -> None:
        bench = ready()
        bench.ask("1", member="expose", **within(None, 1.0))
        bench.ask("2", **within(2.0))
        bench.at(bench.now + 1.0)
        bench.rig.found("a", 1, held="GIL held", where="in camera.py:88 expose")
        bench.take()
        bench.at(bench.now + 1.0)
        (told,) = bench.of(Answer)
        assert told.raw.startswith(
            b"a runs expose for 2.0 s, asked by alice; worker 'a' is STALLED"
        )
        assert told.raw.endswith(b"still runs: GIL held in camera.py:88 expose")

    def test_a_worker_that_runs_nothing_is_told_by_its_state(self) -> None:
        bench = Bench(ChildSpec("a"))
        bench.order("start", "a")
        bench.ask("1", **within(2.0))
        bench.take()
        bench.at(bench.now + 2.0)
        (told,) = bench.of(Answer)
        assert told.raw == b"worker 'a' is STARTING for 2.0 s"

    @pytest.mark.parametrize(("header", "told"), [(OURS, b"it has run for 1.5 s"), ({}, b"")])
    def test_an_execution_timeout_says_how_long(self, header: dict[str, Any], told: bytes) -> None:
        """To our own clients: others have always had nothing there."""
        bench = ready()
        bench.ask("1", **within(None, 1.5), **header)
        bench.take()
        bench.at(bench.now + 1.5)
        (answer,) = bench.of(Answer)
        assert answer.raw == told

    def test_and_who_waits_behind_it(self) -> None:
        bench = ready()
        bench.ask("1", **within(None, 1.5), **OURS)
        bench.ask("2")
        bench.ask("3")
        bench.take()
        bench.at(bench.now + 1.5)
        (answer,) = bench.of(Answer)
        assert answer.raw == b"it has run for 1.5 s, 2 wait behind it"

    def test_a_short_time_is_told_in_milliseconds(self) -> None:
        bench = ready()
        bench.ask("1", **within(None, 0.002), **OURS)
        bench.take()
        bench.at(bench.now + 0.002)
        (answer,) = bench.of(Answer)
        assert answer.raw == b"it has run for 2.0 ms"


@given(clients=st.lists(st.sampled_from([b"a", b"b", b"c"]), min_size=1), served=st.integers(0, 9))
def test_who_goes_first_is_counted_as_it_will_be(clients: list[bytes], served: int) -> None:
    queue = FairQueue[Request]()
    for number, client in enumerate(clients):
        queue.push(make(number, client))
    for _ in range(min(served, len(queue) - 1)):
        queue.pop()
    counted = {each.number: queue.ahead_of(each) for each in queue}
    order = [queue.pop().number for _ in range(len(queue))]
    assert counted == {number: place for place, number in enumerate(order)}


class TestLastWords:
    def test_what_it_wrote_last_comes_with_the_answer(self) -> None:
        """Held until it is known; the last lines, each cut."""
        bench = ready()
        bench.ask("1")
        bench.exit("a", CRASH)
        assert bench.of(Answer) == []
        bench.rig.wrote("a", 1, ["one", "two", " ", "x" * 999, "four"])
        (told,) = bench.of(Answer)
        assert told.summary == ("1", "EXCEPTION", "ConnectionResetError", "unknown")
        assert "killed by SIGSEGV" in told.error["message"]
        (note,) = told.error["notes"]
        assert note.splitlines() == ["it wrote last:", "  two", f"  {'x' * LONGEST_TOLD}", "  four"]
        assert len(note.splitlines()) == LINES + 1
        assert bench.rig.broker.next_deadline is None

    def test_it_is_not_waited_for_long(self) -> None:
        bench = ready()
        bench.ask("1")
        bench.exit("a", CRASH)
        assert bench.rig.broker.next_deadline == pytest.approx(bench.now + WITHIN)
        bench.at(bench.now + WITHIN)
        (told,) = bench.of(Answer)
        assert told.error["notes"] is None
        bench.rig.wrote("a", 1, ["too late"])
        assert bench.of(Answer) == []

    def test_a_deadline_of_the_operation_is_kept(self) -> None:
        bench = ready()
        bench.ask("1", **within(None, 1.0))
        bench.at(bench.now + 0.999)
        bench.exit("a", CRASH)
        bench.take()
        bench.at(bench.now + 0.001)
        assert [each.id for each in bench.of(Answer)] == ["1"]

    def test_one_that_leaves_no_word_is_answered_at_once(self) -> None:
        bench = ready()
        bench.ask("1")
        bench.exit("a", Exit("killed by SIGKILL", normal=False))
        assert len(bench.of(Answer)) == 1

    def test_another_lifes_words_are_not_taken_for_its_own(self) -> None:
        bench = ready()
        bench.ask("1")
        bench.exit("a", CRASH)
        bench.rig.wrote("a", 7, ["other"])
        bench.rig.wrote("b", 1, ["other"])
        assert bench.of(Answer) == []

    def test_words_that_were_there_first_are_used(self) -> None:
        """Its reason may come later than they, see `Exit.unusable`."""
        bench = Bench(ChildSpec("a"))
        bench.start("a")
        bench.ask("1")
        bench.exit("a", Exit("exit status 70", normal=False, unusable=True, speaks=True))
        bench.rig.wrote("a", 1, ["no device"])
        assert bench.of(Answer) == []
        bench.to_deadline()
        (told,) = bench.of(Answer)
        assert told.error["notes"] == ["it wrote last:\n  no device"]

    def test_nobody_is_left_waiting_when_the_rig_stops(self) -> None:
        bench = ready()
        bench.ask("1")
        bench.exit("a", CRASH)
        bench.rig.shut_down(bench.now)
        assert [each.id for each in bench.of(Answer)] == ["1"]
        later = ready()
        later.ask("1")
        later.rig.shut_down(later.now)
        later.take()
        later.exit("a", CRASH)
        assert [each.id for each in later.of(Answer)] == ["1"]

    def test_the_request_is_still_pending_meanwhile(self) -> None:
        """A second one of its id is dropped, and who wants it cancelled hears that it ran."""
        bench = ready()
        bench.ask("1")
        bench.exit("a", CRASH)
        bench.ask("1")
        number = bench.rig.cancel("1", bench.now)
        (done,) = bench.of(CancelDone)
        assert done.number == number
        assert done.verdict == "runs"
        bench.rig.wrote("a", 1, [])
        assert [each.id for each in bench.of(Answer)] == ["1"]
