"""The reaper as a process by itself: what it kills, when, and what it leaves alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from uuid import uuid4

import pytest

from orchestrator.rig import reaper

GONE_LATELY = 2**22 + 1
"""The number of a process group that can't be: Linux gives none above 2**22."""


class Scene:
    """A reaper and processes that it may know."""

    def __init__(self, cleanup: ExitStack) -> None:
        self._cleanup = cleanup
        self.secret = uuid4().hex
        self.reaper = self._start(sys.executable, reaper.__file__, self.secret, "-1")

    def _start(self, *command: str, **more: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **more},
            start_new_session=True,
        )
        self._cleanup.enter_context(process)
        self._cleanup.callback(process.kill)
        return process

    def sleeper(self, token: str | None = None) -> subprocess.Popen[bytes]:
        """A process in a group of its own that lives until it is killed."""
        return self._start("sleep", "300", **({reaper.TOKEN: token} if token else {}))

    def tell(self, line: str) -> None:
        assert self.reaper.stdin is not None
        self.reaper.stdin.write(f"{line}\n".encode())
        self.reaper.stdin.flush()

    def close(self) -> None:
        """As when the supervisor ends, however it does."""
        assert self.reaper.stdin is not None
        self.reaper.stdin.close()
        assert self.reaper.wait(20) == 0


@pytest.fixture
def scene() -> Iterator[Scene]:
    with ExitStack() as cleanup:
        yield Scene(cleanup)


def test_at_the_end_listed_groups_and_marked_processes_are_killed(scene: Scene) -> None:
    listed, marked = scene.sleeper(), scene.sleeper(f"{scene.secret}.laser.1.")
    others = scene.sleeper(), scene.sleeper(f"{uuid4().hex}.laser.1.")
    scene.tell(f"add {listed.pid}")
    scene.tell(f"add {GONE_LATELY}")
    scene.close()
    assert listed.wait(20) == marked.wait(20) == -signal.SIGKILL
    assert [other.poll() for other in others] == [None, None]


def test_what_an_incarnation_left_is_killed_at_once(scene: Scene) -> None:
    """And no other worker, nor the one that came after it."""
    group = scene.sleeper()
    stray = scene.sleeper(f"{scene.secret}.laser.1.")
    next_, other = scene.sleeper(f"{scene.secret}.laser.11."), scene.sleeper()
    scene.tell(f"add {group.pid}")
    scene.tell(f"add {other.pid}")
    scene.tell(f"gone {group.pid} {scene.secret}.laser.1.")
    assert group.wait(20) == stray.wait(20) == -signal.SIGKILL
    assert [next_.poll(), other.poll()] == [None, None]
    scene.close()
    assert next_.wait(20) == other.wait(20) == -signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_all_does_not_end_it(scene: Scene, number: int) -> None:
    """It has to outlive the supervisor, to which that signal goes too."""
    first, second = scene.sleeper(), scene.sleeper()
    scene.tell(f"add {first.pid}")
    scene.tell(f"gone {first.pid} {scene.secret}.laser.1.")
    assert first.wait(20) == -signal.SIGKILL, "by now it has set its handlers"
    scene.tell(f"add {second.pid}")
    scene.reaper.send_signal(number)
    scene.close()
    assert second.wait(20) == -signal.SIGKILL
