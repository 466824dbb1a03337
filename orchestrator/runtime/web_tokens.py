"""The token of a web server: made once, and kept where only this user can read it."""

from __future__ import annotations

import os
from pathlib import Path

from orchestrator.private import OTHERS_WRITE, make_private
from orchestrator.runtime.places import runtime_dir

FOLDER = "web-tokens"
"""In the runtime folder; no rig's id can end it all, since its files have names of their own."""


def token_of(name: str) -> str:
    """The token of a server, the same each time, so that pages that are open find it again.

    Args:
        name: What tells servers of this user apart, such as `lab-8080`.

    Raises:
        RuntimeFolderError: The runtime folder can't be trusted or used.
        OSError: The file can't be read or written.
    """
    base = make_private(runtime_dir(), OTHERS_WRITE)
    folder = make_private(base / FOLDER)
    return _read(folder / name) or _make(folder / name)


def forget_token(name: str) -> None:
    """Remove the token of a server whose port is never its own again: it was any that was free.

    Raises:
        OSError: It can't be removed.
    """
    (runtime_dir() / FOLDER / name).unlink(missing_ok=True)


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""


def _make(path: Path) -> str:
    import secrets  # no rig needs it

    token = secrets.token_urlsafe(24)
    draft = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(token + "\n")
    try:
        os.link(draft, path)  # another server may have been faster: then its token counts
    except FileExistsError:
        return _read(path)
    finally:
        draft.unlink()
    return token
