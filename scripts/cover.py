"""Add up what the processes of a test run have measured, and print it by folder.

Called by `scripts/test`, in the root; `COVERAGE_FILE` says how the names of their files begin. A
file of the product that no process has loaded counts as 0 %. Exit status: 0 all are covered
enough, 1 some are not.
"""

from __future__ import annotations

import sys
import warnings
from collections import defaultdict
from pathlib import Path

from coverage import Coverage
from coverage.exceptions import CoverageWarning

ROOT = Path(__file__).resolve().parent.parent
ENOUGH = 80
"""Percent of a file's statements that the suite has to run."""
SAMPLED = (
    "orchestrator/cli/",
    "orchestrator/logs/show/postmortem.py",
    "orchestrator/logs/store/last_word.py",
    "orchestrator/rig/reaper.py",
    "workers/output/stdlib_logging.py",
)
"""Files that run in processes of which a sample is measured: what is shown isn't all that ran."""


def measured() -> dict[Path, tuple[int, int]]:
    """For each file of the product that has statements: how many, and how many never ran."""
    # Some processes are killed, be it while they write.
    warnings.filterwarnings("ignore", "Data file .* isn't a coverage data file", CoverageWarning)
    cov = Coverage()
    cov.combine(strict=True)
    found = {}
    for package in cov.get_option("run:source") or ():  # type: ignore[union-attr]
        for path in sorted((ROOT / str(package)).rglob("*.py")):
            _, statements, _, missing, _ = cov.analysis2(str(path))
            if statements:
                found[path.relative_to(ROOT)] = len(statements), len(missing)
    return found


def table(files: dict[Path, tuple[int, int]]) -> list[str]:
    """Lines of text: the files of each folder, and the folder's total above them."""
    rooms: dict[Path, list[Path]] = defaultdict(list)
    for path in files:
        rooms[path.parent].append(path)
    lines = [_line("", ("statements", "missed", "covered"))]
    for room in sorted(rooms):
        lines.append(_row(f"{room}/", [files[path] for path in rooms[room]]))
        lines += [_row(f"  {path.name}", [files[path]]) for path in sorted(rooms[room])]
    return [*lines, _row("all", list(files.values()))]


def percent(statements: int, missed: int) -> int:
    """How much ran, rounded down: 79.9 is not 80."""
    return 100 * (statements - missed) // statements


def _row(name: str, counts: list[tuple[int, int]]) -> str:
    statements = sum(count for count, _ in counts)
    missed = sum(count for _, count in counts)
    return _line(name, (statements, missed, f"{percent(statements, missed)} %"))


def _line(name: str, cells: tuple[object, object, object]) -> str:
    return f"{name:<36}" + "".join(f"{cell:>12}" for cell in cells)


def main() -> int:
    """Print the table, and which files have too little."""
    files = measured()
    print("\n".join(table(files)))
    lacking = [str(path) for path, counts in files.items() if percent(*counts) < ENOUGH]
    short = [path for path in lacking if not path.startswith(SAMPLED)]
    if sampled := sorted({*lacking} - {*short}):
        print(f"of these a sample of processes was measured: {', '.join(sampled)}")
    if short:
        print(f"covered less than {ENOUGH} %: {', '.join(short)}")
    else:
        print(f"no file is covered less than {ENOUGH} %")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
