"""What a worker of Dask runs: an agent, as a process below it.

Found by its name, never sent: the host has orch installed.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any


class AgentEnded(Exception):
    """How an agent ended; raised, as exceptions reach who asked even where nobody can dial in."""


def waits_for_resources(key: str, dask_worker: Any) -> bool:
    """Whether a task waits at this worker of Dask until another one is over.

    Args:
        key: The task.
        dask_worker: Given by Dask, which names it so.
    """
    task = dask_worker.state.tasks.get(key)
    return task is not None and task.state == "constrained"


def run(line: str) -> None:
    """Start an agent with its first line, and wait for its end.

    Raises:
        AgentEnded: Always: its status and the last line that it wrote, with a newline between.
    """
    from distributed import secede

    secede()  # it lasts as long as the rig, and is to take nobody's place
    with subprocess.Popen(
        [sys.executable, "-m", "orchestrator.agent"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(line.encode())
        process.stdin.flush()  # and left open: its end is the agent's
        said = process.stderr.read().decode(errors="backslashreplace").strip().splitlines()
        status = process.wait()
    raise AgentEnded(f"{status}\n{said[-1] if said else ''}")
