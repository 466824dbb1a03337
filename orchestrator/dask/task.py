"""What a worker of Dask runs: an agent, as a process below it.

Found by its name, never sent: the host has orch installed. What it tells goes by Dask's own
streams, which reach who asked even where nobody can dial in: as events, see `topic`.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Callable
from typing import Any

LOOKS_EVERY = 1.0
"""Seconds after which it looks whether it is wanted still."""
MOST_SAID = 2000
"""Bytes of a line that is told."""


class AgentEnded(Exception):
    """How an agent ended: its exit status, as text."""


def topic(name: str) -> str:
    """Where the agents of a host tell what happens: `{"key": …}` with `began`, or a `line`."""
    return f"orch host {name}"


def run(line: str) -> None:
    """Start an agent with its first line, and wait for its end.

    It is brought about when the task isn't wanted any more: cancelled, or given up with its client.

    Raises:
        AgentEnded: Always.
    """
    from distributed import get_worker, secede

    worker = get_worker()
    key = worker.get_current_task()
    where = topic(worker.name)
    secede()  # it lasts as long as the rig, and is to take nobody's place
    worker.log_event(where, {"key": key, "began": True})
    with subprocess.Popen(
        [sys.executable, "-m", "orchestrator.agent"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(line.encode())
        process.stdin.flush()  # and left open: its end is the agent's
        _attend(
            process,
            lambda: _is_wanted(worker, key),
            lambda text: worker.log_event(where, {"key": key, "line": text}),
        )
    raise AgentEnded(str(process.returncode))


def _is_wanted(worker: Any, key: str) -> bool:
    task = worker.state.tasks.get(key)
    return task is not None and task.state not in ("cancelled", "released", "forgotten")


def _attend(
    process: subprocess.Popen[bytes], is_wanted: Callable[[], bool], tell: Callable[[str], None]
) -> None:
    """Tell what an agent writes, and end its input when it isn't wanted any more."""
    assert process.stdin is not None
    assert process.stderr is not None
    errors = process.stderr.fileno()
    poll = select.poll()
    poll.register(errors, select.POLLIN)
    rest = b""
    while True:
        if poll.poll(LOOKS_EVERY * 1000):
            if not (read := os.read(errors, 65536)):
                break
            *lines, rest = (rest + read).split(b"\n")
            for each in lines:
                tell(each[:MOST_SAID].decode(errors="backslashreplace"))
            rest = rest[:MOST_SAID]
        if not process.stdin.closed and not is_wanted():
            process.stdin.close()
    if rest:
        tell(rest.decode(errors="backslashreplace"))
