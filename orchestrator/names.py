"""Names that several rooms know: of rigs and workers, of environment variables."""

from __future__ import annotations

import re
from typing import Final

ID_PATTERN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
"""Ids of rigs and workers; to be used with `fullmatch`."""

RIG_VARIABLE: Final = "ORCH_RIG"
"""The rig that is meant where none is named."""
RUNTIME_VARIABLE: Final = "ORCH_RUNTIME_DIR"
"""The folder for sockets, locks and states of rigs."""
STATE_VARIABLE: Final = "ORCH_STATE_DIR"
"""The folder for what outlives a rig: its logs."""

KEY_VARIABLE: Final = "ORCH_KEY"
"""The file of the key by which rigs are reached over tcp."""

CLUSTER_FILES: Final = ("ca.pem", "cert.pem", "key.pem")
"""By which the ends of a Dask cluster know each other: a CA, a certificate, and its key."""
