"""What a stream holds back until more has come: states of progress bars, and stacks."""

from __future__ import annotations

import pytest

from orchestrator.logs.collect.dumps import QUIET, WITHIN, Repeats
from orchestrator.logs.collect.line_splitter import MAX_LINE
from orchestrator.logs.collect.reader import StreamReader
from orchestrator.logs.store.records import Record, Source
from tests.logs.log_kit import NOW, record
from workers.output.pipes import STATES_EVERY

BEGIN = b"\x1eorch-4f2"


class Stream:
    """A stream and its clock."""

    def __init__(self, name: str = "stdout") -> None:
        self.clock = 1000.0
        source = Source("stage", 1, name)  # type: ignore[arg-type]
        self.reader = StreamReader(-1, source, BEGIN, clock=lambda: self.clock)
        self.found: list[Record] = []

    def write(self, data: bytes) -> None:
        self.found += self.reader.feed(data, NOW)

    def wait(self, seconds: float) -> None:
        """Let time pass, as a collector does: it looks when something is due."""
        end = self.clock + seconds
        while self.reader.due is not None and self.reader.due <= end:
            self.clock = max(self.clock, self.reader.due)
            self.found += self.reader.take_due(NOW)
        self.clock = end

    def events(self) -> list[str]:
        found, self.found = self.found, []
        return [each.event for each in found]


@pytest.mark.parametrize(
    "step", [b"\rscan: %d%%", b"scan: %d%%\r", b"\r\x1b[Kscan: %d%%", b"\r      \rscan: %d%%"]
)
def test_a_bar_shows_its_state_once_a_second_and_its_last_one(step: bytes) -> None:
    stream = Stream()
    for percent in range(101):
        stream.write(step % percent)
        stream.wait(0.034)
    stream.write(b"\n")
    states = stream.events()
    assert states[-1] == "scan: 100%"
    assert len(states) == 1 + int(101 * 0.034 / STATES_EVERY)
    numbers = [int(each.removeprefix("scan: ").removesuffix("%")) for each in states]
    assert numbers == sorted(set(numbers))


def test_a_bar_that_hangs_shows_where() -> None:
    """Once; and when it ends so, it isn't shown again."""
    stream = Stream()
    stream.write(b"\rscan: 36%")
    stream.write(b"\rscan: 37%")
    stream.wait(60)
    assert stream.events() == ["scan: 37%"]
    assert stream.reader.due is None
    stream.write(b"\nnext\n")
    assert stream.events() == ["next"]
    stream.write(b"\rscan: 1%\rscan: 2%\nscan: 2%\n")
    assert stream.events() == ["scan: 2%", "scan: 2%"]


def test_a_bar_of_any_length_takes_little_room_and_is_never_cut() -> None:
    stream = Stream()
    for number in range(MAX_LINE // 10):
        stream.write(b"\rstep %d of a long way" % number)
    assert stream.events() == []
    stream.write(b"\r\n")
    (last,) = stream.found
    assert (last.event, last.fields) == (f"step {number} of a long way", None)


def test_the_end_of_its_request_ends_a_bar() -> None:
    stream = Stream()
    stream.write(b"\n" + BEGIN + b'[%f,"1f","scan"]\n\rscan: 1%%\rscan: 2%%' % NOW)
    stream.wait(2 * STATES_EVERY)
    stream.write(b"\rscan: 3%\n" + BEGIN + b"[%f]\n" % NOW)
    assert [(each.event, each.request) for each in stream.found] == [
        ("scan: 2%", "1f"),
        ("scan: 3%", "1f"),
    ]


@pytest.mark.parametrize(
    ("data", "events"),
    [
        (b"ERR 5\rbusy\n", ["ERR 5\rbusy"]),
        (b"OK\r\n\r\nOK\r\n", ["OK", "", "OK"]),
        (b"OK\r", []),
    ],
)
def test_a_device_s_answer_is_no_bar(data: bytes, events: list[str]) -> None:
    stream = Stream()
    stream.write(data)
    stream.wait(60)
    assert stream.events() == events


# --- stacks

DUMP = (
    b"Thread 0x00007f (most recent call first):\n"
    b'  File "/lab/psu.py", line 56 in _ask\n  File "/lab/psu.py", line 40 in query\n'
)


def test_stacks_are_one_record_however_they_come() -> None:
    for size in (1, 7, 1000):
        stream = Stream("stderr")
        data = b"before\n" + DUMP + b"\n" + DUMP
        for at in range(0, len(data), size):
            stream.write(data[at : at + size])
            stream.wait(QUIET / 2)
        stream.wait(QUIET)
        before, stacks = stream.found
        assert before.event == "before"
        assert stacks.event == "in psu.py:56 _ask ← query; in psu.py:56 _ask ← query"
        assert stacks.exception == (DUMP + b"\n" + DUMP).decode().rstrip("\n")


def test_another_line_the_end_and_a_death_end_stacks() -> None:
    stream = Stream("stderr")
    stream.write(DUMP + b"after\n")
    assert stream.events() == ["in psu.py:56 _ask ← query", "after"]
    stream.write(DUMP)
    assert stream.found == []
    stream.found = stream.reader.take_due(NOW, all_of_it=True)
    assert stream.events() == ["in psu.py:56 _ask ← query"]
    stream.write(DUMP)
    stream.found += stream.reader.end(NOW)
    assert stream.events() == ["in psu.py:56 _ask ← query"]


def stacks(at: float = 0.0, worker: str = "stage", text: str = DUMP.decode()) -> Record:
    return record("in psu.py:56 _ask ← query", NOW + at, worker=worker, exception=text)


def test_the_same_stacks_are_counted_for_a_minute() -> None:
    """Threads have other addresses each time; other workers and other stacks count apart."""
    repeats = Repeats()
    again = DUMP.decode().replace("0x00007f", "0x0000aa")
    found = [repeats.fold(stacks(at, text=again if at else DUMP.decode())) for at in (0, 1, 59.9)]
    assert [each.exception is None for each in found] == [False, True, True]
    assert [each.fields for each in found] == [None, {"times": 2}, {"times": 3}]
    for other in (
        stacks(WITHIN),
        stacks(1, worker="laser"),
        stacks(2, text=DUMP.decode().replace("56", "57")),
        record("boom", exception="Traceback…\nValueError: x"),
        record("moved"),
    ):
        assert repeats.fold(other) is other
        assert repeats.fold(record("boom", exception="x")).exception == "x"
