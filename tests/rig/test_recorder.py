"""What workers are asked and answer is written down, as it ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.children import Exit
from orchestrator.core.effects import Recorded
from orchestrator.core.own_client import request_frames
from orchestrator.core.own_ids import OWN
from orchestrator.rig import recorder as module
from orchestrator.rig.recorder import Recorder
from tests.core.kit import Sent, reply_frames
from tests.core.rig_kit import Bench
from transports.recording import (
    DIED,
    LARGE,
    Emitted,
    Head,
    Lost,
    Offered,
    Operation,
    Place,
    payloads_of,
)
from transports.recording import read_lines as lines_of


@pytest.fixture
def bench() -> Bench:
    """A rig that is recorded, with a worker that serves."""
    bench = Bench()
    bench.start("a")
    bench.rig.broker.ledger.watch(records=True)
    return bench


def answer(bench: Bench, sent: Sent, value: Any = None, kind: str = "REPLY") -> None:
    number = sent.number.to_bytes(8, "big")
    bench.link(sent.lane, [number, *reply_frames(sent.header, value, kind)])


def asked(bench: Bench, id_: str, **more: Any) -> Sent:
    bench.ask(id_, **more)
    (sent,) = bench.of(Sent)
    return sent


def test_an_answer_and_a_death_are_left_to_be_recorded(bench: Bench) -> None:
    answer(bench, asked(bench, "1"), 5)
    (done,) = bench.of(Recorded)
    assert (done.worker, done.life, done.member) == ("a", 1, "move")
    assert bytes(done.answer[1]) == b"5"
    asked(bench, "2")
    bench.exit("a", Exit("exit status 3", normal=False, status=3))
    (died,) = bench.of(Recorded)
    assert (died.life, died.answer, died.status) == (1, None, 3)


def test_what_ends_after_its_time_is_recorded_when_it_ends(bench: Bench) -> None:
    sent = asked(bench, "1", context={"execution_timeout": 1})
    bench.now += 2
    bench.rig.tick(bench.now)
    assert bench.of(Recorded) == []
    answer(bench, sent, 5)
    (late,) = bench.of(Recorded)
    assert late.asked.started == bench.now - 2


def test_the_rig_s_own_looks_are_not_recorded(bench: Bench) -> None:
    frames = request_frames(OWN + b"probe", bench.rig.name, "a", "position", "p", 5, 5)
    bench.rig.receive_client(frames, bench.now)
    (sent,) = bench.of(Sent)
    answer(bench, sent, 1)
    assert bench.of(Recorded) == []


def test_unasked_nothing_is_left() -> None:
    bench = Bench()
    bench.start("a")
    answer(bench, asked(bench, "1"), 5)
    assert bench.of(Recorded) == []


def recorded(bench: Bench, recorder: Recorder) -> None:
    for each in bench.of(Recorded):
        recorder.keep(each, bench.now)


def test_lines_are_written_with_times(bench: Bench, tmp_path: Path) -> None:
    file = tmp_path / "one.rec"
    recorder = Recorder(file, bench.rig)
    sent = asked(bench, "1", payload=b"[1]")
    bench.now += 2
    answer(bench, sent, 5)
    recorded(bench, recorder)
    answer(bench, asked(bench, "2"), "x" * LARGE)
    recorded(bench, recorder)
    asked(bench, "3")
    bench.exit("a", Exit("killed by SIGSEGV", normal=False, status=139))
    recorded(bench, recorder)
    recorder.close()
    head, offered, one, two, three = lines_of(file)
    assert isinstance(head, Head)
    assert isinstance(offered, Offered)
    assert offered.description == {"title": "Stage"}
    assert isinstance(one, Operation)
    assert (one.waited, one.seconds, one.kind) == (0.0, 2.0, "REPLY")
    assert (one.asked, one.answer) == (b"[1]", b"5")
    assert isinstance(two, Operation)
    assert two.answer == Place(0, LARGE + 2)
    assert payloads_of(file).read_bytes() == b'"' + b"x" * LARGE + b'"'
    assert isinstance(three, Operation)
    assert (three.kind, three.status) == (DIED, 139)


def test_what_comes_too_fast_is_counted(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(tmp_path / "one.rec", bench.rig)
    for number, most in enumerate((-(1 << 40), 1 << 40)):
        monkeypatch.setattr(module, "MOST_WAITING", most)
        answer(bench, asked(bench, str(number)), 5)
        recorded(bench, recorder)
    recorder.close()
    _, _, lost, operation = lines_of(tmp_path / "one.rec")
    assert lost == Lost(1)
    assert isinstance(operation, Operation)


class Frame:
    """As pyzmq gives it."""

    def __init__(self, data: bytes) -> None:
        self.bytes = data

    def __bytes__(self) -> bytes:
        return self.bytes


def test_events_are_written_in_our_own_form(bench: Bench, tmp_path: Path) -> None:
    """That of other clients is the same event once more; the rig's own are no worker's."""
    recorder = Recorder(tmp_path / "one.rec", bench.rig)
    bench.now = recorder._started + 2.5
    for topic in (b"@a/moved", b"a/moved", b"@lab/worker-state"):
        frames = [topic, b"token", b"{}", b"\x01", b"r" * (LARGE + 1)]
        recorder.keep_event([Frame(each) for each in frames], bench.now)
    recorder.close()
    _, offered, event = lines_of(tmp_path / "one.rec")
    assert isinstance(offered, Offered)
    assert isinstance(event, Emitted)
    assert (event.worker, event.life, event.at, event.event) == ("a", 1, 2.5, "moved")
    assert event.since == round(bench.now - bench.rig.children["a"].launched, 6)
    assert (event.payload, event.raw) == (b"\x01", Place(0, LARGE + 1))


def test_events_that_come_too_fast_are_counted_apart(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(tmp_path / "one.rec", bench.rig)
    monkeypatch.setattr(module, "MOST_WAITING", -(1 << 40))
    frames: list[Any] = [Frame(each) for each in (b"@a/moved", b"", b"{}", b"\x01", b"")]
    recorder.keep_event(frames, bench.now)
    recorder.close()
    assert list(lines_of(tmp_path / "one.rec"))[-1] == Lost(0, 1)


def test_a_disk_without_room_ends_the_recording_and_not_the_rig(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(module.records, "write_about", lambda *said: told.append(said[2]))
    full = open("/dev/full", "wb", buffering=0)  # noqa: SIM115  the recorder closes it
    files = iter((full, (tmp_path / "payloads").open("wb")))
    monkeypatch.setattr(module, "_make", lambda file: next(files))
    recorder = Recorder(tmp_path / "one.rec", bench.rig)
    answer(bench, asked(bench, "1"), 5)
    recorded(bench, recorder)
    recorder.close()
    assert told == [
        "the recording ends here, it can't be written: [Errno 28] No space left on device"
    ]


def test_no_file_is_overwritten(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "one.rec").touch()
    with pytest.raises(FileExistsError):
        Recorder(tmp_path / "one.rec", bench.rig)
