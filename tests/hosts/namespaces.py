"""Hosts for tests: network namespaces on a bridge of their own, whose cables can be pulled.

All is named after this process, so that tests run side by side; the machine's own network isn't
touched.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

LAB = "10.77.0.1"
_numbers = itertools.count()


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"


@cache
def why_not() -> str:
    """Why there can't be any; empty if there can."""
    name = f"ot{os.getpid()}x"
    try:
        _ip("netns", "add", name)
        try:
            _ip("-n", name, "link", "add", "v0", "type", "veth", "peer", "name", "v1")
        finally:
            _ip("netns", "del", name)
    except (AssertionError, OSError) as error:
        return str(error)
    return ""


class Network:
    """A bridge, in a namespace of its own where the rig lives, and hosts on it."""

    def __init__(self) -> None:
        self.lab = f"ot{os.getpid()}n{next(_numbers)}"
        self._hosts: dict[str, str] = {}
        self._blackholes: list[tuple[str, str]] = []
        _ip("netns", "add", self.lab)
        _ip("-n", self.lab, "link", "set", "lo", "up")
        _ip("-n", self.lab, "link", "add", "name", "br0", "type", "bridge")
        _ip("-n", self.lab, "addr", "add", f"{LAB}/24", "dev", "br0")
        _ip("-n", self.lab, "link", "set", "br0", "up")

    def host(self, name: str) -> str:
        """Add a host; its address."""
        number = len(self._hosts) + 2
        space, cable, address = f"{self.lab}h{number}", f"c{number}", f"10.77.0.{number}"
        _ip("netns", "add", space)
        self._hosts[name] = space
        peer = ("peer", "name", "eth0", "netns", space)
        _ip("-n", self.lab, "link", "add", cable, "type", "veth", *peer)
        _ip("-n", self.lab, "link", "set", cable, "master", "br0", "up")
        _ip("-n", space, "addr", "add", f"{address}/24", "dev", "eth0")
        _ip("-n", space, "link", "set", "lo", "up")
        _ip("-n", space, "link", "set", "eth0", "up")
        return address

    def ssh(self, name: str, folder: Path) -> str:
        """A program that is to be run as ssh: it runs the command in the host's namespace."""
        file = folder / f"ssh-{name}"
        there = f'exec ip netns exec {self._hosts[name]} sh -c "$last"'
        file.write_text(f"#!/bin/sh\nfor last; do :; done\n{there}\n")
        file.chmod(0o755)
        return str(file)

    def inside(self, *command: str, host: str | None = None) -> list[str]:
        """A command where the rig is, or on a host."""
        space = self.lab if host is None else self._hosts[host]
        return ["ip", "netns", "exec", space, *command]

    def pull(self, name: str) -> None:
        """Pull the cable of a host."""
        _ip("-n", self._hosts[name], "link", "set", "eth0", "down")

    def plug(self, name: str) -> None:
        """Put it in again."""
        _ip("-n", self._hosts[name], "link", "set", "eth0", "up")

    def deafen(self, name: str) -> None:
        """Nothing reaches the host any more; what it sends arrives."""
        self._drop(self.lab, f"10.77.0.{list(self._hosts).index(name) + 2}")

    def mute(self, name: str) -> None:
        """Nothing that the host sends arrives any more; it hears."""
        self._drop(self._hosts[name], LAB)

    def heal(self, name: str) -> None:
        """All as it was."""
        if self._blackholes:
            space, address = self._blackholes.pop()
            _ip("-n", space, "route", "del", "blackhole", address)
        else:
            self.plug(name)

    def _drop(self, space: str, address: str) -> None:
        self._blackholes.append((space, f"{address}/32"))
        _ip("-n", space, "route", "add", "blackhole", f"{address}/32")

    def close(self) -> None:
        """Take all of it away."""
        for space in (*self._hosts.values(), self.lab):
            subprocess.run(["ip", "netns", "del", space], capture_output=True, timeout=30)


@contextmanager
def network() -> Iterator[Network]:
    """Hosts, gone afterwards."""
    made = Network()
    try:
        yield made
    finally:
        made.close()


PYTHON = sys.executable
