"""A forked process becomes a program, as if Python had been started for it."""

from __future__ import annotations

import atexit
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import NoReturn

MEASURES = "COVERAGE_PROCESS_CONFIG"
"""The variable by which coverage is measured in a process and in those that it starts."""
COMMANDS = "ORCH_TESTS_COVERAGE"
"""The variable by which it is measured in commands, but not in what they start."""


def become(
    run: Callable[[], object],
    argv: Sequence[str],
    environ: Mapping[str, str],
    cwd: str,
    base: Sequence[str],
) -> NoReturn:
    """Run a program on the standard streams to its end, and end as it says.

    Args:
        run: The program.
        argv: Its name and arguments.
        environ: Its environment.
        cwd: Its working directory.
        base: The end of `sys.path`, after what PYTHONPATH says.
    """
    status = 1
    try:
        _open_streams()
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(environ)
        time.tzset()
        more = filter(None, environ.get("PYTHONPATH", "").split(os.pathsep))
        sys.path[:] = [cwd, *more, *base]
        sys.argv = list(argv)
        run()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        atexit._run_exitfuncs()
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(status)


@contextmanager
def measured_imports() -> Iterator[None]:
    """Measure what is imported for all who will be forked, if anything is measured."""
    import coverage

    config = os.environ.get(COMMANDS)
    if config is None:
        yield
        return
    os.environ[MEASURES] = config
    running = coverage.process_startup(force=True)
    del os.environ[MEASURES]
    assert running is not None
    yield
    running.stop()
    running.save()


def measure(config: str | None = None) -> None:
    """Measure what runs from here on, as the environment says, or else as is given, if it is.

    Of modules that are imported already, those lines are counted by `measured_imports`.
    """
    if config is None and MEASURES not in os.environ:
        return
    import coverage

    is_inherited = MEASURES in os.environ
    os.environ.setdefault(MEASURES, config or "")
    coverage.process_startup(force=True)
    if not is_inherited:
        del os.environ[MEASURES]


def _open_streams() -> None:
    """Open the standard streams anew: Python's own believe that they are what they were."""
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    for name, fd, errors in (("stdout", 1, "strict"), ("stderr", 2, "backslashreplace")):
        stream = open(fd, "w", encoding="utf-8", errors=errors, closefd=False)  # noqa: SIM115
        stream.reconfigure(line_buffering=fd == 2 or os.isatty(fd))
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
