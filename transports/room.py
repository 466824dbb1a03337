"""Whether this process may still start threads.

ZeroMQ starts some with its first socket, and ends the process if it can't.
"""

from __future__ import annotations

import errno
import threading

OF_A_CONTEXT = 2
"""Threads that ZeroMQ starts for a context."""


def need_threads(count: int, why: str) -> None:
    """See that so many threads can be started, by starting them.

    Args:
        count: How many.
        why: What needs them, for people.

    Raises:
        OSError: They can't (EAGAIN).
    """
    end = threading.Event()
    started = []
    try:
        for _ in range(count):
            thread = threading.Thread(target=end.wait, daemon=True)
            thread.start()
            started.append(thread)
    except RuntimeError:
        raise OSError(
            errno.EAGAIN,
            f"{why} takes {count} processes and threads, and only {len(started)} more may be"
            " started; raise the limit (ulimit -u, TasksMax= of a systemd unit)",
        ) from None
    finally:
        end.set()
        for thread in started:
            thread.join()
