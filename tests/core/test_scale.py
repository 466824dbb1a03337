"""A request's way through the core is as long with ten thousand workers as with one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from tests.core.kit import Bench, reply_frames, request


def steps(call: Callable[[], object]) -> int:
    """How many instructions of Python's are run."""
    count = 0

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


def way(workers: int, clients: int) -> tuple[int, int, int]:
    """The steps of a request, of its reply, and of a turn of the clock, beside so many others."""
    bench = Bench()
    for number in range(workers):
        bench.add(f"w{number}")
        bench.bring_up(f"w{number}")
    for number in range(clients):  # each waits for an answer of another worker
        frames = request(f"c{number}", f"w{number % workers}", client=f"client{number}")
        bench.broker.receive_client(frames, bench.now)
        bench.collect()
    bench.add("stage")
    bench.bring_up("stage")
    found = (0, 0, 0)
    for number in range(3):  # the first ones fill caches
        frames = request(str(number), "stage")
        there = steps(lambda: bench.broker.receive_client(frames, bench.now))  # noqa: B023  called at once
        bench.collect()
        sent = bench.sent[-1]
        ticket = sent.number.to_bytes(8, "big")
        reply = [sent.lane.encode(), ticket, *reply_frames(sent.header, "done")]
        back = steps(lambda: bench.broker.receive_link(reply, bench.now))  # noqa: B023  called at once
        bench.collect()
        found = (there, back, steps(lambda: bench.broker.tick(bench.now)))
    return found


def test_a_requests_way_is_as_long_with_ten_thousand_workers() -> None:
    few, many = way(2, 2), way(10_000, 1000)
    assert few[0] > 100
    for short, long in zip(few, many, strict=True):
        assert long <= short * 1.05 + 30, (few, many)  # a heap's depth is the logarithm
