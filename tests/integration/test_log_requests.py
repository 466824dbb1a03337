"""Each request's records and output lines are found by its id: all of them, and no others."""

from __future__ import annotations

import re
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from orchestrator.logs.read.api import select
from orchestrator.logs.read.lookup import Entry
from tests.rigs import RunningRig, running, wait_until

CALLS = 1000
WORKERS = ("a", "b", "c")
AT_ONCE = 30

DRIVERS = """
import asyncio, ctypes, logging, sys
import structlog

log = structlog.get_logger("driver")
libc = ctypes.CDLL(None)

class Chatty:
    \"\"\"Says the same in all ways there are.\"\"\"

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


def lost(entry: Entry) -> int:
    """How many records it says were dropped."""
    return int(entry.fields.get("dropped", 0)) if entry.fields else 0


def dropped(entries: Iterable[Entry]) -> int:
    return sum(map(lost, entries))


def test_a_request_id_gives_exactly_that_calls_records_and_lines(rig: RunningRig) -> None:
    """For each of a thousand calls of each of three workers, interleaved.

    On a machine that is too busy to read them in time some are dropped: as many as is told.
    """
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
        for future in pending:
            future.result(20)
    # All of them: each worker has streams of its own, of which one may lag behind.
    said = sum(len(expected(*call)) for call in calls.values())

    def arrived() -> bool:
        entries = list(select(store(rig)))
        return sum(entry.request in calls for entry in entries) + dropped(entries) >= said

    wait_until(arrived)
    told, missing = dropped(select(store(rig))), 0
    assert told < said / 2
    by_request: dict[str | None, list[Entry]] = defaultdict(list)
    for entry in select(store(rig), worker=WORKERS):
        by_request[entry.request].append(entry)
    for request, (worker, member, tag) in calls.items():
        entries = by_request.pop(request, [])
        here, wanted = Counter(map(found, entries)), Counter(expected(worker, member, tag))
        assert here <= wanted
        missing += (wanted - here).total()
        assert {(each.worker, each.member) for each in entries} <= {(worker, member)}
        assert {each.incarnation for each in entries} <= {1}
    assert missing == told
    rest = {entry.event for entries in by_request.values() for entry in entries if not lost(entry)}
    assert rest <= {"ready"}


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
