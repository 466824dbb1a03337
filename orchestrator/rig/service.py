"""Tells a service manager how the rig is, as sd_notify(3) has it: datagrams to a socket.

Nothing is told, and nobody is woken, where no service manager asked for it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, MutableMapping
from typing import Any, Protocol

SOCKET, WATCHDOG_PID, WATCHDOG = "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"


class Later(Protocol):
    """What this needs of the loop."""

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        """Have something called once, after so many seconds."""


class ServiceManager:
    """Whoever started the rig, if it wants to be told.

    Args:
        loop: Calls for signs of life: while it turns, the rig lives.
        environ: The environment; what is meant for this process alone is taken from it.
        record: Writes a record: level, text, fields.
    """

    def __init__(
        self,
        loop: Later,
        environ: MutableMapping[str, str],
        record: Callable[[str, str, dict[str, Any]], None],
    ) -> None:
        self._loop = loop
        self._record = record
        address = environ.pop(SOCKET, "")
        period, pid = environ.pop(WATCHDOG, ""), environ.pop(WATCHDOG_PID, "")
        self._socket: socket.socket | None = None
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._every = 0.0  # seconds
        if not address:
            return
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        if period.isdigit() and pid in ("", str(os.getpid())):
            self._every = int(period) / 2e6

    def start(self) -> None:
        """The loop is about to turn."""
        if self._every:
            self._live()

    def up(self) -> None:
        """All workers have settled for the first time."""
        self._send("READY=1")

    def status(self, ready: int, total: int, *, stopping: bool) -> None:
        """How many workers serve; and whether all is to end."""
        if self._socket is None:
            return
        if stopping:
            self._send(f"STOPPING=1\nSTATUS=stopping, {ready} of {total} workers still serve")
        else:
            self._send(f"STATUS={ready} of {total} workers ready")

    def close(self) -> None:
        """Nothing more is told."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _live(self) -> None:
        if self._socket is not None:
            self._send("WATCHDOG=1")
            self._loop.call_later(self._every, self._live)

    def _send(self, text: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(text.encode(), self._address)
        except BlockingIOError:  # it is behind, and gets the next one
            return
        except OSError as error:
            self.close()
            told = f"the service manager can't be told any more: {error.strerror}"
            self._record("warning", told, {"socket": self._address.replace("\0", "@")})
