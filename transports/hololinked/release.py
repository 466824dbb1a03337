"""Closing sockets and contexts, those too that were lost without `exit`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import zmq


def close_socket(socket: zmq.Socket[Any] | None, ipc_file: tuple[Path, int] | None) -> None:
    """Close a socket, with its file."""
    # While it still listens nobody takes the path, so nobody else's file can be met.
    if ipc_file is not None and file_of(ipc_file[0]) == ipc_file:
        ipc_file[0].unlink(missing_ok=True)
    if socket is not None and not socket.closed:
        socket.close(0)


def close_lost(
    process: int,
    socket: zmq.Socket[Any] | None,
    ipc_file: tuple[Path, int] | None,
    context: zmq.Context[Any] | None,
) -> None:
    """Close what a lost object has left, in whichever thread that comes to light."""
    if os.getpid() != process:
        return  # a copy, made by a fork, of what is another process's
    close_socket(socket, ipc_file)
    if context is not None:
        # All its sockets are closed and nothing lingers, so that ends within milliseconds. In a
        # thread it might go on while the interpreter ends, which crashes.
        context.destroy(0)


def file_of(path: Path) -> tuple[Path, int] | None:
    """A file as it is now: its path and inode."""
    try:
        return path, path.stat().st_ino
    except OSError:
        return None
