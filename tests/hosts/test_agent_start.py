"""How an agent begins, and what it says of what it can't begin with."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import types
from pathlib import Path
from typing import Any

import msgspec
import pytest

from orchestrator.agent import __main__ as start
from orchestrator.agent import hold
from orchestrator.dask import task
from orchestrator.hosts import first_line
from orchestrator.hosts.messages import PROTOCOL, Start
from tests.rigs import wait_until
from workers.errors import EXIT_SUPERVISOR_LOST

LINE = Start(
    PROTOCOL, "1", "lab", "far", "tcp://127.0.0.1:1", "s" * 40, "p" * 40, "x" * 40, "t", 1.0
)


def given(monkeypatch: pytest.MonkeyPatch, line: bytes) -> int:
    monkeypatch.setattr(first_line, "first_line", lambda fd: line)
    return start.main()


def test_what_is_no_line_of_a_rig_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert given(monkeypatch, b"hello\n") == 2
    assert "started by a rig" in capsys.readouterr().err


def test_another_release_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = msgspec.structs.replace(LINE, protocol=PROTOCOL + 1, release="9")
    assert given(monkeypatch, msgspec.json.encode(other)) == 2
    assert "the rig 9" in capsys.readouterr().err


def test_its_secrets_are_in_no_repr() -> None:
    assert "x" * 40 not in repr(LINE)


def test_it_is_run_with_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestrator.agent import agent

    class Made:
        def __init__(self, line: Start, lifeline: int, mine: hold.Hold) -> None:
            assert (line, lifeline, mine) == (LINE, 0, had)

        def run(self) -> int:
            return 7

    had: Any = object()
    monkeypatch.setattr(hold, "take", lambda line, lifeline: had)
    monkeypatch.setattr(agent, "Agent", Made)
    assert given(monkeypatch, msgspec.json.encode(LINE)) == 7


# -- its turn ------------------------------------------------------------------------------------


@pytest.fixture
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the locks are; agents that are started see it too."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path / f"orch-{os.getuid()}"


def agent_process() -> subprocess.Popen[bytes]:
    """A real one, of a rig that never answers."""
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestrator.agent"], stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(LINE) + b"\n")
    process.stdin.flush()
    return process


def test_one_that_waits_for_its_turn_says_so_and_ends_with_its_engine(locks: Path) -> None:
    mine = hold.take(LINE, 0)
    waiting = agent_process()
    assert waiting.stdin is not None
    assert waiting.stderr is not None
    told = waiting.stderr.readline().decode()
    assert f"another agent of rig 'lab' on this host is there still, process {os.getpid()}" in told
    waiting.stdin.close()
    assert waiting.wait(30) == EXIT_SUPERVISOR_LOST
    assert waiting.stderr.read() == b""
    waiting.stderr.close()
    mine.give_up()


def test_the_next_one_begins_when_one_gives_up_and_no_file_is_left(locks: Path) -> None:
    mine, reader = hold.take(LINE, 0), os.pipe()[0]
    taken: list[hold.Hold] = []
    waiting = [
        threading.Thread(target=lambda: taken.append(hold.take(LINE, reader)), daemon=True)
        for _ in range(2)
    ]
    for each in waiting:
        each.start()
    wait_until(lambda: lock_waiters(os.stat(mine.fd).st_ino) == 2)
    mine.give_up()
    wait_until(lambda: taken)
    taken[0].give_up()
    wait_until(lambda: len(taken) == 2)
    taken[1].give_up()
    for each in waiting:
        each.join()
    assert list(locks.iterdir()) == []


def lock_waiters(inode: int) -> int:
    """How many wait for a lock, as the kernel tells."""
    lines = Path("/proc/locks").read_text().splitlines()
    return sum("->" in each and each.split()[-3].endswith(f":{inode}") for each in lines)


def test_a_guardian_at_work_is_told_of_one_that_was_lost(
    locks: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    mine = hold.take(LINE, 0)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    os.pwrite(mine.fd, f"{gone.pid:<10}\n".encode(), 0)
    reader, writer = os.pipe()
    os.close(writer)
    with pytest.raises(hold.Orphaned):
        hold.take(LINE, reader)
    assert "that was lost are made safe" in capfd.readouterr().err
    mine.give_up()  # and the thread that waited has it, until this process ends


def test_one_whose_rig_never_answers_lets_go_and_ends(locks: Path) -> None:
    first, second = agent_process(), agent_process()
    for each in (first, second):
        assert each.stdin is not None
        assert each.stderr is not None
        with each.stderr, each.stdin:
            assert each.wait(60) == EXIT_SUPERVISOR_LOST
            assert b"rig 'lab' was not heard for 1 s" in each.stderr.read()
    assert list(locks.iterdir()) == []


# -- as a task of Dask ---------------------------------------------------------------------------


class FakeWorker:
    """What a task of Dask sees of its worker."""

    name = "far"

    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []
        self.tasks: dict[str, Any] = {"k": types.SimpleNamespace(state="long-running")}
        self.state = types.SimpleNamespace(tasks=self.tasks)

    def get_current_task(self) -> str:
        return "k"

    def log_event(self, topic: str, told: Any) -> None:
        self.events.append((topic, told))


def as_task(monkeypatch: pytest.MonkeyPatch, program: str) -> FakeWorker:
    worker = FakeWorker()
    fake: Any = types.ModuleType("distributed")
    fake.secede = lambda: None
    fake.get_worker = lambda: worker
    monkeypatch.setitem(sys.modules, "distributed", fake)
    real = subprocess.Popen

    def popen(command: list[str], **kwargs: Any) -> Any:
        assert command[1:] == ["-m", "orchestrator.agent"]
        return real([sys.executable, "-c", program], **kwargs)

    monkeypatch.setattr(task.subprocess, "Popen", popen)
    return worker


def test_a_task_of_dask_tells_what_its_agent_says_and_how_it_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = "import sys; sys.stderr.write('before ' + sys.stdin.readline() + 'last'); sys.exit(3)"
    worker = as_task(monkeypatch, said)
    with pytest.raises(task.AgentEnded, match=r"^3$"):
        task.run("line\n")
    assert worker.events == [
        ("orch host far", {"key": "k", "began": True}),
        ("orch host far", {"key": "k", "line": "before line"}),
        ("orch host far", {"key": "k", "line": "last"}),
    ]


@pytest.mark.parametrize("state", ["cancelled", None])
def test_a_task_that_isnt_wanted_any_more_ends_its_agent(
    monkeypatch: pytest.MonkeyPatch, state: str | None
) -> None:
    worker = as_task(monkeypatch, "import sys; sys.stdin.read(); sys.exit(5)")
    monkeypatch.setattr(task, "LOOKS_EVERY", 0.01)
    worker.tasks.clear()
    if state is not None:
        worker.tasks["k"] = types.SimpleNamespace(state=state)
    with pytest.raises(task.AgentEnded, match=r"^5$"):
        task.run("line\n")
