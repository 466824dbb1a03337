"""What a service manager is told, on a real socket of its kind."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.rig.service import ServiceManager


class Scene:
    """A service manager's socket, and a loop whose time the test lets pass."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket_path = path
        self.socket.bind(str(path))
        self.socket.settimeout(10)
        self.environ = {"NOTIFY_SOCKET": str(path), "HOME": "/"}
        self.later: list[tuple[float, Callable[[], None]]] = []
        self.records: list[tuple[str, str, dict[str, Any]]] = []

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        self.later.append((seconds, call))

    def manager(self, **more: str) -> ServiceManager:
        self.environ.update(more)
        return ServiceManager(self, self.environ, lambda *told: self.records.append(told))

    def told(self) -> str:
        return self.socket.recv(4096).decode()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path / "notify")
    yield scene
    scene.socket.close()


def test_readiness_and_status_are_told(scene: Scene) -> None:
    """And what is meant for the supervisor alone isn't left for its workers."""
    manager = scene.manager()
    assert scene.environ == {"HOME": "/"}
    manager.start()
    manager.status(1, 2, stopping=False)
    assert scene.told() == "STATUS=1 of 2 workers ready"
    manager.up()
    assert scene.told() == "READY=1"
    manager.status(2, 2, stopping=True)
    assert scene.told() == "STOPPING=1\nSTATUS=stopping, 2 of 2 workers still serve"
    assert scene.later == []
    manager.close()


def test_signs_of_life_come_twice_as_often_as_they_must(scene: Scene) -> None:
    manager = scene.manager(WATCHDOG_USEC="30000000", WATCHDOG_PID=str(os.getpid()))
    manager.start()
    for _ in range(2):
        assert scene.told() == "WATCHDOG=1"
        ((seconds, call),) = scene.later
        assert seconds == 15.0
        scene.later.clear()
        call()
    manager.close()
    ((_, call),) = scene.later
    call()
    assert len(scene.later) == 1


def test_signs_of_life_that_another_process_owes_are_not_given(scene: Scene) -> None:
    manager = scene.manager(WATCHDOG_USEC="30000000", WATCHDOG_PID="1")
    manager.start()
    assert scene.later == []
    manager.close()


def test_an_abstract_socket(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
        there.settimeout(10)
        name = f"orch-test-{os.getpid()}"
        there.bind(f"\0{name}")
        scene_free = ServiceManager(
            _Never(), {"NOTIFY_SOCKET": f"@{name}"}, lambda *told: pytest.fail(str(told))
        )
        scene_free.up()
        assert there.recv(100) == b"READY=1"
        scene_free.close()


class _Never:
    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        pytest.fail("nothing is due")


def test_one_that_has_gone_is_told_of_once(scene: Scene) -> None:
    manager = scene.manager()
    scene.socket.close()
    manager.up()
    manager.up()
    ((level, text, fields),) = scene.records
    assert (level, fields) == ("warning", {"socket": str(scene.socket_path)})
    assert "can't be told any more" in text


def test_without_one_nothing_is_told(scene: Scene) -> None:
    scene.environ = {}
    manager = scene.manager()
    manager.start()
    manager.up()
    manager.status(1, 1, stopping=False)
    assert (scene.later, scene.records) == ([], [])
