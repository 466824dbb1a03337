"""Ctrl-C while a command has only just begun, or is about to end: no traceback, ever."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ENTRY = """
import os
from orchestrator import __main__ as entry

find_ours = entry._find_ours

def has_begun():
    begun = int(os.environ["BEGUN"])
    os.write(begun, b".")
    os.close(begun)
    find_ours()

entry._find_ours = has_begun  # the first thing that comes after Ctrl-C is seen to
entry.main()
"""
"""As the console script does it; what Python does before is none of ours."""
LONGEST = 0.25
"""Seconds that a command takes to begin and to end, about."""


@pytest.mark.parametrize(
    ("number", "statuses"), [(signal.SIGINT, {130, -2}), (signal.SIGTERM, {143, -15})]
)
@pytest.mark.parametrize("command", [("logs",), ("status",), ("run", "missing.yaml")])
def test_a_signal_at_any_moment(
    tmp_path: Path, command: tuple[str, ...], number: int, statuses: set[int]
) -> None:
    """It ends by it, or had come to its own end."""
    environ = {**os.environ, "ORCH_RUNTIME_DIR": str(tmp_path), "ORCH_STATE_DIR": str(tmp_path)}
    seed = random.randrange(1 << 32)
    moments = random.Random(seed)
    usual = None
    for _ in range(12):
        after = moments.uniform(0, LONGEST)
        begun, told = os.pipe()
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", ENTRY, *command],
            env={**environ, "BEGUN": str(told)},
            cwd=tmp_path,
            pass_fds=[told],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.close(told)
        assert os.read(begun, 1) == b"."
        os.close(begun)
        time.sleep(after)  # the moment is what is tried
        process.send_signal(number)
        _, stderr = process.communicate(timeout=30)
        about = f"seed {seed}, after {after:.3f} s: {stderr}"
        assert "Traceback" not in stderr, about
        assert "KeyboardInterrupt" not in stderr, about
        if process.returncode not in statuses:
            usual = usual or process.returncode
            assert process.returncode == usual, about
            assert usual in (0, 2, 3), about
