"""The collector process with real writers, and what is done to both of them."""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from orchestrator.logs.collect import collector, control
from orchestrator.logs.collect.handle import LogCollector
from orchestrator.logs.collect.line_splitter import MAX_LINE
from orchestrator.logs.collect.screen import Screen as StderrThread
from orchestrator.logs.read.lookup import Query
from orchestrator.logs.read.query import Logs
from orchestrator.logs.store.chain import Keep
from orchestrator.logs.store.segments import Run
from orchestrator.logs.store.shared import Shared
from orchestrator.logs.store.store import Store
from tests.integration.collector_kit import (
    PATIENCE,
    PYTHONPATH,
    Rig,
    Screen,
    limit_files,
    run,
    say,
    until,
    wait_readable,
    worker,
    write_all,
)
from tests.rigs import wait_until
from workers.output import pipes as record_pipe
from workers.output import records


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


# --- nothing is lost at a crash


def test_what_a_killed_process_wrote_last_is_stored(rig: Rig):
    status = run(
        rig,
        "os.write(1, b'one\\ntorn')\n"
        "os.write(2, b'trouble\\n')\n"
        "from workers.output import records; import structlog\n"
        "records.configure(fd, worker='stage', incarnation=1, level='info')\n"
        "structlog.get_logger('drv').error('last words', axis=1)\n"
        "os.kill(os.getpid(), signal.SIGKILL)",
    )
    assert status == -signal.SIGKILL
    found = {record.event: record for record in rig.close()}
    assert found["one"].stream == "stdout"
    assert found["torn"].fields == {"torn": True}
    assert found["trouble"].stream == "stderr"
    last = found["last words"]
    assert (last.stream, last.level, last.logger) == ("record", "error", "drv")
    assert last.fields == {"axis": 1}
    assert {record.worker for record in found.values()} == {"stage"}
    assert {record.incarnation for record in found.values()} == {1}


def test_lines_are_shown_to_people(rig: Rig, screen: Screen):
    run(rig, "print('hello \\x1b[2J')")
    rig.close()
    assert screen.read_all().endswith(" stdout   stage    hello \\x1b[2J\n")


def test_the_level_is_for_the_screen_and_for_records_alone(rig: Rig, screen: Screen):
    run(rig, 'os.write(fd, b\'{"event": "quiet", "level": "debug"}\\n\'); print("loud")')
    events = [record.event for record in rig.close()]
    assert sorted(events) == ["loud", "quiet"]
    assert "loud" in screen.read_all()
    assert "quiet" not in screen.text


def test_output_of_c_libraries_is_collected(rig: Rig):
    run(rig, "import ctypes; c = ctypes.CDLL(None); c.puts(b'from C'); c.fflush(None)")
    assert [record.event for record in rig.close()] == ["from C"]


@pytest.mark.parametrize("json_lines", [True, False])
def test_printed_json_is_read_into_fields_unless_it_is_to_stay_text(
    tmp_path: Path, screen: Screen, json_lines: bool
):
    rig = Rig(tmp_path / "bench" / "logs", screen, json_lines=json_lines)
    line = '{"level": "error", "message": "lost", "axis": 2}'
    run(rig, f"import os; os.write(1, b'{line}\\n'); os.write(2, b'plain\\n')")
    lost, plain = sorted(rig.close(), key=lambda record: record.event == "plain")
    assert (plain.stream, plain.event) == ("stderr", "plain")
    if json_lines:
        assert (lost.level, lost.event, lost.fields) == ("error", "lost", {"axis": 2})
    else:
        assert (lost.level, lost.event, lost.fields) == ("info", line, None)


# --- hard input


def test_a_line_of_ten_megabytes_is_cut_and_counted(rig: Rig):
    size = 10_000_000
    run(rig, f"os.write(1, b'before\\n'); print('x' * {size}); print('after')")
    before, cut, dropped, after = rig.close()
    assert (before.event, after.event) == ("before", "after")
    assert cut.event == "x" * MAX_LINE
    assert cut.fields == {"cut": True}
    assert dropped.fields == {"dropped_bytes": size - MAX_LINE}


def test_binary_garbage_is_kept_readable(rig: Rig):
    garbage = bytes(range(256)) * 64
    with rig.collector.open_streams("stage", 1) as streams:
        write_all(streams, garbage + b"\n")
        os.write(streams.stderr, garbage)
        os.write(streams.records, garbage + b'\n{"event": "fine"}\n{"event": ')
    found = rig.close()
    text = garbage.decode("utf-8", "backslashreplace")
    expected = text.split("\n")
    stdout = [record.event for record in found if record.stream == "stdout"]
    stderr = [record.event for record in found if record.stream == "stderr"]
    assert stdout == expected
    assert stderr == expected
    own = [record for record in found if record.stream == "record"]
    assert [record.event for record in own] == [*expected, "fine", '{"event": ']
    assert own[0].fields == {"unparsed": True}
    assert own[-1].fields == {"unparsed": True, "torn": True}


def test_a_burst_of_a_megabyte_is_complete_and_in_order(rig: Rig):
    count = 20_000
    run(rig, f"for n in range({count}): print(f'line {{n:045}}')")
    assert [record.event for record in rig.close()] == [f"line {n:045}" for n in range(count)]


def test_a_stream_that_never_stops_keeps_no_other_waiting(rig: Rig):
    flood = "data = (b'x' * 1000 + b'\\n') * 60\nwhile True: os.write(1, data)"
    with worker(rig, flood) as process:
        until(lambda: rig.size() > 1_000_000, "the flood")
        with rig.collector.open_streams("quiet", 1) as streams:
            os.write(streams.stdout, b"I am here\n")
        size = rig.size()
        quiet = Query(workers=("quiet",))
        until(lambda: list(Logs(rig.folder).read(quiet)), "the quiet worker's line")
        # It came while the flood went on, and not after some hundred turns of it.
        assert rig.size() - size < 100_000_000
        process.kill()


def test_the_workers_records_fit_the_collectors_lines(rig: Rig):
    assert record_pipe.MAX_RECORD < MAX_LINE
    run(
        rig,
        "from workers.output import records; import structlog\n"
        "records.configure(fd, worker='stage', incarnation=1, level='info')\n"
        "structlog.get_logger().info('x' * 1_000_000)",
    )
    (record,) = rig.close()
    assert record.fields == {"cut": "the record was too long"}


# --- the supervisor's own records


def test_records_of_the_supervisor_name_their_worker(rig: Rig):
    records.configure(rig.collector.records, worker="bench", incarnation=0, level="info")
    try:
        structlog.get_logger().info("rig up")
        records.register_thread("timer", 4)
        records.write_output("stdout", "tick")
    finally:
        records.unregister_thread()
        records.reset()
    up, tick = rig.close()
    assert (up.worker, up.incarnation, up.event) == ("bench", 0, "rig up")
    assert (tick.worker, tick.incarnation, tick.stream) == ("timer", 4, "stdout")


def test_the_supervisors_record_stream_never_blocks(rig: Rig):
    assert not os.get_blocking(rig.collector.records)


# --- a collector that dies


TALKER = """
print('ready', flush=True)
for line in sys.stdin:
    print('heard', line.strip(), flush=True)
print('bye', flush=True)
"""


def test_a_collectors_death_disturbs_no_worker_and_loses_no_later_line(rig: Rig, screen: Screen):
    with worker(rig, TALKER) as process:
        until(lambda: "ready" in rig.events(), "the first line")
        first = rig.collector.pid
        os.kill(first, signal.SIGKILL)
        wait_readable(rig.collector.sentinel)
        say(process, "while nobody reads")
        say(process, "still")
        rig.collector.restart()
        assert rig.collector.pid != first
        say(process, "again")
        until(lambda: "heard again" in rig.events(), "a line after the restart")
    assert process.returncode == 0
    rig.close()
    assert rig.events() == [
        "ready",
        "heard while nobody reads",
        "heard still",
        "heard again",
        "bye",
    ]
    assert rig.events("bench") == [
        "log collector started again: the last one was killed by SIGKILL"
    ]
    assert "started again" in screen.read_all()


def test_what_an_ended_worker_wrote_while_nobody_read_is_collected(rig: Rig):
    os.kill(rig.collector.pid, signal.SIGKILL)
    wait_readable(rig.collector.sentinel)
    run(rig, "print('only words')")
    rig.collector.forget("stage", 1)
    rig.collector.restart()
    rig.close()
    assert rig.events() == ["only words"]


def test_close_reads_what_a_dead_collector_left(rig: Rig):
    os.kill(rig.collector.pid, signal.SIGKILL)
    wait_readable(rig.collector.sentinel)
    run(rig, "print('only words')")
    rig.close()
    assert rig.events() == ["only words"]


def test_signals_for_all_processes_do_not_end_the_collector(rig: Rig):
    with worker(rig, TALKER) as process:
        until(lambda: "ready" in rig.events(), "the first line")
        assert os.getsid(rig.collector.pid) == rig.collector.pid  # not of the terminal's group
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(rig.collector.pid, number)
        say(process, "after all")
    until(lambda: "bye" in rig.events(), "the last line")
    assert rig.collector.returncode is None
    assert rig.events() == ["ready", "heard after all", "bye"]
    assert rig.events("bench") == []


def test_a_collector_outlives_a_killed_supervisor_no_longer_than_its_streams(tmp_path: Path):
    code = f"""
import os, signal
from pathlib import Path
from orchestrator.logs.collect.handle import LogCollector
collector = LogCollector.start(Path({str(tmp_path)!r}), rig="bench")
streams = collector.open_streams("stage", 1)
os.write(streams.stdout, b"to the end")
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": PYTHONPATH},
        timeout=PATIENCE,
        check=False,
    )  # returns at the end of stderr, and that is when the collector has ended, which shares it
    assert done.returncode == -signal.SIGKILL
    logs = Logs(tmp_path)
    (entry,) = logs.read(Query())
    assert entry.event == "to the end"
    assert [run.ending for run in logs.runs()] == ["its supervisor died"]


def test_without_a_supervisor_a_stream_that_is_held_open_is_left_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(collector, "ORPHAN_GRACE", 0.1)
    supervisor, ours = socket.socketpair()
    read_fd, held_fd = os.pipe()
    null = os.open(os.devnull, os.O_WRONLY)
    os.write(held_fd, b"whole\nhalf")
    message = control.encode(control.Collect("stage", 1, "stdout"))
    socket.send_fds(supervisor, [message], [read_fd])
    supervisor.close()
    store = Store(tmp_path, Run(0, "1f", 1.0), rig="bench", keep=Keep(), tell=lambda *_: None)
    screen = StderrThread(null, lambda record: "", lambda dropped: pytest.fail("lost"))
    with Shared() as shared:
        reader = collector.Collector(
            ours, store=store, screen=screen, level="info", rig="bench", shared=shared
        )
        reader.run()
    assert [entry.event for entry in Logs(tmp_path).read(Query())] == ["whole", "half"]
    for fd in (read_fd, held_fd, null):
        os.close(fd)


# --- a stuck screen, a full disk


def test_a_stuck_screen_stops_neither_store_nor_end(rig: Rig, screen: Screen):
    count = 40_000
    run(rig, f"for n in range({count}): print(f'line {{n:060}}')")
    until(lambda: rig.count() == count, "all lines in the store")
    text = screen.read_until("lines here, where nobody read them")
    shown = [line for line in text.splitlines() if " stdout " in line]
    notice = next(line for line in text.splitlines() if "nobody read" in line)
    dropped = int(notice.split(" dropped ")[1].split()[0])
    assert len(shown) + dropped == count
    assert "see orch logs" in notice
    assert shown[0].endswith(f"line {0:060}")
    with rig.collector.open_streams("other", 1) as streams:
        os.write(streams.stdout, b"flows again\n")
    screen.read_until("flows again")


def test_a_screen_that_stays_stuck_does_not_hold_the_end(rig: Rig):
    count = 20_000
    run(rig, f"for n in range({count}): print(f'line {{n:060}}')")
    begun = time.monotonic()
    assert len(rig.close()) == count
    assert time.monotonic() - begun < PATIENCE / 2


def test_a_screen_that_is_closed_stops_nothing(rig: Rig, screen: Screen):
    os.close(screen.read_fd)
    screen.read_fd = os.open(os.devnull, os.O_RDONLY)
    run(rig, "print('one')")
    until(lambda: rig.events() == ["one"], "the first line")
    with rig.collector.open_streams("stage", 2) as streams:
        os.write(streams.stdout, b"two\n")
    rig.close()
    assert rig.events() == ["one", "two"]


def test_a_full_disk_is_told_once_and_nothing_is_lost_when_space_returns(rig: Rig, screen: Screen):
    run(rig, "print('before')")
    until(lambda: rig.events() == ["before"], "the first line")
    former = limit_files(rig, 60_000)
    count = 1000
    run(rig, f"for n in range({count}): print(f'line {{n}}')", incarnation=2)
    screen.read_until("logs can't be written to")
    screen.read_until(f"line {count - 1}")
    assert rig.events()[0] == "before"
    limit_files(rig, former)
    screen.read_until("can be written again: nothing was lost")
    rig.close()
    assert rig.events() == ["before", *(f"line {n}" for n in range(count))]
    assert rig.events("bench") == ["logs can be written again: nothing was lost"]
    assert screen.read_all().count("can't be written") == 1


def test_a_disk_that_stays_full_costs_counted_records(rig: Rig, screen: Screen):
    limit_files(rig, 0)
    run(rig, "for n in range(300): print(f'line {n}')")
    assert rig.close() == []
    assert "300 records could not be kept" in screen.read_all()
    assert list(rig.folder.glob("*.db*")) == []  # nothing begun that nobody can read


# --- the handle


def test_file_and_folder_are_private(rig: Rig):
    run(rig, "print('one')")
    rig.close()
    assert rig.folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in rig.folder.iterdir()} == {0o600}


def test_a_second_run_follows_the_first(rig: Rig, screen: Screen):
    run(rig, "print('one')")
    rig.close()
    again = Rig(rig.folder, screen)
    run(again, "print('two')")
    again.close()
    assert [(record.run, record.event) for record in again.records()] == [(1, "one"), (2, "two")]
    first, second = Logs(rig.folder).runs()
    assert (first.number, second.number) == (1, 2)
    assert first.ending == second.ending == "stopped"
    assert first.ended is not None
    assert first.started < first.ended < second.started


def test_a_folder_that_can_not_be_used_is_an_error_at_start(tmp_path: Path):
    (tmp_path / "logs").write_text("not a folder")
    with pytest.raises(OSError, match="logs"):
        LogCollector.start(tmp_path / "logs" / "bench", rig="bench")
    with pytest.raises(ValueError, match="no level 'loud'"):
        LogCollector.start(tmp_path / "bench", rig="bench", level="loud")


def test_streams_are_not_inherited_and_end_when_closed(rig: Rig):
    streams = rig.collector.open_streams("stage", 1)
    fds = (streams.stdout, streams.stderr, streams.records)
    assert not any(os.get_inheritable(fd) for fd in fds)
    streams.close()
    streams.close()
    for fd in fds:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


def test_an_incarnation_has_its_streams_once(rig: Rig):
    with (
        rig.collector.open_streams("stage", 1),
        pytest.raises(ValueError, match="stage 1 has its streams already"),
    ):
        rig.collector.open_streams("stage", 1)


def open_fds() -> int:
    gc.collect()  # what earlier tests of this process have left may be closed at any moment
    return len(os.listdir("/proc/self/fd"))


def test_forgotten_streams_are_let_go_when_they_are_read(rig: Rig):
    before = open_fds()
    for incarnation in range(1, 6):
        with rig.collector.open_streams("stage", incarnation) as streams:
            os.write(streams.stdout, b"hello\n")
        rig.collector.forget("stage", incarnation)
    until(lambda: len(rig.events()) == 5, "all lines")
    rig.collector.forget("stage", 5)
    assert open_fds() == before


def test_too_many_open_files_is_an_error_that_leaves_nothing(rig: Rig):
    before = open_fds()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    fillers = []
    try:
        # All numbers below the limit are in use but three: room for one stream and a half.
        while (fd := os.dup(0)) < highest + 6:
            fillers.append(fd)
        fillers.append(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (fd + 4, hard))
        with pytest.raises(OSError, match="Too many open files"):
            rig.collector.open_streams("stage", 1)
    finally:
        for fd in fillers:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert open_fds() == before
    rig.collector.open_streams("stage", 1).close()


def test_close_leaves_a_stream_that_is_held_open_in_time(rig: Rig):
    before = open_fds()
    streams = rig.collector.open_streams("stage", 1)
    os.write(streams.stdout, b"whole\nhalf")
    rig.collector.close(2.0)
    assert rig.collector.returncode == 0
    assert [record.event for record in rig.records()] == ["whole", "half"]
    streams.close()
    rig.collector.close(1.0)
    assert open_fds() < before


def test_a_collector_that_does_not_end_is_killed(rig: Rig):
    os.kill(rig.collector.pid, signal.SIGSTOP)
    rig.collector.close(0.2)
    assert rig.collector.returncode == -signal.SIGKILL


def test_a_collector_that_takes_no_streams_is_killed_and_replaced(rig: Rig):
    os.kill(rig.collector.pid, signal.SIGSTOP)
    for number in range(1000):
        rig.collector.open_streams("stage", number).close()
        rig.collector.forget("stage", number)
        if rig.collector.returncode is not None:
            break
    wait_readable(rig.collector.sentinel)
    with rig.collector.open_streams("stage", 2000) as streams:
        os.write(streams.stdout, b"for the next\n")
    rig.collector.restart()
    rig.close()
    assert rig.events() == ["for the next"]


def test_the_collector_starts_with_few_modules():
    code = "import sys, orchestrator.logs.collect.collector; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": PYTHONPATH},
        check=True,
    )
    heavy = {"zmq", "numpy", "pydantic", "rich", "structlog", "asyncio", "click", "psutil"}
    assert not heavy & set(done.stdout.split())


def test_without_a_supervisor_what_its_guardian_records_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It holds the stream of the supervisor's own records, and makes devices safe meanwhile."""
    monkeypatch.setattr(collector, "ORPHAN_GRACE", 0.0)
    supervisor, ours = socket.socketpair()
    read_fd, guardian = os.pipe()
    message = control.encode(control.Collect("bench", 0, "record", shared=True))
    socket.send_fds(supervisor, [message], [read_fd])
    supervisor.close()
    os.close(read_fd)
    store = Store(tmp_path, Run(0, "1f", 1.0), rig="bench", keep=Keep(), tell=lambda *_: None)
    with Shared() as shared, open(os.devnull, "wb") as null:
        screen = StderrThread(null.fileno(), lambda record: "", lambda dropped: None)
        reader = collector.Collector(
            ours, store=store, screen=screen, level="info", rig="bench", shared=shared
        )
        thread = threading.Thread(target=reader.run)
        thread.start()
        for text in ("one", "two"):
            about = {"time": 1.0, "level": "info", "worker": "psu", "incarnation": 1}
            line = {**about, "stream": "record", "event": text, "logger": ""}
            os.write(guardian, json.dumps(line).encode() + b"\n")
            wait_until(lambda text=text: text in [e.event for e in Logs(tmp_path).read(Query())])
        os.close(guardian)
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert {entry.worker for entry in Logs(tmp_path).read(Query())} == {"psu"}
