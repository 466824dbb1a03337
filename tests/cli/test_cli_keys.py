"""`orch keys`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.access.keys import read_key
from orchestrator.cli.failures import Exit
from orchestrator.cli.main import status_of


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_key_is_made_listed_and_revoked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(["keys", "new", "alice"]) == Exit.DONE
    shown = capsys.readouterr()
    assert shown.out == "keys/alice.key\n"  # so that a script can move it
    assert "made the rig's own key too, keys/rig.secret: it stays here" in shown.err
    assert "it is secret, for alice alone" in shown.err
    assert status_of(["keys", "new", "bob"]) == Exit.DONE
    assert "rig's own" not in capsys.readouterr().err
    assert status_of(["keys", "list"]) == Exit.DONE
    assert capsys.readouterr().out == "alice\nbob\n"
    assert status_of(["keys", "list", "--json"]) == Exit.DONE
    alice = read_key(tmp_path / "keys" / "alice.key")
    assert {"name": "alice", "public": alice.public} in json.loads(capsys.readouterr().out)
    for name in ("alice", "bob"):
        assert status_of(["keys", "revoke", name]) == Exit.DONE
        assert f"{name} is let in no more" in capsys.readouterr().err
    assert status_of(["keys", "list"]) == Exit.DONE
    shown = capsys.readouterr()
    assert (shown.out, "has no clients yet" in shown.err) == ("", True)


def test_another_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["keys", "new", "alice", "--keys", "elsewhere"]) == Exit.DONE
    assert (tmp_path / "elsewhere" / "alice.key").exists()
    capsys.readouterr()
    assert status_of(["keys", "list", "--keys", "elsewhere"]) == Exit.DONE
    assert capsys.readouterr().out == "alice\n"


def test_what_cant_be_done_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["keys", "revoke", "alice"]) == Exit.NOT_REACHABLE
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert "the folder of keys keys can't be used: No such file or directory" in shown
