"""Ratios of a rig to raw ZeroMQ, measured in one run in turns, so that machines compare.

The reference is `zmq.proxy`, which is C, between three processes over ipc: a client and an echo
that exchange five frames with a header of 422 bytes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy
import zmq

from orchestrator import connect
from transports.frames import receive, send

HEADER = b"h" * 422
CONFIG = """\
rig: ratios
shared_memory: {memory}
workers:
  bench: {{driver: "bench_driver:Bench"}}
"""
DRIVER = """\
import numpy

class Bench:
    def __init__(self):
        self._level = 1.5
        self._frames = {}

    @property
    def level(self) -> float:
        return self._level

    def nothing(self) -> None:
        pass

    def frame(self, size: int) -> numpy.ndarray:
        if size not in self._frames:
            self._frames[size] = numpy.random.default_rng().integers(0, 256, size, "u1")
        return self._frames[size]

    def take(self, frame: numpy.ndarray) -> None:
        pass
"""
PROXY = """\
import sys, zmq
context = zmq.Context()
front, back = context.socket(zmq.ROUTER), context.socket(zmq.DEALER)
front.bind(sys.argv[1]); back.bind(sys.argv[2])
zmq.proxy(front, back)
"""
ECHO = """\
import os, sys, zmq
sys.path.insert(0, sys.argv[2])
from transports.frames import receive, send
socket = zmq.Context().socket(zmq.DEALER)
socket.connect(sys.argv[1])
payload = os.urandom(int(sys.argv[3]))
while True:
    zmq.zmq_poll([(socket, 1)], -1)
    frames = receive(socket, 6)
    if payload or len(frames[-1]) > 1000:
        frames[-1] = payload
    send(socket, frames)
"""


def percentile(samples: list[float], part: float) -> float:
    """The value below which `part` of the samples lie."""
    return sorted(samples)[min(len(samples) - 1, int(part * len(samples)))]


@contextmanager
def proxied_echo(folder: str, reply: int = 0, asked: int = 0) -> Iterator[Callable[[], None]]:
    """A call through a C proxy to an echo that answers with `reply` bytes in the last frame.

    It is asked with `asked` bytes there, and answers with a short one then.
    """
    front, back = (f"ipc://{folder}/{name}{reply}-{asked}" for name in ("f", "b"))
    root = str(Path(__file__).parent.parent)
    processes = [
        subprocess.Popen([sys.executable, "-c", PROXY, front, back]),
        subprocess.Popen([sys.executable, "-c", ECHO, back, root, str(reply)]),
    ]
    context = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.connect(front)
    items = [(socket, int(zmq.POLLIN))]
    raw = os.urandom(asked)

    def call() -> None:
        send(socket, [b"", HEADER, b"null", raw])
        zmq.zmq_poll(items, -1)
        receive(socket, 6)

    try:
        call()
        yield call
    finally:
        context.destroy(linger=0)
        for process in processes:
            process.kill()
            process.wait()


@contextmanager
def running_rig(folder: str, memory: str) -> Iterator[None]:
    """A rig of one worker, in runtime and state folders of its own."""
    Path(folder, "bench_driver.py").write_text(DRIVER)
    config = Path(folder, "bench.yaml")
    config.write_text(CONFIG.format(memory=memory))
    os.environ.update(ORCH_RUNTIME_DIR=f"{folder}/run", ORCH_STATE_DIR=f"{folder}/state")
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestrator", "run", str(config)], stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 20
        while not list(Path(folder, "run").glob("*/state.json")):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the rig didn't come up")
            time.sleep(0.01)  # waits for another process's file; nothing is measured yet
        yield
    finally:
        process.terminate()
        process.wait(20)


def in_turns(calls: Mapping[str, Callable[[], object]], rounds: int, each: int) -> dict[str, float]:
    """Median time of a call in microseconds, the median of interleaved rounds."""
    medians: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            samples = []
            for _ in range(each):
                began = time.perf_counter()
                call()
                samples.append(time.perf_counter() - began)
            medians[name].append(percentile(samples, 0.5))
    return {name: 1e6 * statistics.median(values) for name, values in medians.items()}


def show(title: str, figures: dict[str, float], unit: str) -> None:
    """Print figures and their ratio to the first."""
    print(title)
    reference = next(iter(figures.values()))
    for name, value in figures.items():
        print(f"  {name:<42}{value:>12.1f} {unit:<8} ratio {value / reference:.2f}")


def bench_rtt(folder: str, rounds: int) -> None:
    """Round trip of a property read."""
    with proxied_echo(folder) as echo, connect() as rig:
        worker = rig.bench
        calls = {
            "zmq.proxy in C": echo,
            "property read, rig.bench.level": lambda: worker.level,
            "action, rig.bench.nothing()": lambda: worker.nothing(),
        }
        show("round trip, p50", in_turns(calls, rounds, 300), "us")


def bench_throughput(folder: str, rounds: int) -> None:
    """Calls per second of eight client threads, each with a connection of its own."""
    with connect() as rig:
        rig.bench.nothing()
        figures = {}
        for clients in (1, 8):
            ended = []

            def work(ended: list[int] = ended) -> None:
                with connect() as mine:
                    worker, count = mine.bench, 0
                    until = time.monotonic() + 2.0
                    while time.monotonic() < until:
                        worker.nothing()
                        count += 1
                    ended.append(count)

            threads = [threading.Thread(target=work) for _ in range(clients)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            figures[f"{clients} client threads"] = sum(ended) / 2.0
        began = time.perf_counter()
        futures = [rig.bench.submit("nothing") for _ in range(4000)]
        for future in futures:
            future.result()
        figures["one client, futures"] = 4000 / (time.perf_counter() - began)
        show("calls a second", figures, "calls/s")


def bench_array(folder: str, rounds: int) -> None:
    """Arrays of random bytes each way, as the caller's own copies and as views."""
    for mib in (8, 64):
        size, each = mib << 20, 80 // mib + 2
        frame = numpy.frombuffer(os.urandom(size), "u1")
        with (
            proxied_echo(folder, reply=size) as answered,
            proxied_echo(folder, asked=size) as asked,
            connect() as rig,
            connect(zero_copy=True) as viewer,
        ):
            results = {
                "zmq.proxy in C": answered,
                "an array, a copy of the caller's own": lambda n=size: rig.bench.frame(n),
                "an array, a view": lambda n=size: viewer.bench.frame(n),
            }
            arguments = {
                "zmq.proxy in C": asked,
                "an array, a copy of the driver's own": lambda f=frame: rig.bench.take(f),
            }
            for call in (*results.values(), *arguments.values()):
                for _ in range(3):  # from then on there are slots
                    call()
            show(f"{mib} MiB from worker to client", in_turns(results, rounds, each), "us")
            show(f"{mib} MiB from client to worker", in_turns(arguments, rounds, each), "us")


BENCHES = {"rtt": bench_rtt, "throughput": bench_throughput, "array": bench_array}


def main() -> None:
    """Run the benchmarks that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("which", nargs="*", choices=[*BENCHES, []], help="default: all")
    parser.add_argument("--rounds", type=int, default=9, help="interleaved rounds")
    parser.add_argument("--shared-memory", default="512MiB", help="of the rig, or off")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="orch-") as folder,
        running_rig(folder, options.shared_memory),
    ):
        for name in options.which or BENCHES:
            BENCHES[name](folder, options.rounds)


if __name__ == "__main__":
    main()
