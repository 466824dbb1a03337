"""Files of keys: made, read, revoked, and refused where others may read or replace them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from orchestrator.access.keys import (
    CLIENTS,
    RIG_FILE,
    client_names,
    known_clients,
    new_key,
    read_key,
    revoke_key,
    rig_pair,
)
from orchestrator.errors import KeyRefused


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    new_key(folder, "alice")
    return folder


def test_a_key_is_one_pair_a_client_and_the_rigs_public_half(keys: Path) -> None:
    file, is_new = new_key(keys, "bob")
    bob, alice = read_key(file), read_key(keys / "alice.key")
    assert (bob.name, bob.file, is_new) == ("bob", keys / "bob.key", False)
    assert bob.server == alice.server == rig_pair(keys).public
    assert len({bob.public, bob.secret, alice.public, alice.secret}) == 4
    assert client_names(keys) == {bob.public: "bob", alice.public: "alice"}


def test_nobody_else_may_read_what_is_made(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        new_key(tmp_path / "a" / "keys", "alice")
    finally:
        os.umask(before)
    found = {
        path.relative_to(tmp_path).as_posix(): stat.S_IMODE(path.stat().st_mode)
        for path in (tmp_path / "a" / "keys", *(tmp_path / "a" / "keys").rglob("*"))
    }
    assert found == {
        "a/keys": 0o700,
        "a/keys/clients": 0o700,
        "a/keys/clients/alice.pub": 0o600,
        "a/keys/alice.key": 0o600,
        "a/keys/rig.secret": 0o600,
    }


def test_no_key_is_written_over(keys: Path) -> None:
    before = (keys / "alice.key").read_bytes()
    with pytest.raises(KeyRefused, match="is there already; orch keys revoke alice"):
        new_key(keys, "alice")
    assert (keys / "alice.key").read_bytes() == before
    (keys / "alice.key").rename(keys.parent / "alice.key")  # to where it belongs
    with pytest.raises(KeyRefused, match=r"alice\.pub is there already"):
        new_key(keys, "alice")


def test_a_revoked_key_is_known_no_more(keys: Path) -> None:
    new_key(keys, "bob")
    revoke_key(keys, "alice")
    assert list(client_names(keys).values()) == ["bob"]
    assert not (keys / "alice.key").exists()
    with pytest.raises(KeyRefused, match="has no client alice; it has: bob"):
        revoke_key(keys, "alice")
    revoke_key(keys, "bob")
    with pytest.raises(KeyRefused, match="it has: none"):
        revoke_key(keys, "bob")


@pytest.mark.parametrize("name", ["", "../x", "a b", "1a", "é", "a" * 65, "a\n"])
def test_names_that_are_none(keys: Path, name: str) -> None:
    for call in (new_key, revoke_key):
        with pytest.raises(KeyRefused, match="can't be a client's name"):
            call(keys, name)


class TestTrust:
    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
    def test_a_secret_that_others_may_read(self, keys: Path, mode: int) -> None:
        (keys / "alice.key").chmod(mode)
        (keys / RIG_FILE).chmod(mode)
        text = rf"is open to other users \(mode {mode:04o}\); close it with: chmod 600 "
        with pytest.raises(KeyRefused, match=text):
            read_key(keys / "alice.key")
        with pytest.raises(KeyRefused, match=text):
            rig_pair(keys)

    def test_a_folder_that_others_may_enter(self, keys: Path) -> None:
        keys.chmod(0o750)
        for call in (rig_pair, client_names, lambda folder: new_key(folder, "bob")):
            with pytest.raises(KeyRefused, match="close it with: chmod 700 "):
                call(keys)
        problems: list[str] = []
        assert known_clients(keys, problems) == {}
        assert len(problems) == 1

    def test_a_public_half_may_be_read_and_not_be_replaced(self, keys: Path) -> None:
        file = keys / CLIENTS / "alice.pub"
        file.chmod(0o644)
        assert list(client_names(keys).values()) == ["alice"]
        file.chmod(0o666)
        with pytest.raises(KeyRefused, match="chmod 644 "):
            client_names(keys)

    @pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
    def test_another_users_key(self, keys: Path) -> None:
        os.chown(keys / "alice.key", 12345, -1)
        with pytest.raises(KeyRefused, match="belongs to user 12345, not to you"):
            read_key(keys / "alice.key")


class TestUnreadable:
    @pytest.mark.parametrize("text", ["", "no toml", "\xff", 'public = "x"', "public = 7"])
    def test_what_is_no_key(self, keys: Path, text: str) -> None:
        (keys / "alice.key").write_bytes(text.encode("latin-1"))
        with pytest.raises(KeyRefused, match="is no"):
            read_key(keys / "alice.key")

    def test_what_isnt_there(self, keys: Path) -> None:
        with pytest.raises(KeyRefused, match="can't be read: No such file"):
            read_key(keys / "bob.key")
        with pytest.raises(KeyRefused, match=r"orch keys new NAME --keys .*none makes it"):
            rig_pair(keys.parent / "none")
        (keys / RIG_FILE).rename(keys / "file")
        with pytest.raises(KeyRefused, match="is no folder"):
            rig_pair(keys / "file")
        with pytest.raises(KeyRefused, match="can't be made"):
            new_key(keys / "file" / "keys", "bob")

    def test_one_bad_key_keeps_nobody_else_out(self, keys: Path) -> None:
        new_key(keys, "bob")
        (keys / CLIENTS / "carl.pub").write_bytes((keys / CLIENTS / "bob.pub").read_bytes())
        (keys / CLIENTS / "dora.pub").write_text("nonsense")
        (keys / CLIENTS / "1.pub").write_bytes((keys / CLIENTS / "bob.pub").read_bytes())
        for file in (keys / CLIENTS).iterdir():
            file.chmod(0o600)
        problems: list[str] = []
        assert sorted(known_clients(keys, problems).values()) == ["alice", "bob"]
        assert [problem.partition(": ")[0].rpartition("/")[2] for problem in problems] == [
            "'1' can't be a client's name",
            "carl.pub has the key of bob",
            "dora.pub is no key's file; orch keys new makes one",
        ]
