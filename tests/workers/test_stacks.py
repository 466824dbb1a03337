"""Stacks in one line: where in the driver a thread is, and who called that."""

from __future__ import annotations

import faulthandler
import sys
import sysconfig
import tempfile
import threading

import pytest

import workers
from workers.output.stacks import Frame, begins_dump, continues_dump, is_dump, place, stack_of
from workers.output.stacks import summary as summary_of

HOME = workers.__path__[0]
STANDARD = sysconfig.get_path("stdlib")
WAITS = Frame(f"{STANDARD}/threading.py", "331", "wait")
SERVES = Frame(f"{HOME}/serving/dispatch.py", "152", "invoke")
SERVER = Frame(f"{HOME}/serving/server.py", "160", "serve")
ASKS = Frame("/lab/psu.py", "56", "_ask")
QUERIES = Frame("/lab/psu.py", "40", "query")
VISA = Frame("/venv/lib/python3.11/site-packages/pyvisa/resources.py", "9", "read")
LAB = Frame("/venv/lib/python3.11/site-packages/lab/psu.py", "7", "query")
POLLS = Frame("/venv/lib/python3.11/site-packages/zmq/sugar/poll.py", "106", "poll")


@pytest.mark.parametrize(
    ("frames", "line"),
    [
        ([ASKS, QUERIES, SERVES, SERVER], "in psu.py:56 _ask ← query"),
        ([WAITS, ASKS, QUERIES, SERVES, SERVER], "in psu.py:56 _ask ← query"),
        ([WAITS, VISA, ASKS, QUERIES, SERVES], "in psu.py:56 _ask ← query"),
        ([WAITS, VISA, LAB, SERVES], "in psu.py:7 query"),
        ([WAITS, QUERIES, WAITS], "in psu.py:40 query"),
        ([QUERIES] * 9 + [ASKS, SERVES], f"in psu.py:40 {'query ← ' * 4}… ← _ask"),
        ([POLLS, SERVER], "in poll.py:106 poll"),
        ([WAITS], "in threading.py:331 wait"),
        ([], ""),
    ],
)
def test_a_stack_leads_with_the_driver_s_innermost_frame(frames: list[Frame], line: str) -> None:
    assert place(frames) == line


def dump(*threads: list[Frame], current: int = -1, cause: str = "") -> str:
    lines = [cause, ""] if cause else []
    for number, frames in enumerate(threads):
        head = "Current thread" if number == current else "Thread"
        lines.append(f"{head} 0x00007f0{number} (most recent call first):")
        lines += [f'  File "{each.file}", line {each.line} in {each.name}' for each in frames]
        lines.append("")
    return "\n".join(lines)


STACKS = Frame(f"{HOME}/process/lifeline.py", "89", "_write_stacks")
REQUEST = [WAITS, ASKS, QUERIES, SERVES, SERVER]
OWN_THREAD = [Frame("/lab/psu.py", "90", "poll_status"), WAITS]
FATAL = "Fatal Python error: Segmentation fault"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (dump([POLLS, SERVER], [STACKS], OWN_THREAD, REQUEST, current=1), place(REQUEST)),
        (dump([STACKS], OWN_THREAD, [POLLS, SERVER], current=0), "in psu.py:90 poll_status"),
        (dump([STACKS], [POLLS, SERVER], current=0), "in poll.py:106 poll"),
        (dump(REQUEST, REQUEST), f"{place(REQUEST)}; {place(REQUEST)}"),
        (dump(REQUEST, OWN_THREAD, current=1, cause=FATAL), f"{FATAL} in psu.py:90 poll_status"),
        (dump([], REQUEST, current=0, cause=FATAL), f"{FATAL} {place(REQUEST)}"),
        (f"{FATAL}\n\n<Cannot show all threads>", FATAL),
    ],
)
def test_of_a_process_the_thread_that_works_for_a_request_counts(text: str, line: str) -> None:
    """After a crash the one that crashed."""
    assert summary_of(text) == line
    assert all(continues_dump(each) for each in text.split("\n"))


def test_what_this_python_writes_is_understood() -> None:
    with tempfile.TemporaryFile("w+") as file:
        faulthandler.dump_traceback(file, all_threads=True)
        file.seek(0)
        text = file.read()
    first, *rest = text.rstrip("\n").split("\n")
    assert begins_dump(first)
    assert all(continues_dump(line) for line in rest)
    assert is_dump(text)
    assert "test_stacks.py" in summary_of(text)


def test_of_a_thread_of_this_process_there_is_the_same() -> None:
    here = sys._current_frames()[threading.get_ident()]
    line, text = stack_of(here)
    assert line.startswith("in test_stacks.py:")
    assert is_dump(text)


@pytest.mark.parametrize("text", ["Thread 7 started", "in psu.py:56 _ask", "", "Timeout"])
def test_other_lines_are_none(text: str) -> None:
    assert not begins_dump(text)
    assert not is_dump(text)
