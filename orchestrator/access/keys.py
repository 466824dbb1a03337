"""Keys by which clients and a rig know each other over tcp: their files, and who may read them.

A key pair is CURVE25519's, as ZeroMQ's CURVE has it (RFC 26, https://rfc.zeromq.org/spec/26/), in
Z85. A rig's folder of keys holds

- `rig.secret`: the rig's own pair;
- `clients/NAME.pub`: the public half of a client's pair, by which the rig knows it;
- `NAME.key`: that client's pair, and the rig's public half. It is the client's: to be moved there.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

import msgspec

from orchestrator.errors import KeyRefused
from orchestrator.names import ID_PATTERN
from orchestrator.private import OTHERS, OTHERS_WRITE

RIG_FILE = "rig.secret"
CLIENTS = "clients"
PUBLIC = ".pub"
KEY = ".key"
_Z85 = re.compile(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")
_LONGEST = 4096
"""Bytes of a key's file that are read."""


class Pair(msgspec.Struct, frozen=True):
    """A key pair, in Z85.

    Attributes:
        public, secret: Its halves.
    """

    public: str
    secret: str


class ClientKey(msgspec.Struct, frozen=True):
    """What a client has: its own pair, and the rig that it is for.

    Attributes:
        name: By which the rig knows the client.
        public, secret: Its pair.
        server: The rig's public half.
        file: Where it was read from.
    """

    name: str
    public: str
    secret: str
    server: str
    file: Path


def read_key(file: Path) -> ClientKey:
    """A client's key.

    Raises:
        KeyRefused: It isn't there, is none, or others may read or replace it.
    """
    found = _read(file, ("name", "public", "secret", "server"), secret=True)
    return ClientKey(**found, file=file)


def rig_pair(folder: Path) -> Pair:
    """A rig's own pair.

    Raises:
        KeyRefused: It isn't there, is none, or others may enter the folder.
    """
    check_folder(folder)
    return Pair(**_read(folder / RIG_FILE, ("public", "secret"), secret=True))


def client_names(folder: Path) -> dict[str, str]:
    """The clients that a rig knows: name by public half.

    Raises:
        KeyRefused: A file isn't a key's, or two are of one key; or others may enter the folder.
    """
    problems: list[str] = []
    found = known_clients(folder, problems)
    if problems:
        raise KeyRefused(problems[0])
    return found


def known_clients(folder: Path, problems: list[str]) -> dict[str, str]:
    """The same, as far as it can be trusted; `problems` gets the rest, in words."""
    found: dict[str, str] = {}
    try:
        check_folder(folder)
        files = sorted((folder / CLIENTS).glob(f"*{PUBLIC}"))
    except (KeyRefused, OSError) as error:
        problems.append(str(error))
        return found
    for file in files:
        try:
            public = _read(file, ("public",), secret=False)["public"]
            check_name(file.stem)
        except KeyRefused as error:
            if file.exists():  # or it was revoked just now
                problems.append(str(error))
            continue
        if public in found:
            problems.append(f"{file} has the key of {found[public]}: each client has its own")
            continue
        found[public] = file.stem
    return found


def new_key(folder: Path, name: str) -> tuple[Path, bool]:
    """Make a client's key, and the rig's own if it has none yet.

    Args:
        folder: The rig's keys; made if it isn't there.
        name: The client's.

    Returns:
        The client's file, and whether the rig's pair is new.

    Raises:
        KeyRefused: There is one of that name, or the folder can't be used.
    """
    check_name(name)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_folder(folder)
        (folder / CLIENTS).mkdir(mode=0o700, exist_ok=True)
        public, private = folder / CLIENTS / f"{name}{PUBLIC}", folder / f"{name}{KEY}"
        for file in (public, private):
            if file.exists():
                raise KeyRefused(
                    f"{file} is there already; orch keys revoke {name} takes the old one away"
                )
        is_new = not (folder / RIG_FILE).exists()
        if is_new:
            _write(folder / RIG_FILE, msgspec.structs.asdict(_make()), "the rig's own key: secret")
        pair, rig = _make(), rig_pair(folder)
        key = {"name": name, "public": pair.public, "secret": pair.secret, "server": rig.public}
        _write(private, key, f"{name}'s key: secret, for {name} alone")
        # Last: the rig knows it only once its owner has it.
        _write(public, {"public": pair.public}, f"by which the rig knows {name}")
    except KeyRefused:
        raise
    except OSError as error:
        raise KeyRefused(f"{error.filename or folder} can't be made: {error.strerror}") from error
    return private, is_new


def revoke_key(folder: Path, name: str) -> None:
    """Take a client's key away, and what is left of its own file here.

    Raises:
        KeyRefused: There is none of that name, or the folder can't be used.
    """
    check_name(name)
    check_folder(folder)
    try:
        (folder / CLIENTS / f"{name}{PUBLIC}").unlink()
        (folder / f"{name}{KEY}").unlink(missing_ok=True)
    except FileNotFoundError:
        known = ", ".join(sorted(client_names(folder).values())) or "none"
        raise KeyRefused(f"{folder} has no client {name}; it has: {known}") from None
    except OSError as error:
        raise KeyRefused(f"{error.filename} can't be removed: {error.strerror}") from error


def check_name(name: str) -> None:
    """Raise KeyRefused if a client can't be called so."""
    if not ID_PATTERN.fullmatch(name):
        raise KeyRefused(
            f"{name!r:.100} can't be a client's name: letters, digits, - and _, a letter first"
        )


def check_folder(folder: Path) -> None:
    """Raise KeyRefused unless a folder of keys is this user's alone."""
    try:
        status = os.stat(folder)
    except OSError as error:
        raise KeyRefused(
            f"the folder of keys {folder} can't be used: {error.strerror};"
            f" orch keys new NAME --keys {folder} makes it"
        ) from error
    if not stat.S_ISDIR(status.st_mode):
        raise KeyRefused(f"{folder} is no folder; keys are in one")
    _check_owner(folder, status, OTHERS, "700")


def _check_owner(path: Path, status: os.stat_result, forbidden: int, mode: str) -> None:
    if not hasattr(os, "getuid"):
        return  # no POSIX modes: what is in the user's profile is private by its ACL
    if status.st_uid not in (os.getuid(), 0):
        raise KeyRefused(f"{path} belongs to user {status.st_uid}, not to you: it isn't trusted")
    if status.st_mode & forbidden:
        raise KeyRefused(
            f"{path} is open to other users (mode {stat.S_IMODE(status.st_mode):04o});"
            f" close it with: chmod {mode} {path}"
        )


def _read(file: Path, keys: tuple[str, ...], *, secret: bool) -> dict[str, str]:
    """The texts of a file of keys."""
    import tomllib

    try:
        with open(file, "rb") as opened:
            status = os.fstat(opened.fileno())
            _check_owner(
                file, status, OTHERS if secret else OTHERS_WRITE, "600" if secret else "644"
            )
            found = tomllib.loads(opened.read(_LONGEST).decode())
    except KeyRefused:  # which is an OSError too, as its base is
        raise
    except OSError as error:
        raise KeyRefused(f"the key {file} can't be read: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):
        raise KeyRefused(f"{file} is no key's file; orch keys new makes one") from None
    for key in keys:
        value = found.get(key)
        if not isinstance(value, str) or (key != "name" and not _Z85.fullmatch(value)):
            raise KeyRefused(f"{file} is no file of such a key: it has no {key!r}")
    return {key: found[key] for key in keys}


def _make() -> Pair:
    import zmq

    public, secret = zmq.curve_keypair()
    return Pair(public.decode(), secret.decode())


def _write(file: Path, texts: Mapping[str, str], about: str) -> None:
    """Write a new file that only this user may read; one that is there isn't touched."""
    lines = [f"# {about}.", *(f'{key} = "{text}"' for key, text in texts.items())]
    fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(fd, "w", encoding="utf-8") as opened:
        opened.write("\n".join([*lines, ""]))
