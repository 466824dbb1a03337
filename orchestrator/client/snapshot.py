"""All that can be read of a rig at one time, and what couldn't be."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from orchestrator.client.exchange import Timeout
from orchestrator.client.members import PROPERTY, Members
from orchestrator.client.recipes import run
from orchestrator.client.session import Session
from orchestrator.errors import (
    NameRefused,
    NotAllowed,
    NothingThere,
    NotStarted,
    OrchError,
    RigLost,
)

OF_STATUS = ("state", "life", "driver", "simulated")
"""What a snapshot tells of a worker as its status has it."""
OF_ONE = (NotAllowed, NameRefused, NothingThere)
"""Refusals of a property that say nothing of others."""
MOST_THREADS = 32
"""Workers that are read side by side."""


class Snapshot(dict[str, Any]):
    """What was read: a dict of plain parts, with the drivers' values as they are.

    `{"rig": id, "run": …, "config": path, "time": seconds since the epoch, "workers": {name:
    {"state": …, "life": …, "driver": …, "simulated": …, "values": {property: value},
    "unread": {property: why}, "error": why nothing of the worker could be read, else None}}}`.
    """

    @property
    def unread(self) -> dict[str, str]:
        """Why something couldn't be read, by `worker.property`, or by `worker` if it is all."""
        found: dict[str, str] = {}
        for name, worker in self["workers"].items():
            if worker["error"] is not None:
                found[name] = worker["error"]
            found.update({f"{name}.{each}": why for each, why in worker["unread"].items()})
        return found


def readable(members: Members) -> list[str]:
    """The properties of a worker that can be read."""
    names = members.of_kind(PROPERTY)
    return [name for name in names if not members.affordance(name).get("writeOnly")]


def take(session: Session, names: Sequence[str], timeout: Timeout) -> Snapshot:
    """Read all properties: of a worker one after the other, workers side by side.

    Args:
        session: The connection.
        names: The workers; all if empty.
        timeout: Seconds that each read may take; as the config says if left out.

    Raises:
        NameRefused: There is no such worker.
        OrchError: The rig doesn't answer.
    """
    request = session.connection.request
    status = run(session.status(), request)
    for name in names:
        session.check_worker(name)
    found = {each["name"]: each for each in status["workers"]}
    chosen = [name for name in found if not names or name in names]
    reader = _Reader(session, timeout)
    began = time.time()
    pool = ThreadPoolExecutor(max(1, min(MOST_THREADS, len(chosen))), "orch-snapshot")
    try:
        read = list(pool.map(reader.read, [found[name] for name in chosen]))
    finally:
        reader.stops.set()  # an interrupt: nobody waits for the rest
        pool.shutdown(wait=False, cancel_futures=True)
    return Snapshot(
        rig=status["rig"],
        run=status.get("run"),
        config=status.get("config"),
        time=began,
        workers=dict(zip(chosen, read, strict=True)),
    )


class _Reader:
    """Reads workers.

    Attributes:
        stops: Set when nobody waits for what is read any more.
    """

    def __init__(self, session: Session, timeout: Timeout) -> None:
        self.stops = threading.Event()
        self._session = session
        self._timeout = timeout

    def read(self, worker: Mapping[str, Any]) -> dict[str, Any]:
        """The part of a snapshot that is of one worker, whose status is given."""
        name, request = worker["name"], self._session.connection.request
        part: dict[str, Any] = {key: worker.get(key) for key in OF_STATUS}
        part |= {"values": {}, "unread": {}, "error": None}
        try:
            properties = readable(run(self._session.describe(name), request))
        except RigLost:
            raise
        except OrchError as error:
            return {**part, "error": str(error)}
        for at, each in enumerate(properties):
            if self.stops.is_set():
                break
            try:
                exchange = run(self._session.read(name, each, ..., self._timeout), request)
                part["values"][each] = request(exchange)
            except RigLost:
                raise
            except OF_ONE as error:
                part["unread"][each] = str(error)
            except NotStarted as error:  # nor would the others: it is busy, or gone
                part["unread"].update(dict.fromkeys(properties[at:], str(error)))
                break
            except Exception as error:  # noqa: BLE001  whatever a driver raises is told
                part["unread"][each] = _in_words(error)
        return part


def _in_words(error: Exception) -> str:
    if isinstance(error, OrchError):
        return str(error)
    return f"{type(error).__name__}: {error}".rstrip(": ")
