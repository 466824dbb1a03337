"""`python -m orchestrator.dask.start`: asks a cluster for an agent, and ends with it.

It passes on the line that it reads. Its own end, or that of its input, doesn't end the agent at
once, which nobody can reach then: its lease does.
"""

from __future__ import annotations

import logging
import os
import select
import sys
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


def main(arguments: list[str] | None = None) -> int:
    """Start an agent; the exit status: its own, or 1 or 2 if none came."""
    import argparse

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
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is said below
    from orchestrator.dask import tls
    from orchestrator.errors import KeyRefused

    try:
        secured = None if given.tls is None else tls.security(given.tls)
        if secured is None and given.scheduler.startswith("tls:"):
            return _say("a tls:// scheduler needs keys: placement: {tls: FOLDER}", 2)
        client = distributed.Client(
            given.scheduler, security=secured, timeout=CONNECT_WITHIN, set_as_default=False
        )
    except KeyRefused as error:
        return _say(str(error), 2)
    except (OSError, TimeoutError) as error:
        return _say(f"scheduler {given.scheduler} can't be reached: {error or 'no answer'}", 1)
    try:
        asked = dict(each.split("=") for each in given.resource)
        resources = {name: float(much) for name, much in asked.items()}
        return _ask(client, given.name, line.decode(), resources)
    finally:
        client.close(timeout=1)


def _ask(client: Any, name: str, line: str, resources: Mapping[str, float]) -> int:
    import dask

    from orchestrator.dask import task

    allowed = client.run_on_scheduler(dask.config.get, FAILURES, default=None)
    if allowed != 0:
        return _say(
            f"the scheduler starts what died again, up to {allowed} times, and a device may have"
            " one master: start it by orch host scheduler, or with"
            " DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES=0",
            2,
        )
    workers = client.scheduler_info(n_workers=-1)["workers"]
    known = {str(each["name"]): (address, each) for address, each in workers.items()}
    if name not in known:
        there = f"there are {', '.join(sorted(known))}" if known else "there is none"
        return _say(f"no worker of Dask is named {name}: {there}; orch host join starts one", 1)
    address, about = known[name]
    has = about.get("resources") or {}
    if lacks := [each for each, much in resources.items() if has.get(each, 0) < much]:
        need = ",".join(f"{each}={resources[each]:g}" for each in lacks)
        return _say(f"the worker {name} of Dask hasn't got {need}: orch host join --resources", 1)
    ended, tell = os.pipe()
    future = client.submit(
        task.run,
        line,
        workers=[name],
        allow_other_workers=False,
        pure=False,
        retries=0,
        resources=dict(resources) or None,
    )
    future.add_done_callback(lambda _: os.write(tell, b"\0"))
    poll = select.poll()
    poll.register(0, select.POLLIN)
    poll.register(ended, select.POLLIN)
    if resources and not poll.poll(FREE_WITHIN * 1000) and _waits(client, address, future):
        future.cancel()
        return _say(f"somebody else has the resources of {name}: {', '.join(resources)}", 1)
    while True:
        ready = [fd for fd, _ in poll.poll()]
        if ended in ready:
            return _outcome(future)
        if not os.read(0, 4096):  # the rig is down, or gone
            future.cancel()
            return 0


def _waits(client: Any, address: str, future: Any) -> bool:
    """Whether it waits until another one gives back what it takes."""
    from orchestrator.dask import task

    return any(client.run(task.waits_for_resources, future.key, workers=[address]).values())


def _outcome(future: Any) -> int:
    from orchestrator.dask.task import AgentEnded

    error = future.exception() if future.status == "error" else None
    if isinstance(error, AgentEnded):
        status, said = str(error).split("\n", 1)
        return _say(said, int(status)) if said else int(status)
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
