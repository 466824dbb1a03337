"""`logs` on stores of its own making: old, damaged, and large ones."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.logs.store.chain import Keep
from tests.acceptance.cli_kit import Done, begin, environment, orch
from tests.logs.log_kit import NOW, chain, fill, record

pytestmark = pytest.mark.measured


def test_old_logs_are_removed_on_demand(tmp_path: Path) -> None:
    """Whole segments, by size or age; the last one stays."""
    store = tmp_path / "state" / "bench" / "logs"
    store.mkdir(parents=True)
    writer = chain(store, keep=Keep(segment=0))
    for number in range(4):
        writer.write([record("x" * 1000, NOW + number) for _ in range(300)])
    writer.end(NOW, "stopped")
    environ = environment(tmp_path)
    assert re.fullmatch(
        r"logs take [\d.]+ MiB in 5 segments of .*/bench/logs\n",
        orch(environ, "logs", "--disk-usage").out,
    )
    done = orch(environ, "logs", "--vacuum-size", "900KB", "--disk-usage")
    assert done.out.startswith("removed 3 segments, freed ")
    assert " in 2 segments of " in done.out
    assert orch(environ, "logs", "--vacuum-time", "1d").out.startswith("removed 1 segment, freed ")
    assert orch(environ, "logs", "--vacuum-time", "1d").out == "removed 0 segments, freed nothing\n"


def test_a_damaged_segment_is_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    """On stderr."""
    store = tmp_path / "state" / "bench" / "logs"
    store.mkdir(parents=True)
    fill(store, [record("fine")])
    (store / "000002.db").write_bytes(b"garbage" * 1000)
    done = orch(environment(tmp_path), "logs", "-o", "cat")
    assert (done.status, done.out) == (0, "fine\n")
    assert "000002.db can't be read: file is not a database" in done.err


def test_a_reader_who_leaves_a_pipe_ends_it(tmp_path: Path) -> None:
    """With the status of SIGPIPE, and no traceback."""
    store = tmp_path / "state" / "bench" / "logs"
    store.mkdir(parents=True)
    fill(store, [record("x" * 500) for _ in range(3000)])
    process = begin(environment(tmp_path), "logs")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(20) == 141


COMMANDS = (
    ["logs"],
    ["logs", "--rig", "bench"],
    ["logs", "-f"],
    ["logs", "--disk-usage"],
    ["logs", "--vacuum-size", "1MB"],
    ["logs", "--list-runs"],
    ["trace", "1f"],
    ["postmortem", "--rig", "bench"],
)


def as_anybody(environ: dict[str, str], *arguments: str) -> Done:
    """Run a command without the power to read what is somebody else's, which root has."""
    powers = "-dac_override,-dac_read_search"
    confined = ["setpriv", "--bounding-set", powers] if os.getuid() == 0 else []
    done = subprocess.run(
        [*confined, sys.executable, "-m", "orchestrator", *arguments],
        env=environ,
        capture_output=True,
        text=True,
        timeout=40,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.mark.skipif(
    os.getuid() == 0 and shutil.which("setpriv") is None, reason="root can't be confined"
)
@pytest.mark.parametrize("closed", ["state", "state/bench", "state/bench/logs", "segments"])
def test_logs_that_cant_be_read_are_one_clear_line(tmp_path: Path, closed: str) -> None:
    """Of another user, say: status 3, and whose they are."""
    store = tmp_path / "state" / "bench" / "logs"
    store.mkdir(parents=True)
    fill(store, [record("secret")])
    paths = list(store.glob("*.db")) if closed == "segments" else [tmp_path / closed]
    for path in paths:
        path.chmod(0)
    if os.getuid() == 0:
        for path in (tmp_path / "state", store.parent, store, *store.iterdir()):
            os.chown(path, 65534, 65534)
    try:
        for command in COMMANDS:
            done = as_anybody(environment(tmp_path), *command)
            assert (done.status, done.out) == (3, ""), done.err
            assert re.match(r"error: the logs in .* can't be read: Permission denied", done.err)
            assert done.err.count("\n") == 1
            assert os.getuid() != 0 or "; /" in done.err
    finally:
        for path in paths:
            path.chmod(0o700)


def test_all_that_a_rig_keeps_is_counted(tmp_path: Path) -> None:
    """Whichever file it is in."""
    store = tmp_path / "state" / "bench" / "logs"
    store.mkdir(parents=True)
    fill(store, [record("fine")])
    (store.parent / "left.log").write_bytes(bytes(3 << 20))
    assert orch(environment(tmp_path), "logs", "--disk-usage").out.startswith("logs take 3.0 MiB")
