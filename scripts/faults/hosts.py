"""Other hosts for the rig that faults hit: network namespaces, and what befalls them."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from faults.journal import Journal
from orchestrator.client import Rig

if TYPE_CHECKING:
    from tests.hosts.namespaces import Network

LOST_AFTER = 2.0
AFAR = ("a", "b", "lean")
"""Workers that run on other hosts, one on each in turn."""


class Hosts:
    """Hosts, and where workers are.

    Args:
        network: Where they are made.
        number: How many.
        folder: For what is run in place of ssh.
    """

    def __init__(self, network: Network, number: int, folder: Path) -> None:
        self.network = network
        self.names = [f"host{each}" for each in range(1, number + 1)]
        self._addresses = {name: network.host(name) for name in self.names}
        self._ssh = {name: network.ssh(name, folder) for name in self.names}
        self._folder = folder

    @property
    def config(self) -> str:
        """Their part of the rig's config."""
        lines = [f"placement: {{lost_after: {LOST_AFTER:g}s}}", "hosts:"]
        for name, address in self._addresses.items():
            where = f"address: {address}, ssh: [{self._ssh[name]}]"
            lines.append(f"  {name}: {{{where}, python: {sys.executable}, folder: {self._folder}}}")
        return "\n".join(lines) + "\n"

    def of(self, worker: str) -> str | None:
        """The host of a worker; None for the rig's own machine."""
        if worker not in AFAR:
            return None
        return self.names[AFAR.index(worker) % len(self.names)]


class HostFaults:
    """Brings them about.

    Args:
        hosts: Whom they hit.
        journal: Where each is written down.
        random: The dice.
    """

    def __init__(self, hosts: Hosts, journal: Journal, random: random.Random) -> None:
        self._hosts = hosts
        self._journal = journal
        self._random = random

    @property
    def all(self) -> dict[Callable[[Rig], None], int]:
        """How often each is brought about."""
        return {self.cut: 8, self.kill_agent: 5, self.stop_agent: 4, self.kill_guardian: 3}

    def cut(self, rig: Rig) -> None:
        """A cable is pulled, both ways or one, for less or longer than it takes to be lost."""
        network, name = self._hosts.network, self._random.choice(self._hosts.names)
        how = self._random.choice(("pull", "pull", "deafen", "mute"))
        seconds = self._random.choice((0.3, 1.0, LOST_AFTER, 3 * LOST_AFTER))
        self._journal.write("fault", kind=f"cable: {how} for {seconds:g} s", worker="")
        getattr(network, how)(name)
        time.sleep(seconds)
        network.heal(name)

    def kill_agent(self, rig: Rig) -> None:
        """With it what it has."""
        self._signal(rig, "SIGKILL of an agent", signal.SIGKILL)

    def stop_agent(self, rig: Rig) -> None:
        """Its guardian acts for it; it goes on when all is over."""
        if (pid := self._signal(rig, "SIGSTOP of an agent", signal.SIGSTOP)) is not None:
            time.sleep(self._random.choice((0.5, 2 * LOST_AFTER)))
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def kill_guardian(self, rig: Rig) -> None:
        """Another one takes its place."""
        for pid in self._agents(rig):
            with contextlib.suppress(psutil.Error):
                for child in psutil.Process(pid).children():
                    if any("reaper.py" in each for each in child.cmdline()):
                        self._journal.write(
                            "fault", kind="SIGKILL of an agent's guardian", worker=""
                        )
                        child.kill()
                        return

    def _agents(self, rig: Rig) -> list[int]:
        found = [each["pid"] for each in rig.status()["hosts"] if each["state"] == "up"]
        self._random.shuffle(found)
        return found

    def _signal(self, rig: Rig, kind: str, number: int) -> int | None:
        for pid in self._agents(rig):
            self._journal.write("fault", kind=kind, worker="", pid=pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
                return pid
        return None
