"""What a worker's process may use of the machine, as the configuration says.

Set once, before the driver is imported: what the driver starts inherits them.
"""

from __future__ import annotations

import errno
import os
from typing import Any

from workers.errors import EXIT_CRASHED, EXIT_NO_FILES, EXIT_NO_MEMORY
from workers.spec import Limits

MIB = 1 << 20


def apply(limits: Limits) -> None:
    """Have this process keep to its limits.

    Raises:
        OSError: The system refuses one; its text says which.
        NotImplementedError: This system knows no such limits.
    """
    if limits == Limits():
        return
    try:
        import resource
    except ImportError:
        raise NotImplementedError("this system has no limits for processes") from None
    if limits.memory is not None:
        # What it writes to, rather than what it maps: libraries map far more than they use.
        _set(f"memory: {limits.memory}", resource.RLIMIT_DATA, limits.memory)
    if limits.nofile is not None:
        _set(f"nofile: {limits.nofile}", resource.RLIMIT_NOFILE, limits.nofile)
    if limits.nice is not None:
        try:
            os.setpriority(os.PRIO_PROCESS, 0, limits.nice)
        except OSError as error:
            raise OSError(error.errno, f"nice: {limits.nice}: {error.strerror}") from None
    if limits.cpus is not None:
        try:
            os.sched_setaffinity(0, limits.cpus)
        except OSError as error:
            raise OSError(error.errno, f"cpus: {limits.cpus}: {error.strerror}") from None


def _set(told: str, which: int, value: int) -> None:
    import resource

    try:
        resource.setrlimit(which, (value, value))
    except (OSError, ValueError) as error:
        raise OSError(errno.EPERM, f"{told}: {error}") from None


def reached(error: BaseException, limits: Limits) -> str:
    """The limit that an error tells of, in words; empty if it is none."""
    if isinstance(error, MemoryError) and limits.memory is not None:
        return f"its limit of memory, {limits.memory / MIB:g} MiB, was reached"
    if isinstance(error, OSError) and error.errno == errno.EMFILE and limits.nofile is not None:
        return f"its limit of open files, {limits.nofile}, was reached"
    return ""


def explained(body: dict[str, Any], error: BaseException, limits: Limits) -> dict[str, Any]:
    """What is told of an error, with the limit that was reached."""
    if limit := reached(error, limits):
        body["message"] = f"{body['message']} ({limit})".lstrip()
    return body


def status_of(error: BaseException, limits: Limits) -> int:
    """With which status a process ends whose runtime has failed."""
    if not reached(error, limits):
        return EXIT_CRASHED
    return EXIT_NO_MEMORY if isinstance(error, MemoryError) else EXIT_NO_FILES
