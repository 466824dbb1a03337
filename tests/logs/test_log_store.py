"""The store: what is written is read again, whatever happens to processes, files and disks."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.logs.read.lookup import Query
from orchestrator.logs.read.query import Logs
from orchestrator.logs.store import store as store_module
from orchestrator.logs.store.chain import Chain, Keep, remove_old
from orchestrator.logs.store.records import Record
from orchestrator.logs.store.segments import (
    Run,
    Segment,
    check_version,
    last_time,
    list_segments,
    open_segment,
    read_runs,
    segment_size,
)
from orchestrator.logs.store.store import Store
from tests.logs.log_kit import NOW, chain, events, fill, read, record, run
from transports.levels import LEVELS

PYTHONPATH = os.pathsep.join(filter(None, sys.path))
SMALL = Keep(size=10**9, segment=0)  # segments of the least size there is
PATIENCE = 20.0


def numbers(folder: Path) -> list[int]:
    return [number for number, _ in list_segments(folder)]


def fill_segments(folder: Path, count: int, *, first: float = NOW) -> None:
    """Write segments of some hundred kilobytes each; segment n ends at `first` + n seconds."""
    writer = chain(folder, keep=SMALL)
    for number in range(count):
        writer.write([record("x" * 1000, first + number) for _ in range(300)])
    writer.end(first, "stopped")


# --- what is written is read again


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
OPTIONAL = st.none() | TEXT
FIELDS = st.none() | st.dictionaries(TEXT, st.integers(-(2**63), 2**63 - 1) | TEXT, min_size=1)


@settings(max_examples=40)
@given(
    st.builds(
        Record,
        time=st.integers(0, 4 * 10**15).map(lambda micros: micros / 1e6),
        level=st.sampled_from(list(LEVELS)),
        worker=TEXT,
        incarnation=st.integers(0, 2**63 - 1),
        stream=st.sampled_from(["record", "stdout", "stderr"]),
        event=TEXT,
        logger=OPTIONAL,
        request=OPTIONAL,
        member=OPTIONAL,
        exception=OPTIONAL,
        fields=FIELDS,
    )
)
def test_a_record_is_read_as_it_was_written(tmp_path_factory: Any, written: Record):
    folder = tmp_path_factory.mktemp("logs")
    fill(folder, [written])
    (found,) = read(folder)
    assert found.time == pytest.approx(written.time, abs=1e-6)
    for name in set(Record.__struct_fields__) - {"time"}:
        assert getattr(found, name) == getattr(written, name)


def test_a_batch_is_written_whole_whatever_its_size(tmp_path: Path):
    texts = [f"line {number}" for number in range(1234)]
    fill(tmp_path, [record(text) for text in texts])
    assert events(tmp_path) == texts


def test_what_no_database_holds_is_stored_in_words(tmp_path: Path):
    store = open_store(tmp_path)
    store.add([record("a\ud800b", incarnation=2**70), record("good")], 10)
    assert store.close(PATIENCE, "stopped")
    assert [(entry.event, entry.incarnation) for entry in read(tmp_path)] == [
        ("a\\ud800b", 0),
        ("good", 1),
    ]


def test_files_are_private(tmp_path: Path):
    fill(tmp_path, [record()])
    assert [path.stat().st_mode & 0o777 for _, path in list_segments(tmp_path)] == [0o600]


# --- runs


def test_runs_are_numbered_and_remembered(tmp_path: Path):
    fill(tmp_path, [record("one")], "1f")
    fill(tmp_path, [record("two")], "2e")
    found = Logs(tmp_path).runs()
    assert [(each.number, each.id, each.ending) for each in found] == [
        (1, "1f", "stopped"),
        (2, "2e", "stopped"),
    ]
    assert events(tmp_path, run=2) == ["two"]


def test_a_restarted_collector_goes_on_with_its_run(tmp_path: Path):
    first = chain(tmp_path)
    first.write([record("one")])
    first.release()
    first._lock.release()  # as the kernel does for a killed process
    fill(tmp_path, [record("two")], "1f")
    assert [entry.run for entry in read(tmp_path)] == [1, 1]
    assert [each.number for each in Logs(tmp_path).runs()] == [1]


def test_a_run_over_several_segments_is_one(tmp_path: Path):
    fill_segments(tmp_path, 3)
    assert len(numbers(tmp_path)) == 4
    (found,) = Logs(tmp_path).runs()
    assert (found.number, found.started, found.ending) == (1, NOW, "stopped")


def test_the_collector_of_a_killed_supervisor_and_the_next_one_do_not_share_a_segment(
    tmp_path: Path,
):
    orphan, heir = chain(tmp_path, run("1f")), chain(tmp_path, run("2e"))
    orphan.write([record("old 1")])
    heir.write([record("new 1")])
    orphan.write([record("old 2")])
    heir.write([record("new 2")])
    orphan.end(NOW, "its supervisor died")
    heir.end(NOW, "stopped")
    assert numbers(tmp_path) == [1, 2]
    assert events(tmp_path, run=1) == ["old 1", "old 2"]
    assert events(tmp_path, run=2) == ["new 1", "new 2"]


# --- segments and what is kept of them


def test_a_full_segment_is_followed_by_another(tmp_path: Path):
    fill_segments(tmp_path, 3)
    assert numbers(tmp_path) == [1, 2, 3, 4]
    assert len(read(tmp_path)) == 900
    assert [round(last_time(path) - NOW) for _, path in list_segments(tmp_path)[:3]] == [0, 1, 2]


def test_whole_segments_go_when_all_are_too_large(tmp_path: Path):
    fill_segments(tmp_path, 4)
    paths = [path for _, path in list_segments(tmp_path)]
    room = sum(segment_size(path) for path in paths[2:])
    assert remove_old(tmp_path, size=room) == paths[:2]
    assert numbers(tmp_path) == [3, 4, 5]
    assert not list(tmp_path.glob("000001*"))


def test_segments_go_when_their_last_record_is_too_old(tmp_path: Path):
    fill_segments(tmp_path, 4)
    remove_old(tmp_path, age=10.0, now=NOW + 11.5)
    assert numbers(tmp_path) == [3, 4, 5]


def test_the_newest_segment_stays_in_any_case(tmp_path: Path):
    fill(tmp_path, [record()])
    assert remove_old(tmp_path, size=1, age=0.0) == []
    assert events(tmp_path) == ["moved"]


def test_a_writer_keeps_to_the_size_it_was_given(tmp_path: Path):
    writer = chain(tmp_path, keep=Keep(size=1_500_000))
    for _ in range(20):
        writer.write([record("x" * 1000) for _ in range(300)])
    writer.end(NOW, "stopped")
    assert sum(segment_size(path) for _, path in list_segments(tmp_path)) < 2_000_000
    assert numbers(tmp_path)[0] > 1


def test_a_small_limit_means_small_segments():
    assert Keep(size=1 << 30).segment_size == 64 << 20
    assert Keep(size=80 << 20).segment_size == 10 << 20
    assert Keep(size=1).segment_size == 256 << 10


def test_segments_that_are_deleted_under_a_writer_cost_no_later_record(tmp_path: Path):
    writer = chain(tmp_path)
    writer.write([record("gone")])
    for file in tmp_path.glob("*.db*"):
        file.unlink()
    writer.write([record("gone too")])
    writer.write([record("kept")])
    writer.end(NOW, "stopped")
    assert events(tmp_path) == ["kept"]


# --- damage


def damage(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))


def test_a_damaged_segment_is_named_and_the_others_are_read(tmp_path: Path):
    fill_segments(tmp_path, 3)
    (_, second) = list_segments(tmp_path)[1]
    damage(second)
    told: list[tuple[Path, str]] = []
    logs = Logs(tmp_path, lambda path, reason: told.append((path, reason)))
    assert len(list(logs.read(Query()))) == 600
    list(logs.read(Query()))
    ((path, reason),) = told
    assert path == second
    assert "malformed" in reason


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\0" * 100])
def test_a_file_that_is_no_segment_is_named(tmp_path: Path, content: bytes):
    fill(tmp_path, [record()])
    (tmp_path / "000002.db").write_bytes(content)
    told: list[Path] = []
    assert len(list(Logs(tmp_path, lambda path, _: told.append(path)).read(Query()))) == 1
    assert told == [tmp_path / "000002.db"]


def test_a_segment_of_the_first_release_is_read_and_gone_on_with(tmp_path: Path):
    """It has no column for what was raised."""
    fill(tmp_path, [record("old", exception="Traceback…\nValueError: x")])
    with closing(sqlite3.connect(tmp_path / "000001.db")) as connection:
        connection.execute("ALTER TABLE records DROP COLUMN raised")
        connection.execute("PRAGMA user_version = 1")
    logs = Logs(tmp_path, lambda path, reason: pytest.fail(reason))
    assert [each.raised for each in logs.read(Query())] == [None]
    fill(tmp_path, [record("new", NOW + 1, raised="ValueError: x")], "2e")
    assert [(each.event, each.raised) for each in logs.read(Query(since=NOW))] == [
        ("old", None),
        ("new", "ValueError: x"),
    ]
    assert [path.name for _, path in logs.segments()] == ["000001.db"]


def test_bytes_that_are_no_text_cost_nothing_but_themselves(tmp_path: Path):
    """Left by a bad disk, or by a stranger."""
    fill(tmp_path, [record("one", fields={"a": 1}), record("two"), record("three")])
    with sqlite3.connect(tmp_path / "000001.db") as connection:
        connection.execute("UPDATE records SET event = CAST(x'ff6f' AS TEXT) WHERE seq = 1")
        connection.execute("UPDATE records SET fields = CAST(x'ff7b' AS TEXT) WHERE seq = 1")
        connection.execute(
            "UPDATE records SET event = x'0080', stream = 9, time = 'x' WHERE seq = 2"
        )
        connection.execute("UPDATE records SET fields = '[1]' WHERE seq = 3")
    connection.close()
    logs = Logs(tmp_path, lambda path, reason: pytest.fail(reason))
    found = list(logs.read(Query()))
    assert [each.event for each in found] == ["\\xffo", "\x00\\x80", "three"]
    assert found[0].fields == {"unreadable": "\\xff{"}
    assert found[2].fields == {"unreadable": "[1]"}


def test_a_segment_of_a_later_release_is_named_and_left_alone(tmp_path: Path):
    fill(tmp_path, [record("one")])
    with sqlite3.connect(tmp_path / "000001.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    told: list[str] = []
    assert list(Logs(tmp_path, lambda _, reason: told.append(reason)).read(Query())) == []
    assert told == ["it has version 99 of the format, this release reads 2"]
    fill(tmp_path, [record("two")])
    assert numbers(tmp_path) == [1, 2]
    assert events(tmp_path) == ["two"]


def test_writing_goes_on_after_a_damaged_segment(tmp_path: Path):
    fill(tmp_path, [record("one")], "1f")
    damage(tmp_path / "000001.db")
    told: list[str] = []
    writer = Chain(tmp_path, run("2e"), Keep(), lambda level, text: told.append(text))
    writer.write([record("two")])
    writer.end(NOW, "stopped")
    assert events(tmp_path) == ["two"]
    assert "000001.db is left as it is" in told[0]


# --- processes that are killed


def test_what_was_acknowledged_survives_a_kill_in_the_middle_of_a_batch(tmp_path: Path):
    code = f"""
import sys
from pathlib import Path
from tests.logs.log_kit import chain, record
writer = chain(Path({str(tmp_path)!r}))
number = 0
while True:
    writer.write([record(f"line {{number + n}}") for n in range(100)])
    number += 100
    print(number, flush=True)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": PYTHONPATH},
    )
    assert process.stdout is not None
    acknowledged = [int(process.stdout.readline()) for _ in range(20)][-1]
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().split()
    process.stdout.close()
    process.wait()
    acknowledged = int(rest[-1]) if rest else acknowledged
    found = events(tmp_path)
    assert len(found) >= acknowledged
    assert len(found) % 100 == 0  # batches are whole
    assert found == [f"line {number}" for number in range(len(found))]
    (life,) = Logs(tmp_path).runs()
    assert life.ended is None
    fill(tmp_path, [record("next run")], "2e")
    assert events(tmp_path)[-1] == "next run"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_store_in_a_folder_that_nobody_may_write_to_is_read(tmp_path: Path):
    writer = chain(tmp_path)
    writer.write([record("kept")])
    writer.end(NOW, "stopped")
    tmp_path.chmod(0o500)
    try:
        assert events(tmp_path) == ["kept"]
    finally:
        tmp_path.chmod(0o700)


# --- the thread


def open_store(folder: Path, **changes: Any) -> Store:
    given: dict[str, Any] = {"rig": "bench", "keep": Keep(), "tell": lambda level, text: None}
    return Store(folder, run(), **{**given, **changes})


class Disk:
    """Stands before the chain of a store: full, or stuck, as one likes."""

    def __init__(self, store: Store) -> None:
        self.full = False
        self.free = threading.Event()
        self.free.set()
        self.arrived = threading.Event()
        self._write: Callable[[Sequence[Record]], None] = store._chain.write
        store._chain.write = self.write  # type: ignore[method-assign]

    def write(self, records: Sequence[Record]) -> None:
        self.arrived.set()
        assert self.free.wait(PATIENCE)
        if self.full:
            raise sqlite3.OperationalError("database or disk is full")
        self._write(records)


def test_records_that_come_together_are_stored_in_the_order_of_their_times(tmp_path: Path):
    store = open_store(tmp_path)
    store.add([record("b", NOW + 2), record("d", NOW + 4)], 10)
    store.add([record("a", NOW + 1), record("c", NOW + 3)], 10)
    assert store.close(PATIENCE, "stopped")
    assert events(tmp_path) == ["a", "b", "c", "d"]


def test_an_error_waits_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(store_module, "INTERVAL", PATIENCE)
    store = open_store(tmp_path)
    disk = Disk(store)
    store.add([record("quiet")], 10)
    assert not disk.arrived.is_set()
    store.add([record("loud", level="error")], 10)
    assert disk.arrived.wait(PATIENCE / 2)
    assert store.close(PATIENCE, "stopped")
    assert events(tmp_path) == ["quiet", "loud"]


def test_a_disk_that_is_stuck_keeps_nobody_and_costs_the_oldest(tmp_path: Path):
    store = open_store(tmp_path, ring=1000)
    disk = Disk(store)
    disk.free.clear()
    store.add([record("first")], 10)
    assert disk.arrived.wait(PATIENCE)
    for number in range(30):
        store.add([record(f"line {number}")], 100)
    assert store.dropped == 20
    disk.free.set()
    assert store.close(PATIENCE, "stopped")
    found = read(tmp_path)
    assert [entry.event for entry in found[:11]] == [
        "first",
        *(f"line {number}" for number in range(20, 30)),
    ]
    assert found[11].fields == {"dropped": 20, "reason": "too many at once"}
    assert (found[11].level, found[11].worker) == ("warning", "bench")
    assert store.dropped == 0
    written, lost = store.sums
    assert ({level: n for level, n in written.items() if n}, lost) == (
        {"info": 11, "warning": 1},
        20,
    )


def test_a_full_disk_is_tried_again_and_what_was_lost_is_counted(tmp_path: Path):
    told: list[tuple[str, str]] = []
    again = threading.Event()

    def tell(level: str, text: str) -> None:
        told.append((level, text))
        if "again" in text:
            again.set()

    store = open_store(tmp_path, ring=300, retry=0.01, tell=tell)
    disk = Disk(store)
    disk.full = True
    for number in range(5):
        store.add([record(f"line {number}")], 100)
    assert disk.arrived.wait(PATIENCE)
    disk.full = False
    assert again.wait(PATIENCE)
    assert store.close(PATIENCE, "stopped")
    reason = f"logs can't be written to {tmp_path}: database or disk is full"
    assert told == [
        ("error", reason),
        ("warning", "logs can be written again: dropped 2 records"),
    ]
    assert events(tmp_path, workers=("stage",)) == ["line 2", "line 3", "line 4"]
    (loss, _) = read(tmp_path, workers=("bench",))
    assert loss.fields == {"dropped": 2, "reason": "database or disk is full"}


def test_a_disk_that_stays_full_does_not_hold_the_end(tmp_path: Path):
    store = open_store(tmp_path, retry=PATIENCE)
    Disk(store).full = True
    store.add([record("lost"), record("lost too")], 20)
    assert store.close(PATIENCE / 2, "stopped")
    assert store.dropped == 2


def test_a_disk_that_stays_stuck_does_not_hold_the_end(tmp_path: Path):
    store = open_store(tmp_path)
    disk = Disk(store)
    disk.free.clear()
    store.add([record("lost")], 10)
    assert not store.close(0.05, "stopped")
    disk.free.set()
    store._thread.join(PATIENCE)


def test_readers_hold_back_while_the_disk_gets_on_and_not_when_it_is_stuck(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    store = open_store(tmp_path)
    disk = Disk(store)
    disk.free.clear()
    store.add([record("first")], 10)
    assert disk.arrived.wait(PATIENCE)
    store.add([record("much")], store_module._AHEAD + 1)
    assert store.is_behind
    monkeypatch.setattr(store_module, "_STALLED", 0.0)
    assert not store.is_behind
    monkeypatch.setattr(store_module, "_STALLED", PATIENCE)
    disk.free.set()
    store.wait_for_room(PATIENCE)
    assert not store.is_behind
    assert store.close(PATIENCE, "stopped")


def test_the_run_of_a_store_has_its_end(tmp_path: Path):
    store = open_store(tmp_path)
    store.add([record()], 10)
    assert store.close(PATIENCE, "its supervisor died")
    (life,) = Logs(tmp_path).runs()
    assert life.ending == "its supervisor died"
    assert msgspec.structs.replace(life, ended=None, ending=None) == Run(1, "1f", NOW)


def test_a_segment_has_its_name_when_it_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Whoever looks finds a segment that can be read, or none."""
    link, seen = os.link, []

    def look(unfinished: Path, path: Path) -> None:
        assert list_segments(tmp_path) == []
        with closing(open_segment(unfinished)) as connection:
            check_version(connection)
            seen.extend(read_runs(connection))
        link(unfinished, path)

    monkeypatch.setattr(os, "link", look)
    (tmp_path / "000007.db.new").write_bytes(b"left by somebody who was killed")
    fill(tmp_path, [record("one")])
    assert [life.id for life in seen] == ["1f"]
    assert events(tmp_path) == ["one"]
    assert list(tmp_path.glob("*.new*")) == []


def test_what_somebody_else_has_begun_is_left_and_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    fill(tmp_path, [record("one")])
    monkeypatch.setattr(Path, "exists", lambda path: False)
    Segment(tmp_path / "000001.db", 1, Run(1, "1f", NOW)).close()
    monkeypatch.undo()
    assert events(tmp_path) == ["one"]


def test_a_file_system_without_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    fill(tmp_path, [record("one")])
    assert events(tmp_path) == ["one"]
