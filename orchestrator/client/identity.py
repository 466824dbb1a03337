"""Who this client is, as it tells rigs: user, host and program."""

from __future__ import annotations

import getpass
import os
import platform
import re
import sys
from functools import cache
from pathlib import Path
from uuid import uuid4

from transports.client_ids import UNIQUE

LONGEST = 40
"""Characters of each part: an id has 255 bytes at most."""
_COMMAND = ("orchestrator", "orch")
"""Packages whose program is the command."""


def new_id() -> str:
    """An id for a connection, which no other one has."""
    return f"{who()}{UNIQUE}{os.getpid()}-{uuid4().hex[:16]}"


@cache
def who() -> str:
    """Who this client says to be: `ada@lab3:scan.py`."""
    return f"{_plain(_user())}@{_plain(platform.node())}:{_plain(program(sys.argv))}"


def program(argv: list[str]) -> str:
    """A program's name for people, from its arguments.

    Args:
        argv: As `sys.argv`; what Python runs from a text or asks for itself is `python`.
    """
    path = Path(argv[0]) if argv and argv[0] not in ("", "-", "-c", "-m") else Path("python")
    name = path.parent.name if path.name == "__main__.py" else path.name
    return "orch" if name in _COMMAND else name


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # one without a name
        return str(os.getuid()) if hasattr(os, "getuid") else ""


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", text)[:LONGEST] or "_"
