"""What a worker's process may use, and how it is told which limit was reached."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from typing import Any

import pytest

from orchestrator.rig.launchers.handle import exit_of
from workers.errors import EXIT_CRASHED, EXIT_NO_FILES, EXIT_NO_MEMORY
from workers.limits import MIB, apply, explained, reached, status_of
from workers.spec import Limits, WorkerSpec

FULL = Limits(memory=200 * MIB, nofile=128)
NO_FILES = OSError(errno.EMFILE, "Too many open files")
APPLIED = """
import json, os, resource, sys
from workers.limits import apply
from workers.spec import Limits
apply(Limits(**json.loads(sys.argv[1])))
try:
    bytearray(300 << 20)
    memory = "had"
except MemoryError:
    memory = "refused"
print(json.dumps([memory, resource.getrlimit(resource.RLIMIT_NOFILE)[0],
                  os.getpriority(os.PRIO_PROCESS, 0), len(os.sched_getaffinity(0))]))
"""


def applied(**limits: Any) -> list[Any]:
    """What a process has that keeps to these."""
    done = subprocess.run(
        [sys.executable, "-c", APPLIED, json.dumps(limits)], capture_output=True, check=True
    )
    found: list[Any] = json.loads(done.stdout)
    return found


def test_a_process_keeps_to_them() -> None:
    cpu = min(os.sched_getaffinity(0))
    niceness = max(os.getpriority(os.PRIO_PROCESS, 0), 5)
    found = applied(memory=200 * MIB, nofile=128, nice=niceness, cpus=[cpu])
    assert found == ["refused", 128, niceness, 1]


def test_without_any_nothing_changes() -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    apply(Limits())
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        (Limits(nofile=1 << 40), "nofile: 1099511627776: "),
        (Limits(cpus=(5000,)), "cpus: (5000,): "),
    ],
)
def test_one_that_the_system_refuses_is_named(limits: Limits, text: str) -> None:
    with pytest.raises(OSError, match=text.replace("(", r"\(").replace(")", r"\)")):
        apply(limits)


@pytest.mark.parametrize(
    ("error", "limits", "words", "status"),
    [
        (MemoryError(), FULL, "its limit of memory, 200 MiB, was reached", EXIT_NO_MEMORY),
        (NO_FILES, FULL, "its limit of open files, 128, was reached", EXIT_NO_FILES),
        (MemoryError(), Limits(), "", EXIT_CRASHED),
        (NO_FILES, Limits(memory=1), "", EXIT_CRASHED),
        (OSError(errno.ENOENT, "no such file"), FULL, "", EXIT_CRASHED),
    ],
)
def test_which_limit_was_reached(
    error: BaseException, limits: Limits, words: str, status: int
) -> None:
    assert reached(error, limits) == words
    assert status_of(error, limits) == status
    told = explained({"message": "x"}, error, limits)["message"]
    assert told == (f"x ({words})" if words else "x")


def test_how_an_end_near_the_limit_is_told() -> None:
    """Where the process couldn't say so itself."""
    killed = exit_of(-6, 190 * MIB, 200 * MIB)
    assert killed.text == "killed by SIGABRT, near its limit of memory: 190 of 200 MiB"
    assert killed.status == 128 + 6
    assert exit_of(-6, 100 * MIB, 200 * MIB).text == "killed by SIGABRT"
    assert exit_of(-6, 190 * MIB).text == "killed by SIGABRT"
    assert exit_of(0, 190 * MIB, 200 * MIB).text == "exit status 0"
    assert exit_of(EXIT_NO_MEMORY).text.endswith("its limit of memory was reached")


def test_limits_survive_the_way_to_the_process() -> None:
    spec = WorkerSpec(
        rig="r", worker="w", driver="d:D", link="", events="", token="", limits=Limits(cpus=(0, 1))
    )
    assert WorkerSpec.from_dict(json.loads(json.dumps(spec.to_dict()))).limits.cpus == (0, 1)
