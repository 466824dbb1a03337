"""The descriptor with which another thread ends a wait."""

from __future__ import annotations

import select
from collections.abc import Iterator

import pytest

from orchestrator.client.wakeup import Wakeup


@pytest.fixture
def wakeup() -> Iterator[Wakeup]:
    made = Wakeup()
    yield made
    made.close()


def is_readable(wakeup: Wakeup) -> bool:
    return bool(select.select([wakeup.fd], [], [], 0)[0])


def test_it_is_readable_from_wake_to_clear(wakeup: Wakeup) -> None:
    assert not is_readable(wakeup)
    wakeup.wake()
    assert is_readable(wakeup)
    wakeup.clear()
    assert not is_readable(wakeup)


def test_clear_without_wake_does_not_wait(wakeup: Wakeup) -> None:
    wakeup.clear()
    assert not is_readable(wakeup)


def test_wake_never_waits_for_room(wakeup: Wakeup) -> None:
    for _ in range(100_000):
        wakeup.wake()
    assert is_readable(wakeup)


def test_wake_after_close_does_nothing(wakeup: Wakeup) -> None:
    wakeup.close()
    wakeup.wake()
