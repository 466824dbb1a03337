"""Where the files of rigs are: by the environment, or where the system has such things."""

from __future__ import annotations

import os
import re
from pathlib import Path

from orchestrator.errors import RuntimeFolderError
from orchestrator.names import RUNTIME_VARIABLE, STATE_VARIABLE


def runtime_dir() -> Path:
    """The folder of all rigs of this user; it may not exist yet.

    `$ORCH_RUNTIME_DIR`, else `orch` in `$XDG_RUNTIME_DIR`, else `/tmp/orch-<uid>`.

    Raises:
        RuntimeFolderError: Its path isn't text.
    """
    given = os.environ.get(RUNTIME_VARIABLE)
    if given:
        return _text(Path(given).absolute(), RUNTIME_VARIABLE)
    session = os.environ.get("XDG_RUNTIME_DIR")
    if session and os.path.isabs(session) and os.path.isdir(session):
        return _text(Path(session) / "orch", RUNTIME_VARIABLE)
    return short_temp() / f"orch-{user()}"


def state_dir() -> Path:
    """The folder for what outlives a rig, such as logs; it may not exist yet.

    `$ORCH_STATE_DIR`, else `orch` in `$XDG_STATE_HOME`, else `~/.local/state/orch`.

    Raises:
        RuntimeFolderError: There is no home folder, or its path isn't text.
    """
    given = os.environ.get(STATE_VARIABLE)
    if given:
        return _text(Path(given).absolute(), STATE_VARIABLE)
    home = os.environ.get("XDG_STATE_HOME")
    if home and os.path.isabs(home):
        return _text(Path(home) / "orch", STATE_VARIABLE)
    try:
        return _text(Path.home() / ".local" / "state" / "orch", STATE_VARIABLE)
    except RuntimeError as error:
        raise RuntimeFolderError(
            f"there is no home folder to keep logs in; set HOME, or {STATE_VARIABLE} to a folder"
        ) from error


def logs_folder(rig: str) -> Path:
    """Where a rig of this machine keeps its logs; it may not exist yet."""
    return state_dir() / rig / "logs"


def keys_dir() -> Path:
    """The folder where a client's keys are looked for; it may not exist.

    `orch/keys` in `$XDG_CONFIG_HOME`, else `~/.config/orch/keys`.

    Raises:
        RuntimeError: There is no home folder.
    """
    home = os.environ.get("XDG_CONFIG_HOME")
    base = Path(home) if home and os.path.isabs(home) else Path.home() / ".config"
    return base / "orch" / "keys"


def _text(folder: Path, variable: str) -> Path:
    """The folder, once it is sure that addresses and JSON can hold its path."""
    try:
        str(folder).encode()
    except UnicodeEncodeError as error:
        raise RuntimeFolderError(
            f"the path {str(folder)!a} holds bytes that aren't UTF-8;"
            f" set {variable} to another folder"
        ) from error
    return folder


def user() -> str:
    """What tells this user from others in the name of a file."""
    if hasattr(os, "getuid"):
        return str(os.getuid())
    import getpass

    return re.sub(r"[^A-Za-z0-9]+", "_", getpass.getuser())


def short_temp() -> Path:
    """A temporary folder with a short path: `/tmp` wherever it is there."""
    if os.path.isdir("/tmp"):  # noqa: S108
        return Path("/tmp")  # noqa: S108
    import tempfile  # takes long, and is hardly ever needed

    return Path(tempfile.gettempdir())
