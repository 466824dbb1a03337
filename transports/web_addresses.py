"""Where a web server listens, and what it is called there."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

DEFAULT = "127.0.0.1:8080"
_AUTHORITY = re.compile(r"(?:http://)?(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):([0-9]{1,5})/?")
_NAME = re.compile(r"[A-Za-z0-9_.-]+(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?")
_PORT = re.compile(r":[0-9]{1,5}$")
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def parse(text: str) -> tuple[str, int]:
    """A host, without brackets, and a port.

    Args:
        text: Such as `127.0.0.1:8080`, `http://localhost:8080` or `http://[::1]:8080`.

    Raises:
        ValueError: The text is no address.
    """
    found = _AUTHORITY.fullmatch(text)
    if found is None or int(found[2]) > 65535:
        raise ValueError(f"{text!r:.80} is no address such as http://{DEFAULT}")
    return found[1].strip("[]"), int(found[2])


def check_name(text: str) -> str:
    """A name that a server goes by, perhaps with a port, unchanged.

    Raises:
        ValueError: The text is none.
    """
    if not _NAME.fullmatch(text):
        raise ValueError(f"{text!r:.80} is no name such as lab.example or lab.example:8443")
    return text


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def bind(host: str, port: int) -> socket.socket:
    """Listen there.

    Raises:
        OSError: It is taken, or can't be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server(("" if host == "*" else host, port), family=family)


def url_of(host: str, port: int) -> str:
    """The address for people, with a slash at its end."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def names_of(host: str, port: int, others: Iterable[str]) -> frozenset[str]:
    """What requests may call a server: its host, those of loopback, and `others`.

    Args:
        host: Where it listens.
        port: Likewise.
        others: Further names, each with a port or for any that is usual.
    """
    own = urlsplit(url_of(host, port)).netloc
    names = {own, *(f"{name}:{port}" for name in _LOOPBACK), *others}
    # Behind a proxy or tunnel the port that browsers see is another, or none.
    names |= {f"{name}:{port}" for name in others if not _PORT.search(name)}
    if port == 80:  # which browsers leave out
        names |= {name.removesuffix(":80") for name in names}
    return frozenset(map(str.lower, names))
