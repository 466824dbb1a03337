"""An environment of its own for hololinked, which needs an older pyzmq than this project.

Made once, by plain pip, in `$ORCH_INTEROP_VENV` or `.venv-interop` in the root of the
repository, and again when the constraints have changed. `python -m tests.interop.environment`
makes it and prints its interpreter.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONSTRAINTS = Path(__file__).with_name("constraints.txt")
PACKAGES = ("hololinked[zmq]==0.4.2", "numpy", "jsonschema", "coverage")
"""coverage is for workers: what runs here counts too. It must be the suite's own release."""
INSTALLING = 600
"""Seconds that pip may take."""


def interpreter() -> Path:
    """The interpreter of the environment, which is made first if need be.

    Several processes may ask at once: one makes it, the others wait.

    Raises:
        RuntimeError: pip couldn't install the packages; its output is in the text.
    """
    venv = Path(os.environ.get("ORCH_INTEROP_VENV") or ROOT / ".venv-interop")
    python = venv / "bin" / "python"
    stamp = venv / ".installed"
    wanted = _stamp()
    venv.parent.mkdir(parents=True, exist_ok=True)
    with venv.with_name(f"{venv.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (python.exists() and stamp.exists() and stamp.read_text() == wanted):
            shutil.rmtree(venv, ignore_errors=True)
            _run([sys.executable, "-m", "venv", str(venv)])
            pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            _run([*pip, "--constraint", str(CONSTRAINTS), *PACKAGES])
            stamp.write_text(wanted)
    return python


def _stamp() -> str:
    made_of = CONSTRAINTS.read_bytes() + repr((PACKAGES, sys.version)).encode()
    return hashlib.sha256(made_of).hexdigest()


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALLING)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    sys.stdout.write(f"{interpreter()}\n")
