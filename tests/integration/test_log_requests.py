"""Each request's records and output lines are found by its id: all of them, and no others."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from orchestrator.logs.read.api import select
from orchestrator.logs.read.lookup import Entry
from tests.rigs import RunningRig, running, wait_until

pytestmark = pytest.mark.measured

CALLS = 1000
WORKERS = ("a", "b", "c")
AT_ONCE = 30
ROUND = 100
"""Calls of each worker between looks at the store: what they say fits into a stream's pipe.

A collector that gets no processor for long lets pipes fill, and what finds no room is dropped, and
told; here it is the ids that count.
"""

DRIVERS = """
import asyncio, ctypes, logging, sys
import structlog

log = structlog.get_logger("driver")
libc = ctypes.CDLL(None)

class Chatty:
    \"\"\"Says the same in all ways there are.\"\"\"

    def close(self) -> None:
        pass

    def say(self, tag: str) -> None:
        print("python", tag)
        libc.puts(f"stdio {tag}".encode())
        libc.dprintf(2, f"descriptor {tag}\\n".encode())
        log.info("record", tag=tag)
        logging.getLogger("library").warning("stdlib %s", tag)
        print("stderr", tag, file=sys.stderr)

    async def murmur(self, tag: str) -> None:
        for part in "123":
            print(part, end=" ")
            await asyncio.sleep(0.001)
            print(tag)
        log.info("record", tag=tag)

    def abort(self):
        libc.printf(b"unfinished")
        libc.fflush(None)  # abort() flushes with some C libraries only
        libc.abort()
"""
CONFIG = """
rig: bench
workers:
  a: {driver: "chatty:Chatty", concurrent: [murmur]}
  b: {driver: "chatty:Chatty", concurrent: [murmur]}
  c: {driver: "chatty:Chatty", concurrent: [murmur], transport: inproc}
"""


@pytest.fixture(scope="module")
def rig() -> Iterator[RunningRig]:
    """Two workers in processes, and one in a thread of the supervisor."""
    with running(CONFIG, {"chatty": DRIVERS}) as rig:
        yield rig


def store(rig: RunningRig) -> Path:
    return rig.folder / "state" / "bench" / "logs"


def expected(worker: str, member: str, tag: str) -> list[tuple[str, str]]:
    if member == "murmur":
        return [("record", f"record {tag}"), *[("stdout", f"{part} {tag}") for part in "123"]]
    lines = [("record", f"record {tag}"), ("record", f"stdlib {tag}")]
    lines += [("stderr", f"stderr {tag}"), ("stdout", f"python {tag}")]
    if worker != "c":  # a thread's C code prints where its process does
        lines += [("stderr", f"descriptor {tag}"), ("stdout", f"stdio {tag}")]
    return sorted(lines)


def found(entry: Entry) -> tuple[str, str]:
    tag = f" {entry.fields['tag']}" if entry.event == "record" and entry.fields else ""
    return entry.stream, entry.event + tag


def is_stored(rig: RunningRig, request: str, call: tuple[str, str, str]) -> bool:
    """Whether all that a call says has come, and so what its worker said before by any stream."""
    return len(list(select(store(rig), request=request))) >= len(expected(*call))


def test_a_request_id_gives_exactly_that_calls_records_and_lines(rig: RunningRig) -> None:
    """For each of a thousand calls of each of three workers, interleaved."""
    calls: dict[str, tuple[str, str, str]] = {}
    with rig.connected() as client:
        pending: deque[Future[Any]] = deque()
        for number in range(CALLS):
            for worker in WORKERS:
                member = "murmur" if number % 4 == 3 else "say"
                tag = f"{worker}{number}"
                future = client[worker].submit(member, tag=tag)
                calls[future.request_id] = (worker, member, tag)  # type: ignore[attr-defined]
                pending.append(future)
                if len(pending) > AT_ONCE:
                    pending.popleft().result(20)
            if number % ROUND == 0:
                latest = list(calls)[-len(WORKERS) :]
                while pending:
                    pending.popleft().result(20)
                wait_until(lambda: all(is_stored(rig, each, calls[each]) for each in latest))  # noqa: B023
        for future in pending:
            future.result(20)
    # All of them: each worker has streams of its own, of which one may lag behind.
    said = sum(len(expected(*call)) for call in calls.values())
    wait_until(lambda: sum(entry.request in calls for entry in select(store(rig))) >= said)
    by_request: dict[str | None, list[Entry]] = defaultdict(list)
    for entry in select(store(rig), worker=WORKERS):
        by_request[entry.request].append(entry)
    for request, (worker, member, tag) in calls.items():
        entries = by_request.pop(request)
        assert sorted(map(found, entries)) == expected(worker, member, tag)
        assert {(each.worker, each.member) for each in entries} == {(worker, member)}
        assert {each.incarnation for each in entries} == {1}
    rest = [entry.event for entries in by_request.values() for entry in entries]
    assert set(rest) <= {"ready"}


def test_a_crash_dump_and_torn_output_belong_to_the_request_that_crashed(rig: RunningRig) -> None:
    """The C code's last words too."""
    with rig.connected() as client:
        future = client["b"].submit("abort")
        assert future.exception(20) is not None
    request = future.request_id

    def torn() -> list[Entry]:
        entries = list(select(store(rig), request=request, worker="b"))
        return entries if any(each.event == "unfinished" for each in entries) else []

    entries = wait_until(torn)
    (half,) = [each for each in entries if each.event == "unfinished"]
    assert (half.stream, half.member, half.fields) == ("stdout", "abort", {"torn": True})
    (dump,) = [each for each in entries if each.stream == "stderr"]
    assert re.fullmatch(r"Fatal Python error: Aborted in chatty\.py:\d+ abort", dump.event)
    assert (dump.exception or "").startswith("Fatal Python error: Aborted\n\n")
