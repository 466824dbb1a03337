"""Ends what a killed supervisor leaves behind.

A process of its own, in a session of its own, that knows the rig's processes and waits for the
end of its standard input. That comes when the supervisor is gone, however it went; then every
process group that is still listed is killed, and every process that carries the rig's token in
its environment. Standard library only, so that it starts in milliseconds and stays small.

Lines on standard input: `add PGID`, `gone PGID TOKEN` (kill what that incarnation left).
"""

from __future__ import annotations

import os
import signal
import sys

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


def main() -> None:
    """Watch over the rig whose secret is the first argument."""
    secret = sys.argv[1]
    stops = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in stops:
        signal.signal(number, signal.SIG_IGN)
    # Held back until here, as `workers.stop_signals` does for processes that can import it.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, stops)
    groups: set[int] = set()
    for line in sys.stdin:
        verb, group, *rest = line.split()
        if verb == "add":
            groups.add(int(group))
        else:
            groups.discard(int(group))
            kill_group(int(group))
            kill_marked(rest[0])
    for pgid in groups:
        kill_group(pgid)
    kill_marked(f"{secret}.")


if __name__ == "__main__":
    main()
