"""What the kernel knows of pipes."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from orchestrator.logs.collect.kernel import ending, enlarge, is_full, unread


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def test_what_waits_in_a_pipe(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    assert unread(reader) == 0
    os.write(writer, b"abc")
    assert unread(reader) == 3
    assert not is_full(reader)


def test_a_pipe_of_which_half_is_taken_counts_as_full(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    enlarge(writer, 4096)
    os.write(writer, bytes(3000))
    assert is_full(reader)


def test_a_larger_pipe_is_asked_for_where_it_can_be_had(pipe: tuple[int, int]) -> None:
    enlarge(pipe[1], 1 << 62)  # refused, and nothing is lost by it
    os.write(pipe[1], b"x")
    assert unread(pipe[0]) == 1


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (3, "exited with status 3"),
        (-9, "was killed by SIGKILL"),
        (-200, "was killed by signal 200"),
    ],
)
def test_how_a_process_ended(status: int, text: str) -> None:
    assert ending(status) == text
