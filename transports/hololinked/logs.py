"""Where the classes of this package write: a given logger, structlog's, or silence."""

from __future__ import annotations

import logging
from typing import Any

NAME = "transports"


def get_logger(given: Any, **fields: Any) -> Any:
    """A structlog logger with `fields` bound.

    Args:
        given: A structlog or standard logger; None for the application's structlog logger if it
            has configured one, else the standard logger `transports`, which shows nothing below
            WARNING unless it is told to.
        **fields: Bound to each record.
    """
    import structlog  # takes longer to import than all of a client's first call

    if given is None and not structlog.is_configured():
        # structlog's own default prints every debug line: a library must not.
        given = logging.getLogger(NAME)
    if isinstance(given, (logging.Logger, logging.LoggerAdapter)):
        given = structlog.wrap_logger(
            given,
            processors=[
                structlog.stdlib.filter_by_level,
                structlog.processors.KeyValueRenderer(key_order=["event"], drop_missing=True),
            ],
            wrapper_class=structlog.stdlib.BoundLogger,
        )
    return (structlog.get_logger() if given is None else given).bind(**fields)
