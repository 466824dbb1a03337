"""Ends what a killed supervisor leaves behind.

A process of its own, in a session of its own, that knows the rig's processes and waits for the
end of its standard input. That comes when the supervisor is gone, however it went; then every
process group that is still listed is killed, and every process that carries the rig's token in
its environment. Standard library only, so that it starts in milliseconds and stays small.

Then the devices of the workers that lived are made safe, as their recipes say.

Lines on standard input: `add PGID`, `gone PGID TOKEN` (kill what that incarnation left), `loss
WORKER PART` (a part of a recipe, base64), `safe WORKER` (it isn't needed any more).
"""

from __future__ import annotations

import os
import select
import signal
import sys

GONE_WITHIN = 5.0
"""Seconds to wait for the end of a process that was killed."""
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


def follow(recipes: dict[str, str]) -> None:
    """Make devices safe, all at once, and say on standard error how that went."""
    import base64
    import json
    import subprocess

    running = []
    for worker, text in recipes.items():
        told = json.loads(base64.b64decode(text))
        try:
            process = subprocess.Popen(
                told["command"],
                stdin=subprocess.PIPE,
                cwd=told["cwd"],
                env={**os.environ, **told["env"]},
                start_new_session=True,
            )
            assert process.stdin is not None
            process.stdin.write(json.dumps(told["recipe"]).encode() + b"\n")
            process.stdin.close()
        except OSError as error:
            _say(worker, f"on_loss couldn't be started, its device may not be safe: {error}")
            continue
        running.append((worker, process, told["recipe"]["timeout"]))
    for worker, process, timeout in running:
        try:
            status = process.wait(timeout + 1.0)
        except subprocess.TimeoutExpired:
            kill_group(process.pid)
            status = process.wait()
        failed = f"on_loss failed ({status}), its device may not be safe"
        _say(worker, failed if status else "its device was made safe by on_loss")


def _say(worker: str, text: str) -> None:
    try:
        sys.stderr.write(f"orch: the supervisor is gone; {worker}: {text}\n")
        sys.stderr.flush()
    except OSError:  # nobody listens any more, the others come first
        return


def main() -> None:
    """Watch over the rig whose secret is the first argument."""
    secret = sys.argv[1]
    stops = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in stops:
        signal.signal(number, signal.SIG_IGN)
    # Held back until here, as `workers.stop_signals` does for processes that can import it.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, stops)
    groups: set[int] = set()
    recipes: dict[str, str] = {}
    for line in sys.stdin:
        verb, group, *rest = line.split()
        if verb == "safe":
            recipes.pop(group, None)
        elif verb == "loss":
            recipes[group] = recipes.get(group, "") + rest[0]
        elif verb == "add":
            groups.add(int(group))
        else:
            groups.discard(int(group))
            kill_group(int(group))
            kill_marked(rest[0])
    sentinels = [fd for fd in map(_sentinel, groups) if fd >= 0] if recipes else []
    for pgid in groups:
        kill_group(pgid)
    kill_marked(f"{secret}.")
    if recipes:
        for fd in sentinels:
            select.select([fd], [], [], GONE_WITHIN)
        follow(recipes)


if __name__ == "__main__":
    main()
