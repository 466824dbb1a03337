"""Single values of a config: names, drivers, addresses. Each check says what is accepted."""

from __future__ import annotations

import ipaddress
import keyword
import os
import re
from typing import Any
from urllib.parse import urlsplit

from orchestrator.config import doors
from orchestrator.durations import parse_seconds
from orchestrator.names import ID_PATTERN
from orchestrator.words import did_you_mean, quoted, say
from transports import web_addresses
from transports.endpoints import MAX_IPC_PATH
from transports.paths import is_path, is_private

__all__ = [
    "absent_cpus",
    "check_address",
    "check_cpus",
    "check_driver",
    "check_env_name",
    "check_env_value",
    "check_id",
    "check_interval",
    "check_member",
    "check_method",
    "check_nice",
    "check_nofile",
    "check_open_with",
    "check_path",
    "check_seconds",
    "check_step",
]

LEAST_INTERVAL = 0.01
"""Seconds between two reads of a polled property, at least."""
LEAST_FILES = 64
"""Open files of which a worker has half before its driver opens any."""
_ADDRESS_HELP = 'accepted: ipc, "ipc:///path", hololinked, "tcp://host:port", "http://host:port"'
_SCHEME = re.compile(r"([^:/]*)://(.*)", re.DOTALL)
_HOST_PORT = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*):([^:\[\]]*)")
_HOST = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?"
    r"(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*"
)


def check_id(value: str) -> str:
    """An id of a rig or worker, unchanged.

    Raises:
        ValueError: it doesn't match `ID_PATTERN`.
    """
    if not ID_PATTERN.fullmatch(value):
        raise ValueError(
            f"{quoted(value)} is not an id; ids begin with a letter and hold at most 64 letters,"
            " digits, _ or - (no accents, no spaces)"
        )
    return value


def check_driver(value: str) -> str:
    """A driver's ``package.module:Class``, unchanged; the part after the colon may be dotted.

    Raises:
        ValueError: it has another form.
    """
    module, colon, attribute = value.partition(":")
    if colon and _is_dotted(module) and _is_dotted(attribute):
        return value
    hint = ""
    first, dot, last = value.rpartition(".")
    if value.endswith(".py") or "/" in value or "\\" in value:
        hint = "; a driver is named by its module, not by its file"
    elif not colon and dot and _is_dotted(first) and _is_dotted(last):
        hint = f"; did you mean {quoted(f'{first}:{last}')}?"
    raise ValueError(
        f"{quoted(value)} is not a driver; write package.module:Class (or :factory){hint}"
    )


def _is_dotted(text: str) -> bool:
    return all(part.isidentifier() and not keyword.iskeyword(part) for part in text.split("."))


def check_member(value: str) -> str:
    """A public member of a driver, by its name or path, unchanged.

    Raises:
        ValueError: it is neither, or private.
    """
    if is_private(value):
        raise ValueError(f"{quoted(value)} is private; names with a leading _ can't be reached")
    if not is_path(value):
        raise ValueError(
            f"{quoted(value)} is not the name of a member; write the bare name, or a path such as"
            " ch1.voltage or channels[2].ramp"
        )
    return value


def check_method(value: str) -> str:
    """A name of a driver's method, unchanged; it may have underscores in front.

    Raises:
        ValueError: it is no identifier, or one that Python itself has a use for.
    """
    if value.startswith("__") and value.endswith("__") and value not in ("__exit__", "__aexit__"):
        raise ValueError(f"{quoted(value)} is Python's own; name a method of the driver")
    if not value.isidentifier() or keyword.iskeyword(value):
        raise ValueError(f"{quoted(value)} is not the name of a member; write the bare name")
    return value


def check_open_with(value: object) -> tuple[str, list[Any], dict[str, Any]] | None:
    """How a driver is opened: a method, its positional arguments, its keyword arguments.

    Raises:
        ValueError: it is neither a name nor a list of a name, values, and a mapping at the end.
    """
    if value is None:
        return None
    items: list[Any] = value if isinstance(value, list) and value else [value]
    name, *args = items
    if not isinstance(name, str):
        raise ValueError(
            f"must be a method such as connect, or a list such as [connect, {{timeout: 5}}],"
            f" not {say(value)}"
        )
    kwargs = args.pop() if args and isinstance(args[-1], dict) else {}
    return name if name in ("__enter__", "__aenter__") else check_method(name), args, kwargs


def check_call(value: object) -> tuple[str, list[Any], dict[str, Any]]:
    """A method, perhaps of a part, with its arguments: ``output_off``, ``[ramp, 0.0]``.

    Raises:
        ValueError: it is neither a name nor a list of a name, values, and a mapping at the end.
    """
    items: list[Any] = value if isinstance(value, list) and value else [value]
    name, *args = items
    if not isinstance(name, str):
        raise ValueError(f"write output_off or [ramp, 0.0], not {say(value)}")
    kwargs = args.pop() if args and isinstance(args[-1], dict) else {}
    return check_member(name), args, kwargs


Step = tuple[str, list[Any], dict[str, Any], bool]
"""A member, its arguments, and whether it is a property that is written."""


def check_step(value: object) -> list[Step]:
    """Writes, or a call, that are done before a worker is ready.

    Raises:
        ValueError: it is neither ``{set: {gain: 2}}`` nor ``{call: home}``, ``{call: [move, 1]}``.
    """
    if isinstance(value, dict) and len(value) == 1:
        written, called = value.get("set"), value.get("call")
        if isinstance(written, dict) and written:
            return [(check_member(name), [given], {}, True) for name, given in written.items()]
        items: list[Any] = called if isinstance(called, list) and called else [called]
        name, *args = items
        if isinstance(name, str):
            kwargs = args.pop() if args and isinstance(args[-1], dict) else {}
            return [(check_member(name), args, kwargs, False)]
    raise ValueError(
        f"write {{set: {{gain: 2}}}}, {{call: home}} or {{call: [move, 1.0]}}, not {say(value)}"
    )


def check_env_name(value: str) -> str:
    """A name of an environment variable, unchanged.

    Raises:
        ValueError: no environment can hold it, or it is one of ours.
    """
    if not value or "=" in value or "\0" in value:
        raise ValueError(
            f"{quoted(value)} can't name a variable; a name isn't empty and holds no = or NUL"
        )
    if value.upper().startswith("ORCH_"):
        raise ValueError(f"{quoted(value)} is a variable of orch's own; choose another name")
    return value


def check_env_value(value: object) -> str:
    """The value of an environment variable, unchanged.

    Raises:
        ValueError: it is no text (numbers must be quoted, as their spelling would be lost), or
            holds a NUL.
    """
    if isinstance(value, bool | int | float):
        raise ValueError(f"must be text, not {say(value)}; put it in quotes")
    if value is None:
        raise ValueError('must be text, not nothing (null); write "" for an empty text')
    if not isinstance(value, str):
        raise ValueError(f"must be text, not {say(value)}")
    if "\0" in value:
        raise ValueError("can't hold a NUL character")
    return value


def check_path(value: str) -> str:
    """A path of a file or folder, unchanged; whether it is there is another question.

    Raises:
        ValueError: it is empty or holds a NUL.
    """
    if not value or "\0" in value:
        raise ValueError("must be a path; it isn't empty and holds no NUL")
    return value


def check_nofile(value: int) -> int:
    """How many files may be open, unchanged.

    Raises:
        ValueError: a worker itself needs more.
    """
    if value < LEAST_FILES:
        raise ValueError(f"{value} is too few for a worker; the least is {LEAST_FILES}")
    return value


def check_nice(value: int) -> int:
    """A niceness, unchanged.

    Raises:
        ValueError: it is none.
    """
    if not -20 <= value <= 19:
        raise ValueError(f"{value} is no niceness; write -20 (goes first) to 19 (goes last)")
    return value


def check_cpus(value: list[int]) -> list[int]:
    """Processors, sorted.

    Raises:
        ValueError: there is none, or one that no machine has.
    """
    if not value:
        raise ValueError("name at least one processor, such as [0]")
    if min(value) < 0:
        raise ValueError(f"there is no processor {min(value)}; they are counted from 0")
    return sorted(set(value))


def absent_cpus(value: list[int]) -> str:
    """Why this process may not use some of these processors itself; empty if it may."""
    mine = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(value)
    if absent := sorted(set(value) - mine):
        known = ", ".join(map(str, sorted(mine)))
        return f"there is no processor {absent[0]} here; there are {known}"
    return ""


def check_address(value: str) -> str:
    """An address to listen at, unchanged: ``ipc``, ``ipc:///path``, ``hololinked``,
    ``http://host:port``, or ``tcp://host:port`` with a port from 0 to 65535 or ``*``.

    Raises:
        ValueError: it is none of these, or the ipc path has more than 107 bytes.
    """
    if value in ("ipc", "hololinked"):
        return value
    match = _SCHEME.fullmatch(value)
    if match and match[1] == "ipc":
        _check_ipc(value, match[2])
    elif match and match[1] == "tcp":
        _check_tcp(value, match[2])
    elif match and match[1] == "http":
        web_addresses.parse(value)
    elif match:
        hint = did_you_mean(f"{match[1]}://", ["ipc://", "tcp://", "http://"])
        raise ValueError(f"{quoted(value)} is not an address; {_ADDRESS_HELP}{hint}")
    else:
        hint = did_you_mean(value, ["ipc", "hololinked"])
        parts = _HOST_PORT.fullmatch(value)
        if parts and _is_host(parts[1]) and _is_port(parts[2]):
            hint = f"; did you mean {quoted(f'tcp://{value}')}?"
        elif value.casefold() == "tcp":
            hint = "; tcp needs a host and a port"
        raise ValueError(f"{quoted(value)} is not an address; {_ADDRESS_HELP}{hint}")
    return value


def check_collector(value: str) -> str:
    """Where a collector of OpenTelemetry takes OTLP over HTTP, without a slash at the end.

    Raises:
        ValueError: it is no address of http or https.
    """
    parts = urlsplit(value)
    try:
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is none
        known = False
    if not known or parts.query or parts.fragment or parts.username:
        raise ValueError(
            f'{quoted(value)} is no address of a collector; write one such as "http://127.0.0.1:4318"'
        )
    return value.rstrip("/")


def check_listened(value: object) -> object:
    """An item of ``listen``: an address, or a mapping of one and what holds for it.

    A mapping is given back with the address as ``requests``, whatever it was written as.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, str):
        return check_address(value)
    if not isinstance(value, dict):
        known = 'ipc or "tcp://127.0.0.1:5570"'
        raise ValueError(f"must be an address such as {known}, not {say(value)}")
    found = doors.check_item(value)
    pair = [found[key] for key in ("requests", "events") if key in found]
    for each in pair:
        is_name = each in ("ipc", "hololinked")
        if not isinstance(each, str) or (is_name and len(pair) > 1):
            raise ValueError(f"a pair has two full addresses, such as {doors.PAIR}")
        if each.startswith("http://"):
            raise ValueError(f"{quoted(each)} is for browsers: write it by itself, as a text")
        check_address(each)
    schemes = {each.partition("://")[0] for each in pair}
    if len(pair) > 1 and (schemes not in ({"tcp"}, {"ipc"}) or len(set(pair)) < 2):
        raise ValueError("a pair has two different addresses of one kind, tcp or ipc")
    return found


def _check_ipc(value: str, path: str) -> None:
    if not path.startswith("/") or path.endswith("/") or "\0" in path:
        raise ValueError(
            f"{quoted(value)} holds no absolute path of a file; write three slashes: ipc:///path"
        )
    length = len(path.encode("utf-8", "surrogatepass"))
    if length > MAX_IPC_PATH:
        raise ValueError(
            f"the path of {quoted(value)} has {length} bytes; a socket's path may have"
            f" {MAX_IPC_PATH}"
        )


def _check_tcp(value: str, rest: str) -> None:
    parts = _HOST_PORT.fullmatch(rest)
    if parts is None:
        hint = "; an IPv6 address stands in brackets" if rest.count(":") > 1 else ""
        raise ValueError(f"{quoted(value)} is not tcp://host:port{hint}")
    host, port = parts[1], parts[2]
    if not _is_host(host):
        raise ValueError(
            f"{quoted(host)} in {quoted(value)} is not a host; write an IPv4 address, an IPv6"
            " address in brackets, a name, or * for all interfaces"
        )
    if not _is_port(port):
        raise ValueError(
            f"{quoted(port)} in {quoted(value)} is not a port; write 0 to 65535, or * for any"
            " free one"
        )


def _is_host(host: str) -> bool:
    if host == "*":
        return True
    if host.startswith("["):
        return _is_ip(host[1:-1], 6)
    if re.fullmatch(r"[0-9.]+", host):
        return _is_ip(host, 4)
    return _HOST.fullmatch(host) is not None


def _is_ip(text: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(text).version == version
    except ValueError:
        return False


def _is_port(port: str) -> bool:
    return port == "*" or (re.fullmatch(r"[0-9]{1,5}", port) is not None and int(port) <= 65535)


def check_interval(value: object) -> float:
    """Seconds between two reads of a property.

    Raises:
        ValueError: it is no duration, or less than 10 ms.
    """
    seconds = check_seconds(value)
    if seconds < LEAST_INTERVAL:
        raise ValueError(f"{say(value)} is too often; the least is 10ms")
    return seconds


def check_seconds(value: object) -> float:
    """A time in seconds, from a duration that must have an end.

    Raises:
        ValueError: it is no duration, or 0, or none.
    """
    if value is None:
        raise ValueError("it must have an end: write a duration such as 10s")
    seconds = parse_seconds(value)
    if seconds == 0:
        raise ValueError("nothing can be done in no time at all: write a duration such as 10s")
    return seconds
