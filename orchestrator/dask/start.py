"""`python -m orchestrator.dask.start`: asks a cluster for an agent, and ends with it.

It passes on the line that it reads. Its own end, or that of its input, doesn't end the agent at
once, which nobody can reach then: its lease does.
"""

from __future__ import annotations

import logging
import os
import select
import sys
from pathlib import Path
from typing import Any

from orchestrator.hosts.first_line import first_line

CONNECT_WITHIN = "10s"
FAILURES = "distributed.scheduler.allowed-failures"
"""How often a scheduler repeats what died: an agent that was lost isn't to be started twice."""
FAILED = 1


def main(arguments: list[str] | None = None) -> int:
    """Start an agent; the exit status: its own, or 1 or 2 if none came."""
    import argparse

    parser = argparse.ArgumentParser(prog="orchestrator.dask.start")
    parser.add_argument("--name", required=True)
    parser.add_argument("--scheduler", required=True)
    parser.add_argument("--tls", type=Path)
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
        return _ask(client, given.name, line.decode())
    finally:
        client.close(timeout=1)


def _ask(client: Any, name: str, line: str) -> int:
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
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    known = sorted(str(each["name"]) for each in workers)
    if name not in known:
        there = f"there are {', '.join(known)}" if known else "there is none"
        return _say(f"no worker of Dask is named {name}: {there}; orch host join starts one", 1)
    ended, tell = os.pipe()
    future = client.submit(
        task.run, line, workers=[name], allow_other_workers=False, pure=False, retries=0
    )
    future.add_done_callback(lambda _: os.write(tell, b"\0"))
    poll = select.poll()
    poll.register(0, select.POLLIN)
    poll.register(ended, select.POLLIN)
    while True:
        ready = [fd for fd, _ in poll.poll()]
        if ended in ready:
            return _outcome(future)
        if not os.read(0, 4096):  # the rig is down, or gone
            future.cancel()
            return 0


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
