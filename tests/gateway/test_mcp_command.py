"""`orch mcp` where its extra lacks, and over HTTP."""

from __future__ import annotations

import socket
import sys
from typing import Any

import pytest

from orchestrator.cli.failures import CommandError, Exit
from orchestrator.cli.main import status_of
from orchestrator.cli.mcp import TOKEN, _serve_http

mcp_http = pytest.importorskip("orchestrator.gateway.mcp_http")


def test_without_the_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "orchestrator.gateway.mcp_server", raising=False)
    monkeypatch.setitem(sys.modules, "mcp_types", None)
    assert status_of(["mcp"]) == Exit.USAGE
    assert capsys.readouterr().err == "error: orch mcp needs more: pip install 'orch[mcp]'\n"


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, str]]:
    """The gateways that are served, each with its token."""
    found: list[tuple[Any, str]] = []

    def serve(gateway: Any, token: str, bound: socket.socket) -> None:
        bound.close()
        found.append((gateway, token))

    monkeypatch.setattr(mcp_http, "serve", serve)
    return found


def test_a_token_is_made_and_printed_unless_it_is_given(
    served: list[tuple[Any, str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv(TOKEN, raising=False)
    _serve_http("gateway", 0)
    address, header = capsys.readouterr().err.splitlines()
    assert address.startswith("serving http://127.0.0.1:")
    ((gateway, token),) = served
    assert (gateway, header) == ("gateway", f"Authorization: Bearer {token}")
    assert len(token) >= 32
    monkeypatch.setenv(TOKEN, "mine")
    _serve_http("gateway", 0)
    assert served[1][1] == "mine"
    assert "mine" not in capsys.readouterr().err


def test_a_port_that_is_taken_is_told(served: list[tuple[Any, str]]) -> None:
    with mcp_http.open_socket(0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=f"port {port} can't be had"):
            _serve_http("gateway", port)
    assert served == []
