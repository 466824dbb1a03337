"""Who else may use a file or folder, and so what a rig trusts."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from orchestrator.errors import RuntimeFolderError
from orchestrator.names import RUNTIME_VARIABLE

OTHERS = 0o077
"""Mode bits that a rig's folder must not have: others may not enter it."""
OTHERS_WRITE = 0o022
"""Mode bits that the folder of all rigs must not have: others may look, but swap nothing."""


def make_private(folder: Path, forbidden: int = OTHERS) -> Path:
    """Make a folder that only this user can use, or check that it is one.

    Args:
        folder: The folder; made with mode 0700.
        forbidden: Mode bits that it must not have if it is there already.

    Raises:
        RuntimeFolderError: It can't be made, or others own it, may enter it, or could swap it.
        FileNotFoundError: It was removed at the same time.
    """
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        pass  # whatever it is, it is checked next
    except OSError as error:
        raise RuntimeFolderError(
            f"{folder} can't be made: {error.strerror}; set {RUNTIME_VARIABLE} to another folder"
        ) from error
    check_private(folder, forbidden)
    return folder


def check_private(folder: Path, forbidden: int = OTHERS) -> None:
    """Check that a folder is this user's, and that others have none of the `forbidden` bits.

    Raises:
        RuntimeFolderError: It isn't, with the mend in the text.
        FileNotFoundError: There is none.
    """
    status = os.lstat(folder)
    if stat.S_ISLNK(status.st_mode):
        raise RuntimeFolderError(f"{folder} is a symbolic link; others may control where it leads")
    if not stat.S_ISDIR(status.st_mode):
        raise RuntimeFolderError(f"{folder} is not a folder; set {RUNTIME_VARIABLE} to another one")
    if not hasattr(os, "getuid"):
        return  # without POSIX modes, a folder in the user's profile is private by its ACL
    if status.st_uid != os.getuid():
        raise RuntimeFolderError(
            f"{folder} belongs to user {status.st_uid}, not to you; "
            f"set {RUNTIME_VARIABLE} to a folder of your own"
        )
    if status.st_mode & forbidden:
        raise RuntimeFolderError(
            f"{folder} is open to other users (mode {stat.S_IMODE(status.st_mode):04o}); "
            f"close it with: chmod 700 {folder}"
        )


def who_may_write(status: os.stat_result) -> str | None:
    """Who but this user and root may write to a file or folder.

    Args:
        status: Of the file itself, not of a link to it.

    Returns:
        Such as `everyone may write to it` or `it belongs to user 1000`; None if nobody may.
    """
    if not hasattr(os, "getuid"):
        return None  # mode bits tell nothing where there are no POSIX owners
    if status.st_uid not in (os.getuid(), 0):
        return f"it belongs to user {status.st_uid}"
    if status.st_mode & stat.S_IWOTH:
        return "everyone may write to it"
    if status.st_mode & stat.S_IWGRP and not _is_own_group(status.st_gid):
        return f"group {_group_name(status.st_gid)} may write to it"
    return None


def no_socket_of_ours(path: Path) -> str | None:
    """Why a rig can't listen at a path: what is said after its name; None if it can."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None if path.parent.is_dir() else "has no folder to be in; make it first"
    except OSError as error:
        return f"can't be used: {error.strerror}"
    if not stat.S_ISSOCK(status.st_mode):
        return "is there, and no socket; choose another path"
    if hasattr(os, "getuid") and status.st_uid != os.getuid():
        return f"is a socket of user {status.st_uid}; choose another path"
    return None


def _is_own_group(gid: int) -> bool:
    """Whether a group is the one of this user alone, which many systems make for each user."""
    import grp
    import pwd

    if gid == 0:
        return True  # root's
    if gid != os.getgid():
        return False
    try:
        group, user = grp.getgrgid(gid), pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return gid == os.getuid()
    return group.gr_name == user and set(group.gr_mem) <= {user}


def _group_name(gid: int) -> str:
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
