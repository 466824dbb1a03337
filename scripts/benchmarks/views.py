"""What looks at a rig while it is measured: `orch top`, or `orch web` with a page open."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LINES, COLUMNS = 60, 160
"""Of the terminal: all workers of a rig of 50 are on it."""
START = 60.0
"""Seconds until a view shows the rig."""
MOST = 1 << 16
"""Bytes that are read at once."""


@contextmanager
def top(address: str) -> Iterator[None]:
    """`orch top` on a terminal of its own, whose output is read and thrown away."""
    screen, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    command = [sys.executable, "-m", "orchestrator", "top", "--rig", address]
    environment = {**os.environ, "TERM": "xterm-256color"}
    # In a session of its own: the terminal is its, and so are the keys.
    started = subprocess.Popen(
        command, stdin=end, stdout=end, stderr=end, env=environment, start_new_session=True
    )
    os.close(end)
    try:
        with _drained(lambda: os.read(screen, MOST), b"READY", "orch top"):
            yield
        started.terminate()
        started.wait(START)
    finally:
        started.kill()
        started.wait()
        os.close(screen)


@contextmanager
def web(address: str) -> Iterator[None]:
    """`orch web` with the stream open that a page of all workers has open."""
    command = [sys.executable, "-m", "orchestrator", "web", "--rig", address]
    started = subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    try:
        line = started.stdout.readline().strip()
        if (found := re.fullmatch(r"(http://[^/]+/)\?token=(\S+)", line)) is None:
            raise SystemExit(f"orch web told no address, but {line!r}")
        asked = urllib.request.Request(
            f"{found[1]}api/stream", headers={"authorization": f"Bearer {found[2]}"}
        )
        with (
            urllib.request.urlopen(asked, timeout=START) as stream,
            _drained(lambda: stream.read1(MOST), b'"workers"', "orch web"),
        ):
            yield
            started.terminate()  # which ends the stream
            started.wait(START)
    finally:
        started.kill()
        started.wait()


@contextmanager
def _drained(read: Callable[[], bytes], sign: bytes, name: str) -> Iterator[None]:
    """Read what a view gives until it ends; what is within begins when it shows the rig."""
    begun = threading.Event()
    seen = bytearray()

    def drain() -> None:
        try:
            while some := read():
                if not begun.is_set():
                    seen.extend(some)
                    if sign in seen:
                        begun.set()
        except OSError:
            pass  # a terminal whose last program has ended says so
        finally:
            begun.set()

    reader = threading.Thread(target=drain, daemon=True)
    reader.start()
    begun.wait(START)
    if sign not in seen:
        raise SystemExit(f"{name} didn't show the rig within {START:g} s:\n{seen[-2000:]!r}")
    yield
