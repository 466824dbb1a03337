"""What importing the package costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("transports", ("zmq", "msgspec", "asyncio")),
        ("transports.headers", ("zmq", "asyncio", "numpy", "structlog")),
        ("transports.hololinked.replies", ("zmq", "asyncio", "numpy", "structlog")),
        ("transports.hololinked.client", ("asyncio", "numpy", "structlog")),
        ("transports.hololinked.consumers", ("asyncio", "numpy", "structlog")),
        ("transports.hololinked.publisher", ("asyncio", "numpy", "structlog")),
        ("transports.hololinked.server", ("zmq.asyncio", "numpy", "structlog")),
    ],
)
def test_nothing_is_loaded_before_it_is_needed(module: str, heavy: tuple[str, ...]) -> None:
    code = (
        f"import sys, {module}; loaded = [n for n in {heavy!r} if n in sys.modules]; "
        "sys.exit(f'loads {loaded}' if loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
