"""What a bug report must not tell, and what it must; and the time line of a request."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.logs.read.lookup import Query
from orchestrator.logs.read.query import Logs
from orchestrator.logs.show.postmortem import LAST_LINES, crash_lines
from orchestrator.logs.show.trace import AmbiguousRequest, find_trace, trace_lines
from tests.logs.log_kit import NOW, fill, record


def test_a_crash_comes_with_what_was_said_before_it(tmp_path: Path):
    lines = [record(f"line {n}", NOW + n / 1000) for n in range(30)]
    death = record("killed by SIGSEGV", NOW + 1, level="error", incarnation=0)
    dump = record("Fatal Python error", NOW + 1.01, stream="stderr", level="warning")
    after = record("second life", NOW + 1.1, incarnation=2)
    other = record("elsewhere", NOW + 0.9, worker="laser")
    fill(tmp_path, [*lines, other, death, dump, after])
    text = "".join(crash_lines(Logs(tmp_path), Query()))
    assert text.count("===") == 1
    assert text.index("line 29") < text.index("Fatal Python error") < text.index("killed by")
    assert text.count("line ") == LAST_LINES - 1
    assert "second life" not in text
    assert "elsewhere" not in text


def test_a_trace_is_in_the_order_of_the_processes_times(tmp_path: Path):
    fill(
        tmp_path,
        [
            record("moving", NOW + 0.002, request="2e5c-01", member="move"),
            record("dispatched", NOW + 0.001, request="2e5c-01", incarnation=0, level="debug"),
            record("boom", NOW + 0.5, request="2e5c-01", exception="Traceback…\nOSError: far"),
            record("not mine", NOW, request="2e5c-02"),
        ],
    )
    trace = find_trace(Logs(tmp_path), "2e5c-01")
    assert trace is not None
    assert trace.has_life
    assert list(trace_lines(trace, utc=True)) == [
        "stage.move at 2023-11-14 22:13:20, request 2e5c-01\n",
        "    0.000 ms    +0.000 ms  broker   debug    dispatched\n",
        "    1.000 ms    +1.000 ms  stage[1] info     moving\n",
        "  499.000 ms  +498.000 ms  stage[1] info     boom\n",
        "                            | Traceback…\n",
        "                            | OSError: far\n",
    ]
    assert find_trace(Logs(tmp_path), "2e5d") is None
    with pytest.raises(AmbiguousRequest, match="2 requests have such an id: 2e5c-01, 2e5c-02"):
        find_trace(Logs(tmp_path), "2e5c")
