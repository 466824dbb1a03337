"""A worker that answers as was recorded: by member and arguments, in order, or not at all."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import msgspec
import numpy as np
import pytest

from transports import serializers
from transports.headers import RequestHeader
from transports.recording import (
    DIED,
    FORM,
    KILLED,
    Emitted,
    Head,
    Line,
    Lost,
    NoRecording,
    Offered,
    Operation,
    Place,
    payloads_of,
    read_lines,
)
from transports.serializers import JSON, NPY, OCTETS, XORCH
from transports.values import codec
from workers.failures import Refused
from workers.serving.replay import Replay

HEAD = Head(FORM, "lab", 0.0)
OFFERED = Offered("stage", {"title": "Stage", "properties": {}, "actions": {}, "events": {}})


def done(value: Any, member: str = "move", life: int = 1, **more: Any) -> Operation:
    """An operation without arguments and its value."""
    fields: dict[str, Any] = {
        "worker": "stage",
        "life": life,
        "at": 0.0,
        "waited": 0.0,
        "seconds": 0.0,
        "operation": "invokeaction",
        "member": member,
        "asked_type": XORCH,
        "asked": b"\xc0",
        "asked_raw": b"",
        "kind": "REPLY",
        "answer_type": XORCH,
        "answer": bytes(codec.encode(value)[0]),
    }
    return Operation(**(fields | more))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "one.rec"


def write(file: Path, *lines: Line, more: bytes = b"") -> Path:
    file.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in lines) + more)
    return file


def ask(replay: Replay, member: str = "move", payload: bytes = b"\xc0", raw: bytes = b"") -> Any:
    header = RequestHeader(
        messageType="OPERATION",
        messageID="1",
        senderID="x",
        receiverID="lab",
        payloadContentType=XORCH,
    )
    return replay.get(("invokeaction", member))(header, payload, raw)


def replay_of(file: Path, *lines: Line, life: int = 1) -> Replay:
    return Replay(str(write(file, HEAD, OFFERED, *lines)), "stage", life)


def test_answers_come_in_order_by_member_and_arguments(file: Path) -> None:
    other = bytes(codec.encode_arguments((5,), {})[0])
    replay = replay_of(file, done(1), done("home", "home"), done(2), done(3, asked=other))
    assert replay.description["title"] == "Stage"
    assert [ask(replay), ask(replay, payload=other), ask(replay), ask(replay, "home")] == [
        1,
        3,
        2,
        "home",
    ]


def test_what_is_not_in_it_is_refused_and_not_done(file: Path) -> None:
    replay = replay_of(file, done(1))
    ask(replay)
    with pytest.raises(Refused, match=r"has no more invokeaction of stage\.move with these arg"):
        ask(replay)
    with pytest.raises(Refused, match=r"has no invokeaction of stage\.home"):
        ask(replay, "home")


def test_errors_are_answered_as_they_were(file: Path) -> None:
    replay = replay_of(file, done(None, kind="EXCEPTION", answer_type=JSON, answer=b'{"e": 1}'))
    with pytest.raises(Refused) as caught:
        ask(replay)
    assert caught.value.payload == b'{"e": 1}'


def test_a_death_is_one_and_the_next_life_goes_on_behind_it(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: killed.append((pid, number)))
    lines = (done(1), done(None, kind=DIED), done(2, life=2))
    replay = replay_of(file, *lines)
    assert ask(replay) == 1
    with pytest.raises(Refused):  # of a death that is none, as here, nothing else comes
        ask(replay)
    assert killed == [(os.getpid(), signal.SIGKILL)]
    assert ask(replay_of(file, *lines, life=2)) == 2
    assert ask(replay_of(file, *lines, life=7)) == 2  # more lives than were recorded


@pytest.mark.parametrize("status", [3, 0, 255, 128 + signal.SIGSEGV, 128 + signal.SIGTERM, KILLED])
def test_a_death_is_of_the_kind_that_it_was(file: Path, status: int) -> None:
    """In a process of its own, which ignores what it may."""
    replay = replay_of(file, done(None, kind=DIED, status=status))
    pid = os.fork()
    if not pid:
        try:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            ask(replay)
        finally:
            os._exit(99)
    _, ended = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(ended)
    assert (128 - code if code < 0 else code) == status


def test_it_takes_as_long_as_it_took(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    class Waits:
        def wait(self, seconds: float) -> None:
            waited.append(seconds)

    monkeypatch.setattr("workers.serving.replay.threads.Event", Waits)
    ask(replay_of(file, done(1, seconds=12.5)))
    assert waited == [12.5]


def test_large_frames_stand_beside(file: Path) -> None:
    array = np.arange(5000)
    payload, raw = codec.encode(array)
    payloads_of(file).write_bytes(b"before" + bytes(raw))
    line = done(None, answer=bytes(payload), answer_raw=Place(6, len(raw)))
    assert (ask(replay_of(file, line)) == array).all()
    payloads_of(file).write_bytes(b"short")
    with pytest.raises(NoRecording, match="lacks what its recording refers to"):
        ask(replay_of(file, line))


def test_answers_to_other_clients(file: Path) -> None:
    array = bytes(serializers.encode_array(np.arange(3)))
    types = {"answer_type": JSON, "answer": b"null"}
    lines = (
        done(0, **types | {"answer": b"[1]"}),
        done(0, **types, answer_raw=array, raw_type=NPY),
        done(0, **types, answer_raw=b"abc", raw_type=OCTETS),
        done(0, **types | {"answer": b"7"}, answer_raw=b"abc", raw_type=OCTETS),
    )
    replay = replay_of(file, *lines)
    assert ask(replay) == [1]
    assert list(ask(replay)) == [0, 1, 2]
    assert ask(replay) == b"abc"
    assert ask(replay) == (7, b"abc")


@pytest.mark.parametrize(
    ("lines", "more", "told"),
    [
        ((), b"rubbish\n", "line 1 is none of a recording"),
        ((OFFERED,), b"", "doesn't begin as recordings do"),
        ((HEAD, HEAD), b"", "doesn't begin"),
        ((Head(99, "lab", 0.0),), b"", "has form 99"),
        ((HEAD, OFFERED, Lost(3)), b"", "lacks 3 operations"),
        ((HEAD,), b"", "has nothing of worker 'stage'"),
    ],
)
def test_what_is_no_recording_is_told(
    file: Path, lines: tuple[Line, ...], more: bytes, told: str
) -> None:
    with pytest.raises(NoRecording, match=told):
        Replay(str(write(file, *lines, more=more)), "stage", 1)


def test_a_line_that_was_cut_short_ends_it(file: Path) -> None:
    """As by a machine that stopped."""
    assert len(list(read_lines(write(file, HEAD, OFFERED, more=b'{"type":"oper')))) == 2


def event(name: str, value: Any, at: float, since: float = 0.0, life: int = 1) -> Emitted:
    payload, raw = codec.encode(value)
    return Emitted("stage", life, at, since, name, bytes(payload), bytes(raw))


def emitted_by(replay: Replay) -> SimpleQueue[tuple[str, Any]]:
    told: SimpleQueue[tuple[str, Any]] = SimpleQueue()
    replay.attach(lambda name, value: told.put((name, value)))
    return told


def test_events_follow_from_the_operation_that_had_begun_last(file: Path) -> None:
    """What came within it has come when it is answered, what came later comes by itself."""
    replay = replay_of(
        file,
        event("begun", 1, at=0.5, since=0.01),
        done("moved", at=1.0, waited=0.5, seconds=0.02),
        event("moved", 2.5, at=1.515),
        event("settled", [1, 2], at=1.54),
        event("other", 0, at=9.0, life=2),
    )
    told = emitted_by(replay)
    assert told.get(timeout=30) == ("begun", 1)
    assert told.empty()
    assert ask(replay) == "moved"
    assert told.get_nowait() == ("moved", 2.5)
    assert told.get(timeout=30) == ("settled", [1, 2])
    replay.attach(None)


def test_nothing_is_emitted_once_it_is_closed(file: Path) -> None:
    replay = replay_of(file, done(1), event("late", 1, at=0.01))
    told = emitted_by(replay)
    replay.attach(None)
    assert ask(replay) == 1
    assert told.empty()


def test_the_next_life_has_its_own_events(file: Path) -> None:
    lines = (event("first", 1, at=0.1), done(1, at=1.0), event("second", 2, at=5.0, life=2))
    assert emitted_by(replay_of(file, *lines)).get(timeout=30) == ("first", 1)
    assert emitted_by(replay_of(file, done(2, life=2, at=9.0), *lines, life=2)).get(timeout=30) == (
        "second",
        2,
    )


def test_a_large_event_stands_beside_and_one_that_was_left_out_is_told(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    array = np.arange(5000)
    payload, raw = codec.encode(array)
    payloads_of(file).write_bytes(bytes(raw))
    line = Emitted("stage", 1, 0.0, 0.0, "frame", bytes(payload), Place(0, len(raw)))
    name, value = emitted_by(replay_of(file, line, Lost(0, 3))).get(timeout=30)
    assert name == "frame"
    assert (value == array).all()
    assert "lacks 3 events" in caplog.text


def test_recordings_without_events_are_read(file: Path) -> None:
    assert ask(Replay(str(write(file, Head(1, "lab", 0.0), OFFERED, done(7))), "stage", 1)) == 7
