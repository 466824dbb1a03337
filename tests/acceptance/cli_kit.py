"""Commands as users have them: processes, on pipes or on a terminal."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests import preforked
from tests.rigs import RunningRig, may_prefork, measured_as_the_test

ROOT = Path(__file__).resolve().parents[2]

DRIVERS = '''
import os, signal, threading
import numpy as np
from workers import Event, prop

class OutOfRange(Exception):
    pass

class Channel:
    level = 1.5

    def __getattr__(self, name):
        if name.startswith("ch"):
            return len(name)
        raise AttributeError(name)

class Dev:
    """A device with a bit of everything."""

    moved = Event("where it went")
    label: str = "plain"

    def __init__(self):
        self._x = 0.0
        self.channels = [Channel(), Channel()]

    @prop(unit="mm", observable=True)
    def position(self) -> float:
        """Where it stands."""
        return self._x

    @position.setter
    def position(self, value):
        self._x = value

    @property
    def idn(self) -> str:
        return "ACME \\x1b[31mmodel\\x1b[0m"

    def move(self, x: float, speed: float = 1.0) -> float:
        """Go there."""
        if abs(x) > 100:
            raise ValueError(f"target {x} is outside -100..100")
        self._x = x
        self.moved.emit({"x": x})
        return x

    def echo(self, *args, **kwargs):
        return [list(args), kwargs]

    def frame(self, size: int = 2):
        return np.arange(size * size, dtype="u1").reshape(size, size)

    def show(self):
        self.moved.emit(self.frame(3))

    def blob(self):
        return b"\\x00\\xff"

    def complain(self):
        raise OutOfRange("limit switch")

    def nap(self, seconds: float = 60.0):
        """Sleep."""
        threading.Event().wait(seconds)

    def wait_for(self, path):
        while not os.path.exists(path):
            threading.Event().wait(0.01)

    def die(self):
        os.kill(os.getpid(), signal.SIGKILL)

class Broken:
    def __init__(self):
        raise RuntimeError("no such port: /dev/ttyUSB7")
'''

CONFIG = """
rig: bench
workers:
  dev:
    driver: lab_drivers:Dev
    timeouts: {nap: 60s, wait_for: 60s}
  busy:
    driver: lab_drivers:Dev
    invocation_timeout: 200ms
    timeouts: {wait_for: 60s}
  broken:
    driver: lab_drivers:Broken
    retry_start: false
"""


@dataclass
class Done:
    """A command that ended.

    Attributes:
        status: Its exit status, negative for a signal.
        out: What it wrote to stdout, or to the terminal.
        err: What it wrote to stderr.
    """

    status: int
    out: str
    err: str = ""


def environment(folder: Path, **more: str) -> dict[str, str]:
    """An environment in which commands keep all files in a folder."""
    environ = {
        **os.environ,
        "ORCH_RUNTIME_DIR": str(folder / "run"),
        "ORCH_STATE_DIR": str(folder / "state"),
        "PYTHONPATH": str(ROOT),
        **more,
    }
    if "ORCH_RIG" not in more:
        environ.pop("ORCH_RIG", None)
    return environ


def short_folder() -> Path:
    """A temporary folder whose path leaves room for the names of sockets."""
    return Path(tempfile.mkdtemp(prefix="orch-t-"))


def orch(
    environ: Mapping[str, str], *arguments: str, cwd: Path | None = None, timeout: float = 60
) -> Done:
    """Run a command on pipes."""
    done: subprocess.CompletedProcess[str]
    measured = measured_as_the_test(environ)
    if may_prefork():
        done = preforked.run(arguments, measured, cwd or ROOT, timeout)
        return Done(done.returncode, done.stdout, done.stderr)
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator", *arguments],
        env=measured,
        cwd=cwd or ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def begin(
    environ: Mapping[str, str],
    *arguments: str,
    cwd: Path | None = None,
    stdin: int = subprocess.DEVNULL,
) -> subprocess.Popen[str]:
    """Start a command on pipes that Ctrl-C reaches, however the tests were started."""
    return subprocess.Popen(
        [sys.executable, "-m", "orchestrator", *arguments],
        env=measured_as_the_test(environ),
        cwd=cwd or ROOT,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # a shell's background jobs, and what they start, ignore SIGINT
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


class Terminal:
    """A command on a terminal of its own, which is its controlling terminal.

    Args:
        environ: Its environment.
        arguments: The command.
        columns: Width of the terminal.

    Attributes:
        shown: What was read from it so far, with plain line ends.
    """

    def __init__(
        self, environ: Mapping[str, str], *arguments: str, columns: int = 100, cwd: Path = ROOT
    ) -> None:
        self.shown = ""
        self._screen, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        env = {**measured_as_the_test(environ), "TERM": "xterm-256color"}
        env.pop("COLUMNS", None)  # tests that run side by side have it; it would win
        self._process = subprocess.Popen(
            [sys.executable, "-m", "orchestrator", *arguments],
            env=env,
            cwd=cwd,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(theirs)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._screen)

    def read_until(self, text: str) -> None:
        """Read until a text was shown."""
        while text not in self.shown:
            assert self._read(), f"it ended before {text!r} was shown:\n{self.shown}"

    def press(self, keys: str) -> None:
        r"""Type something; Ctrl-C is `\x03`."""
        os.write(self._screen, keys.encode())

    def finish(self, timeout: float = 40) -> Done:
        """Read to the end."""
        while self._read():
            pass
        return Done(self._process.wait(timeout), self.shown)

    def _read(self) -> bool:
        try:
            chunk = os.read(self._screen, 65536)
        except OSError as error:
            if error.errno != errno.EIO:  # EIO: the last writer has closed it
                raise
            return False
        self.shown += chunk.decode(errors="replace").replace("\r\n", "\n")
        return True


def _take_terminal() -> None:
    """In the child: make stdin the controlling terminal, and let Ctrl-C reach us."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def on_terminal(environ: Mapping[str, str], *arguments: str, columns: int = 100) -> Done:
    """Run a command on a terminal."""
    with Terminal(environ, *arguments, columns=columns) as terminal:
        return terminal.finish()


def on_rig(rig: RunningRig, *arguments: str) -> Done:
    """Run a command on pipes against a rig."""
    return orch(rig.environ, *arguments)
