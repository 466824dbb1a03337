"""A collector that is killed or stuck: what its successor knows, and what is counted."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.logs.collect import handle
from orchestrator.logs.read.lookup import Entry
from tests.integration.collector_kit import (
    PATIENCE,
    Rig,
    Screen,
    limit_files,
    run,
    say,
    until,
    wait_readable,
    worker,
)

pytestmark = pytest.mark.measured

SERVANT = """
import ctypes
from workers.output import records
from workers.output import streams as output
output.flush_by_line()
records.configure(fd, worker='stage', incarnation=1, level='info')
libc = ctypes.CDLL(None)
for line in sys.stdin:
    word, _, text = line.strip().partition(' ')
    if word == 'begin':
        records.bind_request(text, 'move')
    elif word == 'end':
        records.unbind_request()
    else:
        libc.printf(b'%s\\n', text.encode())
"""
"""Does what it is told: begins and ends requests, and prints as C code does."""


@pytest.fixture
def screen() -> Iterator[Screen]:
    screen = Screen()
    yield screen
    screen.close()


@pytest.fixture
def rig(tmp_path: Path, screen: Screen) -> Iterator[Rig]:
    rig = Rig(tmp_path / "bench" / "logs", screen)
    yield rig
    rig.collector.close(PATIENCE)


def replace_collector(rig: Rig) -> None:
    os.kill(rig.collector.pid, signal.SIGKILL)
    wait_readable(rig.collector.sentinel)
    rig.collector.restart()


def lines(rig: Rig) -> list[tuple[str | None, str]]:
    return [(entry.request, entry.event) for entry in rig.records() if entry.worker == "stage"]


def about_losses(rig: Rig) -> list[Entry]:
    return [entry for entry in rig.records() if entry.event.startswith("dropped")]


def test_c_output_keeps_its_request_however_often_the_collector_is_killed(rig: Rig):
    """A request that runs meanwhile, later ones, and what is printed between them."""
    expected: list[tuple[str | None, str]] = []

    def printed(process: object, request: str | None, text: str) -> None:
        say(process, f"print {text}")  # type: ignore[arg-type]
        expected.append((request, text))
        until(lambda: lines(rig) == expected, f"{text} in the store")

    with worker(rig, SERVANT) as process:
        for number in range(3):
            say(process, f"begin {number}f")
            printed(process, f"{number}f", f"one {number}")
            replace_collector(rig)
            printed(process, f"{number}f", f"two {number}")
            say(process, "end")
            printed(process, None, f"three {number}")
            replace_collector(rig)
            printed(process, None, f"four {number}")
    rig.close()
    assert lines(rig) == expected


def test_so_does_the_output_of_the_worker_s_next_life(rig: Rig):
    for incarnation in (1, 2):
        with worker(rig, SERVANT, incarnation) as process:
            replace_collector(rig)
            say(process, f"begin {incarnation}f")
            say(process, "print moved")
            say(process, "end")
        rig.collector.forget("stage", incarnation)
        until(lambda: len(lines(rig)) == incarnation, "the line")  # noqa: B023  called at once
    rig.close()
    assert lines(rig) == [("1f", "moved"), ("2f", "moved")]


def test_what_a_collector_s_death_loses_is_counted(rig: Rig, screen: Screen):
    limit_files(rig, 0)  # this one can write nothing; its successors can
    run(rig, "for n in range(100): print(f'line {n}')")
    screen.read_until("line 99")
    replace_collector(rig)
    run(rig, "print('after')", incarnation=2)
    until(lambda: rig.events() == ["after"], "a line after the restart")
    (loss,) = until(lambda: about_losses(rig), "the record of the loss")
    assert (loss.level, loss.worker, loss.event) == ("warning", "bench", "dropped 100 records")
    assert loss.fields == {
        "dropped": 100,
        "reason": "the log collector died with them in hand",
    }
    assert any("SIGKILL, with 100 records in hand" in text for text in rig.events("bench"))
    # What is written and not ticked off yet would count as lost by its death.
    until(lambda: rig.collector._shared.unsettled == 0, "all records being settled")
    replace_collector(rig)
    rig.close()
    assert len(about_losses(rig)) == 1  # each loss once


def test_a_loss_is_not_forgotten_by_a_second_death(rig: Rig, screen: Screen):
    for incarnation in (1, 2):
        limit_files(rig, 0)
        run(rig, f"print('lost {incarnation}')", incarnation)
        screen.read_until(f"lost {incarnation}")
        replace_collector(rig)
    rig.close()
    assert sum(entry.fields["dropped"] for entry in about_losses(rig) if entry.fields) >= 2


def fill(fd: int) -> int:
    """Fill a pipe with lines; gives their number."""
    os.set_blocking(fd, False)
    count = 0
    while True:
        try:
            os.write(fd, b"x" * 63 + b"\n")
        except BlockingIOError:
            return count
        count += 1


def test_a_collector_that_keeps_a_worker_waiting_is_replaced(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
):
    os.kill(rig.collector.pid, signal.SIGSTOP)
    with rig.collector.open_streams("stage", 1) as streams:
        monkeypatch.setattr(handle, "STUCK", 0.0)
        assert not rig.collector.unblock("stage", 1)  # nothing waits
        count = fill(streams.stdout)
        assert not rig.collector.unblock("stage", 2)
        monkeypatch.setattr(handle, "STUCK", 3600.0)
        assert not rig.collector.unblock("stage", 1)  # it had its turn a moment ago
        monkeypatch.setattr(handle, "STUCK", 0.0)
        assert rig.collector.unblock("stage", 1)
        wait_readable(rig.collector.sentinel)
        assert not rig.collector.unblock("stage", 1)  # it is dead already
        rig.collector.restart()
    rig.close()
    assert len(rig.events()) == count
    (told,) = [text for text in rig.events("bench") if "started again" in text]
    assert "was killed: stage waited to print, and it had not read for" in told
    assert not rig.collector.unblock("stage", 1)


def test_pipes_of_output_are_large_where_the_system_allows(rig: Rig):
    import fcntl

    with rig.collector.open_streams("stage", 1) as streams:
        allowed = int(Path("/proc/sys/fs/pipe-max-size").read_text())
        for fd in (streams.stdout, streams.stderr):
            assert fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ) == min(1 << 20, allowed)
