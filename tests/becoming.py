"""A forked process becomes a program, as if Python had been started for it."""

from __future__ import annotations

import atexit
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import NoReturn


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


def _open_streams() -> None:
    """Open the standard streams anew: Python's own believe that they are what they were."""
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    for name, fd, errors in (("stdout", 1, "strict"), ("stderr", 2, "backslashreplace")):
        stream = open(fd, "w", encoding="utf-8", errors=errors, closefd=False)  # noqa: SIM115
        stream.reconfigure(line_buffering=fd == 2 or os.isatty(fd))
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
