# ruff: noqa: T201  printing is what is tested
"""All that a process logs reaches one pipe as JSON lines, and never blocks it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog

from workers.output import records
from workers.output import streams as output
from workers.output.pipes import MAX_RECORD, RecordLine, RecordPipe, encode
from workers.output.request_marks import RequestMarks


def wait_readable(fd: int) -> None:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    assert poll.poll(30_000)


class Pipe:
    def __init__(self) -> None:
        self.read_fd, self.fd = os.pipe()
        os.set_blocking(self.read_fd, False)

    def read(self) -> bytes:
        chunks = []
        while True:
            try:
                chunk = os.read(self.read_fd, 1 << 20)
            except BlockingIOError:
                break
            if not chunk:
                break
            chunks.append(chunk)
        return b"".join(chunks)

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.read().splitlines()]

    def record(self) -> dict[str, Any]:
        (record,) = self.records()
        return record

    def fill(self) -> None:
        os.set_blocking(self.fd, False)
        for size in (4096, 1):
            try:
                while True:
                    os.write(self.fd, b"." * size)
            except BlockingIOError:
                pass

    def close(self) -> None:
        os.close(self.read_fd)
        os.close(self.fd)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


@pytest.fixture
def configured(pipe: Pipe) -> Iterator[Pipe]:
    records.configure(pipe.fd, worker="stage", incarnation=3, level="info")
    yield pipe
    records.unbind_request()
    records.reset()


# --- structlog and stdlib logging


def test_structlog_writes_records(configured: Pipe):
    before = time.time()
    structlog.get_logger("driver.axis").bind(axis=2).warning("moved %d", 5, to=1.5)
    record = configured.record()
    assert before <= record.pop("time") <= time.time()
    assert record == {
        "level": "warning",
        "worker": "stage",
        "incarnation": 3,
        "stream": "record",
        "event": "moved 5",
        "logger": "driver.axis",
        "fields": {"axis": 2, "to": 1.5},
    }


def test_records_below_the_level_are_not_sent(configured: Pipe):
    log = structlog.get_logger()
    log.debug("a")
    logging.getLogger("lib").debug("b")
    assert configured.read() == b""
    records.set_level("debug")
    log.debug("a")
    logging.getLogger("lib").debug("b")
    assert [record["event"] for record in configured.records()] == ["a", "b"]


def test_an_unknown_level_is_refused(pipe: Pipe):
    with pytest.raises(ValueError, match="no level 'loud': use one of debug, info"):
        records.configure(pipe.fd, worker="stage", incarnation=1, level="loud")


def test_an_exception_brings_its_traceback(configured: Pipe):
    try:
        raise ValueError("no such axis")
    except ValueError:
        structlog.get_logger().exception("oops")
        logging.getLogger("lib").exception("oops")
    for record in configured.records():
        assert record["level"] == "error"
        assert record["exception"].startswith("Traceback (most recent call last):")
        assert record["exception"].endswith("ValueError: no such axis")
        assert "fields" not in record


def test_stdlib_logging_joins(configured: Pipe):
    logging.getLogger("lib.motion").warning("axis %s is %d", "x", 3, extra={"serial": "A1"})
    record = configured.record()
    assert record["event"] == "axis x is 3"
    assert (record["logger"], record["level"]) == ("lib.motion", "warning")
    assert record["fields"] == {"serial": "A1"}


def test_stdlib_levels_between_ours_count_as_the_lower(configured: Pipe):
    logging.getLogger("lib").log(25, "a")
    logging.getLogger("lib").log(60, "b")
    assert [record["level"] for record in configured.records()] == ["info", "critical"]


def test_warnings_are_records(configured: Pipe):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)  # catch_warnings put its own hook in the place of ours
        logging.captureWarnings(True)
        warnings.warn("too hot", RuntimeWarning, stacklevel=1)
        logging.captureWarnings(False)
    record = configured.record()
    assert (record["level"], record["logger"]) == ("warning", "py.warnings")
    assert "RuntimeWarning: too hot" in record["event"]
    assert not record["event"].endswith("\n")


def test_reset_puts_everything_back(pipe: Pipe):
    root = logging.getLogger()
    before = root.handlers[:], root.level, sys.excepthook, threading.excepthook
    records.configure(pipe.fd, worker="stage", incarnation=1, level="info")
    assert root.handlers != before[0]
    records.reset()
    assert (root.handlers, root.level, sys.excepthook, threading.excepthook) == before
    assert not structlog.is_configured()


# --- values


class Awkward:
    def __repr__(self) -> str:
        raise RuntimeError("no")

    __str__ = __repr__


LOOP: list[Any] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b"\x02OK", "b'\\x02OK'"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (np.float64(1.5), 1.5),
        (np.int32(7), 7),
        (np.bool_(True), True),
        (np.zeros(2), "array([0., 0.])"),
        (signal.SIGTERM, 15),
        (Awkward(), "<Awkward whose repr raised RuntimeError>"),
        ({(1, 2): 3}, {"(1, 2)": 3}),
        (LOOP, "[[...]]"),
        ("\udcff", "\\udcff"),
        (2**80, 2**80),
        (object, "<class 'object'>"),
    ],
)
def test_any_value_can_be_logged(configured: Pipe, value: Any, shown: Any):
    structlog.get_logger().info("x", value=value, other="fine")
    assert configured.record()["fields"] == {"value": shown, "other": "fine"}


def test_any_event_can_be_logged(configured: Pipe):
    log = structlog.get_logger()
    log.info(Awkward())
    log.info(5)
    log.info("\udcff")
    events = [record["event"] for record in configured.records()]
    assert events == ["<Awkward whose repr raised RuntimeError>", "5", "\\udcff"]


@pytest.mark.parametrize("character", ["x", "€", "\x00", "\U0001f600"])
def test_a_record_that_is_too_long_is_cut_at_both_texts_middle(character: str):
    line = RecordLine(
        time=0.0,
        level="info",
        worker="stage",
        incarnation=1,
        stream="record",
        event="begin" + character * 100_000 + "end",
        exception="Traceback" + character * 100_000 + "ValueError",
        logger=character * 100_000,
        fields={f"key{number}": character * 1000 for number in range(1000)},
    )
    data = encode(line)
    assert len(data) <= MAX_RECORD
    record = json.loads(data)
    assert record["event"].startswith("begin")
    assert record["event"].endswith("end")
    assert record["exception"].endswith("ValueError")
    assert record["fields"]["cut"] == "the record was too long"


# --- context


def test_a_bound_request_is_on_all_records(configured: Pipe):
    log = structlog.get_logger()
    records.bind_request("7f", "move")
    structlog.contextvars.clear_contextvars()  # a driver's habit must not lose the request
    log.info("a", request="mine")
    logging.getLogger("lib").info("b")
    records.unbind_request()
    log.info("c")
    first, second, third = configured.records()
    assert (first["request"], first["member"]) == ("7f", "move")
    assert first["fields"] == {"request": "mine"}
    assert (second["request"], second["member"]) == ("7f", "move")
    assert "request" not in third


def test_context_of_structlog_is_on_records_of_both(configured: Pipe):
    with structlog.contextvars.bound_contextvars(scan=4):
        structlog.get_logger().info("a", x=1)
        logging.getLogger("lib").info("b")
    assert [record["fields"] for record in configured.records()] == [
        {"scan": 4, "x": 1},
        {"scan": 4},
    ]


def test_members_that_run_beside_each_other_keep_their_requests(configured: Pipe):
    async def member(name: str, both: asyncio.Barrier) -> None:
        records.bind_request(f"id-{name}", name)
        await both.wait()
        structlog.get_logger().info(name)

    async def main() -> None:
        both = asyncio.Barrier(2)
        await asyncio.gather(member("abort", both), member("status", both))

    asyncio.run(main())
    found = {record["event"]: record["request"] for record in configured.records()}
    assert found == {"abort": "id-abort", "status": "id-status"}


# --- a full pipe


def line(event: str) -> bytes:
    return encode(RecordLine(0.0, "info", "stage", 1, "record", event))


def test_a_full_pipe_drops_counts_and_tells(pipe: Pipe):
    writer = RecordPipe(pipe.fd, worker="stage", incarnation=1, patience=0.01)
    pipe.fill()
    assert not writer.write(line("a"))
    assert not writer.write(line("b"))
    assert writer.dropped == 2
    pipe.read()
    assert writer.write(line("c"))
    notice, record = pipe.records()
    assert (notice["event"], notice["fields"]) == ("dropped 2 records", {"dropped": 2})
    assert (notice["level"], notice["worker"]) == ("warning", "stage")
    assert record["event"] == "c"
    assert writer.dropped == 0


def test_a_stuck_pipe_is_waited_for_once_and_not_once_a_record(pipe: Pipe):
    writer = RecordPipe(pipe.fd, worker="stage", incarnation=1, patience=0.05)
    pipe.fill()
    data = line("a")
    begun = time.monotonic()
    for _ in range(1000):
        writer.write(data)
    assert time.monotonic() - begun < 5  # one wait each would be 50 s
    assert writer.dropped == 1000


def test_who_never_waits_drops_at_once(pipe: Pipe, monkeypatch: pytest.MonkeyPatch):
    """For a loop that others wait for: not once is it asked when there is room."""
    records.configure(pipe.fd, worker="stage", incarnation=0, level="info")
    try:
        records.never_wait()
        pipe.fill()
        with monkeypatch.context() as patch:
            patch.setattr(select, "poll", lambda: pytest.fail("it waits for room"))
            assert not records.write_about("stage", "info", "a", {})
        pipe.read()
        assert records.write_about("stage", "info", "b", {})
        assert [each["event"] for each in pipe.records()] == ["dropped 1 record", "b"]
    finally:
        records.reset()


def test_a_record_waits_for_a_reader_that_is_only_slow(pipe: Pipe):
    writer = RecordPipe(pipe.fd, worker="stage", incarnation=1, patience=30)
    pipe.fill()
    reader = threading.Thread(target=pipe.read)
    reader.start()
    assert writer.write(line("a"))
    reader.join()


def test_half_a_record_costs_no_other(pipe: Pipe):
    pipe.fill()
    os.read(pipe.read_fd, 8192)
    writer = RecordPipe(pipe.fd, worker="stage", incarnation=1, patience=0.01)
    assert not writer.write(line("x" * 20_000))
    fragment = pipe.read().lstrip(b".")
    assert fragment.startswith(b'{"time"')
    assert not fragment.endswith(b"\n")
    assert writer.write(line("next"))
    assert pipe.read().startswith(b"\n{")


def test_what_a_request_lost_is_told_at_its_end(configured: Pipe):
    records.bind_request("7f", "move")
    configured.fill()
    structlog.get_logger().info("lost")
    configured.read()
    records.unbind_request()
    assert configured.record()["event"] == "dropped 1 record"


def test_or_as_soon_as_there_is_room(configured: Pipe):
    for _ in range(2):  # each time anew
        records.bind_request("7f", "move")
        configured.fill()
        structlog.get_logger().info("lost")
        records.unbind_request()
        while (left := configured.read()).endswith(b"."):
            wait_readable(configured.read_fd)
        assert json.loads(left.lstrip(b"."))["fields"] == {"dropped": 1}


def test_at_the_end_a_loss_waits_for_room_once_more(pipe: Pipe):
    writer = RecordPipe(pipe.fd, worker="stage", incarnation=1, patience=0.01)
    pipe.fill()
    assert not writer.write(line("lost"))
    writer.patience = 30
    reader = threading.Thread(target=pipe.read)
    reader.start()
    writer.retire()
    reader.join()
    assert writer.dropped == 0


def test_a_pipe_that_is_given_up_is_not_written_to_later(configured: Pipe):
    configured.fill()
    structlog.get_logger().info("lost")
    records.report_loss()
    records.reset()
    (waiting,) = [each for each in threading.enumerate() if each.name == "dropped"]
    configured.read()
    waiting.join()
    assert configured.read() == b""


def test_a_pipe_without_a_reader_loses_records_and_raises_nothing():
    pipe = Pipe()
    writer = RecordPipe(pipe.fd, worker="stage", incarnation=1)
    os.close(pipe.read_fd)
    assert not writer.write(line("a"))
    os.close(pipe.fd)
    assert not writer.write(line("a"))
    assert writer.dropped == 2


def test_records_of_many_threads_stay_whole(pipe: Pipe):
    writer = RecordPipe(pipe.fd, worker="stage", incarnation=1, patience=30)
    data = line("x" * 10_000)
    count = 50

    def write() -> None:
        for _ in range(count):
            writer.write(data)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    received = b""
    os.set_blocking(pipe.read_fd, True)
    while len(received) < 4 * count * len(data):
        received += os.read(pipe.read_fd, 1 << 16)
    for thread in threads:
        thread.join()
    assert received == data * (4 * count)


# --- uncaught exceptions, in processes of their own


def run(code: str) -> tuple[list[dict[str, Any]], subprocess.CompletedProcess[str]]:
    read_fd, write_fd = os.pipe()
    script = (
        "import sys, threading; from workers.output import records, streams as output\n"
        "records.configure(int(sys.argv[1]), worker='stage', incarnation=1, level='info')\n" + code
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(
            [sys.executable, "-c", script, str(write_fd)],
            pass_fds=[write_fd],
            capture_output=True,
            text=True,
            env=environment,
            timeout=30,
            check=False,
        )
    finally:
        os.close(write_fd)
    with os.fdopen(read_fd, "rb") as stream:
        return [json.loads(part) for part in stream.read().splitlines()], done


def test_an_uncaught_exception_is_a_record():
    (record,), done = run("raise ValueError('out of range')")
    assert (record["event"], record["level"]) == ("uncaught ValueError", "error")
    assert record["exception"].endswith("ValueError: out of range")
    assert done.returncode == 1
    assert done.stderr == ""


def test_an_uncaught_exception_of_a_thread_is_a_record():
    (record,), done = run(
        "def f(): raise ValueError('x')\n"
        "thread = threading.Thread(target=f, name='poller')\nthread.start()\nthread.join()\n"
        "thread = threading.Thread(target=sys.exit)\nthread.start()\nthread.join()"
    )
    assert record["event"] == "uncaught ValueError in thread poller"
    assert record["exception"].endswith("ValueError: x")
    assert (done.returncode, done.stderr) == (0, "")


def test_an_exception_in_a_destructor_is_a_record():
    (record,), done = run("class A:\n  def __del__(self): raise ValueError('x')\nA()")
    assert "A.__del__" in record["event"]
    assert record["exception"].endswith("ValueError: x")
    assert done.stderr == ""


def test_an_uncaught_exception_that_can_not_be_recorded_is_printed():
    found, done = run("import os; os.close(int(sys.argv[1])); raise ValueError('out of range')")
    assert found == []
    assert done.stderr.endswith("ValueError: out of range\n")


def test_a_message_that_does_not_fit_its_arguments_is_kept():
    (record,), done = run("import logging; logging.getLogger('lib').error('%d of %d', 1)")
    assert record["event"] == "%d of %d"
    assert record["fields"]["arguments"] == "(1,)"
    assert done.stderr == ""


def test_losses_are_told_at_exit():
    found, _ = run(
        "import os, structlog; fd = int(sys.argv[1]); other = os.dup(fd)\n"
        "os.close(fd); structlog.get_logger().info('lost'); os.dup2(other, fd)"
    )
    assert [record["event"] for record in found] == ["dropped 1 record"]


def test_a_forked_child_can_log():
    found, _ = run(
        "import os, structlog, warnings\n"
        "records._settings.pipe._lock.acquire()\n"
        "pid = os.fork()\n"
        "if pid == 0: structlog.get_logger().info('child'); os._exit(0)\n"
        "os.waitpid(pid, 0); records._settings.pipe._lock.release()"
    )
    assert [record["event"] for record in found] == ["child"]


# --- what a worker process prints


def printed(code: str) -> tuple[list[tuple[str, str | None, str]], str]:
    """What `code` printed in a worker process: (stream, request, text) of records; and the rest.

    The rest is what reached stdout itself, the number of its pipe replaced.
    """
    found, done = run(f"output.flush_by_line()\n{code}\nimport os; os._exit(0)")
    assert done.returncode == 0, done.stderr
    rest = re.sub(r"\x1eorch-[0-9a-f]+", "\x1eKEY", done.stdout)
    return [(each["stream"], each.get("request"), each["event"]) for each in found], rest


def test_what_python_code_prints_is_a_record():
    found, rest = printed(r"print('out \udcff'); print('a\nb\n', file=sys.stderr)")
    assert found == [
        ("stdout", None, "out \\udcff"),
        ("stderr", None, "a"),
        ("stderr", None, "b"),
        ("stderr", None, ""),
    ]
    assert rest == ""


def test_what_is_printed_while_a_request_runs_carries_it():
    found, _ = printed(
        "records.bind_request('1f', 'move'); print('in'); print('torn', end='')\n"
        "records.unbind_request(); print('out')"
    )
    assert found == [("stdout", "1f", "in"), ("stdout", "1f", "torn"), ("stdout", None, "out")]


def test_a_line_that_its_request_ended_is_torn():
    found, _ = run(
        "output.flush_by_line(); records.bind_request('1f', 'move')\n"
        "print('whole'); print('half', end=''); records.unbind_request()\n"
        "import os; os._exit(0)"
    )
    assert [(each["event"], each.get("fields")) for each in found] == [
        ("whole", None),
        ("half", {"torn": True}),
    ]


def test_what_drivers_put_back_after_a_redirection_is_recorded_too():
    found, rest = printed(
        "sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__\n"
        "print('out'); print('err', file=sys.stderr)"
    )
    assert found == [("stdout", None, "out"), ("stderr", None, "err")]
    assert rest == ""


def test_lines_of_interleaved_tasks_are_kept_apart():
    found, _ = printed(
        "import asyncio\n"
        "async def task(name):\n"
        "    records.bind_request(name, 'move')\n"
        "    for part in ('a', 'b', 'c\\n', 'd'):\n"
        "        sys.stdout.write(part); await asyncio.sleep(0)\n"
        "    records.unbind_request()\n"
        "async def main(): await asyncio.gather(*(task(n) for n in ('1', '2', '3')))\n"
        "asyncio.run(main())"
    )
    assert sorted(found) == [("stdout", name, text) for name in "123" for text in ("abc", "d")]


def test_the_begin_of_a_line_is_not_lost_once_it_is_flushed():
    found, rest = printed("print('50 %', end='', flush=True); print(' done'); print('next')")
    assert found == [("stdout", None, "next")]
    assert rest == "50 % done\n"


def test_a_flushed_begin_ends_with_its_request():
    found, rest = printed(
        "records.bind_request('1f', 'move'); print('half', end='', flush=True)\n"
        "records.unbind_request(); print('next')"
    )
    assert found == [("stdout", None, "next")]
    assert re.sub(r"\[\d+\.\d+", "[TIME", rest) == (
        '\n\x1eKEY[TIME,"1f","move"]\nhalf\n\x1eKEY[TIME]\n'
    )


def test_bytes_go_where_they_went():
    found, rest = printed("sys.stdout.buffer.write(b'raw\\n'); sys.stdout.flush()")
    assert (found, rest) == ([], "raw\n")
    found, rest = printed("import os; os.write(sys.stdout.fileno(), b'raw\\n')")
    assert (found, rest) == ([], "raw\n")


def test_what_c_code_prints_survives_a_kill():
    _, done = run(
        "output.flush_by_line()\nimport ctypes, os, signal\n"
        "ctypes.CDLL(None).puts(b'from C'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert done.stdout == "from C\n"


def test_marks_are_of_the_thread_that_serves_the_queue():
    _, rest = printed(
        "def other(): records.bind_request('2e', 'abort'); records.unbind_request()\n"
        "thread = threading.Thread(target=other); thread.start(); thread.join()"
    )
    assert rest == ""


def test_a_full_pipe_keeps_no_request():
    read_fd, write_fd = os.pipe()
    marks = RequestMarks((write_fd,))
    for _ in range(5000):  # some hundred kilobytes
        marks.begin("1f", "move")
        marks.end()
    marks.close()
    os.close(read_fd)
    os.close(write_fd)


def test_only_pipes_get_marks(tmp_path: Path):
    with (tmp_path / "file").open("wb") as file:
        marks = RequestMarks((file.fileno(),))
        marks.begin("1f", "move")
        marks.close()
    assert (tmp_path / "file").read_bytes() == b""


def test_a_mark_is_written_whole_or_not_at_all():
    read_fd, write_fd = os.pipe()
    marks = RequestMarks((write_fd,))
    marks.begin("x" * 10_000, "move")
    marks.begin("1f", "a\nb")
    marks.close()
    os.close(write_fd)
    with os.fdopen(read_fd, "rb") as stream:
        lines = stream.read().split(b"\n")
    assert [line[-5:] for line in lines if line.startswith(b"\x1e")][1:] == [rb'\nb"]']
    assert max(map(len, lines)) < 100


# --- what threads of one process print


@contextmanager
def sorted_output() -> Iterator[None]:
    # Within a test's body, not as a fixture: pytest puts its own streams there before each test.
    restore = output.install_thread_output()
    try:
        yield
    finally:
        restore()


def in_thread(worker: str, body: Any) -> None:
    def run() -> None:
        with output.thread_output(worker, 2):
            body()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def test_a_threads_prints_become_records_of_its_worker(
    configured: Pipe, capsys: pytest.CaptureFixture[str]
):
    def body() -> None:
        print("one")
        print("two ", end="", flush=True)
        assert configured.record()["event"] == "one"
        print("three\nfour")
        print("five", file=sys.stderr)
        sys.stdout.write("six")

    with sorted_output():
        in_thread("timer", body)
        print("mine")
    found = configured.records()
    assert [(record["stream"], record["event"]) for record in found] == [
        ("stdout", "two three"),
        ("stdout", "four"),
        ("stderr", "five"),
        ("stdout", "six"),
    ]
    assert {(record["worker"], record["incarnation"]) for record in found} == {("timer", 2)}
    assert [record["level"] for record in found] == ["info", "info", "warning", "info"]
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("mine\n", "")


def test_a_threads_records_carry_its_worker_and_request(configured: Pipe):
    def body() -> None:
        records.bind_request("7f", "tick")
        structlog.get_logger().info("a")
        logging.getLogger("lib").info("b")
        print("c")

    with sorted_output():
        in_thread("timer", body)
        structlog.get_logger().info("d")
    *workers, own = configured.records()
    assert [record["event"] for record in workers] == ["a", "b", "c"]
    assert {(record["worker"], record["request"]) for record in workers} == {("timer", "7f")}
    assert own["worker"] == "stage"
    assert "request" not in own


def test_a_threads_long_line_is_cut(configured: Pipe):
    with sorted_output():
        in_thread("timer", lambda: print("x" * (output.MAX_LINE + 5)))
    record = configured.record()
    assert record["event"] == "x" * output.MAX_LINE
    assert record["fields"] == {"cut": 5}


def test_the_stream_still_is_a_text_stream(configured: Pipe):
    with sorted_output():
        assert sys.stdout.writable()
        assert not sys.stdout.readable()
        assert sys.stdout.encoding == sys.__stdout__.encoding
        in_thread("timer", lambda: sys.stdout.writelines(["a\n", "b\n"]))
    assert [record["event"] for record in configured.records()] == ["a", "b"]


def test_the_former_streams_come_back():
    before = sys.stdout, sys.stderr
    with sorted_output():
        assert (sys.stdout, sys.stderr) != before
        assert (sys.stdout, sys.stderr) == (sys.__stdout__, sys.__stderr__)
    assert (sys.stdout, sys.stderr) == before
