"""What has no reference to be compared with: a rig's start, memory, rest, and deadlines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import psutil
from subjects import rig
from views import top, web

WORKERS = 20
LOOKED_AT = 50
"""Workers of the rig that is looked at."""
LATE = 0.2
"""Seconds of the timeout that is asked for while a driver holds the interpreter."""
REST = 20.0
"""Seconds for which an idle rig is watched."""
SETTLED = 10.0
"""Seconds after the start: helper processes begin, and timers that come once run out."""

Figures = dict[str, tuple[float, str]]
"""By what it is: the figure and its unit."""


def of_a_rig() -> Figures:
    """One rig of 20 workers: from the command to READY, at rest, and what its workers take."""
    began = time.monotonic()
    with rig(WORKERS) as address:
        ready = time.monotonic() - began
        with _connected(address) as found:
            workers = [psutil.Process(each["pid"]) for each in found.status()["workers"]]
        supervisor = _supervisor(address)
        time.sleep(SETTLED)
        every = [supervisor, *supervisor.children(recursive=True)]
        cpu, switches = _cpu(every), _switches(every)
        time.sleep(REST)
        return {
            f"{WORKERS} workers, command to READY": (ready, "s"),
            "private memory of a worker": (_private(workers) / 2**20, "MiB"),
            "private memory of the supervisor": (_private([supervisor]) / 2**20, "MiB"),
            "CPU at rest, all processes": (60 / REST * (_cpu(every) - cpu), "s a minute"),
            "voluntary switches at rest": (60 / REST * (_switches(every) - switches), "a minute"),
        }


def of_deadlines() -> Figures:
    """How late a timeout is told while the driver holds the interpreter, and beside another."""
    from orchestrator import errors

    inside, beside = [], []
    with rig(2) as address, _connected(address) as found:
        for names, late in ((["w0"], inside), (["w0", "w1"], beside)):
            for _ in range(10):
                for name in names:  # the last one is measured
                    began = time.monotonic()
                    held = found[name].submit("hold", seconds=2 * LATE, execution_timeout=LATE)
                try:
                    held.result(10)
                except errors.ExecutionTimeout:
                    late.append(time.monotonic() - began - LATE)
                for name in names:
                    found[name].call("nothing")  # once it is free again
    return {
        "timeout late, interpreter held by its driver": (1000 * max(inside), "ms, most of 10"),
        "timeout late, another's interpreter held": (1000 * max(beside), "ms, most of 10"),
    }


def of_views() -> Figures:
    """What looking at a rig of 50 workers, at rest, takes of its supervisor."""
    views = {"nothing": nullcontext, "orch top": top, "a page of orch web": web}
    told: Figures = {}
    with rig(LOOKED_AT) as address:
        supervisor = [_supervisor(address)]
        for name, view in views.items():
            with view(address):
                time.sleep(SETTLED)
                cpu = _cpu(supervisor)
                time.sleep(REST)
                used = 100 / REST * (_cpu(supervisor) - cpu)
            told[f"supervisor of {LOOKED_AT} workers, {name} open"] = (used, "% of a core")
    return told


FIGURES: tuple[Callable[[], Figures], ...] = (of_a_rig, of_deadlines, of_views)


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    from orchestrator import connect

    with connect(address) as found:
        yield found


def _supervisor(address: str) -> psutil.Process:
    folder = Path(address.removeprefix("ipc://")).parent
    for each in psutil.Process().children():
        if any(str(folder) in one.path for one in each.open_files()):
            return each
    raise SystemExit(f"no process has the rig's folder {folder} open")


def _cpu(processes: list[psutil.Process]) -> float:
    times = [each.cpu_times() for each in processes]
    return sum(each.user + each.system for each in times)


def _switches(processes: list[psutil.Process]) -> int:
    return sum(each.num_ctx_switches().voluntary for each in processes)


def _private(processes: list[psutil.Process]) -> float:
    """Bytes that would be free if one of them ended, on average."""
    return sum(each.memory_full_info().uss for each in processes) / len(processes)
