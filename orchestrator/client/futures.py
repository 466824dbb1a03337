"""The result of a request that was submitted, as a future."""

from __future__ import annotations

from concurrent.futures import Future, InvalidStateError
from threading import TIMEOUT_MAX, RLock
from time import monotonic
from typing import Any, Protocol

from orchestrator.client.exchange import Exchange, Leader
from orchestrator.client.surface import surface
from transports.durations import duration

_STANDARD = frozenset(vars(Future()))
_making = RLock()


class Carrier(Protocol):
    """Who sends requests and gets their answers; the connection."""

    def withdraw(self, request_id: str, *, restart: bool = False) -> None:
        """Ask for it soon, without waiting; `restart`: by a restart of its worker, if need be."""

    def take_role(self, leader: Leader) -> bool:
        """Have somebody do the I/O, unless another thread does; whether it was taken."""

    def lead(self, leader: Leader) -> None:
        """Do the I/O until a leader has what it waits for, or its deadline has come."""

    def leave(self, leader: Leader) -> None:
        """Give the role back."""

    def watch(self, future: RequestFuture) -> None:
        """Have a future completed as soon as it is settled."""


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
        exchange: The request; None once the outcome is known.
        leader: Whoever waits for the result and does the I/O meanwhile.
        watched: It is looked at otherwise than by waiting for its result, so it is to be completed
            as soon as it is settled.
    """

    def __init__(self, exchange: Exchange, connection: Carrier) -> None:
        self._connection = connection  # lives for as long as somebody waits for this
        self.request_id = exchange.id
        self.exchange: Exchange | None = exchange
        self.leader: Leader | None = None
        self.watched = False
        self._outcome: tuple[Any, Exception | None] | None = None
        # The first to write here wins; asking again gives the same answer. The standard way of
        # claiming a future takes a lock, which an interrupt can leave locked.
        self._claim: dict[str, str] = {}
        self._told = False

    def __getattr__(self, name: str) -> Any:
        """What a standard future consists of, made when it is first looked at as one.

        Most are only waited for, which needs no lock, no condition and no thread.
        """
        if name not in _STANDARD:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        with _making:
            if not self.__dict__.keys() >= _STANDARD:
                super().__init__()
        self._connection.watch(self)
        return self.__dict__[name]

    def settle(self) -> bool:
        """It is settled. Returns whether it is to be completed now."""
        if self.leader is not None:
            self.leader.settled = True
        return self.watched

    def outcome(self) -> tuple[Any, Exception | None]:
        """The value or error of a request that is settled, the same each time."""
        if self._outcome is None:
            with _making:  # a stream, for one, is opened once
                exchange = self.exchange
                if exchange is not None:
                    try:
                        self._outcome = (exchange.result(), None)
                    except Exception as error:  # noqa: BLE001  raised where the result is taken
                        self._outcome = (None, error)
                    self.exchange = None  # the frames of the answer go
        assert self._outcome is not None
        return self._outcome

    def complete(self) -> None:
        """Give those who look at it in the standard way what has come of it."""
        if not self.claim():
            self.tell_cancelled()
            return
        value, error = self.outcome()
        try:
            if self.done():
                return
            if error is None:
                self.set_result(value)
            else:
                self.set_exception(error)
        except InvalidStateError:
            return  # by another thread just now

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
            if not self.done():
                self._connection.withdraw(self.request_id, restart=restart)
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
        seconds = duration(timeout)
        if not self.watched and self._is_settled(seconds):
            value, error = self.outcome()
            if error is None:
                return value
            try:
                raise error
            finally:
                del self, error  # which would hold each other
        return super().result(wait_time(seconds))

    @surface
    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait as `result` does, and give its exception; None if it has a result.

        Raises:
            TimeoutError, CancelledError, TypeError, ValueError: As for `result`.
        """
        seconds = duration(timeout)
        if not self.watched and self._is_settled(seconds):
            return self.outcome()[1]
        return super().exception(wait_time(seconds))

    def _is_settled(self, seconds: float | None) -> bool:
        """Do the I/O until it is settled, unless another thread does it; whether it is.

        Raises:
            TimeoutError: Not within `seconds`.
        """
        exchange = self.exchange
        if exchange is None or exchange.settled:
            return True
        waiting = Leader()
        waiting.deadline = None if seconds is None else monotonic() + seconds
        try:
            if not self._connection.take_role(waiting):
                return exchange.settled
            self.leader = waiting
            waiting.settled = exchange.settled
            self._connection.lead(waiting)
        finally:
            waiting.leading = False
            self._connection.leave(waiting)
        if not exchange.settled:
            raise TimeoutError
        return True

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
