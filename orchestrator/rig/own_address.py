"""By which address another host reaches this machine: by the one that leads there, most likely."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable

from orchestrator.config.hosts import HostConfig
from orchestrator.rig.keeper import Waits
from transports.errors import AddressError


def find_own_address(
    host: HostConfig, loop: Waits, done: Callable[[str | AddressError], None]
) -> None:
    """Find it, in a thread: names may take long to be looked up.

    Args:
        host: The other host.
        loop: Waits.
        done: Is told, in the loop's thread.
    """
    found: list[str | AddressError] = []
    ready = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def look() -> None:
        try:
            found.append(own_address(host))
        except AddressError as error:
            found.append(error)
        os.eventfd_write(ready, 1)

    def tell() -> None:
        loop.unwatch(ready)
        os.close(ready)
        done(found[0])

    loop.watch(ready, tell)
    threading.Thread(target=look, name=f"{host.name}-address", daemon=True).start()


def own_address(host: HostConfig) -> str:
    """The number of this machine by which it reaches a host.

    Raises:
        AddressError: It isn't known.
    """
    say_so = "say it in the config: placement: {address: 10.0.0.1}"
    if host.address is None:
        raise AddressError(f"by which address does host {host.name} reach the rig? {say_so}")
    name = host.address.rpartition("@")[2]
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
            found.connect((name, 22))  # nothing is sent
            return str(found.getsockname()[0])
    except (OSError, UnicodeError) as error:
        why = (isinstance(error, OSError) and error.strerror) or error
        raise AddressError(
            f"no way leads to {name}, the address of host {host.name} in hosts: {why}; if that is"
            f" right, by which address does it reach the rig? {say_so}"
        ) from error
