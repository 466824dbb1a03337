"""Levels of what is logged: what the link, the streams of records and the config call them."""

from __future__ import annotations

from typing import Final, Literal, get_args

Level = Literal["debug", "info", "warning", "error", "critical"]

LEVELS: dict[str, int] = dict(zip(get_args(Level), (10, 20, 30, 40, 50), strict=True))
"""Names in rising order of weight, with the numbers of stdlib logging."""

ALIASES = {"warn": "warning", "exception": "error", "fatal": "critical"}
"""Other names of levels, as methods of loggers have them."""

AUDIT: Final = "audit"
"""The level of what is recorded whatever the level of the log is: it is stored as info."""
AUDIT_LOGGER: Final = "orch.audit"
"""The logger by which such records are known."""

SPAN: Final = "span"
"""The level of what is recorded of each operation for OpenTelemetry: it is stored as debug."""
SPAN_LOGGER: Final = "orch.span"
"""The logger by which such records are known; who doesn't ask for them isn't shown them."""
DRIVER: Final = "driver"
"""What such a record says that is of a worker: how long its driver took."""
