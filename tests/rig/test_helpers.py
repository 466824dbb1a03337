"""What a rig does when one of its helper processes has ended, or can't be started."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.rig.helpers import Helpers
from tests.rigs import wait_until

LOGS, GUARDIAN, FORK_SERVER = 10, 11, 12


class Scene:
    """Helpers that end and start as the test says.

    Attributes:
        watched: What is called when a helper has ended, by its descriptor.
        later: What was put off.
        told: The records.
        lacking: Starts that fail, by the helper's name.
        started: The helpers that were started, in order.
        fork_server: With the attributes of a real one.
    """

    def __init__(self) -> None:
        self.watched: dict[int, Callable[[], None]] = {}
        self.later: list[Callable[[], None]] = []
        self.told: list[str] = []
        self.lacking: set[str] = set()
        self.started: list[str] = []
        self.fork_server = SimpleNamespace(
            sentinel=FORK_SERVER,
            returncode=-9,
            is_given_up=False,
            pid=None,
            start=self._start_fork_server,
        )
        loop: Any = SimpleNamespace(
            watch=self.watched.__setitem__,
            unwatch=lambda fd: self.watched.pop(fd, None),
            call_later=lambda seconds, call: self.later.append(call),
        )
        mailbox: Any = SimpleNamespace(tell=lambda news: news())
        self.news: list[Any] | None = None
        self.stacks: list[Any] = []
        logs: Any = SimpleNamespace(
            sentinel=LOGS, pid=1, restart=lambda: self._start("logs"), news=lambda: self.news
        )
        self.guardian: Any = SimpleNamespace(
            sentinel=GUARDIAN, pid=2, restart=lambda groups: self._start("guardian")
        )
        server: Any = self.fork_server
        self.checked: list[str] = []
        self.beside: list[Any] = [
            SimpleNamespace(
                pid=None,
                is_away=False,
                start=lambda: None,
                close=lambda: self.closed.append("beside"),
            )
            for _ in range(2)
        ]
        self.closed: list[str] = []
        self.web: Any = SimpleNamespace(
            process=self.beside[0],
            address="",
            bind=lambda: self.checked.append("web"),
            close=self.beside[0].close,
        )
        self.traces: Any = SimpleNamespace(
            process=self.beside[1], check=lambda: self.checked.append("traces")
        )
        self.hosts: Any = SimpleNamespace(
            bind=lambda: None,
            start=lambda loop: None,
            close=lambda: None,
            pids=set(),
        )
        self.helpers = Helpers(
            loop=loop,
            mailbox=mailbox,
            logs=logs,
            guardian=self.guardian,
            fork_server=server,
            web=self.web,
            traces=self.traces,
            hosts=self.hosts,
            groups=list,
            record=lambda level, text, fields: self.told.append(text),
            heard=self.stacks.append,
        )
        self.helpers.start()
        self.helpers.watch()

    def _start(self, name: str) -> None:
        if name in self.lacking:
            raise OSError("no process left")
        self.started.append(name)

    def _start_fork_server(self, started: Callable[[OSError | None], None]) -> None:
        if "fork server" in self.lacking:
            started(OSError("no process left"))
            return
        self.started.append("fork server")
        started(None)

    def end(self, descriptor: int) -> None:
        """A helper ends."""
        self.watched[descriptor]()

    def go_on(self) -> None:
        """What was put off comes."""
        due, self.later = self.later, []
        for call in due:
            call()


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.mark.parametrize(
    ("descriptor", "name"), [(LOGS, "logs"), (GUARDIAN, "guardian"), (FORK_SERVER, "fork server")]
)
def test_one_that_ended_is_replaced_as_soon_as_that_is_possible(
    scene: Scene, descriptor: int, name: str
) -> None:
    """And watched again."""
    before = len(scene.started)
    scene.lacking.add(name)
    scene.end(descriptor)
    assert descriptor not in scene.watched
    scene.go_on()
    assert (len(scene.started), len(scene.later)) == (before, 1)
    scene.lacking.clear()
    scene.go_on()
    assert scene.started[before:] == [name]
    assert descriptor in scene.watched


def test_what_became_of_the_guardian_is_told(scene: Scene) -> None:
    scene.end(GUARDIAN)
    assert scene.told == ["the guardian process died; another one is started"]


@pytest.mark.parametrize(
    ("returncode", "given_up", "told"),
    [
        (-9, False, "the fork server died; another one is started"),
        (
            -9,
            True,
            "the fork server was given up while it started a worker; another one is started",
        ),
        (1, False, "the fork server ended with status 1; another one is started in 5 s"),
    ],
)
def test_what_became_of_the_fork_server_is_told(
    scene: Scene, returncode: int, given_up: bool, told: str
) -> None:
    """One that ends by itself may do so again, so there is a pause."""
    scene.fork_server.returncode = returncode
    scene.fork_server.is_given_up = given_up
    scene.end(FORK_SERVER)
    assert scene.told == [told]
    assert len(scene.later) == (returncode >= 0)
    scene.go_on()
    assert scene.started == ["fork server", "fork server"]


def test_who_is_waited_for(scene: Scene) -> None:
    """Their ends aren't orphans'."""
    assert scene.helpers.pids == {1, 2}
    scene.fork_server.pid = 3
    assert scene.helpers.pids == {1, 2, 3}


def test_one_that_was_stopped_is_told_shown_and_woken(scene: Scene) -> None:
    """Once, however often it is looked for."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    scene.guardian.pid = process.pid

    def looked(text: str) -> bool:
        scene.helpers.look()
        return any(text in told for told in scene.told)

    try:
        process.send_signal(signal.SIGSTOP)
        wait_until(lambda: looked("somebody has stopped the guardian by SIGSTOP"))
        scene.helpers.look()
        assert len(scene.told) == 1
        assert {
            "name": "guardian",
            "pid": process.pid,
            "state": "stopped",
        } in scene.helpers.status()
        scene.go_on()
        wait_until(lambda: looked("the guardian goes on"))
        assert {each["state"] for each in scene.helpers.status()} == {"running"}
    finally:
        process.kill()
        process.communicate()
    scene.helpers.look()
    assert len(scene.told) == 2


def test_news_of_the_collector_are_not_its_death() -> None:
    scene = Scene()
    scene.helpers.watch()
    scene.started.clear()
    scene.news = ["one", "other"]
    scene.watched[LOGS]()
    assert (scene.stacks, scene.started) == (["one", "other"], [])
    scene.news = None
    scene.watched[LOGS]()
    assert scene.started == ["logs"]


def test_the_web_server_is_one_of_them_while_there_is_one(scene: Scene) -> None:
    assert "web server" not in {each["name"] for each in scene.helpers.status()}
    assert scene.helpers.web_address is None
    scene.beside[0].pid, scene.web.address = 7, "http://127.0.0.1:8080/"
    assert {"name": "web server", "pid": 7, "state": "running"} in scene.helpers.status()
    assert (7 in scene.helpers.pids, scene.helpers.web_address) == (True, "http://127.0.0.1:8080/")
    scene.beside[0].pid, scene.beside[0].is_away = None, True
    assert {"name": "web server", "pid": None, "state": "away"} in scene.helpers.status()


def test_so_is_the_sender_of_traces(scene: Scene) -> None:
    assert sorted(scene.checked) == ["traces", "web"]
    scene.beside[1].pid = 8
    assert {"name": "sender of traces", "pid": 8, "state": "running"} in scene.helpers.status()
    scene.beside[1].pid, scene.beside[1].is_away = None, True
    assert {"name": "sender of traces", "pid": None, "state": "away"} in scene.helpers.status()
    scene.helpers.close()
    assert scene.closed == ["beside", "beside"]
