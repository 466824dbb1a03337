"""`python -m orchestrator.agent`: a host's side of a rig, started by an engine.

It is given one line of JSON on standard input, a `Start`, and ends when that ends.
"""

from __future__ import annotations

import sys

import msgspec


def main() -> int:
    """Be an agent; the exit status."""
    from orchestrator.hosts.first_line import first_line
    from orchestrator.hosts.messages import PROTOCOL, Start
    from orchestrator.version import version

    try:
        start = msgspec.json.decode(first_line(0), type=Start)
    except msgspec.DecodeError as error:
        sys.stderr.write(
            f"orch: an agent is started by a rig, which tells it what to do: {error}\n"
        )
        return 2
    if start.protocol != PROTOCOL:
        own, theirs = version(), start.release
        sys.stderr.write(
            f"orch: this host has orch {own}, and the rig {theirs}: they don't understand each"
            f" other; install the same release on both\n"
        )
        return 2
    from orchestrator.agent import hold
    from orchestrator.agent.agent import Agent
    from workers.errors import EXIT_SUPERVISOR_LOST

    try:
        mine = hold.take(start, 0)  # first: a lease counts from when there is somebody to have it
    except hold.Orphaned:
        return EXIT_SUPERVISOR_LOST
    return Agent(start, 0, mine).run()


if __name__ == "__main__":
    sys.exit(main())
