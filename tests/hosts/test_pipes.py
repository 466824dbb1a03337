"""What workers write on a host, on its way to the rig."""

from __future__ import annotations

import os

from orchestrator.agent.pipes import Pipes
from orchestrator.hosts.messages import Output


class Scene:
    def __init__(self) -> None:
        self.sent: list[tuple[Output, bytes]] = []
        self.has_room = True
        self.pipes = Pipes(lambda told, data: self.sent.append((told, data)), lambda: self.has_room)
        self.streams = self.pipes.open_streams("cam", 1)

    def read(self) -> None:
        for fd in self.pipes.fds:
            self.pipes.read(fd)

    @property
    def texts(self) -> list[tuple[str, bytes, int]]:
        return [(told.stream, data, told.lost) for told, data in self.sent]


def test_what_is_written_is_sent_and_all_of_it_at_the_end() -> None:
    scene = Scene()
    os.write(scene.streams.stdout, b"one\n")
    scene.read()
    os.write(scene.streams.stdout, b"two\n")
    os.write(scene.streams.records, b"{}\n")
    scene.streams.close()
    scene.pipes.forget("cam", 1)
    assert scene.texts == [("stdout", b"one\n", 0), ("stdout", b"two\n", 0), ("record", b"{}\n", 0)]
    assert scene.sent[0][0].mark.startswith("\x1eorch-")
    assert scene.sent[2][0].mark == ""
    assert scene.pipes.fds == []
    scene.pipes.forget("cam", 1)


def test_one_that_somebody_still_holds_is_read_as_far_as_it_goes() -> None:
    scene = Scene()
    other = os.dup(scene.streams.stderr)
    os.write(scene.streams.stderr, b"last\n")
    scene.streams.close()
    scene.pipes.forget("cam", 1)
    assert scene.texts == [("stderr", b"last\n", 0)]
    assert scene.pipes.fds == []
    os.close(other)


def test_without_room_whole_lines_are_lost_and_counted() -> None:
    scene = Scene()
    scene.has_room = False
    os.write(scene.streams.stdout, b"lost\nha")
    scene.read()
    scene.has_room = True
    os.write(scene.streams.stdout, b"lf\nkept\n")
    scene.read()
    assert scene.texts == [("stdout", b"kept\n", 10)]
    scene.has_room = False
    os.write(scene.streams.stdout, b"more\n")
    scene.read()
    scene.streams.close()
    scene.read()
    assert scene.texts[1:] == [("stdout", b"", 5)]
    assert scene.pipes.unblock("cam", 1) is False


def test_who_writes_more_than_the_rig_can_store_waits() -> None:
    scene = Scene()
    fds = scene.pipes.fds
    scene.pipes.paused = {("cam", 1, "stdout")}
    assert scene.pipes.unpaused() == fds[1:]
    scene.pipes.paused = set()
    assert scene.pipes.unpaused() == fds
    scene.streams.close()
    scene.pipes.forget("cam", 1)


def test_half_a_record_is_never_sent() -> None:
    """Nor the other half, when there is room again."""
    scene = Scene()
    os.write(scene.streams.records, b'{"a": 1}\n{"b')
    scene.read()
    scene.has_room = False
    os.write(scene.streams.records, b'": 2}\n{"c": 3}\n{"d')
    scene.read()
    scene.has_room = True
    os.write(scene.streams.records, b'": 4}\n')
    scene.read()
    assert scene.texts == [("record", b'{"a": 1}\n', 0), ("record", b'{"d": 4}\n', 18)]
    os.write(scene.streams.records, b'{"torn by its end')
    scene.streams.close()
    scene.pipes.forget("cam", 1)
    assert scene.texts[2:] == [("record", b'{"torn by its end', 0)]
