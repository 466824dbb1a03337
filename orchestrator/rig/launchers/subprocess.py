"""Workers with an interpreter or environment of their own.

They are fresh processes: the dynamic loader and many libraries read their environment once, at
start. The fork server executes the interpreter below a keeper, so that they end as others do.
"""

from __future__ import annotations

import os
import sys

import msgspec

from orchestrator.logs.collect.streams import Streams
from orchestrator.rig.launchers.forkserver import ForkServer
from orchestrator.rig.launchers.handle import Housed, Launched
from workers.process import bootstrap
from workers.process.fork_server import RECORDS_FD, TICKETS_FD
from workers.spec import WorkerSpec


class SubprocessLauncher:
    """Launches workers by executing an interpreter."""

    def __init__(self, server: ForkServer) -> None:
        self._server = server

    def launch(
        self,
        config: Housed,
        spec: WorkerSpec,
        env: dict[str, str],
        streams: Streams | None,
        tickets: int,
        done: Launched,
    ) -> None:
        """As `Launcher.launch`."""
        assert streams is not None
        message: dict[str, object] = {
            "worker": spec.worker,
            "memory": spec.limits.memory,
            "command": bootstrap.command(str(config.python or sys.executable)),
            "cwd": str(config.cwd),
            "env": {**os.environ, **env},
        }
        data = msgspec.structs.replace(spec, env=env).to_dict()
        line = bootstrap.start_line(data, RECORDS_FD, TICKETS_FD)
        self._server.launch(message, line, streams, tickets, done)

    def give_up(self, worker: str) -> None:
        """As `Launcher.give_up`: whoever is at it is stuck, so others' launches fail too."""
        self._server.give_up()
