"""Sends the rig's traces: a process of its own, which reads the log and asks the rig nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from orchestrator.config.extras import TRACES, missing
from orchestrator.config.model import RigConfig
from orchestrator.rig.keeper import Waits
from orchestrator.rig.sidecar import Sidecar
from transports.errors import AddressError


class TraceSender:
    """Keeps the process that sends traces running, if the config wants any.

    Args:
        config: The rig's config, which says where to.
        loop: Watches it.
        record: Writes a record: level, text, fields.

    Attributes:
        process: What runs it.
    """

    def __init__(
        self,
        config: RigConfig,
        loop: Waits,
        record: Callable[[str, str, dict[str, Any]], None],
    ) -> None:
        self.process = Sidecar("the sender of traces", loop, record)
        self._to = config.traces
        if self._to is not None:
            told = ("otlp", "--rig", config.rig, "--to", self._to, "--lifeline")
            self.process.expect((sys.executable, "-m", "orchestrator", *told))

    def check(self) -> None:
        """See that traces can be sent, if they are to be.

        Raises:
            AddressError: What it takes isn't installed.
        """
        if self._to is not None and missing(TRACES):
            raise AddressError(
                f"traces can't be sent to {self._to}, opentelemetry isn't installed:"
                " pip install 'orch[otel]'"
            )
