"""How long the driver takes over an operation, recorded for OpenTelemetry where that is wanted.

Where it isn't, nothing here is called: the handlers of a worker's members are wrapped as its table
is made, or left as they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from transports.headers import RequestHeader
from transports.serializers import Buffer
from workers.driver.settle import settled
from workers.output import records
from workers.serving.handlers import Handler


def timed(handler: Handler, wait: Callable[[Any], Any]) -> Handler:
    """A handler whose time is recorded, what it awaits included, however it ends.

    Args:
        handler: Calls the driver.
        wait: Runs an awaitable to its end and gives its result.
    """

    def run(request: RequestHeader, payload: Buffer, raw: Buffer) -> Any:
        begun = time.monotonic()
        try:
            return settled(handler(request, payload, raw), wait)
        finally:
            records.write_span(time.monotonic() - begun)

    return run
