"""The rig's web server: a process of its own, so that no browser ever touches the rig's loop.

Its port is bound by the rig and stays so: while the process is started again, whoever asks waits.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any

from orchestrator.config.extras import WEB, missing
from orchestrator.config.model import RigConfig
from orchestrator.rig.keeper import Waits
from orchestrator.rig.sidecar import Sidecar
from orchestrator.runtime.web_tokens import forget_token
from transports import web_addresses
from transports.errors import AddressError


class WebServer:
    """Keeps a web server running.

    Args:
        config: The rig's config, which says where.
        loop: Watches it.
        record: Writes a record: level, text, fields.

    Attributes:
        address: Where it serves; empty if it isn't to.
        process: What runs it.
    """

    def __init__(
        self,
        config: RigConfig,
        loop: Waits,
        record: Callable[[str, str, dict[str, Any]], None],
    ) -> None:
        self.address = ""
        self.process = Sidecar("the web server", loop, record)
        self._config = config
        self._record = record
        self._port: socket.socket | None = None

    def bind(self) -> None:
        """Listen where the config says, if it does and this doesn't yet.

        Raises:
            AddressError: That is taken or can't be had, or what it takes to serve isn't installed.
        """
        listen = self._config.web.listen
        if listen is None or self._port is not None:
            return
        if lacking := missing(WEB):
            raise AddressError(
                f"{listen} can't be served, {', '.join(lacking)} isn't installed: "
                "pip install 'orch[web]'"
            )
        host, port = web_addresses.parse(listen)
        try:
            self._port = web_addresses.bind(host, port)
        except OSError as error:
            reason = error.strerror or str(error)
            raise AddressError(f"{listen} can't be bound: {reason}") from error
        self.address = web_addresses.url_of(host, self._port.getsockname()[1])
        self.process.expect(_command(self._config, self._port), [self._port.fileno()])

    def close(self) -> None:
        """End it, and listen no more."""
        self.process.close()
        port, self._port = self._port, None
        if port is None:
            return
        number = port.getsockname()[1]
        port.close()
        if web_addresses.parse(self._config.web.listen or "")[1] == 0:
            try:
                forget_token(str(number))
            except OSError as error:
                told = f"the web server's token stays where it is: {error}"
                self._record("warning", told, {})


def _command(config: RigConfig, port: socket.socket) -> Sequence[str]:
    web = config.web
    told = [("--fd", str(port.fileno())), *(("--host", each) for each in web.hosts)]
    told += [("--export", each) for each in web.export]
    return (
        *(sys.executable, "-m", "orchestrator", "web", "--rig", config.rig),
        *(part for option in told for part in option),
        *(["--control"] if web.control else []),
    )
