"""Drivers for tests with real worker processes."""

import asyncio
import ctypes
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from workers import Event, action, prop
from workers.search_path import is_standard


class Sample:
    """Does what drivers do, good and bad."""

    moved = Event("it moved", data=float)
    note: str = "first"

    def __init__(self, journal: str = "", level: float = 1.5) -> None:
        self._journal = journal
        self._level = level
        self._gate = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None

    def _write(self, text: str) -> None:
        if self._journal:
            with Path(self._journal).open("a") as file:
                file.write(text + "\n")

    @prop(unit="V", observable=True)
    def level(self) -> float:
        """The level."""
        return self._level

    @level.setter
    def level(self, value: float) -> None:
        self._level = float(value)

    def add(self, a: float, b: float = 1) -> float:
        return a + b

    def image(self):
        import numpy as np

        rows, columns = np.ogrid[:1080, :1920]
        return ((rows + columns) % 256).astype(np.uint8)

    def total(self, array) -> int:
        return int(array.sum())

    def fail(self) -> None:
        error = ValueError("out of range")
        error.add_note("the range is 0 to 1")
        raise error

    def leave(self) -> None:
        sys.exit(3)

    def emit(self, count: int) -> None:
        for number in range(count):
            self.moved.emit(number)

    def emit_image(self) -> None:
        self.moved.emit(self.image())

    async def later(self, value: int) -> int:
        await asyncio.sleep(0)
        return value

    async def fail_later(self) -> None:
        raise SystemExit("from a coroutine")

    def wait_for_gate(self) -> str:
        self._write("waiting")
        try:
            self._gate.wait()
        finally:
            self._write("left")
        return "opened"

    async def wait_in_loop(self) -> None:
        self._write("waiting")
        try:
            await asyncio.Event().wait()
        finally:
            self._write("left")

    @action(concurrent=True)
    def open_gate(self) -> None:
        self._gate.set()

    @action(concurrent=True)
    async def open_gate_later(self) -> str:
        await asyncio.sleep(0)
        self._gate.set()
        return "later"

    def hold_the_lock(self) -> None:
        """Keep the interpreter lock for ever, as a faulty C extension does."""
        self._write("holding")
        ctypes.PyDLL(None).sleep(1000)

    def start_child(self) -> int:
        self._child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
        return self._child.pid

    def where(self) -> dict[str, object]:
        return {
            "cwd": os.getcwd(),
            "env": os.environ.get("SAMPLE"),
            "pid": os.getpid(),
            "session": os.getsid(0),
            "executable": sys.executable,
            # what is searched right after the standard library
            "path": next(entry for entry in sys.path if not is_standard(entry)),
            "stdin": sys.stdin.read(),
        }

    def say(self, text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stderr.write(text.upper() + "\n")

    def crash(self) -> None:
        ctypes.string_at(0)

    def leave_thread(self) -> None:
        threading.Thread(target=time.sleep, args=(1000,), daemon=False).start()

    def close(self) -> None:
        self._write("closed")


class Entered(Sample):
    """A context manager."""

    def __enter__(self):
        self._write("entered")
        return self

    def __exit__(self, *args: object) -> None:
        self._write("exited")


class FailsToBuild:
    """Never there."""

    def __init__(self) -> None:
        raise OSError("no such device")


async def connected(level: float) -> Sample:
    """An async factory."""
    await asyncio.sleep(0)
    return Sample(level=level)


@contextmanager
def borrowed(journal: str):
    """A factory that takes its driver back."""
    sample = Sample()
    yield sample
    Path(journal).write_text("returned")


class IgnoresStop(Sample):
    """Swallows what should end it."""

    def wait_for_gate(self) -> str:
        try:
            return super().wait_for_gate()
        except BaseException:
            return "swallowed"


class Tiny:
    """Next to nothing."""

    value: int = 1


class HangsAtClose(Sample):
    """Never lets go by itself."""

    def close(self) -> None:
        self._write("closing")
        try:
            self._gate.wait()
        finally:
            self._write("let_go")


def a_class() -> type:
    """Not called, by mistake."""
    return Tiny


def a_generator():
    """With a `yield` in place of a `return`."""
    yield Tiny()


def a_number() -> int:
    """Gives a handle as C has it."""
    return 7


def nothing() -> None:
    """Lacks its `return`."""
