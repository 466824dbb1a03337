"""Where a driver's code runs beside the queued lane: an event loop, and a pool of threads."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

from workers import threads
from workers.errors import Interrupted

if TYPE_CHECKING:
    import asyncio

log = logging.getLogger("workers")

T = TypeVar("T")

Enter = Callable[[], AbstractContextManager[None]]
"""A context in which a thread runs, such as its registration for records."""

CAPACITY = 16
"""Concurrent members that may run at once."""

PATIENCE = 1.0
"""Seconds that a cancelled task may take to clean up."""


class EventLoop:
    """One asyncio loop in a thread of its own, started by the first awaitable.

    All of a driver's coroutines run in it, so that what one of them makes (locks, connections,
    tasks) can be used by the next.

    Args:
        name: Name of the thread.
        enter: A context in which the thread runs, such as its registration for records.
    """

    def __init__(
        self,
        name: str,
        enter: Enter = nullcontext,
    ) -> None:
        self._name = name
        self._enter = enter
        self._lock = threads.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threads.Thread | None = None
        self._tasks: dict[int, asyncio.Task[Any]] = {}  # by the thread that waits for it
        self._cancelled: set[int] = set()

    def wait(self, awaitable: Any) -> Any:
        """Run an awaitable to its end, from a thread that isn't the loop's; give its result.

        Raises:
            Interrupted: It was cancelled by `cancel`, and let that happen.
            BaseException: What the awaitable raised.
        """
        import asyncio

        ended = threads.Event()
        settled = self._settle(awaitable, ended, threads.get_ident())
        future = asyncio.run_coroutine_threadsafe(settled, self._started())
        done = threads.Event()
        future.add_done_callback(lambda _: done.set())
        try:
            done.wait()  # the future's own wait may be replaced by one that knows no other threads
            error, value = future.result()
        except BaseException:
            # a signal's exception, not the awaitable's: let that clean up before this goes on
            future.cancel()
            ended.wait(PATIENCE)
            raise
        if error is not None:
            raise error
        return value

    def cancel(self, thread: int, may: Callable[[], bool]) -> bool:
        """Cancel what a thread waits for here, if it does, soon; tells whether it does.

        Args:
            thread: Who waits.
            may: Is asked in the loop's thread just before.
        """
        loop = self._loop
        if loop is None or thread not in self._tasks:
            return False

        def cancel() -> None:
            task = self._tasks.get(thread)
            if task is not None and may():
                self._cancelled.add(thread)
                task.cancel()

        loop.call_soon_threadsafe(cancel)
        return True

    def call(self, function: Callable[[], T]) -> T:
        """Call a function in the loop's thread, where it finds the running loop.

        As in any asyncio program it holds up the loop's other work while it runs.

        Raises:
            BaseException: What the function raised.
        """
        value: T = self.wait(_called(function))
        return value

    def stop(self, patience: float = PATIENCE) -> None:
        """Cancel what runs and end the thread; leave it behind if it takes too long.

        Args:
            patience: Seconds to wait.
        """
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        loop.call_soon_threadsafe(loop.stop)
        thread.join(patience)

    async def _settle(
        self, awaitable: Any, ended: threads.Event, thread: int
    ) -> tuple[BaseException | None, Any]:
        import asyncio

        task = asyncio.current_task()
        assert task is not None
        self._tasks[thread] = task
        try:
            return None, await awaitable
        except BaseException as error:  # noqa: BLE001  raised again where it is waited for
            if thread in self._cancelled and isinstance(error, asyncio.CancelledError):
                return Interrupted().with_traceback(error.__traceback__), None
            return error, None
        finally:
            del self._tasks[thread]
            self._cancelled.discard(thread)
            ended.set()

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._loop.is_closed():
                self._loop = threads.new_event_loop()
                self._thread = threads.Thread(self._run, self._name, (self._loop,))
                self._thread.start()
            return self._loop

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        import asyncio

        with self._enter():
            asyncio.set_event_loop(loop)
            while True:
                try:
                    loop.run_forever()
                    if self._loop is not loop:
                        break
                    log.warning("the driver stopped the event loop of its worker; it runs on")
                except (SystemExit, KeyboardInterrupt):
                    # asyncio lets these two through from any task, and the loop must go on
                    log.exception("a background task of the driver raised")
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            loop.close()


async def _called(function: Callable[[], T]) -> T:
    from asyncio import events

    loop = events.get_running_loop()
    try:
        return function()
    finally:
        if events._get_running_loop() is not loop:  # it ran one of its own, and left none
            events._set_running_loop(loop)


class ThreadPool:
    """Up to a number of daemon threads, each started when all others are busy.

    The interpreter waits at its exit for the threads of concurrent.futures, and one call of a
    driver may never return.

    Args:
        name: Name of the threads.
        size: Most threads.
        enter: A context in which each thread runs.
    """

    def __init__(
        self,
        name: str,
        size: int = CAPACITY,
        enter: Enter = nullcontext,
    ) -> None:
        self._name = name
        self._size = size
        self._enter = enter
        self._work: threads.SimpleQueue[Callable[[], None] | None] = threads.SimpleQueue()
        self._lock = threads.Lock()
        self._free = 0  # threads that wait, less calls that do
        self._threads = 0

    def submit(self, call: Callable[[], None]) -> None:
        """Run a function, which must not raise, as soon as a thread is free.

        It is run here and now if there is no thread, and the system gives none.
        """
        with self._lock:
            if self._free > 0 or self._threads == self._size or not self._grow():
                if not self._threads:
                    call()
                    return
                self._free -= 1
        self._work.put(call)

    def _grow(self) -> bool:
        """Start another thread, for one call; whether there is one."""
        name = f"{self._name}-{self._threads + 1}"
        try:
            threads.Thread(self._run, name).start()
        except RuntimeError as error:
            log.warning("a call has to wait: %s", error)
            return False
        self._threads += 1
        return True

    def stop(self) -> None:
        """Let each thread end when it is free."""
        with self._lock:
            threads = self._threads
        for _ in range(threads):
            self._work.put(None)

    def _run(self) -> None:
        with self._enter():
            while True:
                call = self._work.get()
                if call is None:
                    return
                call()
                del call  # it holds the request's frames
                with self._lock:
                    self._free += 1
