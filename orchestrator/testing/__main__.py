"""`python -m orchestrator.testing`: seeded chaos on simulated rigs."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from orchestrator.testing.chaos import run_chaos
from orchestrator.testing.judge import Violation


def main() -> int:
    """Run seeds until there are enough events. Returns the exit status: 1 for a violation."""
    parser = argparse.ArgumentParser(
        prog="python -m orchestrator.testing",
        description="Run a rig's core in virtual time, under faults, and judge its promises.",
    )
    parser.add_argument("--seed", type=int, help="this one alone, as a failure names it")
    parser.add_argument("--events", type=int, default=5_000, help="of each seed (default: 5000)")
    parser.add_argument("--seeds", type=int, default=40, help="how many, from 0 (default: 40)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    options = parser.parse_args()
    if min(options.seeds, options.events, options.jobs) < 1:
        parser.error("--seeds, --events and --jobs take a number from 1 on")
    seeds = range(options.seeds) if options.seed is None else [options.seed]
    counts: Counter[str] = Counter()
    try:
        for each in _run(seeds, options.events, options.jobs):
            counts += each
    except Violation as violation:
        notes = "\n".join(violation.__notes__)
        sys.stderr.write(f"broken: {violation}\n{notes}\n")
        return 1
    for what, count in sorted(counts.items()):
        sys.stdout.write(f"{count:9} {what}\n")
    return 0


def _run(seeds: Sequence[int], events: int, jobs: int) -> Iterator[Counter[str]]:
    """What comes of each seed. Raises Violation."""
    run = partial(run_chaos, events=events)
    if jobs == 1 or len(seeds) == 1:
        yield from map(run, seeds)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(run, seeds)


if __name__ == "__main__":
    sys.exit(main())
