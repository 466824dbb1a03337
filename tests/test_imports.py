"""The packages' import rules."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALLOWED = {
    "transports": {"transports"},
    "workers": {"transports", "workers"},
    "orchestrator": {"transports", "workers", "orchestrator"},
}
HOSTS_WORKERS = {"check", "logs", "rig"}


def imported(path: Path) -> set[str]:
    """Top-level packages that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add((node.module or "").partition(".")[0])
    return names & set(ALLOWED)


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_imports_run_one_way(package: str) -> None:
    """transports <- workers <- orchestrator."""
    for path in (ROOT / package).rglob("*.py"):
        assert imported(path) <= ALLOWED[package], path


def test_few_files_of_the_orchestrator_know_workers() -> None:
    """Only what composes a rig or starts processes does."""
    know = {
        path.relative_to(ROOT / "orchestrator").parts[0]
        for path in (ROOT / "orchestrator").rglob("*.py")
        if "workers" in imported(path)
    }
    assert know <= HOSTS_WORKERS


def test_cores_know_no_sockets_clock_or_threads() -> None:
    """The broker and supervision cores are pure."""
    impure = {"zmq", "time", "threading", "socket", "asyncio", "subprocess", "multiprocess", "os"}
    for path in (ROOT / "orchestrator" / "core").glob("*.py"):
        tree = ast.parse(path.read_text())
        names = {
            alias.name.partition(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        assert not names & impure, path


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("orchestrator", ("zmq", "pydantic", "numpy", "asyncio")),
        ("workers", ("zmq", "numpy", "structlog", "asyncio")),
        ("transports.hololinked.messages", ("zmq.asyncio", "numpy", "asyncio")),
        ("orchestrator.__main__", ("zmq", "click", "pydantic", "numpy")),
    ],
)
def test_import_does_no_work(module: str, heavy: tuple[str, ...]) -> None:
    """Importing a package's front door loads nothing heavy."""
    code = (
        f"import sys, {module}; loaded = [n for n in {heavy!r} if n in sys.modules]; "
        "sys.exit(f'loads {loaded}' if loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
