"""The rig's web server: a process of its own, so that no browser ever touches the rig's loop.

Its port is bound by the rig and stays so: while the process is started again, whoever asks waits.
It ends with the rig, however that ends: at the end of its input.
"""

from __future__ import annotations

import math
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

from orchestrator.config.model import RigConfig
from orchestrator.rig.keeper import Waits
from transports import web_addresses
from transports.errors import AddressError
from workers.search_path import own_environment
from workers.stop_signals import held_back

NEEDS = ("starlette", "uvicorn", "prometheus_client")
OFTEN = 10.0
"""Seconds within which two deaths are too many to start another one at once."""
RESTART_AFTER = 5.0
"""Seconds until it is tried again then."""
PATIENCE = 3.0
"""Seconds for it to end."""
LONGEST = 65536
"""Bytes of what it says that are taken at a time."""


class WebServer:
    """Keeps a web server running.

    Args:
        config: The rig's config, which says where.
        loop: Watches it.
        record: Writes a record: level, text, fields.

    Attributes:
        address: Where it serves; empty if it isn't to.
        pid: Process id of the present one; None if there is none.
    """

    def __init__(
        self,
        config: RigConfig,
        loop: Waits,
        record: Callable[[str, str, dict[str, Any]], None],
    ) -> None:
        self.address = ""
        self.pid: int | None = None
        self._config = config
        self._loop = loop
        self._record = record
        self._port: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._died = -math.inf
        self._closing = False

    @property
    def is_away(self) -> bool:
        """Whether it is to serve and there is none, until it is tried again."""
        return self._port is not None and self.pid is None

    def bind(self) -> None:
        """Listen where the config says, if it does.

        Raises:
            AddressError: That is taken or can't be had, or what it takes to serve isn't installed.
        """
        listen = self._config.web.listen
        if listen is None:
            return
        if missing := [name for name in NEEDS if find_spec(name) is None]:
            raise AddressError(
                f"{listen} can't be served, {', '.join(missing)} isn't installed: "
                "pip install 'orch[web]'"
            )
        host, port = web_addresses.parse(listen)
        try:
            self._port = web_addresses.bind(host, port)
        except OSError as error:
            reason = error.strerror or str(error)
            raise AddressError(f"{listen} can't be bound: {reason}") from error
        self.address = web_addresses.url_of(host, self._port.getsockname()[1])

    def start(self) -> None:
        """Start it, and whenever it has died from then on."""
        if self._port is None or self._closing:
            return
        try:
            with held_back():
                self._process = subprocess.Popen(
                    _command(self._config, self._port),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    pass_fds=[self._port.fileno()],
                    env=own_environment(dict(os.environ)),
                    start_new_session=True,
                )
        except OSError as error:
            self._record("error", f"the web server can't be started: {error}", {})
            self._loop.call_later(RESTART_AFTER, self.start)
            return
        self.pid = self._process.pid
        assert self._process.stderr is not None
        os.set_blocking(self._process.stderr.fileno(), False)
        self._loop.watch(self._process.stderr.fileno(), self._hear)

    def _hear(self) -> None:
        """Take what it says; the end of that is its own."""
        assert self._process is not None
        assert self._process.stderr is not None
        said = self._process.stderr.read(LONGEST)
        if said:
            lines = said.decode(errors="backslashreplace").splitlines()
            for line in filter(str.strip, lines):
                self._record("warning", f"the web server wrote: {line}", {})
        elif said == b"":
            self._ended()

    def _ended(self) -> None:
        process, self._process, self.pid = self._process, None, None
        assert process is not None
        assert process.stderr is not None
        assert process.stdin is not None
        self._loop.unwatch(process.stderr.fileno())
        process.stderr.close()
        process.stdin.close()
        process.kill()  # it has closed its output, which it keeps for life
        process.wait()
        if self._closing:
            return
        now = time.monotonic()
        at_once, self._died = now - self._died > OFTEN, now
        when = "" if at_once else f" in {RESTART_AFTER:g} s"
        text = f"the web server died, with status {process.returncode}; another one is started"
        self._record("warning", text + when, {})
        if at_once:
            self.start()
        else:
            self._loop.call_later(RESTART_AFTER, self.start)

    def close(self) -> None:
        """End it, and listen no more."""
        self._closing = True
        if self._process is not None:
            process, self._process, self.pid = self._process, None, None
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            assert process.stderr is not None
            process.stderr.close()
        if self._port is not None:
            self._port.close()


def _command(config: RigConfig, port: socket.socket) -> Sequence[str]:
    web = config.web
    told = [("--fd", str(port.fileno())), *(("--host", each) for each in web.hosts)]
    told += [("--export", each) for each in web.export]
    return (
        *(sys.executable, "-m", "orchestrator", "web", "--rig", config.rig),
        *(part for option in told for part in option),
        *(["--control"] if web.control else []),
    )
