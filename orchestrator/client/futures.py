"""The result of a request that was submitted, as a future."""

from __future__ import annotations

from concurrent.futures import Future
from threading import TIMEOUT_MAX
from typing import Any, Protocol

from orchestrator.client.surface import surface
from transports.durations import duration


class Withdraws(Protocol):
    """Who can ask the rig to withdraw a request, or end it."""

    def withdraw(self, request_id: str, *, restart: bool = False) -> None:
        """Ask for it soon, without waiting; `restart`: by a restart of its worker, if need be."""


class RequestFuture(Future[Any]):
    """The result of a request that was submitted.

    `cancel()` works at once until the request is sent. Afterwards the rig is asked to: what hasn't
    started never does, and the result is `Withdrawn`. What runs is ended as its worker's config
    says by `cancel_with`, and the result is the driver's own, or `Aborted`; else it goes on. An
    asyncio task that is cancelled cancels what it waits for in the same way.
    Callbacks run one at a time in the connection's own thread;
    they may make calls on the rig, but must not wait there for another future.

    Attributes:
        request_id: Message id of the request.
    """

    request_id: str

    def __init__(self, request_id: str, connection: Withdraws | None = None) -> None:
        super().__init__()
        self._connection = connection  # lives for as long as somebody waits for this
        self.request_id = request_id
        # The first to write here wins; asking again gives the same answer. The standard way of
        # claiming a future takes a lock, which an interrupt can leave locked.
        self._claim: dict[str, str] = {}
        self._told = False

    def claim(self) -> bool:
        """Take it for sending, so that it can't be cancelled. False if it has been."""
        return self._claim.setdefault("by", "sender") == "sender"

    def cancel(self, *, restart: bool = False) -> bool:
        """Cancel the request.

        Args:
            restart: Whether its worker is restarted if nothing else ends what runs.

        Returns:
            Whether it wasn't even sent. If it was, the rig is asked, and the result tells.
        """
        if self._claim.setdefault("by", "caller") != "caller":
            connection = self._connection
            if connection is not None and not self.done():
                connection.withdraw(self.request_id, restart=restart)
            return False
        return super().cancel()

    @surface
    def result(self, timeout: float | None = None) -> Any:
        """Wait for the result.

        Args:
            timeout: Seconds, 0 or more, of any number type; None and infinity wait without end.

        Raises:
            TimeoutError: There is none within `timeout`; the request goes on.
            CancelledError: It was cancelled before it was sent.
            OrchError: Any of the tree; or the driver's own, if it is a builtin one.
            TypeError, ValueError: `timeout` isn't one.
        """
        return super().result(wait_time(duration(timeout)))

    @surface
    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait as `result` does, and give its exception; None if it has a result.

        Raises:
            TimeoutError, CancelledError, TypeError, ValueError: As for `result`.
        """
        return super().exception(wait_time(duration(timeout)))

    def running(self) -> bool:
        """Whether the request was sent and not answered yet."""
        return self._claim.get("by") == "sender" and not self.done()

    def tell_cancelled(self) -> None:
        """Tell those who wait for several futures that this one was cancelled."""
        if self.cancelled() and not self._told:
            self._told = True
            self.set_running_or_notify_cancel()


def wait_time(seconds: float | None) -> float | None:
    """Seconds as locks and conditions take them: there is a longest wait, of centuries."""
    return None if seconds is None else min(seconds, TIMEOUT_MAX)
