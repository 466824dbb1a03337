"""What strangers cause has a share of the logs, and pushes out nothing else."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from orchestrator.logs.store.chain import Chain, Keep
from orchestrator.logs.store.records import Record
from orchestrator.logs.store.store import Store
from orchestrator.logs.store.strangers import LONGEST, NOTICE_EVERY, Strangers
from tests.logs.log_kit import NOW, read, record, run


def refusal(at: float = NOW, **changes: Any) -> Record:
    given: dict[str, Any] = {
        "level": "warning",
        "worker": "bench",
        "incarnation": 0,
        "logger": "",
        "fields": {"reason": "x" * 900},
        **changes,
    }
    return record("malformed message refused", at, **given)


def test_a_flood_of_refusals_pushes_out_nothing(tmp_path: Path) -> None:
    """100 MiB of them, where 8 MiB are kept."""
    keep = Keep(size=8 << 20)
    store = Store(tmp_path, run(), rig="bench", keep=keep, tell=lambda level, text: None)
    store.add([record("the laser is hot", NOW, level="error")], 100)
    for turn in range(100):
        store.add([refusal(NOW + turn) for _ in range(1000)], 1 << 20)
        while store.is_behind:
            store.wait_for_room(1)
    store.add([record("still here", NOW + 100)], 100)
    assert store.close(30, "stopped")
    found = read(tmp_path)
    own = [each.event for each in found if each.worker == "stage"]
    assert own == ["the laser is hot", "still here"]
    kept = [each for each in found if each.event == "malformed message refused"]
    notices = [each for each in found if "about strangers" in each.event]
    assert 100 < len(kept) < 10_000
    dropped = [each.fields["dropped"] for each in notices if each.fields]
    assert len(kept) + sum(dropped) == 100_000
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < keep.segment_size


@pytest.mark.parametrize(
    ("changes", "is_theirs"),
    [
        ({}, True),
        ({"level": "debug"}, True),
        ({"level": "info"}, False),
        ({"level": "error"}, False),
        ({"worker": "stage"}, False),
        ({"logger": "logs"}, False),
        ({"logger": "driver", "incarnation": 1}, False),
    ],
)
def test_whose_a_record_is(changes: dict[str, Any], *, is_theirs: bool) -> None:
    assert Strangers("bench", 1000).may_be_theirs(refusal(**changes)) is is_theirs


def test_their_texts_have_a_bound() -> None:
    """Whatever is in them; those of workers are left alone."""
    huge = refusal(fields={"reason": "é" * 60_000, "n" * 60_000: ["x" * 60_000], "code": 7})
    (short,) = Strangers("bench", 1 << 20).sift([huge], 0)
    assert short.fields is not None
    assert short.fields["reason"].startswith("é" * LONGEST + "… (58976 more")
    assert short.fields["code"] == "7"
    assert len(repr(short.fields)) < 5 * LONGEST
    own = record("x" * 60_000)
    assert Strangers("bench", 1 << 20).sift([own], 0)[0] is own


def test_there_is_room_in_each_segment_and_a_notice_each_minute() -> None:
    now = 0.0
    strangers = Strangers("bench", 3000, clock=lambda: now)

    def events(segment: int, count: int = 5) -> list[str]:
        given = [refusal() for _ in range(count)]
        return [each.event.partition(" ")[0] for each in strangers.sift(given, segment)]

    assert events(0) == ["malformed", "malformed", "dropped"]
    assert events(0) == []
    now = NOTICE_EVERY
    assert events(0) == ["dropped"]
    assert events(1) == ["malformed", "malformed"]
    (rest,) = strangers.notice()
    assert rest.fields is not None
    assert (rest.fields["dropped"], rest.fields["such_as"]) == (3, "malformed message refused")
    assert strangers.notice() == []


def test_what_cant_be_written_is_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused by a full disk at first, and tried again."""
    write, refusals, written = Chain.write, iter(range(3)), threading.Event()

    def full_at_first(chain: Chain, records: list[Record]) -> None:
        if next(refusals, None) is not None:
            raise sqlite3.OperationalError("database or disk is full")
        write(chain, records)
        written.set()

    monkeypatch.setattr(Chain, "write", full_at_first)
    keep = Keep(size=8 << 20)
    store = Store(
        tmp_path, run(), rig="bench", keep=keep, tell=lambda level, text: None, retry=0.01
    )
    store.add([refusal() for _ in range(2000)], 1000)
    assert written.wait(30)
    assert store.close(30, "stopped")
    found = read(tmp_path)
    kept = sum(each.event == "malformed message refused" for each in found)
    dropped = sum((each.fields or {}).get("dropped", 0) for each in found)
    assert kept + dropped == 2000
