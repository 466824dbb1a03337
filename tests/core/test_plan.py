"""Plans: what a changed config would do to a running rig."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.core.plan import LIVE, Change, Config, Plan, plan


def config(rig: dict[str, Any] | None = None, **workers: dict[str, Any]) -> Config:
    """A config; workers start in the order in which they are given."""
    return Config(rig or {}, workers, tuple(workers))


A: dict[str, Any] = {"driver": "m:A", "kwargs": {"axes": 3}, "execution_timeout": 5.0}


def test_the_same_config_is_no_plan() -> None:
    found = plan(config(a=A), config(a={**A, "kwargs": {"axes": 3}}))
    assert found == Plan()
    assert found.is_empty


def test_what_comes_what_goes_and_what_changes() -> None:
    """Those that go first, in the reverse order of their start; then the others, in order."""
    running = config(a=A, gone=A, b=A, c=A, last=A)
    wanted = config(
        c={**A, "kwargs": {"axes": 4}, "execution_timeout": 1.0},
        new=A,
        b={**A, "execution_timeout": None},
        a=A,
    )
    found = plan(running, wanted)
    assert found.changes == (
        Change("last", "remove"),
        Change("gone", "remove"),
        Change("c", "restart", ("kwargs", "execution_timeout")),
        Change("new", "add"),
        Change("b", "limits", ("execution_timeout",)),
    )
    assert found.names("add", "restart") == ["c", "new"]
    assert not found.is_empty


@pytest.mark.parametrize("key", sorted(LIVE))
def test_what_the_rig_alone_goes_by_restarts_nobody(key: str) -> None:
    (change,) = plan(config(a={**A, key: 1}), config(a={**A, key: 2})).changes
    assert change == Change("a", "limits", (key,))


@pytest.mark.parametrize("key", ["driver", "args", "env", "python", "transport", "a new key"])
def test_what_its_process_was_told_restarts_a_worker(key: str) -> None:
    (change,) = plan(config(a={**A, key: 1}), config(a={**A, key: 2})).changes
    assert change == Change("a", "restart", (key,))


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        (1, 1.0, False),
        (1, True, False),
        ([1], [1], True),
        ([1], [True], False),
        ([1], [1, 2], False),
        ({"x": 1, "y": 2}, {"y": 2, "x": 1}, False),  # a driver's **kwargs are in order
        ({"x": 1}, {"x": 1}, True),
        ({"x": 1}, {"x": 1.0}, False),
        (float("nan"), float("nan"), True),
        (None, None, True),
    ],
)
def test_values_are_the_same_when_a_driver_could_not_tell(
    before: Any, after: Any, same: bool
) -> None:
    found = plan(config(a={"args": before}), config(a={"args": after}))
    assert found.is_empty is same


def test_a_key_that_is_left_out_is_a_change() -> None:
    assert plan(config(a={**A, "x": None}), config(a=A)).changes[0].because == ("x",)


def test_keys_of_the_rig_change_while_it_runs_or_not_at_all() -> None:
    found = plan(
        config({"strategy": "one_for_one", "listen": ["ipc"], "logs": 1}, a=A),
        config({"strategy": "one_for_all", "listen": [], "logs": 1}, a=A),
    )
    assert (found.rig, found.fixed, found.changes) == (("strategy",), ("listen",), ())
    assert not found.is_empty
