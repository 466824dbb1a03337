"""A constant has one home; where a file can't import it, a test holds the copy equal."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

import orchestrator.__main__
from orchestrator.cli.failures import INTERRUPTED, TERMINATED
from orchestrator.logs.store.records import Record
from workers import errors
from workers.output.pipes import RecordLine
from workers.process import bootstrap
from workers.spec import OURS

ROOT = Path(__file__).parent.parent
PACKAGES = ("transports", "workers", "orchestrator", "orch")
COPIES = {
    "EXIT_BOOT_FAILED",  # workers.process.bootstrap is read by interpreters without our packages
}
CHANCE = {
    "LAST_LINES",  # what is kept of a worker for its death, and what a postmortem shows of it
    "PATIENCE",  # of the last steps of a process, and of calls when a pool closes
    "WATCH",  # a second between looks, in clients of two kinds
}
"""Constants of one name and value that may change apart: they mean different things."""


def constants(path: Path) -> dict[str, str]:
    """The module's public constants that are written down as a value, by name."""
    found = {}
    for node in ast.parse(path.read_text()).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            targets = [node.target]
        for target in targets:
            if isinstance(target, ast.Name) and target.id.lstrip("_").isupper():
                value = node.value
                if not ast.unparse(value).startswith(("TypeVar(", "ParamSpec(", "int(zmq.")):
                    found[target.id.lstrip("_")] = ast.unparse(value)
    return found


def test_no_constant_stands_twice():
    homes = defaultdict(list)
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for name, value in constants(path).items():
                homes[name, value].append(str(path.relative_to(ROOT)))
    twice = {key: paths for key, paths in homes.items() if len(paths) > 1}
    assert {name for name, _ in twice} == COPIES | CHANCE, twice


def test_copies_are_equal():
    assert bootstrap.EXIT_BOOT_FAILED == errors.EXIT_BOOT_FAILED
    assert set(bootstrap.PACKAGES) < set(OURS)


def test_an_interrupt_has_one_status(monkeypatch):
    """The front door imports nothing before the command line runs, so it has the number itself."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    for prepares in ("_end_at_once", "_find_ours"):  # a process of its own, not this one
        monkeypatch.setattr(orchestrator.__main__, prepares, lambda: None)
    monkeypatch.setattr("orchestrator.cli.main", interrupted)
    with pytest.raises(SystemExit) as end:
        orchestrator.__main__.main()
    assert end.value.code == INTERRUPTED


def test_a_signal_ends_commands_and_workers_alike():
    assert TERMINATED == errors.EXIT_TERMINATED


def test_a_record_is_read_by_the_names_it_was_written_under():
    assert set(RecordLine.__struct_fields__) <= set(Record.__struct_fields__)


def test_the_reaper_and_the_probe_need_none_of_our_packages():
    """They are run by their paths alone; so they bring what they need to be imported."""
    for path in ("orchestrator/rig/reaper.py", "orchestrator/check/probe.py"):
        tree = ast.parse((ROOT / path).read_text())
        modules = {
            alias.name.partition(".")[0]
            for node in tree.body
            if isinstance(node, ast.Import)
            for alias in node.names
        } | {
            (node.module or "").partition(".")[0]
            for node in tree.body
            if isinstance(node, ast.ImportFrom)
        }
        assert not modules & set(PACKAGES), path
