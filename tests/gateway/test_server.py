"""The server's own life, its addresses and token, and the command."""

from __future__ import annotations

import os
import socket
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from orchestrator.cli.failures import Exit
from orchestrator.cli.main import status_of
from orchestrator.gateway import server
from orchestrator.runtime.web_tokens import token_of
from tests.gateway.gateway_kit import TOKEN
from transports import web_addresses


@pytest.fixture
def served_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int]]:
    """Serves a rig that isn't there: its port, and the descriptor whose end is the server's."""
    monkeypatch.setenv("ORCH_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr("orchestrator.gateway.sources.AGAIN", 0.01)
    reading, writing = os.pipe()
    with web_addresses.bind("127.0.0.1", 0) as port, os.fdopen(reading) as lifeline:
        address = port.getsockname()[1]
        rules = server.Rules(TOKEN, web_addresses.names_of("127.0.0.1", address, ()), True)
        serving = threading.Thread(
            target=server.serve, args=("lab", rules, port), kwargs={"lifeline": lifeline}
        )
        serving.start()
        try:
            yield address, writing
        finally:
            with suppress(OSError):  # the test may have closed it
                os.close(writing)
            serving.join(30)
        assert not serving.is_alive()


HEADERS = {"authorization": f"Bearer {TOKEN}"}


def test_it_serves_until_its_lifeline_ends(served_at: tuple[int, int]) -> None:
    address, lifeline = served_at
    with httpx2.Client(base_url=f"http://127.0.0.1:{address}", headers=HEADERS) as client:
        assert client.get("/").status_code == 200
        assert client.get("/api/status").json()["title"] == "RigNotReachable"
        with client.stream("GET", "/api/stream") as stream:
            lines = stream.iter_lines()
            assert "lost" in next(line for line in lines if line.startswith("event"))
            os.close(lifeline)  # streams that are open don't hold it up
            assert list(lines) is not None


def test_headers_that_take_too_long_hold_nobody_up(
    served_at: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many connections as are served at all, of which none ever asks for anything."""
    monkeypatch.setattr(server, "HEADER_WITHIN", 0.3)
    address, _ = served_at
    whole = f"GET / HTTP/1.1\r\nhost: 127.0.0.1:{address}\r\nauthorization: Bearer {TOKEN}\r\n\r\n"
    with ExitStack() as stack:

        def connect() -> socket.socket:
            return stack.enter_context(socket.create_connection(("127.0.0.1", address), 20))

        begun = [connect() for _ in range(server.MOST_CONNECTIONS)]
        for each in begun[1:]:
            each.sendall(b"GET / HTTP/1.1\r\nhost:")
        for each in begun:
            assert each.recv(1) == b""
        again = connect()
        again.sendall(whole.encode())
        assert again.recv(1) == b"H"
        again.sendall(whole[:-4].encode())
        while again.recv(65536):
            pass
        with httpx2.Client(base_url=f"http://127.0.0.1:{address}", headers=HEADERS) as client:
            assert client.get("/").status_code == 200


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("http://localhost:80/", ("localhost", 80)),
        ("http://[::1]:8080", ("::1", 8080)),
        ("*:0", ("*", 0)),
    ],
)
def test_addresses(text: str, found: tuple[str, int]) -> None:
    assert web_addresses.parse(text) == found


@pytest.mark.parametrize("text", ["", "8080", "a b:1", "https://a:1", "a:65536", "a:1/x", "::1:80"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no address such as http://127\.0\.0\.1:8080"):
        web_addresses.parse(text)


def test_names_that_a_server_goes_by() -> None:
    names = web_addresses.names_of("::1", 8080, ("Lab.example:443", "lab"))
    own = {"[::1]:8080", "127.0.0.1:8080", "localhost:8080"}
    assert names == own | {"lab.example:443", "lab", "lab:8080"}
    assert {"localhost", "localhost:80"} <= web_addresses.names_of("127.0.0.1", 80, ())
    assert "localhost" not in web_addresses.names_of("127.0.0.1", 81, ())


@pytest.mark.parametrize(
    ("host", "is_local"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("*", False)],
)
def test_what_only_this_machine_reaches(host: str, is_local: bool) -> None:
    assert web_addresses.is_loopback(host) == is_local


def test_a_token_is_made_once_and_is_this_users_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCH_RUNTIME_DIR", str(tmp_path / "run"))
    token = token_of("8080")
    assert len(token) >= 32
    assert (token_of("8080"), token_of("8081") != token) == (token, True)
    file = tmp_path / "run" / "web-tokens" / "8080"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert {each.name for each in file.parent.iterdir()} == {"8080", "8081"}


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the command serves, in place of serving it."""
    monkeypatch.setenv("ORCH_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.delenv("ORCH_RIG", raising=False)
    found: list[Any] = []
    monkeypatch.setattr(server, "serve", lambda *given, **named: found.extend((given, named)))
    return found


def test_the_command_prints_an_address_with_the_token(
    served: list[Any], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asked = ["web", "--rig", "lab", "--listen", "127.0.0.1:0", "--host", "lab", "--export", "x"]
    assert status_of(asked) == Exit.DONE
    (rig, rules, _, exports), named = served
    assert (rig, rules.control, exports, named) == ("lab", False, ("x",), {"lifeline": None})
    printed = capsys.readouterr()
    port = printed.out.partition("?")[0].rstrip("/").rpartition(":")[2]
    assert printed.out == f"http://127.0.0.1:{port}/?token={rules.token}\n"
    assert "only shows" in printed.err
    assert {f"127.0.0.1:{port}", f"lab:{port}", "lab"} <= rules.hosts
    assert rules.cookie == f"orch-{port}"
    assert list((tmp_path / "run" / "web-tokens").iterdir()) == []  # nobody gets that port again


def test_beyond_this_machine_it_warns(
    served: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(["web", "--listen", "0.0.0.0:0", "--control"]) == Exit.DONE
    err = capsys.readouterr().err
    assert "isn't encrypted" in err
    assert "only shows" not in err


def test_what_it_cant_listen_at(served: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["web", "--listen", "nowhere"]) == Exit.USAGE
    assert "no address such as" in capsys.readouterr().err
    with web_addresses.bind("127.0.0.1", 0) as port:
        taken = f"127.0.0.1:{port.getsockname()[1]}"
        assert status_of(["web", "--listen", taken]) == Exit.USAGE
    assert "--listen names another" in capsys.readouterr().err
    assert served == []


def test_without_the_extra_it_says_what_to_install(
    served: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "orchestrator.gateway.server")
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert status_of(["web"]) == Exit.USAGE
    assert "pip install 'orch[web]'" in capsys.readouterr().err
