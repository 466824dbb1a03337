"""Ratios of log collection and inspection to structlog with a file, and to grep.

As in `benchmarks/`, what is compared runs in the same minutes, in turns.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator import connect
from orchestrator.logs.collect.handle import LogCollector
from orchestrator.logs.read.lookup import Query
from orchestrator.logs.read.query import Logs
from orchestrator.logs.store.chain import Chain, Keep
from orchestrator.logs.store.records import Record
from orchestrator.logs.store.segments import Run

ROOT = Path(__file__).resolve().parent.parent
COUNT = 200_000
STORED = 1_000_000
RATE = 20_000

PREPARE = """
import os, sys, time, resource
import structlog
"""
OURS = """
sys.path.insert(0, sys.argv[2])
from workers.output import records
records.configure(int(sys.argv[1]), worker="stage", incarnation=1, level="info")
"""
THEIRS = """
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.JSONRenderer(),
    ],
    wrapper_class=structlog.make_filtering_bound_logger(20),
    logger_factory=structlog.WriteLoggerFactory(file=open(sys.argv[1], "w")),
    cache_logger_on_first_use=True,
)
"""
WORK = """
log = structlog.get_logger()
count = int(sys.argv[3])
log.info("warm up")
before = resource.getrusage(resource.RUSAGE_SELF)
for number in range(count):
    log.info("moving axis", axis=1, position=number * 0.5, unit="mm")
after = resource.getrusage(resource.RUSAGE_SELF)
print(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
"""
DRIVERS = """\
import threading, time

class Quiet:
    def nothing(self) -> None:
        pass

class Noisy:
    def __init__(self):
        self._go = threading.Event()
        self._end = False
        self.lines = 0
        threading.Thread(target=self._talk, daemon=True).start()

    def start(self, rate: int) -> None:
        self._rate = rate
        self._go.set()

    def stop(self) -> int:
        self._go.clear()
        return self.lines

    def _talk(self):
        while True:
            self._go.wait()
            due = time.monotonic()
            while self._go.is_set():
                for _ in range(self._rate // 100):
                    print("a line of the usual length, as drivers write them", self.lines)
                    self.lines += 1
                due += 0.01
                time.sleep(max(due - time.monotonic(), 0))
"""
CONFIG = """\
rig: logbench
workers:
  quiet: {driver: "bench_drivers:Quiet"}
  noisy: {driver: "bench_drivers:Noisy", concurrent: [start, stop]}
"""


def show(title: str, figures: dict[str, float], unit: str) -> None:
    """Print figures and their ratio to the first."""
    print(title)
    reference = next(iter(figures.values()))
    for name, value in figures.items():
        print(f"  {name:<48}{value:>12.1f} {unit:<10} ratio {value / reference:.2f}")


def bench_records(folder: Path, rounds: int) -> None:
    """Records a second of one worker into the store, against structlog with a file."""
    rates: dict[str, list[float]] = {
        "structlog, JSON lines in a file": [],
        "orch, in the store": [],
    }
    costs: dict[str, list[float]] = {name: [] for name in rates}
    theirs, ours = rates
    for number in range(rounds):
        began = time.perf_counter()
        costs[theirs].append(_work(THEIRS, str(folder / "lines.jsonl")))
        rates[theirs].append(COUNT / (time.perf_counter() - began))
        store = folder / f"store{number}"
        null = os.open(os.devnull, os.O_WRONLY)
        collector = LogCollector.start(store, rig="bench", stderr=null)
        with collector.open_streams("stage", 1) as streams:
            began = time.perf_counter()
            costs[ours].append(_work(OURS, str(streams.records), streams.records))
        collector.forget("stage", 1)
        collector.close(60)
        rates[ours].append(COUNT / (time.perf_counter() - began))
        os.close(null)
        stored = sum(1 for _ in Logs(store).read(Query(workers=("stage",))))
        assert stored == COUNT + 1, f"{stored} of {COUNT + 1} records are stored"
        shutil.rmtree(store)
    show("records a second, from start of the process to the last one written",
         {name: statistics.median(values) for name, values in rates.items()}, "1/s")  # fmt: skip
    show("CPU time of the worker, a record",
         {name: 1e6 * statistics.median(values) for name, values in costs.items()},
         "us")  # fmt: skip


def _work(setup: str, target: str, *fds: int) -> float:
    """CPU seconds of a process for each record."""
    done = subprocess.run(
        [sys.executable, "-c", PREPARE + setup + WORK, target, str(ROOT), str(COUNT)],
        stdout=subprocess.PIPE,
        pass_fds=fds,
        check=True,
    )
    return float(done.stdout) / COUNT


def bench_query(folder: Path, rounds: int) -> None:
    """`orch logs` with worker, level and times over a million records, against grep."""
    store, lines = folder / "state" / "bench" / "logs", folder / "lines.jsonl"
    store.mkdir(parents=True)
    first = _fill(store, lines)
    since, until = first + 400, first + 600
    environ = {**os.environ, "ORCH_STATE_DIR": str(folder / "state"), "PYTHONPATH": str(ROOT)}
    orch = [sys.executable, "-m", "orchestrator", "logs", "-w", "camera", "-p", "warning",
            "-S", f"@{since}", "-U", f"@{until}"]  # fmt: skip
    # Times aren't what grep understands: their first digits are all alike, and the rest is left.
    pattern = r'^{"time":[0-9.]*,"level":"\(warning\|error\|critical\)","worker":"camera"'
    grep = ["grep", "-c", pattern, str(lines)]

    def run(command: list[str]) -> Callable[[], object]:
        return lambda: (
            subprocess.run(command, env=environ, stdout=subprocess.PIPE, check=True).stdout
        )

    figures = in_turns(
        {"grep, level and worker": run(grep), "orch logs, and times": run(orch)}, rounds
    )
    show(f"{STORED} records, process start included", figures, "ms")
    logs = Logs(store)
    queries = {
        "-w camera -p warning -S … -U …": Query(("camera",), (30, 50), since, until),
        "-r REQUEST": Query(request=f"{777:08x}-0000-4000-8000-{777:012x}"),
        "-n 20": Query(),
    }
    limits = {"-n 20": 20}
    figures = in_turns(
        {
            name: lambda name=name, query=query: list(  # type: ignore[misc]
                logs.read(query, limit=limits.get(name), newest_first=name in limits)
            )
            for name, query in queries.items()
        },
        rounds,
    )
    found = len(list(logs.read(queries["-w camera -p warning -S … -U …"])))
    show(f"the query itself; the first gives {found} records", figures, "ms")
    pattern_query = Query(grep=re.compile("position 99999[0-9]"))
    figures = in_turns(
        {
            "grep over the lines": run(["grep", "-c", "position 99999[0-9]", str(lines)]),
            "-g without an index": lambda: list(logs.read(pattern_query)),
        },
        max(rounds // 3, 1),
    )
    show("texts of all records searched by an expression", figures, "ms")


def _fill(store: Path, lines: Path) -> float:
    """A store of a million records and the same as JSON lines; gives the first one's time."""
    random.seed(4)
    first = time.time() - 1000
    workers = ("stage", "camera", "laser")
    chain = Chain(store, Run(0, "1f", first), Keep(), lambda level, text: print(level, text))
    with lines.open("w") as file:
        for begin in range(0, STORED, 10_000):
            records = [
                Record(
                    first + number / 1000,
                    random.choices(("info", "warning", "error"), (990, 9, 1))[0],
                    workers[number % 3],
                    1,
                    "record",
                    f"moving axis 1 to position {number}",
                    logger="drv.motion",
                    request=f"{number // 10:08x}-0000-4000-8000-{number // 10:012x}",
                    member="move",
                    fields={"axis": 1, "unit": "mm"},
                )
                for number in range(begin, begin + 10_000)
            ]
            chain.write(records)
            for record in records:
                file.write(
                    json.dumps({name: getattr(record, name) for name in Record.__struct_fields__},
                               separators=(",", ":")) + "\n"
                )  # fmt: skip
    chain.end(time.time(), "stopped")
    return first


def in_turns(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median milliseconds of each call, one of each after the other."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            times[name].append(1000 * (time.perf_counter() - began))
    return {name: statistics.median(values) for name, values in times.items()}


def bench_neighbour(folder: Path, rounds: int) -> None:
    """Round trip of a quiet worker while another one prints 20,000 lines a second."""
    with running_rig(folder), connect() as rig:
        times: dict[str, list[float]] = {"quiet": [], f"{RATE} lines/s": []}
        printed = 0
        for _ in range(rounds):
            for name, samples in times.items():
                if name != "quiet":
                    began, before = time.monotonic(), rig.noisy.stop()
                    rig.noisy.start(RATE)
                samples.append(_round_trip(rig.quiet))
                if name != "quiet":
                    printed = (rig.noisy.stop() - before) / (time.monotonic() - began)
        show(
            f"round trip p50 of a neighbour, which printed {printed:.0f} lines/s",
            {name: statistics.median(values) for name, values in times.items()},
            "us",
        )


def _round_trip(worker: object) -> float:
    samples = []
    for _ in range(2000):
        began = time.perf_counter()
        worker.nothing()  # type: ignore[attr-defined]
        samples.append(time.perf_counter() - began)
    return 1e6 * statistics.median(samples)


@contextmanager
def running_rig(folder: Path) -> Iterator[None]:
    """A rig of a quiet and a noisy worker, in runtime and state folders of its own."""
    (folder / "bench_drivers.py").write_text(DRIVERS)
    config = folder / "bench.yaml"
    config.write_text(CONFIG)
    os.environ.update(ORCH_RUNTIME_DIR=f"{folder}/run", ORCH_STATE_DIR=f"{folder}/rigs")
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestrator", "run", str(config)],
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        deadline = time.monotonic() + 20
        while not list((folder / "run").glob("*/state.json")):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the rig didn't come up")
            time.sleep(0.01)  # waits for another process's file; nothing is measured yet
        yield
    finally:
        process.terminate()
        process.wait(20)


BENCHES = {"records": bench_records, "query": bench_query, "neighbour": bench_neighbour}


def main() -> None:
    """Run the benchmarks that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("which", nargs="*", choices=[*BENCHES, []], help="default: all")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds")
    options = parser.parse_args()
    print(f"CPUs {os.cpu_count()}, load {os.getloadavg()[0]:.1f}")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name in options.which or BENCHES:
        with tempfile.TemporaryDirectory(prefix="orch-") as folder:
            BENCHES[name](Path(folder), options.rounds)


if __name__ == "__main__":
    main()
