"""What came of a cancel, in words."""

from __future__ import annotations

import pytest

from orchestrator.client.cancelled import came_of


@pytest.mark.parametrize(
    ("verdict", "steps", "told"),
    [
        ("withdrawn", [], "stage.move was withdrawn: it never started"),
        ("ended", [], "stage.move had started; it has ended by itself"),
        ("ended", ["stop"], "stage.move had started; it has ended, after stage.stop"),
        (
            "ended",
            ["stop", "interrupt"],
            "stage.move had started; it has ended, after an interrupt",
        ),
        (
            "ended",
            ["restart"],
            "stage.move had started; it has ended, after a restart of its worker",
        ),
        (
            "runs",
            ["stop", "interrupt"],
            "stage.move has started and goes on, in spite of stage.stop and an interrupt",
        ),
        ("runs", [], "stage.move has started and goes on: its config has no cancel_with for it"),
        ("unknown", [], "it has ended already"),
    ],
)
def test_what_came_of_it_is_told(verdict: str, steps: list[str], told: str) -> None:
    found = {"verdict": verdict, "worker": "stage", "member": "move", "steps": steps}
    assert came_of(found) == told
