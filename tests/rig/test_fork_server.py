"""Launches by a fork server that dies: whether something of them may have lived is told."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from orchestrator.logs.collect.streams import Streams
from orchestrator.rig.launchers import forkserver
from orchestrator.rig.launchers.forkserver import ForkServer
from orchestrator.rig.launchers.handle import Handle, MayHaveLived

SILENT = """
import json, os, sys
from multiprocess.connection import Connection
from multiprocess.reduction import recv_handle
connection = Connection(int(sys.argv[1]))
connection.recv_bytes()
if sys.argv[2] == "at once":
    sys.exit()
connection.send_bytes(json.dumps({}).encode())
connection.recv_bytes()
alive, *rest, status = [recv_handle(connection) for _ in range(6)]
if os.fork() == 0:  # the worker and its keeper
    connection.close()
    for fd in rest:
        os.close(fd)
    os.read(alive, 1)
    open(sys.argv[3], "w").close()
"""
"""A server that dies without an answer, at once or when a worker lives."""


@pytest.fixture
def streams() -> Streams:
    """A worker's output, which nobody reads."""
    fds = [os.open(os.devnull, os.O_WRONLY) for _ in range(3)]
    return Streams(*fds)


def launch(
    how: str, ended: Path, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> Handle | OSError:
    """What comes of a launch by a server of that kind."""

    def start(connection: Any) -> subprocess.Popen[bytes]:
        fd = connection.fileno()
        command = [sys.executable, "-c", SILENT, str(fd), how, str(ended)]
        return subprocess.Popen(command, pass_fds=[fd])

    monkeypatch.setattr(forkserver, "_started", start)
    server = ForkServer()
    outcomes: SimpleQueue[Handle | OSError] = SimpleQueue()
    tickets = os.open(os.devnull, os.O_RDONLY)
    try:
        server.start(lambda error: None)
        server.launch({"worker": "a"}, None, streams, tickets, outcomes.put)
        return outcomes.get(timeout=20)
    finally:
        server.close()
        os.close(tickets)


def test_a_worker_that_may_live_is_over_when_its_launch_has_failed(
    tmp_path: Path, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It might have served, and the next life must not meet it."""
    outcome = launch("later", tmp_path / "ended", streams, monkeypatch)
    assert isinstance(outcome, MayHaveLived)
    assert (tmp_path / "ended").exists()
    assert "the fork server died" in str(outcome)


def test_what_was_never_asked_for_never_lived(
    tmp_path: Path, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = launch("at once", tmp_path / "ended", streams, monkeypatch)
    assert isinstance(outcome, OSError)
    assert not isinstance(outcome, MayHaveLived)
    assert outcome.errno == errno.EAGAIN
