"""The scheduler and the hosts of a cluster, as rigs need them.

Dask's own commands listen to more than that, and take a mistake for a bug. Here a scheduler listens
at one address, a host at none once it has joined, and what is wrong is one line.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from orchestrator.dask import tls as keys
from orchestrator.dask.reach import SAME_KEYS, keep_quiet, unreachable

SETTINGS = {
    "distributed.scheduler.allowed-failures": 0,  # a device has one master: nothing starts twice
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}
HTTP = "127.0.0.1:0"
"""Where Dask opens its HTTP server, which there is no way to do without; it is closed at once."""
JOINED_WITHIN = 15.0
"""Seconds for a scheduler to take a host in."""


class ClusterError(Exception):
    """A scheduler or host can't be, or is no more; one line with the mend."""


def run(part: Coroutine[Any, Any, None]) -> None:
    """Be a part of a cluster, `schedule` or `join`, until a signal.

    Raises:
        KeyRefused, ClusterError: As the part does.
    """
    import dask

    keep_quiet()
    dask.config.set(SETTINGS)
    asyncio.run(part)


async def schedule(place: str, port: int, tls: Path | None, told: Callable[[str], None]) -> None:
    """Be a scheduler.

    Args:
        place: Name or number at which it listens, in brackets if it has colons.
        port: Likewise.
        tls: The files by which the ends know each other; None for a cluster in the clear.
        told: Is told that it is there.

    Raises:
        KeyRefused: A file isn't there.
        ClusterError: It can't listen there.
    """
    from distributed import Scheduler

    scheme = "tcp" if tls is None else "tls"
    async with _stopping() as stopped:
        made = Scheduler(
            host=f"{scheme}://{place}",
            port=port,
            security=None if tls is None else keys.security(tls),
            dashboard=False,
            dashboard_address=HTTP,
        )
        made.http_server.stop()
        try:
            await made
        except Exception as error:
            why = _reason(error)
            raise ClusterError(f"can't listen at {place}:{port}: {why}; see --address") from error
        told(f"the scheduler is at {made.address}")
        await stopped.wait()
        await made.close()


async def join(
    scheduler: str,
    name: str,
    resources: Mapping[str, float],
    tls: Path | None,
    told: Callable[[str], None],
) -> None:
    """Be a host.

    Args:
        scheduler: Its address, with `tls://` or `tcp://`.
        name: The host's.
        resources: What of a kind is here.
        tls: As for `schedule`.
        told: Is told that it has joined.

    Raises:
        KeyRefused: A file isn't there.
        ClusterError: It can't join, or was cut off.
    """
    from distributed import Worker

    secured = None if tls is None else keys.security(tls)
    if why := unreachable(scheduler):
        raise ClusterError(why)
    async with _stopping() as stopped:
        worker = Worker(
            scheduler,
            name=name,
            nthreads=1,
            resources=dict(resources) or None,
            security=secured,
            host="127.0.0.1",
            contact_address=_name_of_its_own(scheduler.partition(":")[0]),
            dashboard=False,
            dashboard_address=HTTP,
        )
        try:
            async with asyncio.timeout(JOINED_WITHIN):
                await worker
        except Exception as error:
            raise ClusterError(_why_not(scheduler, name, error)) from error
        # All that it is asked comes by the connection that it has opened.
        worker.http_server.stop()
        for each in worker.listeners:
            each.stop()
        told(f"host {name} has joined {scheduler}")
        over = asyncio.ensure_future(worker.finished())
        waits = asyncio.ensure_future(stopped.wait())
        await asyncio.wait([over, waits], return_when=asyncio.FIRST_COMPLETED)
        waits.cancel()
        if not stopped.is_set():
            raise ClusterError(
                f"the scheduler {scheduler} is gone, or has given this host up: join again;"
                " a systemd unit does so by itself: --unit"
            )
        await worker.close(timeout=1, executor_wait=False)


def _name_of_its_own(scheme: str) -> str:
    """An address by which the scheduler tells hosts apart; nobody is to dial it."""
    rest = random.getrandbits(24) or 1
    number = f"127.{rest >> 16}.{rest >> 8 & 255}.{rest & 255}"
    return f"{scheme}://{number}:{random.randint(1024, 65535)}"


def _why_not(scheduler: str, name: str, error: BaseException) -> str:
    why = _reason(error)
    if "name taken" in why:
        return f"another host has joined {scheduler} as {name}: end that, or choose another --name"
    if isinstance(error, TimeoutError):
        why = f"no answer within {JOINED_WITHIN:g} s"
    return f"the scheduler {scheduler} takes no host {name}: {why}; {SAME_KEYS}"


def _reason(error: BaseException) -> str:
    """What Dask has wrapped."""
    while error.__cause__ is not None:
        error = error.__cause__
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


@asynccontextmanager
async def _stopping() -> AsyncIterator[asyncio.Event]:
    """An event that is set by Ctrl-C, or SIGTERM."""
    stopped, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    yield stopped
