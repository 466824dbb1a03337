"""A rig of real processes under faults of all kinds, judged by journals outside of it.

Devices write down what they begin and end, clients what they ask and are told, whoever brings a
fault about which and when. Afterwards these are joined: the rig isn't trusted with anything.
Exit status: 0 if no promise was broken, else 1.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from faults.checker import Journals
from faults.figures import as_json, sum_up, table
from faults.injector import Clients, Injector, Watch
from faults.journal import Journal, read
from faults.rig import RunningRig

MARGIN = 2.0
"""Seconds that an answer may come late to a client on a machine that is full."""


def run(rig: RunningRig, options: argparse.Namespace) -> dict[str, Any]:
    """Press the rig for so long, with a fault every now and then.

    Returns:
        What isn't in the journals.
    """
    dice = random.Random(options.seed)
    journal = Journal(rig.journals / "injector.faults")
    rig.start()
    watch = Watch(rig, Journal(rig.journals / "watch.faults"))
    clients = Clients(rig.journals, journal, dice)
    injector = Injector(rig, clients, journal, dice)
    began = time.monotonic()
    pace = min(options.round, options.seconds / 2)
    end, next_round = began + options.seconds, began + pace
    clients.start_all()
    try:
        while time.monotonic() < end:
            time.sleep(dice.expovariate(1 / options.pause))
            clients.look()
            if time.monotonic() > next_round:
                next_round += pace
                injector.kill_supervisor()
            else:
                injector.inject()
    finally:
        clients.stop_all()
        held = rig.held_slots()
        watch.end()
        status = rig.stop()
    if held:
        journal.write("left behind", processes=[f"{held} slots of shared memory are held"])
    if status:
        journal.write("left behind", processes=[f"orch run: exit status {status}"])
    return {"seconds": time.monotonic() - began, **watch.peak}


def main() -> int:
    """Run a rig of its own, judge it, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=90.0, help="for how long (default 90)")
    parser.add_argument("--pause", type=float, default=0.3, help="mean seconds between faults")
    parser.add_argument("--round", type=float, default=60.0, help="seconds of a supervisor")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--margin", type=float, default=MARGIN, help="seconds after a deadline")
    parser.add_argument("--hosts", type=int, default=0, help="so many other hosts (default none)")
    parser.add_argument("--json", action="store_true", help="the figures for programs")
    parser.add_argument("--keep", action="store_true", help="leave the journals, and tell where")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="orch-chaos-"))
    os.environ.update(
        ORCH_RUNTIME_DIR=f"{folder}/run",
        ORCH_STATE_DIR=f"{folder}/state",
        PYTHONPATH=str(Path(__file__).resolve().parent),
    )
    os.environ.pop("ORCH_RIG", None)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # all is ended
    stack = contextlib.ExitStack()
    hosts = None
    if options.hosts:
        sys.path.append(str(Path(__file__).resolve().parents[1]))
        from faults.hosts import Hosts

        from tests.hosts.namespaces import network

        hosts = Hosts(stack.enter_context(network()), options.hosts, folder)
    rig = RunningRig(folder, hosts)
    try:
        more = run(rig, options)
        lines = (read(rig.journals, each) for each in ("client", "device", "faults"))
        found = sum_up(Journals(*lines), options.margin, {"seed": options.seed, **more})
    finally:
        if options.keep:
            print(f"kept in {folder}", file=sys.stderr)
        else:
            rig.remove()
        stack.close()
    used = resource.getrusage(resource.RUSAGE_CHILDREN), resource.getrusage(resource.RUSAGE_SELF)
    found["cpu"] = sum(each.ru_utime + each.ru_stime for each in used)
    print(as_json(found) if options.json else table(found))
    return int(bool(found["violations"]))


if __name__ == "__main__":
    sys.exit(main())
