"""All that a rig in the background writes is in its logs, which have a bound."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from tests.acceptance.cli_kit import environment, orch, short_folder
from tests.rigs import collector_of, is_alive, wait_until

pytestmark = pytest.mark.measured

DRIVER = """
import ctypes, os

class Chatty:
    def burst(self, count: int):
        for number in range(count):
            print("line", number, "x" * 100)

    def from_c(self):
        libc = ctypes.CDLL(None)
        libc.printf(b"from C\\n")
        libc.fflush(None)
        os.system("echo from a child >&2")

    def crash(self):
        ctypes.string_at(0)
"""
CONFIG = """
rig: bench
logs: {keep: 1MiB}
workers:
  w: {driver: "chatty:Chatty", timeouts: {burst: 60s}}
  thread: {driver: "chatty:Chatty", transport: inproc}
"""


@pytest.fixture
def environ() -> Iterator[dict[str, str]]:
    """A rig in the background."""
    folder = short_folder()
    (folder / "chatty.py").write_text(DRIVER)
    (folder / "rig.yaml").write_text(CONFIG)
    environ = environment(folder)
    try:
        done = orch(environ, "run", "--detach", str(folder / "rig.yaml"))
        assert done.status == 0, done.err
        yield environ
    finally:
        orch(environ, "down", "--rig", "bench")
        shutil.rmtree(folder, ignore_errors=True)


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_what_it_writes_has_the_bound_of_its_logs(environ: dict[str, str]) -> None:
    """Twice as much is printed; what can be read at the end is the last of it."""
    state = Path(environ["ORCH_STATE_DIR"])
    assert orch(environ, "call", "w", "burst", "20000").status == 0
    wait_until(lambda: orch(environ, "logs", "-g", "line 19999").out)
    assert size_of(state) <= 1 << 20
    assert orch(environ, "down").status == 0
    assert {path.name for path in (state / "bench").iterdir()} == {"logs"}
    assert size_of(state) <= 1 << 20
    assert orch(environ, "logs", "-g", "line 19999").out


def test_what_its_own_process_prints_is_in_its_logs(environ: dict[str, str]) -> None:
    """C code of a driver in a thread, and children; nobody waits for them at the end."""
    assert orch(environ, "call", "thread", "from_c").status == 0
    for text, stream in (("from C", "stdout"), ("from a child", "stderr")):
        line = wait_until(lambda text=text: orch(environ, "logs", "-g", text).out)  # type: ignore[misc]
        assert f" {stream}   bench    {text}\n" in line
    assert orch(environ, "down").status == 0
    ends = orch(environ, "logs", "-n", "3", "-o", "cat").out
    assert "rig bench is down" in ends


def test_its_crash_is_in_its_logs(environ: dict[str, str]) -> None:
    """That of a driver in a thread ends the rig."""
    pid = int(orch(environ, "status", "--json").out.partition('"pid":')[2].partition(",")[0])
    orch(environ, "call", "thread", "crash")
    wait_until(lambda: not is_alive(pid))
    where = r"Segmentation fault in chatty.py:\d+ crash"
    wait_until(lambda: orch(environ, "logs", "-g", where).out)


def test_a_collector_that_is_started_again_reads_on(environ: dict[str, str]) -> None:
    """And what it shows people doesn't come back to it."""
    pid = int(orch(environ, "status", "--json").out.partition('"pid":')[2].partition(",")[0])
    os.kill(collector_of(pid), signal.SIGKILL)
    wait_until(lambda: orch(environ, "logs", "-g", "collector started again").out)
    assert orch(environ, "call", "thread", "from_c").status == 0
    wait_until(lambda: orch(environ, "logs", "-g", "from a child").out)
    assert orch(environ, "logs", "-g", "collector started again").out.count("\n") == 1


def counts(environ: dict[str, str]) -> Counter[str]:
    return Counter(json.loads(orch(environ, "status", "--json").out)["counts"])


def test_a_flood_of_refusals_pushes_out_nothing(environ: dict[str, str]) -> None:
    """Malformed messages of 60 kB: what is kept of them is little, and the rest is counted."""
    wait_until(lambda: "is up" in orch(environ, "logs", "-o", "cat").out)
    before = orch(environ, "logs", "-o", "cat", "-g", "ready").out
    (address,) = json.loads(orch(environ, "status", "--json").out)["addresses"]
    count = 300
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.set(zmq.LINGER, 0)  # what it couldn't send before it was cut off isn't missed
        dealer.connect(address)
        for _ in range(count):  # it is cut off now and then, and comes back
            dealer.send_multipart([b"x" * 60_000, b"y"])
        wait_until(lambda: counts(environ)["cut off"] and counts(environ)["refused"] >= 100)
    assert orch(environ, "down").status == 0
    found = [
        json.loads(line)
        for line in orch(environ, "logs", "-o", "json", "-p", "warning").out.splitlines()
    ]
    texts = [each for each in found if each["worker"] == "bench"]
    assert all(len(json.dumps(each)) < 4096 for each in texts)
    assert size_of(Path(environ["ORCH_STATE_DIR"])) < 1 << 20
    assert orch(environ, "logs", "-o", "cat", "-g", "ready").out == before
