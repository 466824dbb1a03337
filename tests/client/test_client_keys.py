"""Which key a client shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.access.keys import new_key
from orchestrator.client.keys import key_for
from orchestrator.errors import KeyRefused

TCP = "tcp://10.0.0.1:5570"


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where keys are looked for, empty; some keys are in one beside it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("ORCH_KEY", raising=False)
    for name in ("named", "told", "port", "host"):
        new_key(tmp_path / "keys", name)
    folder = tmp_path / "config" / "orch" / "keys"
    folder.mkdir(parents=True)
    return folder


def test_the_nearest_word_counts(
    found: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def name(named: Path | str | None = None) -> str | None:
        key = key_for(TCP, named)
        return key.name if key is not None else None

    assert name() is None
    (tmp_path / "keys" / "host.key").rename(found / "10.0.0.1.key")
    assert name() == "host"
    (tmp_path / "keys" / "port.key").rename(found / "10.0.0.1_5570.key")
    assert name() == "port"
    monkeypatch.setenv("ORCH_KEY", str(tmp_path / "keys" / "told.key"))
    assert name() == "told"
    assert name(tmp_path / "keys" / "named.key") == name(f"{tmp_path}/keys/named.key") == "named"


def test_an_ipv6_host_is_looked_for_without_its_brackets(found: Path, tmp_path: Path) -> None:
    (tmp_path / "keys" / "host.key").rename(found / "fe80::1_5570.key")
    key = key_for("tcp://[fe80::1]:5570")
    assert key is not None
    assert key.name == "host"


def test_ipc_needs_none_and_says_so(found: Path, tmp_path: Path) -> None:
    (tmp_path / "keys" / "host.key").rename(found / "10.0.0.1.key")
    assert key_for("ipc:///tmp/front.ipc") is None
    with pytest.raises(KeyRefused, match="takes no key: its socket lets in this user alone"):
        key_for("ipc:///tmp/front.ipc", tmp_path / "keys" / "named.key")


def test_one_that_is_found_and_open_to_others_is_refused(found: Path, tmp_path: Path) -> None:
    (tmp_path / "keys" / "host.key").rename(found / "10.0.0.1.key")
    (found / "10.0.0.1.key").chmod(0o644)
    with pytest.raises(KeyRefused, match="chmod 600"):
        key_for(TCP)


def test_without_a_home_there_are_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("ORCH_KEY", raising=False)

    def homeless() -> Path:
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "home", homeless)
    assert key_for(TCP) is None
