"""`logs` on stores of its own making: old, damaged, and large ones."""

from __future__ import annotations

import re
from pathlib import Path

from orchestrator.logs.store.chain import Keep
from tests.acceptance.cli_kit import begin, environment, orch
from tests.logs.log_kit import NOW, chain, fill, record


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
