"""Each question gives exactly its records, in order, from whichever segment they are in."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from orchestrator.logs.read import lookup
from orchestrator.logs.read.lookup import Cursor, Entry, Query
from orchestrator.logs.read.query import Logs
from orchestrator.logs.store.chain import Keep
from orchestrator.logs.store.segments import list_segments, remove_segment
from tests.logs.log_kit import NOW, chain, events, fill, read, record, run
from transports import levels

LEVELS = tuple(levels.LEVELS)
COUNT = 60


def made(number: int) -> Any:
    return record(
        f"line {number}",
        NOW + number,
        worker=("stage", "camera", "laser")[number % 3],
        level=LEVELS[number % 5],
        request=f"{number // 6:04x}-aa" if number % 2 else None,
        member=("move", "snap")[number // 6 % 2] if number % 2 else None,
        exception=f"Traceback…\nOSError: {number}" if number % 10 == 3 else None,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs in three segments, the second run's in the last two."""
    folder = tmp_path_factory.mktemp("logs")
    small = Keep(segment=0)
    filler = "x" * 300_000
    for name, numbers in (("1f", range(20)), ("2e", range(20, COUNT))):
        writer = chain(folder, run(name), small)
        for number in numbers:
            changes = {"fields": {"pad": filler}} if number in (19, 39) else {}
            entry = made(number)
            writer.write([entry if not changes else _with(entry, changes)])
        writer.end(NOW, "stopped")
    assert len(list_segments(folder)) == 3
    return folder


def _with(entry: Any, changes: dict[str, Any]) -> Any:
    import msgspec

    return msgspec.structs.replace(entry, **changes)


def numbers(entries: list[Entry]) -> list[int]:
    return [int(entry.event.split()[1]) for entry in entries]


LOOK_UPS: list[tuple[dict[str, Any], Any]] = [
    ({}, lambda n: True),
    ({"workers": ("stage",)}, lambda n: n % 3 == 0),
    ({"workers": ("stage", "laser")}, lambda n: n % 3 != 1),
    ({"workers": ("nobody",)}, lambda n: False),
    ({"workers": ("stage", "nobody")}, lambda n: n % 3 == 0),
    ({"levels": (30, 50)}, lambda n: n % 5 >= 2),
    ({"levels": (20, 30)}, lambda n: n % 5 in (1, 2)),
    ({"levels": (30, 30)}, lambda n: n % 5 == 2),
    ({"levels": (10, 10)}, lambda n: n % 5 == 0),
    ({"since": NOW + 15}, lambda n: n >= 15),
    ({"until": NOW + 15}, lambda n: n <= 15),
    ({"since": NOW + 15, "until": NOW + 41.5}, lambda n: 15 <= n <= 41),
    ({"since": NOW + 1000}, lambda n: False),
    ({"grep": re.compile("line 1")}, lambda n: "1" in str(n)[:1]),
    ({"grep": re.compile("OSError: [1-4]3$")}, lambda n: n in (13, 23, 33, 43)),
    ({"request": "0003-aa"}, lambda n: n in (19, 21, 23)),
    ({"request": "0003"}, lambda n: n in (19, 21, 23)),
    ({"request": "0003-b"}, lambda n: False),
    ({"request": "0003…aa"}, lambda n: n in (19, 21, 23)),
    ({"request": "…3-aa"}, lambda n: n in (19, 21, 23)),
    ({"request": "0003…bb"}, lambda n: False),
    ({"request": "%"}, lambda n: False),
    ({"member": "snap"}, lambda n: n % 2 and n // 6 % 2),
    ({"run": 1}, lambda n: n < 20),
    ({"run": 2}, lambda n: n >= 20),
    ({"run": 3}, lambda n: False),
    (
        {"workers": ("camera",), "levels": (30, 50), "until": NOW + 50, "run": 2},
        lambda n: n % 3 == 1 and n % 5 >= 2 and 20 <= n <= 50,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("wanted", "belongs"), LOOK_UPS)
def test_a_question_gives_its_records_both_ways(folder: Path, wanted: dict[str, Any], belongs: Any):
    expected = [number for number in range(COUNT) if belongs(number)]
    logs, query = Logs(folder), Query(**wanted)
    assert numbers(list(logs.read(query))) == expected
    assert numbers(list(logs.read(query, newest_first=True))) == expected[::-1]
    assert numbers(list(logs.read(query, limit=4))) == expected[:4]
    assert numbers(logs.tail(query, 4)) == expected[-4:]
    assert numbers(logs.tail(query, 0)) == []


@pytest.mark.parametrize("wanted", [{}, {"workers": ("stage",)}, {"levels": (30, 50)}])
def test_many_records_come_page_by_page(
    folder: Path, wanted: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    whole = read(folder, **wanted)
    monkeypatch.setattr(lookup, "_PAGE", 3)
    assert read(folder, **wanted) == whole
    assert Logs(folder).tail(Query(**wanted), 7) == whole[-7:]


def test_cursors_part_what_is_there_from_what_comes(folder: Path):
    logs = Logs(folder)
    everything = list(logs.read(Query()))
    for entry in everything[::7]:
        place = Cursor.parse(entry.cursor)
        before = list(logs.read(Query(upto=place)))
        after = list(logs.read(Query(after=place)))
        assert before + after == everything
        assert before[-1] == entry
    assert str(logs.end()) == everything[-1].cursor
    assert list(logs.read(Query(after=logs.end()))) == []


@pytest.mark.parametrize("text", ["", "3", "3.", "a.b", "-1.2", "1.2.3", "9" * 40])
def test_what_is_no_cursor_is_refused(text: str):
    with pytest.raises(ValueError, match="is no cursor"):
        Cursor.parse(text)


def test_the_names_of_workers(folder: Path):
    assert Logs(folder).workers() == {"stage", "camera", "laser"}


def test_a_store_that_is_not_there_is_empty(tmp_path: Path):
    logs = Logs(tmp_path / "nowhere")
    assert list(logs.read(Query())) == logs.runs() == []
    assert logs.end() == Cursor(0, 0)


def test_a_clock_that_was_set_back_changes_no_order_and_hides_nothing(tmp_path: Path):
    writer = chain(tmp_path)
    for number, at in enumerate((NOW, NOW + 1, NOW - 3600, NOW - 3599)):
        writer.write([record(f"line {number}", at)])
    writer.end(NOW, "stopped")
    assert numbers(read(tmp_path)) == [0, 1, 2, 3]
    assert numbers(read(tmp_path, since=NOW - 3600)) == [0, 1, 2, 3]
    assert numbers(read(tmp_path, until=NOW - 1)) == [2, 3]


# --- following


class Follower:
    """Follows a store; each time that there is nothing new, the next of some deeds is done."""

    def __init__(self, folder: Path, **wanted: Any) -> None:
        self.deeds: list[Any] = []
        logs = Logs(folder)
        self._entries = logs.follow(Query(**wanted), logs.end(), pause=self._pause)

    def _pause(self, seconds: float) -> None:
        assert 0 < seconds <= 0.25  # so that a record is seen within half a second
        if not self.deeds:
            raise EOFError
        self.deeds.pop(0)()

    def texts(self) -> list[str]:
        found = []
        with suppress(EOFError):
            for entry in self._entries:
                found.append(entry.event)
        return found


def test_following_gives_what_comes_and_not_what_was(tmp_path: Path):
    fill(tmp_path, [record("past")])
    writer = chain(tmp_path, run("2e"))
    follower = Follower(tmp_path, workers=("stage",))
    follower.deeds = [
        lambda: writer.write([record("one"), record("other", worker="laser"), record("two")]),
        lambda: writer.write([record("three")]),
        lambda: writer.end(NOW, "stopped"),
    ]
    assert follower.texts() == ["one", "two", "three"]


def test_following_crosses_segments_and_runs(tmp_path: Path):
    writer = chain(tmp_path, keep=Keep(segment=0))
    big = {"pad": "x" * 300_000}
    follower = Follower(tmp_path)

    def roll() -> None:
        writer.write([record("last of the first", fields=big)])
        writer.write([record("first of the second", fields=big)])
        writer.write([record("only one of the third")])

    follower.deeds = [
        roll,
        lambda: writer.end(NOW, "stopped"),
        lambda: fill(tmp_path, [record("of the next run")], "2e"),
    ]
    assert follower.texts() == [
        "last of the first",
        "first of the second",
        "only one of the third",
        "of the next run",
    ]


def test_following_goes_on_when_its_segment_is_removed(tmp_path: Path):
    fill(tmp_path, [record("past")])
    follower = Follower(tmp_path)

    def replace() -> None:
        remove_segment(tmp_path / "000001.db")
        writer = chain(tmp_path, run("2e"))
        writer._begin(7)
        writer.write([record("new")])
        writer.end(NOW, "stopped")

    follower.deeds = [replace]
    assert follower.texts() == ["new"]
    assert events(tmp_path) == ["new"]


@pytest.mark.parametrize("made", ["nothing", "a page", "no file"])
def test_a_segment_that_is_just_being_made_is_no_damaged_one(tmp_path: Path, made: str):
    damaged: list[Path] = []
    logs = Logs(tmp_path, lambda path, reason: damaged.append(path))
    fill(tmp_path, [record("before")], "1f")
    path = tmp_path / "000002.db"
    if made != "no file":
        path.touch()
    if made == "a page":
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
    seen: list[str] = []

    def make_it(seconds: float) -> None:
        assert len(seen) == 1  # it looked at the new segment, and waits
        fill(tmp_path, [record("after")], "2e")

    for entry in logs.follow(Query(), Cursor(1, 0), pause=make_it):
        seen.append(entry.event)
        if len(seen) == 2:
            break
    assert seen == ["before", "after"]
    assert damaged == []
