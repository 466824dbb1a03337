"""Events for asyncio, and the running of recipes in it."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

from orchestrator.client.aio_loop import LoopCarrier
from orchestrator.client.events import Event, OnLoss, Subscription
from orchestrator.client.exchange import Exchange
from orchestrator.client.feed import HELD
from orchestrator.client.session import Recipe, Session, T
from orchestrator.client.tries import Tries
from orchestrator.errors import OrchError
from transports.durations import duration

_READ_AHEAD = 100
"""Events that are taken from the socket before the consumer asks for them."""


async def request(session: Session, exchange: Exchange) -> Any:
    """Send a request and await its answer. Raises as `Connection.request` does.

    Subscriptions that were asked for before it are live before it is sent, so that they see what
    it causes.
    """
    if session.opening:
        await asyncio.wait(session.opening)
    return await _send(session, exchange)


async def _send(session: Session, exchange: Exchange) -> Any:
    carrier = session.carrier
    if carrier is None or carrier.loop is not asyncio.get_running_loop():
        if carrier is not None:
            carrier.close()
        carrier = session.carrier = LoopCarrier(session.connection)
    return await carrier.request(exchange)


async def run(
    session: Session,
    recipe: Recipe[T],
    send: Callable[[Session, Exchange], Awaitable[Any]] = request,
) -> T:
    """Run a recipe with requests that are awaited."""
    answer = None
    while True:
        try:
            exchange = recipe.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result
        answer = await send(session, exchange)


async def run_tries(session: Session, tries: Tries) -> Any:
    """Make the tries of a call with requests that are awaited."""
    try:
        step = next(tries)
        while True:
            try:
                if isinstance(step, float):
                    await asyncio.sleep(step)
                    got = None
                else:
                    got = await request(session, step)
            except Exception as error:  # noqa: BLE001  what it means is decided there
                step = tries.throw(error)
            else:
                step = tries.send(got)
    except StopIteration as end:
        return end.value


class AsyncSubscription:
    """An asynchronous iterator over events; a thread of its own waits for them.

    Args:
        keep: Told the subscription once it is live, to close it with the connection.
        session: The rig.
        worker: The worker.
        event: The event; None for all of the worker's.
        timeout: Seconds without an event after which TimeoutError is raised; None waits.
        conflate: Give the newest event only; those that it replaced are gone.
        on_loss: As for `Subscription`.
    """

    def __init__(
        self,
        keep: Callable[[Subscription], None],
        session: Session,
        worker: str,
        event: str | None,
        timeout: float | None,
        conflate: bool = False,
        on_loss: OnLoss = "reconnect",
    ) -> None:
        self._keep = keep
        self._session = session
        self._worker = worker
        self._event = event
        self._timeout = duration(timeout)
        self._on_loss = on_loss
        self._subscription: Subscription | None = None
        self._queue: asyncio.Queue[Item] = asyncio.Queue()
        self._newest = _Newest() if conflate else None
        self._room = threading.Semaphore(_READ_AHEAD)
        self._opening = asyncio.ensure_future(self._open())
        self._opening.add_done_callback(_notice)
        session.opening.add(self._opening)
        self._opening.add_done_callback(session.opening.discard)

    @property
    def missed(self) -> int:
        """How many events were lost on the way, as told by gaps in the sequence."""
        if self._subscription is None:
            return 0
        return self._subscription.lost if self._newest else self._subscription.missed

    @property
    def restarts(self) -> int:
        """How often the worker was restarted in between."""
        return self._subscription.restarts if self._subscription else 0

    async def __aenter__(self) -> AsyncSubscription:
        await asyncio.shield(self._opening)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.stop()

    def __aiter__(self) -> AsyncSubscription:
        return self

    async def __anext__(self) -> Event:
        """The next event. Raises as `Subscription.__next__` does, but StopAsyncIteration."""
        await asyncio.shield(self._opening)
        try:
            async with asyncio.timeout(self._timeout):
                item = await self._queue.get()
        except TimeoutError:
            raise TimeoutError(
                f"no event {self._worker}/{self._event or '*'} within {self._timeout:g} s"
            ) from None
        self._room.release()
        if isinstance(item, _Newest):
            item = item.take()
        if item is None:
            self._queue.put_nowait(None)  # the end stays the end
            raise StopAsyncIteration
        if isinstance(item, Exception):
            raise item
        return item

    def stop(self) -> None:
        """End the subscription, and the iteration over it."""
        self._opening.cancel()
        if self._subscription is not None:
            self._subscription.close()
        self._room.release()  # a reader that waits for room looks again

    async def _open(self) -> None:
        topics, address = await run(
            self._session, self._session.event_source(self._worker, self._event), _send
        )
        self._subscription = await asyncio.to_thread(
            Subscription,
            address,
            topics,
            held=HELD if self._newest is None else 1,
            on_loss=self._on_loss,
            key=self._session.connection.key,
        )
        self._keep(self._subscription)
        # Whoever drops this without `stop` leaves nothing behind either.
        weakref.finalize(self, _end, self._subscription, self._room).atexit = False
        threading.Thread(
            target=_read_ahead,
            args=(
                self._subscription,
                asyncio.get_running_loop(),
                self._queue,
                self._room,
                self._newest,
            ),
            name=f"orch-events-{topics[0]}",
            daemon=True,
        ).start()


def _end(subscription: Subscription, room: threading.Semaphore) -> None:
    subscription.end()
    room.release()  # a reader that waits for room looks again


class _Newest:
    """Stands in the queue for the newest event, which is settled when it is taken."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._event: Event | None = None

    def put(self, event: Event) -> bool:
        """Replace the event; whether there was none, so that this must be queued."""
        with self._lock:
            was_empty = self._event is None
            self._event = event
            return was_empty

    def take(self) -> Event | None:
        """The event; what comes from now on is queued anew."""
        with self._lock:
            event, self._event = self._event, None
            return event


Item = Event | Exception | _Newest | None
"""What waits for an asynchronous consumer; None is the end."""


def _notice(opening: asyncio.Future[None]) -> None:
    """Keep a failure for whoever iterates; asyncio needn't complain that nobody has yet."""
    if not opening.cancelled():
        opening.exception()


def _read_ahead(
    subscription: Subscription,
    loop: asyncio.AbstractEventLoop,
    queue: asyncio.Queue[Item],
    room: threading.Semaphore,
    newest: _Newest | None,
) -> None:
    """Move events from a subscription to a loop, until either has ended."""
    try:
        while True:
            if newest is None:
                room.acquire()
            item: Item
            try:
                item = subscription.next()
            except OrchError as error:
                item = error
            if newest is not None and isinstance(item, Event):
                if newest.put(item):
                    loop.call_soon_threadsafe(queue.put_nowait, newest)
                continue
            loop.call_soon_threadsafe(queue.put_nowait, item)
            if not isinstance(item, Event):
                return
    except RuntimeError:
        return  # the loop was closed before the subscription was
    finally:
        subscription.close()
