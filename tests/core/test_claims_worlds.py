"""Random worlds in which workers claim: whole rigs in virtual time, whose messages take theirs.

A worker may claim an operation at any moment before, while and after its ticket is taken back.
"""

from __future__ import annotations

import pytest

from orchestrator.testing.chaos import run_chaos


@pytest.mark.parametrize("seed", range(3))
def test_tickets_tell_what_has_started(seed: int) -> None:
    """The judge knows what each worker has claimed and begun, and the core doesn't ask it."""
    counts = run_chaos(seed, 4_000)
    assert counts["process ended while in flight with more waiting"]
    assert counts["answered done"]
