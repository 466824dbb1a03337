"""What came from a host, on its way into the rig's log."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from orchestrator.logs.collect.streams import Streams
from orchestrator.rig import host_output
from orchestrator.rig.host_output import HostOutput
from workers.output.request_marks import mark_begin


class Scene:
    """Streams whose reading ends are here."""

    def __init__(self) -> None:
        self.readers: dict[str, int] = {}
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.later: list[Callable[[], None]] = []
        self.watched: dict[Any, Callable[[], None]] = {}
        self.forgotten: list[tuple[str, int]] = []
        self.changes = 0
        self.output = HostOutput(
            self, self, lambda level, text, about: self.told.append((text, about))
        )  # type: ignore[arg-type]
        self.output.changed = self._changed

    def _changed(self) -> None:
        self.changes += 1

    def watch(self, source: Any, callback: Callable[[], None]) -> None:
        self.watched[source] = callback

    def unwatch(self, fd: int) -> None:
        del self.watched[fd]

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        self.later.append(call)

    def open_streams(self, worker: str, incarnation: int) -> Streams:
        made = {}
        for name in ("stdout", "stderr", "record"):
            self.readers[name], made[name] = os.pipe()
            os.set_blocking(self.readers[name], False)
        return Streams(made["stdout"], made["stderr"], made["record"])

    def forget(self, worker: str, incarnation: int, how: str | None = None) -> None:
        self.forgotten.append((worker, incarnation))

    def unblock(self, worker: str, incarnation: int) -> bool:
        return False

    def read(self, name: str = "stdout") -> bytes:
        """What is in a stream, with what finds room meanwhile."""
        found = b""
        while True:
            try:
                data = os.read(self.readers[name], 1 << 20)
            except BlockingIOError:
                return found
            if not data:
                return found
            found += data
            for callback in list(self.watched.values()):
                callback()


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    made.output.expect("cam", 1, made.open_streams("cam", 1))
    yield made
    made.output.close()
    for fd in made.readers.values():
        os.close(fd)


def test_what_came_is_written_and_its_marks_are_of_this_pipe(scene: Scene) -> None:
    mark, own = "\x1eorch-abc", mark_begin(scene.readers["stdout"])
    text = b'\n\x1eorch-abc[1,"r","m"]\nhello\n'
    for start in range(0, len(text), 5):
        scene.output.write("cam", 1, "stdout", text[start : start + 5], mark)
    assert scene.read() == b"\n" + own + b'[1,"r","m"]\nhello\n'
    scene.output.write("cam", 1, "record", b"{}\n")
    assert scene.read("record") == b"{}\n"
    scene.output.write("cam", 1, "nothing", b"x")


def test_what_finds_no_room_waits_and_who_writes_it_too(scene: Scene) -> None:
    line = b"x" * 999 + b"\n"
    for _ in range(3000):
        scene.output.write("cam", 1, "stdout", line)
    assert scene.output.paused == (("cam", 1, "stdout"),)
    scene.output.end("cam", 1)
    assert scene.read() == line * 3000
    assert (scene.output.paused, scene.changes) == ((), 2)
    assert os.read(scene.readers["stdout"], 1) == b""  # closed behind it
    assert scene.told == []


def test_what_is_too_much_is_lost_by_lines_and_told_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_output, "ROOM", 300_000)
    for number in range(1000):
        scene.output.write("cam", 1, "stdout", b"%d " % number + b"y" * 999)
        scene.output.write("cam", 1, "stdout", b"y\n")
    kept = scene.read()
    assert kept.endswith(b"\n")
    assert {len(line) - len(line.split()[0]) for line in kept.splitlines()} == {1001}
    (tell,) = scene.later
    tell()
    ((text, about),) = scene.told
    assert "too slow" in text
    whole = sum(len(b"%d " % number) + 1001 for number in range(1000))
    assert about["bytes"] == whole - len(kept)


def test_what_comes_when_a_life_is_over_gets_streams_of_its_own(scene: Scene) -> None:
    scene.output.end("cam", 1)
    scene.output.write("cam", 1, "stderr", b"late\n")
    assert scene.read("stderr") == b"late\n"
    scene.output.end("cam", 1)
    assert scene.forgotten == [("cam", 1)]


def test_where_there_are_no_streams_that_is_told(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(worker: str, incarnation: int) -> Streams:
        raise OSError("too many open files")

    monkeypatch.setattr(
        scene.output, "_logs", type("Logs", (), {"open_streams": staticmethod(none)})
    )
    scene.output.write("own", 2, "stdout", b"12345")
    scene.output.close()
    assert scene.told[0][1] == {"worker": "own", "incarnation": 2, "bytes": 5}
