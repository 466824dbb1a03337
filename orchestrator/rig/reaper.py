"""Ends what a killed supervisor leaves behind.

A process of its own, in a session of its own, that knows the rig's processes and waits for the
end of its standard input. That comes when the supervisor is gone, however it went; then every
process group that is still listed is killed, and every process that carries the rig's token in
its environment. Standard library only, so that it starts in milliseconds and stays small.

Then the devices of the workers that lived are made safe, as their recipes say.

Lines on standard input: `add PGID`, `gone PGID TOKEN` (kill what that incarnation left), `loss
WORKER PART` (a part of a recipe, base64), `safe WORKER` (it isn't needed any more), `until
SECONDS` (a lease: when that time has come by `CLOCK_BOOTTIME`, or the monotonic clock where there
is none, the supervisor counts as gone, even if it is only stopped).
"""

from __future__ import annotations

import math
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

GONE_WITHIN = 5.0
"""Seconds to wait for the end of a process that was killed."""
LONGEST = 600
"""Characters of a text or traceback for which there is room in a record, whatever they are."""
TOKEN = "ORCH_WORKER_TOKEN"  # noqa: S105  the name of a variable
"""Environment variable that marks a worker's processes: `<rig's secret>.<worker>.<number>`."""


def kill_group(group: int) -> None:
    """Kill a process group; one that is gone already is fine."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def marked(prefix: str) -> list[int]:
    """Pids of the processes whose token starts with `prefix`; none where /proc is missing."""
    found: list[int] = []
    entry = f"{TOKEN}={prefix}".encode()
    try:
        names = os.listdir("/proc")
    except OSError:
        return found
    for name in names:
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                variables = file.read().split(b"\0")
        except OSError:
            continue
        if any(variable.startswith(entry) for variable in variables):
            found.append(int(name))
    return found


def kill_marked(prefix: str) -> None:
    """Kill the processes whose token starts with `prefix`, and those that they start meanwhile."""
    for _ in range(5):
        pids = marked(prefix)
        if not pids:
            return
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def _sentinel(pid: int) -> int:
    """A descriptor that is readable when a process has ended; -1 for one that has."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return -1


def _following() -> Any:
    """The class beside: this process has no path to modules of ours."""
    import importlib.util

    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "following.py")
    spec = importlib.util.spec_from_file_location("orch_following", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Following


def follow(secret: str, recipes: dict[str, str], records: int) -> None:
    """Make devices safe, all at once, and record how that went; nothing is left of that either.

    Args:
        secret: The rig's.
        recipes: What the guardian was told, by worker.
        records: Descriptor of the rig's stream of records; -1 if there is none.
    """
    import base64
    import json

    following = _following()
    running = []
    for worker, text in recipes.items():
        told = json.loads(base64.b64decode(text))
        try:
            token = f"{secret}.{worker}.loss."
            run = following(told, {**os.environ, **told["env"], TOKEN: token})
        except OSError as error:
            failure = f"couldn't be started: {error}"
            _record(records, worker, told["incarnation"], *_told(failure, records))
            continue
        running.append((worker, told["incarnation"], run))
    for worker, incarnation, run in running:
        failure, trace, output = run.outcome()
        for line in output:
            _record(records, worker, incarnation, "info", f"on_loss wrote: {line}")
        _record(records, worker, incarnation, *_told(failure, records), trace)
    kill_marked(f"{secret}.")


def _told(failure: str, records: int) -> tuple[str, str]:
    """Level and text of what came of a recipe."""
    # A host's guardian has no stream of records.
    after = "after its agent's death" if records < 0 else "after the supervisor's death"
    if failure:
        return "error", f"on_loss failed {after}, its device may not be safe: {failure}"
    return "info", f"its device was made safe by on_loss {after}"


def _record(
    records: int, worker: str, incarnation: int, level: str, text: str, trace: str = ""
) -> None:
    """Write a record about a worker, as `workers.output.records` does; else tell standard error."""
    import json

    line: dict[str, Any] = {
        "time": time.time(),
        "level": level,
        "worker": worker,
        "incarnation": incarnation,
        "stream": "record",
        "event": text,
        "logger": "",
    }
    for told in ({"exception": trace}, {"exception": trace[-LONGEST:]}, {"event": text[:LONGEST]}):
        data = json.dumps({**line, **told}).encode() + b"\n"
        if len(data) <= select.PIPE_BUF:  # it goes in whole or not at all
            break
    try:
        os.write(records, data)
    except OSError:  # the collector has ended too, or never was
        _say(worker, text)


def _say(worker: str, text: str) -> None:
    try:
        sys.stderr.write(f"orch: {worker}: {text}\n")
        sys.stderr.flush()
    except OSError:  # nobody listens any more, the others come first
        return


def _end_stopped(pid: int) -> None:
    """Kill a process that somebody has stopped: it would go on one day as if nothing had been."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            state = file.read().rpartition(b")")[2].split()[0]
        if state == b"T":
            os.kill(pid, signal.SIGKILL)
    except (OSError, IndexError):  # it has gone
        return


class Lines:
    """The lines of standard input, until its end or that of the lease.

    Attributes:
        until: When the lease ends.
    """

    def __init__(self) -> None:
        self.until = math.inf

    def __iter__(self) -> Iterator[str]:
        rest = b""
        while True:
            left = self.until - _clock()
            if left <= 0:
                return
            if not select.select([0], [], [], None if left == math.inf else left)[0]:
                continue
            read = os.read(0, 65536)
            if not read:
                return
            *lines, rest = (rest + read).split(b"\n")
            yield from (line.decode() for line in lines)


def _clock() -> float:
    """As `orchestrator.hosts.clock`."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def main() -> None:
    """Watch over a rig: its secret, and the descriptor of its stream of records."""
    secret, records = sys.argv[1], int(sys.argv[2])
    stops = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in stops:
        signal.signal(number, signal.SIG_IGN)
    # Held back until here, as `workers.stop_signals` does for processes that can import it.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, stops)
    groups: set[int] = set()
    recipes: dict[str, str] = {}
    lines = Lines()
    for line in lines:
        verb, group, *rest = line.split()
        if verb == "until":
            lines.until = float(group)
        elif verb == "safe":
            recipes.pop(group, None)
        elif verb == "loss":
            recipes[group] = recipes.get(group, "") + rest[0]
        elif verb == "add":
            groups.add(int(group))
        else:
            groups.discard(int(group))
            kill_group(int(group))
            kill_marked(rest[0])
    if lines.until <= _clock():
        _end_stopped(os.getppid())
    sentinels = [fd for fd in map(_sentinel, groups) if fd >= 0] if recipes else []
    for pgid in groups:
        kill_group(pgid)
    kill_marked(f"{secret}.")
    if recipes:
        for fd in sentinels:
            select.select([fd], [], [], GONE_WITHIN)
        follow(secret, recipes, records)


if __name__ == "__main__":
    main()
