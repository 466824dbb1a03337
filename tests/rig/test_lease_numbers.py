"""The number of the newest lease outlives the rig, and it is told when it can't."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestrator.rig.lease_numbers import LeaseNumbers
from orchestrator.runtime.folder import NUMBER_FILE


def test_it_is_there_for_the_next_run(tmp_path: Path) -> None:
    """0 before there was any."""
    told: list[Any] = []
    numbers = LeaseNumbers(tmp_path, lambda *record: told.append(record))
    assert numbers.read() == 0
    numbers.keep(7)
    numbers.keep(8)
    assert LeaseNumbers(tmp_path, lambda *record: told.append(record)).read() == 8
    assert told == []


def test_what_cant_be_read_or_kept_is_told(tmp_path: Path) -> None:
    """With the file, and what may come of it."""
    told: list[Any] = []
    numbers = LeaseNumbers(tmp_path, lambda *record: told.append(record))
    (tmp_path / NUMBER_FILE).write_text("seven")
    assert numbers.read() > 1_700_000_000
    LeaseNumbers(tmp_path / "gone", lambda *record: told.append(record)).keep(1)
    assert [each[0] for each in told] == ["error", "error"]
    assert "leases are numbered from 1" in told[0][1]
    assert "numbers may come again" in told[1][1]
