"""`logs -f` with what else can be asked: first what is there, then what comes."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from orchestrator.logs.store.chain import Chain
from orchestrator.logs.store.records import Record
from tests.acceptance.cli_kit import begin, environment, orch
from tests.logs.log_kit import chain, fill, record, run


def made(number: int, **changes: object) -> Record:
    return record(f"line {number}", time.time(), request="1f3a9c2d-0000", **changes)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The store of a rig that ran once, with thirty records."""
    folder = tmp_path / "state" / "bench" / "logs"
    folder.mkdir(parents=True)
    fill(folder, [made(number) for number in range(30)], "1f")
    return folder


@pytest.fixture
def writer(store: Path) -> Chain:
    """The one of its second run, which has begun with twenty records."""
    writer = chain(store, run("2e"))
    writer.write([made(number) for number in range(30, 50)])
    return writer


@pytest.mark.parametrize(
    ("arguments", "first"),
    [
        ("-f", 40),
        ("-f -n 3", 47),
        ("-f -n all", 0),
        ("-f -S -1h", 0),
        ("-f -r 1f3a9c2d-0000", 0),
        ("-f -b", 30),
        ("-f -b -n 2", 48),
    ],
)
def test_what_is_there_comes_first(
    tmp_path: Path, writer: Chain, arguments: str, first: int
) -> None:
    process = begin(environment(tmp_path), "logs", "-o", "cat", *arguments.split())
    assert process.stdout is not None
    try:
        past = [process.stdout.readline() for _ in range(first, 50)]
        assert past == [f"line {number}\n" for number in range(first, 50)]
        writer.write([made(50)])
        assert process.stdout.readline() == "line 50\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    finally:
        process.kill()
        process.communicate()


def test_it_ends_with_the_time_up_to_which_it_shows(tmp_path: Path, writer: Chain) -> None:
    done = orch(environment(tmp_path), "logs", "-o", "cat", "-f", "-U", f"@{time.time() + 5:.3f}")
    assert done.status == 0
    assert done.out.splitlines() == [f"line {number}" for number in range(40, 50)]


def test_it_ends_with_the_run_that_it_shows(tmp_path: Path, writer: Chain) -> None:
    """What came last is shown; of one that is over already, all of it."""
    process = begin(environment(tmp_path), "logs", "-o", "cat", "-f", "-b")
    assert process.stdout is not None
    try:
        while process.stdout.readline() != "line 49\n":
            pass
        writer.write([made(50)])
        writer.end(time.time(), "stopped")
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, out, err) == (0, "line 50\n", "run 2 is over\n")
    done = orch(environment(tmp_path), "logs", "-o", "cat", "-f", "-b", "1")
    assert (done.status, done.err) == (0, "run 1 is over\n")
    assert done.out.splitlines() == [f"line {number}" for number in range(30)]


def test_backwards_is_no_way_to_follow(tmp_path: Path, store: Path) -> None:
    done = orch(environment(tmp_path), "logs", "-f", "--reverse", "-b")
    assert (done.status, done.out) == (2, "")
    assert done.err == "error: --follow and --reverse exclude each other\n"
