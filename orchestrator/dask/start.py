"""`python -m orchestrator.dask.start`: asks a cluster for an agent, and ends with it.

It passes on the line that it reads. Its own end, or that of its input, ends the agent: a task of
Dask's whose client is gone is given up, which the task sees. All goes by the streams that a worker
has opened: nobody dials in to one.
"""

from __future__ import annotations

import argparse
import os
import select
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.hosts.first_line import first_line

CONNECT_WITHIN = "10s"
FAILURES = "distributed.scheduler.allowed-failures"
"""How often a scheduler repeats what died: an agent that was lost isn't to be started twice."""
FAILED = 1
FREE_WITHIN = 10.0
"""Seconds for resources to be free that are another's."""
BEGAN, ENDED = b"b", b"e"
"""What is told of the task."""


def main(arguments: list[str] | None = None) -> int:
    """Start an agent; the exit status: its own, or 1 or 2 if none came."""
    parser = argparse.ArgumentParser(prog="orchestrator.dask.start")
    parser.add_argument("--name", required=True)
    parser.add_argument("--scheduler", required=True)
    parser.add_argument("--tls", type=Path)
    parser.add_argument("--resource", action="append", default=[])
    given = parser.parse_args(arguments)
    line = first_line(0)
    try:
        import distributed
    except ModuleNotFoundError:
        return _say("the engine dask needs more than is installed: pip install 'orch[dask]'", 2)
    from orchestrator.dask import reach, tls
    from orchestrator.errors import KeyRefused

    reach.keep_quiet()
    try:
        secured = None if given.tls is None else tls.security(given.tls)
        if secured is None and given.scheduler.startswith("tls:"):
            return _say("a tls:// scheduler needs keys: placement: {tls: FOLDER}", 2)
        if why := reach.unreachable(given.scheduler):
            return _say(why, 1)
        client = distributed.Client(
            given.scheduler, security=secured, timeout=CONNECT_WITHIN, set_as_default=False
        )
    except KeyRefused as error:
        return _say(str(error), 2)
    except (OSError, TimeoutError) as error:
        why = str(error) or "no answer"
        return _say(f"the scheduler {given.scheduler} takes no rig: {why}; {reach.SAME_KEYS}", 1)
    try:
        asked = dict(each.split("=") for each in given.resource)
        resources = {name: float(much) for name, much in asked.items()}
        return _ask(client, given, line.decode(), resources)
    except OSError:  # it has gone meanwhile
        return _say(_gone(given.scheduler), 1)
    finally:
        client.close(timeout=1)


def _ask(client: Any, given: argparse.Namespace, line: str, resources: Mapping[str, float]) -> int:
    import dask

    from orchestrator.dask import task

    name = given.name
    allowed = client.run_on_scheduler(dask.config.get, FAILURES, default=None)
    if allowed != 0:
        return _say(
            f"the scheduler starts what died again, up to {allowed} times, and a device may have"
            " one master: start it by orch host scheduler, or with"
            " DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES=0",
            2,
        )
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    known = {str(each["name"]): each for each in workers}
    if name not in known:
        there = f"there are {', '.join(sorted(known))}" if known else "there is none"
        return _say(f"no worker of Dask is named {name}: {there}; orch host join starts one", 1)
    has = known[name].get("resources") or {}
    if lacks := [each for each, much in resources.items() if has.get(each, 0) < much]:
        need = ",".join(f"{each}={resources[each]:g}" for each in lacks)
        return _say(f"the worker {name} of Dask hasn't got {need}: orch host join --resources", 1)
    key = f"orch-agent-{uuid.uuid4().hex}"
    reader, tell = os.pipe()

    def hear(event: tuple[float, Any]) -> None:
        told = event[1]
        if told.get("key") == key:
            if "line" in told:
                _say(told["line"], 0)
            else:
                os.write(tell, BEGAN)

    client.subscribe_topic(task.topic(name), hear)
    future = client.submit(
        task.run,
        line,
        key=key,
        workers=[name],
        allow_other_workers=False,
        pure=False,
        retries=0,
        resources=dict(resources) or None,
    )
    future.add_done_callback(lambda _: os.write(tell, ENDED))
    poll = select.poll()
    poll.register(0, select.POLLIN)
    poll.register(reader, select.POLLIN)
    within = FREE_WITHIN * 1000 if resources else None
    while ready := [fd for fd, _ in poll.poll(within)]:
        if reader in ready:
            within = None  # it has begun
            if ENDED in os.read(reader, 16):
                return _outcome(future, client, given.scheduler)
        elif not os.read(0, 4096):  # the rig is down, or gone: the task sees it, and ends the agent
            future.cancel()
            return 0
    future.cancel()
    return _say(f"somebody else has the resources of {name}: {', '.join(resources)}", 1)


def _gone(scheduler: str) -> str:
    return (
        f"the scheduler {scheduler} is gone, and with it its hosts: start it again by orch host"
        " scheduler; a host joins it by orch host join, or by itself if that is a systemd unit"
    )


def _outcome(future: Any, client: Any, scheduler: str) -> int:
    from orchestrator.dask.task import AgentEnded

    error = future.exception() if future.status == "error" else None
    if isinstance(error, AgentEnded):
        return int(str(error))
    if error is None and client.status != "running":
        return _say(_gone(scheduler), FAILED)
    if error is None:
        return _say(f"Dask gave its agent up: {future.status}", FAILED)
    mend = ""
    if isinstance(error, ModuleNotFoundError):
        mend = "; install orch there, beside Dask"
    return _say(f"{type(error).__name__}: {error}{mend}", FAILED)


def _say(text: str, status: int) -> int:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
    return status


if __name__ == "__main__":
    sys.exit(main())
