"""A file with what one would attach to a bug report: logs, config, versions, state, crashes."""

from __future__ import annotations

import os
import platform
import sys
import time
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import msgspec

from orchestrator.logs.read.lookup import Entry, Query
from orchestrator.logs.read.masking import mask_config
from orchestrator.logs.read.query import Logs
from orchestrator.logs.show.lines import Printer, clock, run_facts
from orchestrator.logs.store.segments import TROUBLE, Run
from orchestrator.runtime.folder import STATE_FILE
from orchestrator.runtime.places import runtime_dir
from transports.levels import LEVELS

LAST_LINES = 20
"""What a worker printed before its death, in lines."""

_DUMP_TIME = 1.0  # seconds; lines get their time when they are read


def write_postmortem(
    target: Path,
    folder: Path,
    rig: str,
    worker: str | None = None,
    *,
    status: Mapping[str, Any] | None = None,
) -> list[str]:
    """Write the file, readable by its owner alone.

    Args:
        target: The file; it must not exist yet.
        folder: The rig's log store.
        rig: Name of the rig.
        worker: Only logs of this worker, and of the rig itself.
        status: What the rig says of itself and its workers; None if it doesn't run.

    Returns:
        Names of what is in it.

    Raises:
        FileExistsError: It exists.
        OSError: It can't be written.
    """
    damaged: list[str] = []
    logs = Logs(folder, lambda path, reason: damaged.append(f"{path}: {reason}\n"))
    runs = logs.runs()
    last = runs[-1] if runs else None
    query = Query(
        run=None if last is None else last.number,
        workers=() if worker is None else (worker, rig),
    )
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with (
        os.fdopen(descriptor, "wb") as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, style in (("logs.txt", "short"), ("logs.jsonl", "json")):
            printer = Printer(style)
            _add(archive, name, (printer.text(entry) for entry in logs.read(query)))
        _add(archive, "crashes.txt", crash_lines(logs, query))
        _add(archive, "runs.txt", _run_lines(logs, runs, is_running=status is not None))
        _add(archive, "versions.txt", _version_lines())
        if last is not None and last.config is not None:
            _add(archive, "config.yaml", _config(Path(last.config)))
        state = _state(rig)
        if state is not None:
            _add(archive, STATE_FILE, [state])
        if status is not None:
            text = msgspec.json.format(msgspec.json.encode(status), indent=1)
            _add(archive, "status.json", [text.decode()])
        if damaged:
            _add(archive, "damaged.txt", damaged)
        return archive.namelist()


def crash_lines(logs: Logs, query: Query) -> Iterator[str]:
    """Each trouble that the rig itself noted, after the last lines of the worker concerned."""
    printer = Printer("full")
    troubles = replace(query, levels=(TROUBLE, max(LEVELS.values())))
    for trouble in logs.read(troubles):
        if _is_worker_s(trouble):
            continue
        yield f"=== {trouble.worker}: {clock(trouble.time, utc=False)}\n"
        for line in _last_lines(logs, query, trouble):
            yield printer.text(line)
        yield printer.text(trouble) + "\n"


def _is_worker_s(entry: Entry) -> bool:
    """Whether a worker says it itself, not the rig."""
    return entry.incarnation != 0 and entry.logger != ""


def _last_lines(logs: Logs, query: Query, trouble: Entry) -> list[Entry]:
    """What the worker said up to a trouble; of a dump, also what was read after that."""
    near = replace(query, workers=(trouble.worker,), until=trouble.time + _DUMP_TIME)
    lines = [each for each in logs.tail(near, 10 * LAST_LINES) if _is_worker_s(each)]
    lives = [each.incarnation for each in lines if each.time <= trouble.time]
    return [each for each in lines if lives and each.incarnation == lives[-1]][-LAST_LINES:]


def _add(archive: zipfile.ZipFile, name: str, lines: Iterable[str]) -> None:
    info = zipfile.ZipInfo(name, time.localtime()[:6])
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o600 << 16
    with archive.open(info, "w") as raw, TextIOWrapper(raw, "utf-8", "backslashreplace") as file:
        file.writelines(lines)


def _run_lines(logs: Logs, runs: Sequence[Run], *, is_running: bool) -> Iterator[str]:
    known = [(run, None if run.ended else logs.last_time(run)) for run in runs]
    for each in run_facts(known, is_running=is_running):
        started = clock(each["started"], utc=False)
        ended = "-" if each["ended"] is None else clock(each["ended"], utc=False)
        yield f"{each['number']} {started} {ended} {each['ending']} orch {each['version']}\n"


def _version_lines() -> Iterator[str]:
    from importlib.metadata import distributions

    yield f"python {sys.version}\n"
    yield f"platform {platform.platform()}\n"
    found = {each.metadata["Name"]: each.version for each in distributions()}
    yield from (f"{name} {found[name]}\n" for name in sorted(found, key=str.lower))


def _config(path: Path) -> list[str]:
    try:
        return [mask_config(path.read_text("utf-8", "backslashreplace"))]
    except OSError as error:
        return [f"# {path} can't be read: {error.strerror}\n"]


def _state(rig: str) -> str | None:
    """What a running rig tells of itself; None when it doesn't run."""
    try:
        return (runtime_dir() / rig / STATE_FILE).read_text("utf-8")
    except OSError:
        return None
