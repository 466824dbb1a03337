"""The key by which a rig is reached over tcp: named, or found where keys are kept."""

from __future__ import annotations

import os
from pathlib import Path

from orchestrator.access.keys import KEY, ClientKey, read_key
from orchestrator.errors import KeyRefused
from orchestrator.names import KEY_VARIABLE
from orchestrator.runtime.places import keys_dir
from transports.endpoints import parse_endpoint

KeyFile = str | os.PathLike[str] | None


def key_for(address: str, named: KeyFile = None) -> ClientKey | None:
    """The key for an address; None where there is none, or none is needed.

    The one that is named, else `$ORCH_KEY`, else `HOST_PORT.key` or `HOST.key` in the folder of
    keys, `~/.config/orch/keys`.

    Args:
        address: Of the rig.
        named: A file.

    Raises:
        KeyRefused: It can't be used, or the address takes none.
        TypeError: It is no path.
    """
    is_tcp = address.startswith("tcp://")
    if named is not None:
        if not is_tcp:
            raise KeyRefused(f"{address} takes no key: its socket lets in this user alone")
        return read_key(Path(named).expanduser())
    if not is_tcp:
        return None
    if given := os.environ.get(KEY_VARIABLE):
        return read_key(Path(given).expanduser())
    endpoint = parse_endpoint(address)
    host = endpoint.host.strip("[]")
    try:
        folder = keys_dir()
    except RuntimeError:  # no home, no keys
        return None
    for name in (f"{host}_{endpoint.port}", host):
        if (file := folder / f"{name}{KEY}").exists():
            return read_key(file)
    return None
