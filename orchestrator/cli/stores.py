"""The store with a rig's logs: which one is meant, its runs, and its size."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.cli.failures import CommandError, Exit, print_out, say
from orchestrator.names import ID_PATTERN, RIG_VARIABLE

if TYPE_CHECKING:
    from orchestrator.logs.read.query import Logs


def store_of(rig: str | None) -> Path:
    """The folder with a rig's logs: of the rig that is named, that runs, or that has any.

    Raises:
        CommandError: There are none, or several to choose from, or they can't be read.
    """
    folder = _chosen(rig)
    from orchestrator.logs.store.segments import list_segments

    try:
        paths = [path for _, path in list_segments(folder)]
    except OSError as error:
        raise _unreadable(folder, error.strerror) from error
    if paths and not any(os.access(path, os.R_OK) for path in paths):
        raise _unreadable(folder, os.strerror(errno.EACCES))
    return folder


def _unreadable(folder: Path, reason: str | None) -> CommandError:
    return CommandError(
        f"the logs in {folder} can't be read: {reason}{_owner(folder)}", Exit.NOT_REACHABLE
    )


def _owner(folder: Path) -> str:
    """Whose a folder is, or the one that it is in, if somebody else's."""
    for path in (folder, *folder.parents):
        with suppress(OSError, KeyError):
            if hasattr(os, "getuid") and path.stat().st_uid != os.getuid():
                return f"; {path} is of user {path.owner()}"
            return ""
    return ""


def _chosen(rig: str | None) -> Path:
    from orchestrator.runtime.places import logs_folder, state_dir

    name = rig or os.environ.get(RIG_VARIABLE) or None
    base = state_dir()
    if name is not None:
        if "://" in name:
            name = _at_address(name)
        if not ID_PATTERN.fullmatch(name):
            raise CommandError(f"{name!r:.100} is not a rig's name", Exit.USAGE)
        if not _has_logs(base / name):
            raise CommandError(_none_of(name, _stored(base)), Exit.NOT_REACHABLE)
        return logs_folder(name)
    stored = _stored(base)
    if not stored:
        raise CommandError(f"there are no logs in {base}: no rig has run yet", Exit.NOT_REACHABLE)
    if len(stored) > 1:
        live = [each for each in running() if each in stored]
        if len(live) != 1:
            raise CommandError(
                f"several rigs have logs: {', '.join(stored)}; "
                f"choose with --rig or ${RIG_VARIABLE}",
                Exit.NOT_REACHABLE,
            )
        stored = live
    return logs_folder(stored[0])


def _at_address(address: str) -> str:
    """The rig of this machine and user that listens at an address."""
    from orchestrator.errors import RigNotReachable
    from orchestrator.runtime.folder import find_rig, read_state

    wanted = find_rig(address).address
    for rig in running():
        try:
            if wanted in read_state(rig).addresses:
                return rig
        except RigNotReachable:
            continue  # it has just ended, or is only being started
    raise CommandError(
        f"no rig that runs here listens at {address}, and logs are where their rig runs; "
        "name it instead of its address",
        Exit.USAGE,
    )


def running() -> list[str]:
    """Ids of the rigs that run here, as far as can be told."""
    from orchestrator.errors import RigNotReachable
    from orchestrator.runtime.folder import running_rigs

    try:
        return running_rigs()
    except RigNotReachable:
        return []  # the logs can be read all the same


def _stored(base: Path) -> list[str]:

    try:
        return sorted(entry.name for entry in base.iterdir() if _has_logs(entry))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(base, error.strerror) from error


def _has_logs(folder: Path) -> bool:
    """Whether a rig has logs in its folder, or such that we may not see them."""
    try:
        return (folder / "logs").is_dir()
    except PermissionError:
        return True


def _none_of(rig: str, stored: list[str]) -> str:
    from orchestrator.words import did_you_mean

    if not stored:
        return f"rig {rig} has no logs: it has never run"
    near = did_you_mean(rig, stored)
    return f"rig {rig} has no logs: it has never run; there are logs of {', '.join(stored)}{near}"


def say_damage(path: Path, reason: str) -> None:
    """Tell of a segment that can't be read."""
    say(f"log segment {path} can't be read: {reason}")


def tidy(
    folder: Path, *, vacuum_size: int | None, vacuum_time: float | None, disk_usage: bool
) -> int:
    """Remove what is too much or too old, and tell how much there is."""
    from orchestrator.cli.show import size
    from orchestrator.logs.store.chain import remove_old
    from orchestrator.logs.store.segments import list_segments, segment_size

    try:
        if vacuum_size is not None or vacuum_time is not None:
            before = sum(segment_size(path) for _, path in list_segments(folder))
            removed = remove_old(folder, size=vacuum_size, age=vacuum_time)
            after = sum(segment_size(path) for _, path in list_segments(folder))
            count = len(removed)
            freed = size(before - after) if removed else "nothing"
            print_out(f"removed {count} segment{'s'[: count != 1]}, freed {freed}")
        if disk_usage:
            count = len(list_segments(folder))
            total = size(_bytes_in(folder.parent))
            print_out(f"logs take {total} in {count} segment{'s'[: count != 1]} of {folder}")
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}", Exit.USAGE) from error
    return Exit.DONE


def _bytes_in(folder: Path) -> int:
    """The size of all that a rig keeps, whichever file it is in."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # removed for its age just now
            status = path.lstat()
            total += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return total


def list_runs(found: Logs, *, utc: bool, as_json: bool) -> int:
    """Print the runs, as a table or as one JSON object a line."""
    from orchestrator.cli.show import print_table, to_json
    from orchestrator.logs.show.lines import run_facts, run_rows

    runs = [(run, None if run.ended else found.last_time(run)) for run in found.runs()]
    is_running = found.folder.parent.name in running()
    if not runs:
        raise CommandError(f"there are no runs in {found.folder}", Exit.NOT_REACHABLE)
    if as_json:
        for facts in run_facts(runs, is_running=is_running):
            print_out(to_json(facts))
        return Exit.DONE
    headers = ["LAST", "RUN", "STARTED", "ENDED", "HOW", "CONFIG"]
    rows = run_rows(runs, is_running=is_running, utc=utc)
    print_table(headers, [[(text, "") for text in row] for row in rows], right=[0, 1])
    return Exit.DONE
