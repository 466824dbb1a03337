"""Logs for programs."""

from __future__ import annotations

import asyncio
import logging
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.logs.read import api
from orchestrator.logs.read.api import select
from tests.logs.log_kit import NOW, fill, record


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fill(tmp_path, [record(f"line {n}", NOW + n, fields={"n": n}) for n in range(6)], "1f")
    other = [record("other", NOW + 9, worker="laser", level="error", request="1f", member="fire")]
    fill(tmp_path, other, "2e")
    return tmp_path


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({}, 7),
        ({"worker": "stage"}, 6),
        ({"worker": ["stage", "laser"]}, 7),
        ({"level": "warning"}, 1),
        ({"level": "info..info"}, 6),
        ({"level": logging.WARNING}, 1),
        ({"level": 25}, 1),
        ({"level": 0}, 7),
        ({"since": NOW + 4}, 3),
        ({"since": datetime.fromtimestamp(NOW + 4, UTC)}, 3),
        ({"since": "2023-11-14 22:13:24Z"}, 3),
        ({"since": timedelta(seconds=96)}, 3),
        ({"until": NOW + 1}, 2),
        ({"grep": "OTHER"}, 0),
        ({"grep": re.compile("OTHER", re.IGNORECASE)}, 1),
        ({"request": "1f"}, 1),
        ({"member": "fire"}, 1),
        ({"run": 0}, 1),
        ({"run": -1}, 6),
        ({"last": 2}, 2),
    ],
)
def test_questions(
    folder: Path, asked: dict[str, Any], count: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(api.time, "time", lambda: NOW + 100)
    view = select(folder, **asked)
    assert len(list(view)) == count
    assert len(list(view)) == count  # again


def test_records_are_objects(folder: Path):
    (entry,) = select(folder, worker="laser")
    assert (entry.worker, entry.level, entry.time, entry.run) == ("laser", "error", NOW + 9, 2)


def test_following_begins_with_what_comes(folder: Path):
    entries = iter(select(folder, follow=True, last=1))
    assert next(entries).event == "other"
    fill(folder, [record("new")], "3d")
    assert next(entries).event == "new"


@pytest.mark.parametrize(
    "asked", [{"level": "loud"}, {"since": "soon"}, {"grep": "("}, {"run": 9}, {"run": -2}]
)
def test_what_can_not_be_meant_is_refused(folder: Path, asked: dict[str, Any]):
    with pytest.raises(ValueError, match=r"is not a|there is no run"):
        select(folder, **asked)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"worker": 3}, "worker is a name, or several, not 3"),
        ({"worker": ["a", 3]}, "worker is a name, or several, not 3"),
        ({"level": 3.5}, "level is a name such as"),
        ({"level": True}, "level is a name such as"),
        ({"since": []}, "a time is a text, a number"),
    ],
)
def test_what_is_of_the_wrong_type_is_told(folder: Path, asked: dict[str, Any], said: str):
    with pytest.raises(TypeError, match=said):
        select(folder, **asked)


def test_asyncio_reads_the_same(folder: Path):
    async def read(**asked: Any) -> list[str]:
        return [entry.event async for entry in select(folder, **asked)]

    assert asyncio.run(read()) == [entry.event for entry in select(folder)]
    assert asyncio.run(read(last=2)) == ["line 5", "other"]


def test_asyncio_follows(folder: Path):
    async def follow() -> list[str]:
        seen = []
        async for entry in select(folder, follow=True, last=1):
            seen.append(entry.event)
            if len(seen) == 3:
                break
            fill(folder, [record(f"new {len(seen)}")], f"3{len(seen)}")
        return seen

    assert asyncio.run(asyncio.wait_for(follow(), 20)) == ["other", "new 1", "new 2"]


def test_a_store_that_is_not_there_is_an_error(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="there are no logs in"):
        select(tmp_path / "nowhere")


def test_a_frame_has_a_row_for_each_record(folder: Path):
    pandas = pytest.importorskip("pandas")
    frame = select(folder).to_pandas()
    assert len(frame) == 7
    assert frame.index[0] == pandas.Timestamp(NOW, unit="s", tz="UTC")
    assert list(frame["worker"]) == ["stage"] * 6 + ["laser"]
    with pytest.raises(ValueError, match="never end"):
        select(folder, follow=True).to_pandas()
