"""Engines: what starts a rig's agent on another host, as a command that runs as long as it does.

The command is given the agent's first line on standard input, which it passes on, and whose end is
the agent's. What it writes to standard error says why there is none.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from typing import Protocol

AGENT = "orchestrator.agent"


class Reached(Protocol):
    """A host, as the config has it: see `config.hosts.HostConfig`."""

    @property
    def name(self) -> str:
        """In the config, and with Dask."""

    @property
    def engine(self) -> str:
        """`ssh` or `dask`."""

    @property
    def address(self) -> str | None:
        """For ssh."""

    @property
    def ssh(self) -> tuple[str, ...]:
        """The program that is run as ssh, and its options."""

    @property
    def resources(self) -> Mapping[str, float]:
        """What an agent takes of Dask's worker, by name."""

    @property
    def python(self) -> str | None:
        """The interpreter there that has orch."""


def command(host: Reached, placement: Mapping[str, str | None]) -> list[str]:
    """What starts an agent.

    Args:
        host: Where.
        placement: `scheduler` and `tls`, for Dask.
    """
    if host.engine == "dask":
        found = [sys.executable, "-P", "-m", "orchestrator.dask.start", f"--name={host.name}"]
        found += [f"--{key}={value}" for key, value in placement.items() if value is not None]
        found += [f"--resource={name}={much:g}" for name, much in host.resources.items()]
        return found
    assert host.address is not None
    there = shlex.join(["exec", host.python or "python3", "-m", AGENT])
    # The user's own options come first, and the first of a kind counts.
    options = ["-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10"]
    return [*host.ssh, *options, host.address, there]


def mend(text: str) -> str:
    """What to do about what an engine wrote, behind a semicolon; empty if that isn't known."""
    if "No module named" in text and ("orchestrator" in text or "orch" in text):
        return "; install orch there, or name the interpreter that has it: python:"
    if "command not found" in text or "not found" in text:
        return "; name an interpreter that is there: python:"
    if "Permission denied" in text:
        return "; the rig's user must reach it by key, without a password: try ssh by hand"
    if "Host key verification failed" in text:
        return "; its key isn't known here: try ssh by hand"
    return ""
