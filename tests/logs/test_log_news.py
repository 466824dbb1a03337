"""What a collector tells its supervisor, whatever the socket between them holds."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator.logs.collect.collector import _is_its_own
from orchestrator.logs.collect.control import LastLines, Stacks
from orchestrator.logs.collect.news import (
    LAST_TOLD,
    LONGEST_LINE,
    MOST_NEWS,
    MOST_TOLD,
    NewsIn,
    NewsOut,
)
from orchestrator.logs.store.records import Record
from transports.levels import AUDIT_LOGGER, SPAN_LOGGER

DUMP = "Thread 0x1 (most recent call first):\n"


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        yield ours, theirs


def record(text: str | None, incarnation: int = 1) -> Record:
    return Record(1.0, "info", "a", incarnation, "stderr", "in c.py:8 x", exception=text)


def test_stacks_are_told_and_nothing_else(pair: tuple[socket.socket, socket.socket]) -> None:
    out, heard = NewsOut(pair[0]), NewsIn(pair[1])
    assert heard.take() == []
    out.has_read()
    assert heard.take() == []
    out.stacks([record(None), record("no stacks"), record(DUMP), record(DUMP, incarnation=0)])
    assert heard.take() == [Stacks("a", 1, "in c.py:8 x", DUMP)]


def test_last_lines_are_told_in_order_and_cut(pair: tuple[socket.socket, socket.socket]) -> None:
    out, heard = NewsOut(pair[0]), NewsIn(pair[1])
    out.stacks([record(DUMP)])
    out.last_lines("a", 1, [*map(str, range(LAST_TOLD)), "x" * 2 * LONGEST_LINE])
    _, told = heard.take() or ()
    assert told == LastLines("a", 1, [*map(str, range(1, LAST_TOLD)), "x" * LONGEST_LINE])


def test_long_ones_come_in_parts_and_are_bounded(pair: tuple[socket.socket, socket.socket]) -> None:
    """A supervisor that doesn't read costs no more than its share, and holds up nobody."""
    out, heard = NewsOut(pair[0]), NewsIn(pair[1])
    long = record(DUMP + "x" * 2 * MOST_TOLD)
    for _ in range(100):
        out.stacks([long])
    came: list[Any] = []
    for _ in range(1000):  # parts of a line among them, which give nothing by themselves
        came += heard.take() or []
        out.flush()
    assert MOST_NEWS // MOST_TOLD <= len(came) < 100
    assert {len(each.text) for each in came} == {MOST_TOLD}


def test_the_end_of_either_is_no_error(pair: tuple[socket.socket, socket.socket]) -> None:
    out, heard = NewsOut(pair[0]), NewsIn(pair[1])
    pair[0].close()
    assert heard.take() is None
    out.stacks([record(DUMP)])
    pair[1].close()
    assert heard.take() is None


@pytest.mark.parametrize(
    ("logger", "level", "is_own"),
    [
        (None, "info", True),  # printed
        ("vendor.motor", "debug", True),
        ("uncaught", "error", True),
        ("workers", "error", True),  # why its driver can't be built, or its host fails
        ("workers", "warning", False),  # a call that raised, a timeout for no member
        ("workers", "info", False),
        ("", "error", False),  # what the rig says of it
        (AUDIT_LOGGER, "info", False),
        (SPAN_LOGGER, "debug", False),
    ],
)
def test_last_words_are_the_workers_own(logger: str | None, level: str, is_own: bool) -> None:
    """Records of its requests, and notes of what hosts it, would push them out."""
    record = Record(1.0, level, "stage", 1, "record", "text", logger=logger, exception="trace")
    assert _is_its_own(record) is is_own
