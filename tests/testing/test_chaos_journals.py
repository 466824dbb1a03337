"""Whoever judges `scripts/chaos` sees each broken promise in journals that show one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from faults.checker import Journals, Operation, faults_by_kind, unsettled, violations
from faults.figures import latencies, sum_up, table

Line = dict[str, Any]
MS = 1_000_000
"""Nanoseconds."""


def asked(at: int, key: str = "c-1", **more: Any) -> Line:
    line = {"what": "asked", "client": "c", "worker": "a", "how": "sleep", "wait": 1.0, "run": 1.0}
    return {**line, "at": at * MS, "key": key, **more}


def told(at: int, key: str = "c-1", answer: str = "done", error: str = "") -> Line:
    return {"what": "told", "at": at * MS, "key": key, "answer": answer, "error": error}


def device(what: str, at: int, key: str = "c-1", pid: int = 7, **more: Any) -> Line:
    return {"what": what, "at": at * MS, "worker": "a", "pid": pid, "key": key, **more}


def fault(what: str, at: int, **more: Any) -> Line:
    return {"what": what, "at": at * MS, "worker": "a", **more}


FINE = ([asked(1), told(4)], [device("born", 0), device("begin", 2), device("end", 3)], [])
KILL = fault("fault", 3, kind="SIGKILL")
BROKEN: dict[str, tuple[list[Line], list[Line], list[Line]]] = {
    "began 2 times": ([asked(1), told(4)], [*FINE[1], device("begin", 3)], []),
    "answered 2 times": ([*FINE[0], told(5)], FINE[1], []),
    "never answered": ([asked(1)], FINE[1], []),
    "a wrong answer": ([asked(1), told(4, answer="wrong")], FINE[1], []),
    "not to be started, but began": ([asked(1), told(4, answer="not started")], FINE[1], []),
    "its arguments were made": (
        [asked(1), told(4, answer="rig not reachable")],
        [device("claimed", 2)],
        [],
    ),
    "never ended it": (FINE[0], [device("begin", 2)], []),
    "answered after 3.000 s": ([asked(1), told(3001, answer="unknown")], [], []),
    "c-1 began after c-2": (
        [asked(1), asked(2, "c-2"), told(9), told(9, "c-2")],
        [
            device(what, at, key)
            for what, at, key in (
                ("begin", 3, "c-2"),
                ("end", 4, "c-2"),
                ("begin", 5, "c-1"),
                ("end", 6, "c-1"),
            )
        ],
        [],
    ),
    "two have the device": (FINE[0], [*FINE[1], device("overlaps", 3)], []),
    "before the device was safe": (
        FINE[0],
        [*FINE[1], device("born", 5, pid=8), device("safe", 6, pid=9)],
        [],
    ),
    "a former life wrote 'end'": (
        FINE[0],
        [device("born", 0), device("begin", 2), device("born", 2, pid=8), device("end", 3)],
        [],
    ),
    "left behind": (*FINE[:2], [fault("left behind", 9, processes=[7])]),
}


def test_what_went_well_breaks_nothing() -> None:
    assert violations(Journals(*FINE), 0.5) == []


@pytest.mark.parametrize("text", BROKEN)
def test_each_broken_promise_is_seen(text: str) -> None:
    found = violations(Journals(*BROKEN[text]), 0.5)
    assert any(text in each for each in found), found


def test_who_was_killed_is_owed_nothing() -> None:
    """And that a rig is gone takes a client some seconds."""
    killed = [fault("client killed", 2, client="c")]
    journals = Journals([asked(1)], FINE[1], killed)
    assert violations(journals, 0.5) == []
    assert unsettled(journals) == 0
    lost = [asked(1), told(5000, answer="rig lost")]
    assert violations(Journals(lost, FINE[1], []), 0.5) == []


def test_the_state_that_a_fault_hits() -> None:
    """As journals tell it: asked, claimed, begun, ended, told."""
    operation = Operation(asked(10), 0, [told(50)], claimed=20 * MS)
    operation.begun, operation.ended = [device("begin", 30)], 40 * MS
    states = [operation.state(at * MS) for at in (5, 15, 25, 35, 45, 55)]
    assert states == ["", "queued", "claimed", "in flight", "replying", ""]
    assert Journals(*FINE[:2], [KILL]).states_hit(KILL) == {"replying"}
    assert Journals([], FINE[1], [KILL]).states_hit(KILL) == {"idle"}


def test_the_figures_of_a_run() -> None:
    """A death in flight, its answer, the next life; a timeout while it holds the interpreter."""
    clients = [asked(1), told(9, answer="unknown", error="WorkerDied: worker 'a' died"),
               asked(100, "c-2", how="hold the lock", run=0.1),
               told(210, "c-2", "unknown", "ExecutionTimeout: still running"),
               asked(1, "s-1", worker="steady"), told(2, "s-1"),
               asked(500, "s-2", worker="steady"), told(502, "s-2")]  # fmt: skip
    devices = [device("begin", 2, how="sleep"), device("begin", 101, "c-2", how="hold the lock")]
    journals = Journals(clients, devices, [KILL])
    found = latencies(journals)
    assert found["death to answer, in flight"] == pytest.approx([0.006])
    assert found["timeout to answer, interpreter held by it"] == pytest.approx([0.009])
    assert faults_by_kind(journals) == Counter({"SIGKILL": 1, "hold the lock": 1})
    more = {"seed": 1, "seconds": 1.0, "memory": 1 << 20, "descriptors": 9, "cpu": 1.0}
    shown = table(sum_up(journals, 0.5, more))
    assert "in flight" in shown
    assert "! s-1: answered by a device that never ended it" in shown
