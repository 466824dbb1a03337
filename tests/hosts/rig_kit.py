"""Rigs with workers on other hosts, and a device that tells whose hands it was in."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.hosts.namespaces import PYTHON, Network
from tests.rigs import RunningRig, up, wait_until

DEVICE = '''
import logging, os, sys, threading, time

class Device:
    """A device that notes who has it: a line every few milliseconds, from when it is opened."""

    def __init__(self, journal: str = ""):
        self.level = 0
        if journal:
            threading.Thread(target=self._beat, args=(journal,), daemon=True).start()

    def _beat(self, journal: str) -> None:
        with open(journal, "a", buffering=1) as file:
            while True:
                file.write(f"{os.getpid()} {time.monotonic()}\\n")
                time.sleep(0.005)

    def pid(self) -> int:
        return os.getpid()

    def write(self, text: str) -> None:
        print(text, flush=True)
        os.write(2, f"C says {text}\\n".encode())
        logging.getLogger("device").warning("record of %s", text)

    def sleep(self, seconds: float) -> str:
        time.sleep(seconds)
        return "woke"

    def die(self) -> None:
        os._exit(3)

    def network(self) -> list[str]:
        return sorted(os.listdir("/sys/class/net"))

    def folder(self) -> str:
        return os.getcwd()

    def frame(self, size: int) -> bytes:
        return bytes(size)
'''
SAFE = """
import os, time

class Safe:
    def __init__(self, log: str):
        self.log = log

    def off(self) -> None:
        with open(self.log, "a") as file:
            file.write(f"{time.monotonic()} {','.join(sorted(os.listdir('/sys/class/net')))}\\n")
"""
LOST_AFTER = 1.0


class HostRig(RunningRig):
    """A rig in the namespace of a lab; commands too."""

    net: Network

    def command(self, *arguments: str) -> list[str]:
        return self.net.inside(*super().command(*arguments))

    def hosts(self) -> dict[str, dict[str, Any]]:
        """What it says of its hosts."""
        done = self.orch("hosts", "--json")
        return {each["name"]: each for each in json.loads(done.stdout)}

    def wait_up(self) -> None:
        """Wait until it can be asked."""
        wait_until(lambda: self.orch("status").returncode in (0, 4))

    def wait_host(self, name: str, state: str) -> dict[str, Any]:
        """Wait for a host's state."""
        return wait_until(  # type: ignore[no-any-return]
            lambda: (found := self.hosts()[name])["state"] == state and found
        )


def config(
    net: Network, folder: Path, workers: str, *hosts: str, more: str = "", placement: str = ""
) -> str:
    """A config with hosts, each reached by its own "ssh"."""
    lines = ["rig: lab", f"placement: {{lost_after: {LOST_AFTER:g}s{placement}}}", "hosts:"]
    for name in hosts:
        address = net.host(name)
        ssh = net.ssh(name, folder)
        own = f"ssh: [{ssh}], python: {PYTHON}, folder: {folder}"
        lines.append(f"  {name}: {{engine: ssh, address: {address}, {own}}}")
    return "\n".join([*lines, more, "workers:", workers])


@contextmanager
def lab(
    net: Network,
    workers: str,
    *hosts: str,
    more: str = "",
    placement: str = "",
    settle: bool = True,
    drivers: dict[str, str] | None = None,
) -> Iterator[HostRig]:
    """A rig that is up, with hosts, and gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="orch-t-"))
    rig = HostRig(
        folder,
        config(net, folder, workers, *hosts, more=more, placement=placement),
        {"device": DEVICE, **(drivers or {})},
    )
    rig.net = net
    with up(rig, settle=settle):
        yield rig


def lives(journal: Path) -> list[tuple[int, float, float]]:
    """The processes that had a device: pid, first and last moment."""
    found: dict[int, list[float]] = {}
    for line in journal.read_text().splitlines():
        pid, _, at = line.partition(" ")
        if at:
            found.setdefault(int(pid), []).append(float(at))
    return sorted(((pid, min(at), max(at)) for pid, at in found.items()), key=lambda life: life[1])


def had_one_master(journal: Path) -> bool:
    """Whether nobody had the device while another did."""
    seen = lives(journal)
    return all(before[2] < after[1] for before, after in pairwise(seen))
