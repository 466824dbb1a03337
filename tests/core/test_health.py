"""Probes of idle workers, and what is done about one that is sick."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.core.children import ChildSpec
from orchestrator.core.effects import Signal
from orchestrator.core.health import PROBER, Probe
from orchestrator.core.states import Status as S
from tests.core.kit import Answer, Sent, reply_frames
from tests.core.rig_kit import Bench
from transports.exceptions import NOT_STARTED, UNKNOWN, refusal_payload

HOT = {"exception": {"type": "OSError", "message": "no device"}}


def bench_of(on_sick: str = "report", **probe: Any) -> Bench:
    """A worker that is ready, and probed each 10 s, two failures being too many."""
    how = Probe("temperature", **{"every": 10.0, "failures": 2, "on_sick": on_sick, **probe})
    bench = Bench(ChildSpec("a"), probes={"a": how}, restore={"a": ("gain",)})
    bench.start("a")
    return bench


def probed(bench: Bench) -> Sent | None:
    """What its worker is sent when the next probe is due."""
    bench.at(bench.now + 10.0)
    return next((each for each in bench.take() if isinstance(each, Sent)), None)


def answer(bench: Bench, sent: Sent, payload: Any = 1, kind: str = "REPLY") -> list[Any]:
    """Have the worker answer a probe, and the answer reach who asked; the effects of that."""
    frames = reply_frames(sent.header, payload, kind)
    bench.link(sent.lane, [sent.number.to_bytes(8, "big"), *frames])
    return reach(bench)


def reach(bench: Bench) -> list[Any]:
    (told,) = [each for each in bench.take() if isinstance(each, Answer)]
    assert told.client.encode() == PROBER
    frames = [PROBER, b"", json.dumps(told.header).encode(), told.payload, told.raw]
    bench.rig.answered(frames, bench.now)
    return bench.take()


def fail(bench: Bench) -> list[Any]:
    sent = probed(bench)
    assert sent is not None
    return answer(bench, sent, HOT, "EXCEPTION")


def test_an_idle_worker_is_probed_at_its_pace() -> None:
    """By a read like a client's, with the limits of the probe."""
    bench = bench_of(timeout=3.0)
    assert bench.rig.next_deadline == bench.now + 10.0
    sent = probed(bench)
    assert sent is not None
    assert (sent.header["objekt"], sent.header["operation"]) == ("temperature", "readproperty")
    assert bench.rig.next_deadline == bench.now + 3.0
    assert answer(bench, sent) == []
    assert bench.rig.health.of("a") == ""
    assert probed(bench) is not None


def test_a_busy_one_is_left_alone() -> None:
    """It is asked another time, and nothing waits for a probe meanwhile."""
    bench = bench_of()
    bench.ask("1", "a")
    (sent,) = bench.of(Sent)
    assert probed(bench) is None
    assert bench.rig.broker.queued("a") == 0
    bench.reply(sent)
    assert probed(bench) is not None


def test_so_is_one_that_still_owes_an_answer() -> None:
    bench = bench_of(timeout=60.0)
    assert probed(bench) is not None
    assert probed(bench) is None


def test_one_that_is_not_ready_is_not() -> None:
    bench = bench_of()
    bench.exit("a")
    bench.take()
    bench.to_deadline()
    assert bench.rig.children["a"].status is S.STARTING
    assert probed(bench) is None
    bench.come_up("a")
    bench.take()
    assert bench.rig.next_deadline == bench.now + 10.0


def test_failures_in_a_row_make_it_sick() -> None:
    """That is told once, and once that it is well again."""
    bench = bench_of()
    fail(bench)
    assert bench.rig.health.of("a") == "1 probe of temperature failed: OSError: no device"
    for _ in range(3):
        assert fail(bench) == []
    sent = probed(bench)
    assert sent is not None
    answer(bench, sent)
    assert bench.rig.health.of("a") == ""
    told = [f.text for f in bench.facts if "sick" in f.text or "well" in f.text]
    sick = "is sick: 2 probes of temperature failed: OSError: no device"
    assert told == [sick, "is well again"]


def test_one_that_does_not_answer_in_time_has_failed() -> None:
    bench = bench_of(timeout=2.0, failures=1)
    probed(bench)
    bench.at(bench.now + 2.0)
    reach(bench)
    assert bench.rig.health.of("a") == "1 probe of temperature failed: no answer within 2 s"
    assert bench.status() is S.STALLED


@pytest.mark.parametrize("outcome", [NOT_STARTED, UNKNOWN])
def test_what_says_nothing_of_the_driver_does_not_count(outcome: str) -> None:
    bench = bench_of(failures=1)
    sent = probed(bench)
    assert sent is not None
    content = json.loads(refusal_payload("ConnectionResetError", "it died", outcome))
    answer(bench, sent, content, "EXCEPTION")
    assert bench.rig.health.of("a") == ""


def test_a_sick_one_is_opened_again() -> None:
    """With the values that it is to have; then its failures are counted anew.

    If that didn't help it isn't done again and again, but the worker restarted.
    """
    bench = bench_of("reopen")
    bench.ask("1", "a", "gain", payload=b"7", operation="writeproperty")
    (sent,) = bench.of(Sent)
    bench.reply(sent)
    fail(bench)
    (told,) = [each for each in fail(bench) if isinstance(each, Sent)]
    assert told.header["type"] == "reopen"
    assert len(told.header["kept"]) == 1
    assert fail(bench) == []
    assert Signal("a", "term") in fail(bench)


def test_one_that_was_well_meanwhile_is_opened_again() -> None:
    bench = bench_of("reopen", failures=1)
    fail(bench)
    sent = probed(bench)
    assert sent is not None
    answer(bench, sent)
    assert "is well again" in [fact.text for fact in bench.facts]
    (told,) = [each for each in fail(bench) if isinstance(each, Sent)]
    assert told.header["type"] == "reopen"


def test_a_sick_one_is_restarted() -> None:
    bench = bench_of("restart")
    fail(bench)
    assert Signal("a", "term") in fail(bench)
    bench.exit("a")
    assert bench.status() is S.BACKOFF
    assert bench.rig.children["a"].reason.startswith("was sick: 2 probes of temperature failed")


def test_not_one_that_is_stopped() -> None:
    bench = bench_of("restart", failures=1)
    sent = probed(bench)
    assert sent is not None
    bench.order("stop", "a")
    bench.take()
    assert answer(bench, sent, HOT, "EXCEPTION") == []


def test_nobody_is_probed_unless_it_is_asked_for() -> None:
    bench = Bench(ChildSpec("a"))
    bench.start("a")
    assert bench.rig.next_deadline is None
