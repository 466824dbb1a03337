"""Work in progress and its outcome; `tests/integration/test_values.py` has it on a rig."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import Any

import pytest

from workers.driver.settle import settled


class Status:
    """As ophyd's."""

    done = False

    def __init__(self, failure: Exception | None = None, success: bool | None = None) -> None:
        self._failure = failure
        if success is not None:
            self.success = success

    def wait(self) -> None:
        self.done = True

    def exception(self) -> Exception | None:
        return self._failure


class Called:
    """As bluesky's protocol has it."""

    done = False

    def add_callback(self, callback: Any) -> None:
        threading.Timer(0.01, callback, (self,)).start()


async def later(value: Any) -> Any:
    return value


def outcome(value: Any) -> Any:
    return settled(value, asyncio.run)


def done_with(value: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(value)
    return future


@pytest.mark.parametrize("value", [None, 1, "x", [1], threading.Event(), object()])
def test_any_other_value_is_itself(value: Any) -> None:
    assert outcome(value) is value


def test_each_kind_has_its_outcome() -> None:
    assert outcome(done_with((1, 2))) == (1, 2)
    assert outcome(later(3)) == 3
    assert outcome(later(done_with(later(4)))) == 4
    status = Status()
    assert outcome(status) is None
    assert status.done
    assert outcome(Called()) is None


def test_a_failure_is_raised() -> None:
    failing: Future[Any] = Future()
    failing.set_exception(LookupError("x"))
    with pytest.raises(LookupError):
        outcome(failing)
    with pytest.raises(OSError, match="stuck"):
        outcome(Status(OSError("stuck")))
    with pytest.raises(RuntimeError, match="without success"):
        outcome(Status(success=False))


def test_a_chain_has_an_end() -> None:
    value: Any = 1
    for _ in range(20):
        value = done_with(value)
    with pytest.raises(TypeError, match="goes on"):
        outcome(value)
