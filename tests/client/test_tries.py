"""Calls that are tried again: what of, when, and how the last one tells of the others."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator import errors
from orchestrator.client.members import Members
from orchestrator.client.tries import FIRST, MOST, run_tries, tried

DESCRIPTION = {
    "actions": {
        "move": {"orch:signature": "(x: float) -> None"},
        "home": {"orch:signature": "()", "orch:idempotent": True},
    },
    "orch:timeouts": {"invocation": 5.0, "execution": 4.0, "members": {}},
}
PASSING = [
    errors.InvocationTimeout,
    errors.NoRoom,
    errors.RigNotReachable,
    errors.WorkerUnavailable,
]
FINAL: list[Any] = [
    errors.ArgumentsRefused,
    errors.ArgumentUnsendable,
    errors.Aborted,
    errors.Withdrawn,
    errors.NameRefused,
    errors.OtherLife,
    errors.ResultUnsendable,
    errors.DriverError,
    ValueError,
    OSError,
]


class Scene:
    """A worker `stage`, a clock, and what each try comes to: an error, or a value.

    Attributes:
        asked: The timeouts of each try.
        pauses: Seconds between them.
    """

    def __init__(self, *outcomes: Any, takes: float = 0.0, known: bool = True) -> None:
        self.outcomes = list(outcomes)
        self.takes = takes
        self.now = 100.0
        self.asked: list[tuple[Any, Any]] = []
        self.pauses: list[float] = []
        members = Members.read(DESCRIPTION) if known else None
        self.session: Any = SimpleNamespace(known_members=lambda worker: members)

    def call(self, retry: Any, member: str = "move", wait: Any = ..., run: Any = ...) -> Any:
        def compose(*timeouts: Any) -> Any:
            self.asked.append(timeouts)
            return "exchange"
            yield

        def request(exchange: Any) -> Any:
            assert exchange == "exchange"
            self.now += self.takes
            outcome = self.outcomes.pop(0)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        def sleep(seconds: float) -> None:
            self.pauses.append(seconds)
            self.now += seconds

        tries = tried(
            self.session,
            "stage",
            member,
            compose,
            {"retry": retry},
            (wait, run),
            now=lambda: self.now,
            chance=lambda: 1.0,
        )
        return run_tries(tries, request, sleep)


@pytest.mark.parametrize("kind", PASSING)
def test_what_passes_is_tried_again(kind: Callable[[str], Exception]) -> None:
    scene = Scene(kind("busy"), kind("busy"), "done")
    assert scene.call(3) == "done"
    assert scene.pauses == [FIRST, 2 * FIRST]


@pytest.mark.parametrize("kind", FINAL)
def test_what_does_not_is_not(kind: Callable[[str], Exception]) -> None:
    """What the driver raised least of all."""
    scene = Scene(kind("no"), "done")
    with pytest.raises(kind):  # type: ignore[arg-type]
        scene.call(3)
    assert len(scene.asked) == 1


@pytest.mark.parametrize("kind", [errors.ExecutionTimeout, errors.WorkerDied, errors.RigLost])
def test_an_unknown_outcome_only_of_what_is_idempotent(kind: Callable[[str], Exception]) -> None:
    assert Scene(kind("?"), "done").call(1, "home") == "done"
    scene = Scene(kind("?"), "done")
    with pytest.raises(errors.OutcomeUnknown):
        scene.call(1, "move")
    with pytest.raises(errors.OutcomeUnknown):
        Scene(kind("?"), "done", known=False).call(1, "home")


def test_what_was_cancelled_stays_so() -> None:
    """Whoever did that doesn't want it done again, be it idempotent or not."""
    scene = Scene(errors.Aborted("?"), "done")
    with pytest.raises(errors.Aborted):
        scene.call(3, "home")
    assert len(scene.asked) == 1


def test_the_last_one_tells_of_the_others() -> None:
    """Whatever it is: here the driver's own."""
    scene = Scene(errors.WorkerUnavailable("is STOPPED"), errors.NoRoom("full"), OSError("broken"))
    with pytest.raises(OSError, match="broken") as caught:
        scene.call(5)
    assert caught.value.__notes__ == [
        "try 1 failed after 0.00 s: WorkerUnavailable: is STOPPED",
        "try 2 failed after 0.10 s: NoRoom: full",
    ]


def test_the_number_of_tries_is_kept() -> None:
    scene = Scene(*(errors.NoRoom(str(number)) for number in range(9)))
    with pytest.raises(errors.NoRoom, match="3") as caught:
        scene.call(3, wait=None)
    assert len(scene.asked) == 4
    assert len(caught.value.__notes__) == 3


def test_pauses_grow_up_to_a_limit() -> None:
    scene = Scene(*(errors.NoRoom("full") for _ in range(12)))
    with pytest.raises(errors.NoRoom):
        scene.call(11, run=None)
    assert scene.pauses[:3] == [FIRST, 2 * FIRST, 4 * FIRST]
    assert max(scene.pauses) == scene.pauses[-1] == MOST


def test_all_tries_together_have_the_time_of_the_call() -> None:
    """9 s: whatever each of them takes, none may end later."""
    scene = Scene(*(errors.WorkerDied("died") for _ in range(99)), takes=2.0)
    with pytest.raises(errors.WorkerDied):
        scene.call(99, "home")
    assert scene.now <= 109.0
    assert scene.asked[0] == (..., ...)
    begun = 100.0
    for (wait, run), pause in zip(scene.asked[1:], scene.pauses, strict=True):
        begun += 2.0 + pause
        assert 0 <= wait <= 5.0
        assert 0 < run <= 4.0
        assert begun + wait + run <= 109.0 + 1e-9


def test_without_limits_it_may_take_any_time() -> None:
    scene = Scene(errors.NoRoom("full"), "done", takes=1e6)
    assert scene.call(1, wait=None) == "done"
    assert scene.asked == [(None, ...), (None, ...)]


def test_who_has_used_its_time_up_is_not_tried_again() -> None:
    scene = Scene(errors.InvocationTimeout("late"), "done", takes=10.0)
    with pytest.raises(errors.InvocationTimeout):
        scene.call(3)


@pytest.mark.parametrize("retry", [-1, 1.5, True, "3", None])
def test_a_number_of_tries_is_one(retry: Any) -> None:
    scene = Scene("done")
    with pytest.raises(errors.ValueRefused, match="how often to try again"):
        scene.call(retry)
    assert scene.outcomes == ["done"], "nothing was sent"
