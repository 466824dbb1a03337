"""A rig against raw ZeroMQ, in turns in one run, so that machines compare.

The reference is `zmq.proxy`, which is C, between Python ends with multipart messages, over ipc.
Every client is a process of its own. With `--pin` all processes share one CPU, else they go where
the system puts them. Figures are medians of the rounds, with the least and the most in brackets.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import page
import zmq
from figures import FIGURES
from peers import peer_rows
from rows import ROWS, Row, Subject
from subjects import process

RIG = "rig"
"""The row of figures without a reference."""
VERSIONS = ("orch", "pyzmq", "msgspec", "numpy")


class Clients:
    """The client processes of a subject."""

    def __init__(self, subject: Subject, address: str, stack: ExitStack) -> None:
        self._processes = [
            stack.enter_context(
                process("client.py", subject.kind, address, worker, python=subject.python)
            )
            for worker in subject.workers
        ]
        for each in self._processes:
            if self._line(each) != "ready\n":
                raise SystemExit(f"{subject.label}: a client didn't start")

    @staticmethod
    def _line(client: subprocess.Popen[str]) -> str:
        assert client.stdout is not None
        return client.stdout.readline()

    def run(self, count: int) -> dict[str, float]:
        """Have all make calls; microseconds of a call, and calls a second of all together."""
        for client in self._processes:
            assert client.stdin is not None
            client.stdin.write(f"{count}\n")
            client.stdin.flush()
        told = [json.loads(self._line(client)) for client in self._processes]
        taken = max(each["ended"] for each in told) - min(each["began"] for each in told)
        samples = sorted(1e6 * each for one in told for each in one["samples"])
        found = {"rate": count * len(told) / taken}
        if samples:
            found["p50"] = samples[len(samples) // 2]
            found["p99"] = samples[min(len(samples) - 1, int(0.99 * len(samples)))]
        return found


def measure(row: Row, rounds: int) -> dict[str, Any]:
    """Measure a row: figures of each subject by round."""
    with ExitStack() as stack:
        served: dict[Any, str] = {}
        clients = {}
        for each in row.subjects:
            if each.serve not in served:
                served[each.serve] = stack.enter_context(each.serve())
            clients[each.label] = Clients(each, served[each.serve], stack)
        for started in clients.values():
            started.run(max(2, row.count // 3))  # caches, and what is learnt at the first call
        found: dict[str, list[dict[str, float]]] = {label: [] for label in clients}
        for _ in range(rounds):
            for each in row.subjects:
                with each.beside(served[each.serve]):
                    found[each.label].append(clients[each.label].run(row.count))
    reference = found[row.subjects[0].label]
    return {
        "title": row.title,
        "quantity": row.quantity,
        "calls": row.count,
        "subjects": [
            {
                "label": label,
                "rounds": each,
                "ratio": _spread(
                    [
                        _ratio(row.quantity, ours, theirs)
                        for ours, theirs in zip(each, reference, strict=True)
                    ]
                ),
            }
            for label, each in found.items()
        ],
    }


def _ratio(quantity: str, ours: dict[str, float], theirs: dict[str, float]) -> float:
    if quantity == "rate":
        return ours["rate"] / theirs["rate"]
    return ours["p50"] / theirs["p50"] if quantity == "time" else theirs["p50"] / ours["p50"]


def _spread(values: list[float]) -> list[float]:
    """Median, least and most."""
    return [statistics.median(values), min(values), max(values)]


def show(row: dict[str, Any]) -> None:
    """Print a row."""
    print(f"\n{row['title']}, {'pinned' if row['pinned'] else 'unpinned'}")
    for each in row["subjects"]:
        middle, least, most = each["ratio"]
        figures = {
            name: statistics.median(one[name] for one in each["rounds"])
            for name in each["rounds"][0]
        }
        told = f"{figures['rate']:>10.0f} /s"
        if "p50" in figures:
            told = f"p50 {figures['p50']:>9.1f} us  p99 {figures['p99']:>9.1f} us"
        print(f"  {each['label']:<32}{told:<34}  x {middle:.2f} ({least:.2f}-{most:.2f})")


def figures(rounds: int) -> list[dict[str, Any]]:
    """Measure and print what has no reference, unpinned."""
    found: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds):
        for measured in FIGURES:
            for label, (figure, unit) in measured().items():
                found.setdefault((label, unit), []).append(figure)
    print("\na rig by itself, unpinned")
    told = []
    for (label, unit), values in found.items():
        middle, least, most = _spread(values)
        print(f"  {label:<46}{middle:>9.2f} {unit} ({least:.2f}-{most:.2f})")
        told.append({"label": label, "unit": unit, "rounds": values})
    return told


@contextmanager
def pinned(cpu: int | None) -> Iterator[None]:
    """Have what is started meanwhile run on one CPU."""
    if cpu is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def machine() -> dict[str, Any]:
    """Where this was measured, with which versions, by which command."""
    model = [
        line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return {
        "cpu": model[0].partition(":")[2].strip() if model else platform.processor(),
        "cpus": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "libzmq": zmq.zmq_version(),
        "versions": {name: version(name) for name in VERSIONS},
        "command": shlex.join(["scripts/bench", *sys.argv[1:]]),
    }


def main() -> None:
    """Measure the rows that are named, or all."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("rows", nargs="*", choices=[*ROWS, RIG, []], help="default: all")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (5)")
    parser.add_argument(
        "--pin",
        choices=["no", "yes", "both"],
        default="both",
        help="whether all processes share one CPU (both, one after the other)",
    )
    parser.add_argument("--peers", action="store_true", help="compare other libraries too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the ratios there (.svg)")
    parser.add_argument("--page", type=Path, metavar="FILE", help="put the tables there (.md)")
    options = parser.parse_args()
    cpus = {"no": [None], "yes": [0], "both": [None, 0]}[options.pin]
    rows = [row for name in options.rows or ROWS for row in ROWS.get(name, ())]
    if options.peers:
        rows.extend(peer_rows())
    report: dict[str, Any] = {"machine": machine(), "rows": [], "figures": []}
    print(" ".join(f"{name}: {value};" for name, value in report["machine"].items()))
    for row in rows:
        for cpu in cpus:
            with pinned(cpu):
                found = measure(row, options.rounds) | {"pinned": cpu is not None}
            report["rows"].append(found)
            show(found)
            if options.json:
                options.json.write_text(json.dumps(report, indent=1))
    if RIG in (options.rows or [RIG]):
        report["figures"] = figures(options.rounds)
        if options.json:
            options.json.write_text(json.dumps(report, indent=1))
    if options.plot:
        from plots import draw

        draw(report, options.plot)
    if options.page:
        page.write(report, options.page)


if __name__ == "__main__":
    main()
