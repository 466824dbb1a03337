"""Devices' callbacks, taken while somebody is subscribed to what they tell."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from transports.errors import SerializationError
from transports.headers import CHANGE
from workers.driver.describe import EVENT, Description
from workers.driver.sources import Emit, Source, Stop
from workers.errors import Terminated
from workers.failures import strip

log = logging.getLogger("workers")


class Callbacks:
    """Starts and stops a driver's sources. All but what they emit is for one thread.

    Args:
        publish: Publishes a value as an event of a name, from any thread.
        changed: Publishes an observable property's value if it has changed, likewise.
        is_wanted: Whether somebody is subscribed to a topic of the worker.
    """

    def __init__(
        self,
        publish: Callable[[str, Any], None],
        changed: Callable[[str, Any], None],
        is_wanted: Callable[[str], bool],
    ) -> None:
        self._publish = publish
        self._changed = changed
        self._is_wanted = is_wanted
        self._sources: dict[str, tuple[str, Source]] = {}
        self._running: dict[str, Stop] = {}

    def __bool__(self) -> bool:
        """Whether there is anything that calls back."""
        return bool(self._sources)

    def offer(self, sources: Mapping[str, Source], description: Description) -> None:
        """Take these sources in place of those before; of the same things, those run on."""
        before, self._sources = self._sources, {}
        for path, source in sources.items():
            topic = path if path in description[EVENT] else f"{path}{CHANGE}"
            known = before.get(path)
            is_same = known is not None and known[1].subject == source.subject
            self._sources[path] = known if known and is_same else (topic, source)
        for path in [*self._running]:
            if self._sources.get(path) is not before[path]:
                self._stop(path)

    def adjust(self) -> None:
        """Start what is wanted and stop what isn't any more.

        Raises:
            Terminated: The supervisor ends the process by a signal while the driver ran.
        """
        for path, (topic, source) in self._sources.items():
            wanted = self._is_wanted(topic)
            if wanted and path not in self._running:
                self._start(path, topic, source)
            elif not wanted and path in self._running:
                self._stop(path)

    def stop(self) -> None:
        """Stop all."""
        for path in list(self._running):
            self._stop(path)

    def _start(self, path: str, topic: str, source: Source) -> None:
        give = self._publish if topic == path else self._changed
        try:
            self._running[path] = source.start(_careful(path, give))
        except Terminated:
            raise
        except BaseException as error:  # the driver may raise anything
            strip(error)
            log.error("%s can't be subscribed to", path, exc_info=error)
            self._running[path] = _do_nothing  # not again with each subscription to anything

    def _stop(self, path: str) -> None:
        try:
            self._running.pop(path)()
        except Terminated:
            raise
        except BaseException as error:  # the driver may raise anything
            strip(error)
            log.error("the subscription to %s can't be ended", path, exc_info=error)


def _careful(path: str, give: Callable[[str, Any], None]) -> Emit:
    """A function for a device to call: what can't be sent is told once, and never raised there."""
    told = False

    def emit(value: Any) -> None:
        nonlocal told
        try:
            give(path, value)
        except (TypeError, SerializationError) as error:
            if not told:
                told = True
                log.warning("what %s calls back with can't be published: %s", path, error)

    return emit


def _do_nothing() -> None:
    pass
