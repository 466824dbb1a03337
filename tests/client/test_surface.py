"""What users call shows none of our frames."""

from __future__ import annotations

import traceback

import pytest

from orchestrator.client.surface import surface


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_what_leaves_it_shows_the_caller_s_line(kind: type[BaseException]) -> None:
    """An error as well as Ctrl-C, wherever within that struck."""

    def deep() -> None:
        raise kind

    @surface
    def move() -> None:
        deep()

    with pytest.raises(kind) as caught:
        move()
    *_, ours, last = traceback.extract_tb(caught.value.__traceback__)
    assert ours.filename == __file__
    assert (last.filename, last.name) == ("<orch>", "move")
