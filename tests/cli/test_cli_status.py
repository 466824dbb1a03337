"""Where a status that is followed is shown, and what stands there when the rig is lost."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.cli import status
from orchestrator.cli.failures import CommandError, Exit
from orchestrator.errors import RigLost
from tests.cli.test_cli_overview import RIG


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_dumb_terminal_gets_one_below_the_other(
    term: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(status, "is_terminal", lambda: True)
    monkeypatch.setattr(status, "terminal_width", lambda: 60)
    monkeypatch.setenv("TERM", term)
    with status._shown(False) as show:
        show(RIG)
        show(RIG)
    out = capsys.readouterr().out
    assert out.count("rig lab, up 2h14m") == 2
    assert "\x1b" not in out


class Watched:
    """A rig whose answers are listed; an error among them is raised."""

    __iter__ = None  # else it would have items without end

    @property
    def id(self) -> str:
        return "lab"

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        self.answers = list(answers)
        self.pauses: list[float] = []

    def __getitem__(self, name: str) -> Watched:
        return self

    def subscribe(self, event: str) -> Watched:
        return self

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def next(self, timeout: float) -> None:
        self.pauses.append(timeout)
        raise TimeoutError

    def status(self) -> dict[str, Any]:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_a_rig_that_is_lost_is_shown_as_it_was_until_it_is_back() -> None:
    rig = Watched(RIG, RigLost("the rig is gone"), {**RIG, "uptime": 1.0})
    seen: list[dict[str, Any]] = []
    last = status._follow(rig, 0.5, 3, seen.append)  # type: ignore[arg-type]
    assert [each.get("lost") for each in seen] == [None, "the rig is gone", None]
    assert [each["uptime"] for each in seen] == [8054.0, 8054.0, 1.0]
    assert last is seen[-1]
    assert rig.pauses == [0.5, 0.5]
    assert "".join(text for line in status._lost(seen[1]) for text, _ in line) == (
        "as it was; now: the rig is gone"
    )


def test_a_rig_that_isnt_there_at_first_is_an_error() -> None:
    with pytest.raises(CommandError) as refused:
        status._follow(Watched(RigLost("gone")), 0.5, 3, print)  # type: ignore[arg-type]
    assert refused.value.status == Exit.NOT_REACHABLE
