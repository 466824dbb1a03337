"""The rig's web server as a process: where it listens, and when it is started again."""

from __future__ import annotations

import dataclasses
import select
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.config.loader import RigConfig, load
from orchestrator.rig import sidecar, web_server
from orchestrator.rig.web_server import WebServer
from orchestrator.runtime.web_tokens import token_of
from transports.errors import AddressError


class Loop:
    """Waits as the rig's loop does, for one descriptor."""

    def __init__(self) -> None:
        self.watched: dict[int, Callable[[], None]] = {}
        self.later: list[tuple[float, Callable[[], None]]] = []

    def watch(self, fd: int, callback: Callable[[], None]) -> None:
        self.watched[fd] = callback

    def unwatch(self, fd: int) -> None:
        del self.watched[fd]

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        self.later.append((seconds, call))

    def turn_until(self, condition: Callable[[], Any]) -> None:
        while not condition():
            ready, _, _ = select.select(list(self.watched), [], [], 30)
            assert ready
            for fd in ready:
                self.watched[fd]()


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RigConfig:
    monkeypatch.setenv("ORCH_RUNTIME_DIR", str(tmp_path / "run"))
    file = tmp_path / "lab.yaml"
    file.write_text(
        "rig: r\nlisten: ['http://127.0.0.1:0']\nweb: {control: true, hosts: [lab], export: [x]}\n"
        "workers: {a: 'a:B'}\n"
    )
    return load(file)


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def server(config: RigConfig, loop: Loop, told: list[str]) -> Iterator[WebServer]:
    server = WebServer(config, loop, lambda level, text, fields: told.append(f"{level}: {text}"))
    yield server
    server.close()


def program(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Have it run something else."""
    monkeypatch.setattr(web_server, "_command", lambda *_: [sys.executable, "-S", "-c", text])


def test_what_it_is_told(server: WebServer, config: RigConfig) -> None:
    server.bind()
    port = server._port
    assert port is not None
    assert server.address == f"http://127.0.0.1:{port.getsockname()[1]}/"
    _, *told = web_server._command(config, port)
    assert told == [
        *("-m", "orchestrator", "web", "--rig", "r", "--fd", str(port.fileno())),
        *("--host", "lab", "--export", "x", "--control"),
    ]


def test_the_token_of_a_port_that_was_any_ends_with_it(
    config: RigConfig, loop: Loop, tmp_path: Path
) -> None:
    """Nobody finds that port again; one that the config names keeps its token."""
    told: list[str] = []
    for kept in (False, True):
        server = WebServer(config, loop, lambda level, text, fields: told.append(text))
        server.bind()
        assert server._port is not None
        number = str(server._port.getsockname()[1])
        token_of(number)
        if kept:
            web = dataclasses.replace(config.web, listen=f"http://127.0.0.1:{number}")
            server._config = dataclasses.replace(config, web=web)
        server.close()
        file = tmp_path / "run" / "web-tokens" / number
        assert file.exists() == kept
    file.unlink()
    server = WebServer(config, loop, lambda level, text, fields: told.append(text))
    server.bind()
    assert server._port is not None
    (file.parent / str(server._port.getsockname()[1])).mkdir()  # which isn't removed so
    server.close()
    assert told[0].startswith("the web server's token stays where it is: ")


def test_an_address_that_is_taken_is_told(tmp_path: Path, loop: Loop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        file = tmp_path / "lab.yaml"
        file.write_text(f"rig: r\nlisten: ['http://127.0.0.1:{port}']\nworkers: {{a: 'a:B'}}\n")
        server = WebServer(load(file), loop, lambda *_: None)
        with pytest.raises(AddressError, match=f"http://127.0.0.1:{port} can't be bound: .*in use"):
            server.bind()


def test_what_it_lacks_is_told_before_anything_starts(
    server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_server, "WEB", ("starlette", "not_installed"))
    with pytest.raises(
        AddressError, match=r"not_installed isn't installed: pip install 'orch\[web"
    ):
        server.bind()


def test_what_it_says_is_recorded_and_the_second_death_at_once_has_it_wait(
    server: WebServer, loop: Loop, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    program(monkeypatch, "import sys; sys.exit('no such thing')")
    server.bind()
    assert server.process.is_away
    server.process.start()
    assert not server.process.is_away
    loop.turn_until(lambda: server.process.pid is None)
    died = "warning: the web server died, with status 1; another one is started"
    said = "warning: the web server wrote: no such thing"
    assert told == [said, died, said, f"{died} in 5 s"]
    assert loop.later == [(sidecar.RESTART_AFTER, server.process.start)]
    assert (server.process.is_away, loop.watched) == (True, {})


def test_it_ends_with_its_input_or_is_killed(
    server: WebServer, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sidecar, "PATIENCE", 0.1)
    program(
        monkeypatch, "import signal; print('up', file=__import__('sys').stderr); signal.pause()"
    )
    server.bind()
    server.process.start()
    process = server.process._process
    assert isinstance(process, subprocess.Popen)
    server.close()
    assert process.returncode == -9
    server.process.start()  # by an alarm that was set before
    assert server.process.pid is None


def test_a_process_that_cant_be_started_is_tried_later(
    server: WebServer, loop: Loop, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_server, "_command", lambda *_: ["/no/such/program"])
    server.bind()
    server.process.start()
    assert "can't be started" in told[0]
    assert loop.later == [(sidecar.RESTART_AFTER, server.process.start)]


def test_without_an_address_there_is_none(tmp_path: Path, loop: Loop) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text("rig: r\nworkers: {a: 'a:B'}\n")
    server = WebServer(load(file), loop, lambda *_: None)
    server.bind()
    server.process.start()
    assert (server.address, server.process.is_away, server.process.pid) == ("", False, None)
    server.close()


def test_what_is_bound_stays_so(server: WebServer) -> None:
    """The fork server is started again, and all that is bound with it."""
    server.bind()
    port = server._port
    server.bind()
    assert server._port is port
