"""Real rigs for tests: `orch run` as a subprocess, in folders of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import orch
from orchestrator import connect
from orchestrator.client.rig import Rig
from orchestrator.errors import OrchError
from tests import preforked, spares
from tests.becoming import MEASURES

SETTLED = {"READY", "FAILED", "STOPPED"}
INLINE = "ORCH_TESTS_INLINE"
"""Set to have all rigs without shared memory, unless a test's own config says otherwise."""
FRESH = "ORCH_TESTS_FRESH"
"""Set in tests whose processes start as users' do: see `tests.preforked`."""


def wait_until(condition: Callable[[], Any], seconds: float = 45.0) -> Any:
    """Wait for a condition that another process brings about; return what it gave."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {condition}")
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Whether a process exists and isn't a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def collector_of(rig: int) -> int:
    """Process id of the log collector of a rig, which is given by its own."""
    module = "orchestrator.logs.collect.collector"

    def is_it(child: Path) -> bool:
        is_spare = (child / "comm").read_text().strip() == spares.name_of(module)
        return is_spare or module.encode() in (child / "cmdline").read_bytes()

    children = Path(f"/proc/{rig}/task/{rig}/children").read_text().split()
    (found,) = [child for child in children if is_it(Path("/proc", child))]
    return int(found)


def measured_as_the_test(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment in which coverage is measured only if it is in this test's processes.

    The environment of a rig that tests share always has it measured.
    """
    own = {name: value for name, value in environ.items() if name != MEASURES}
    return {**own, MEASURES: os.environ[MEASURES]} if MEASURES in os.environ else own


def may_prefork() -> bool:
    """Whether a command needn't be a Python of its own from the start."""
    return FRESH not in os.environ


class RunningRig:
    """A rig under test.

    Attributes:
        folder: Where its config and drivers are.
        environ: The environment in which commands find it.
        options: Of `orch run`.
        process: `orch run`.
    """

    def __init__(
        self, folder: Path, config: str, drivers: dict[str, str], options: Sequence[str] = ()
    ) -> None:
        self.folder = folder
        self.options = options
        self.environ = {
            **os.environ,
            "ORCH_RUNTIME_DIR": str(folder / "run"),
            "ORCH_STATE_DIR": str(folder / "state"),
            "HOME": str(folder),
            "PYTHONPATH": os.pathsep.join(
                filter(None, (os.getcwd(), os.environ.get("PYTHONPATH")))
            ),
        }
        self.environ.pop("ORCH_RIG", None)
        for name, text in drivers.items():
            (folder / f"{name}.py").write_text(text)
        self.config = folder / "rig.yaml"
        if INLINE in os.environ and "shared_memory:" not in config:
            config += "\nshared_memory: off\n"
        self.config.write_text(config)
        self.log = folder / "stderr"
        self.process: subprocess.Popen[bytes] | preforked.Command

    def start(self) -> None:
        """Run it in a session of its own, so that a test's Ctrl-C doesn't reach it."""
        with self.log.open("ab") as log:
            run = ("run", *self.options, str(self.config))
            if may_prefork() and self._is_plain(*run):
                self.process = preforked.start(
                    list(run),
                    self.environ,
                    Path.cwd(),
                    log.fileno(),
                    log.fileno(),
                    new_session=True,
                )
                return
            self.process = subprocess.Popen(
                self.command(*run),
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _is_plain(self, *arguments: str) -> bool:
        """Whether a command is orch's and nothing else, such as a limit around it."""
        return self.command(*arguments) == [sys.executable, "-m", "orchestrator", *arguments]

    def command(self, *arguments: str) -> list[str]:
        """The argument list of an orch command."""
        return [sys.executable, "-m", "orchestrator", *arguments]

    def orch(self, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command against it."""
        environ = measured_as_the_test(self.environ)
        if may_prefork() and self._is_plain(*arguments):
            return preforked.run(arguments, environ, self.folder, timeout)
        return subprocess.run(
            self.command(*arguments),
            env=environ,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    @contextmanager
    def connected(self, address: str | None = None) -> Iterator[Rig]:
        """A client of it."""
        with _environment(self.environ), connect(address) as rig:
            yield rig

    def wait_settled(self, seconds: float = 30.0) -> dict[str, dict[str, Any]]:
        """Wait until all workers are up or given up; their status by name."""

        def settled() -> dict[str, dict[str, Any]] | None:
            assert self.process.poll() is None, self.text
            try:
                with self.connected() as rig:
                    workers = {each["name"]: each for each in orch.status(rig)["workers"]}
            except OrchError:
                return None
            return workers if all(w["state"] in SETTLED for w in workers.values()) else None

        return wait_until(settled, seconds)  # type: ignore[no-any-return]

    def wait_state(self, worker: str, state: str, seconds: float = 20.0) -> dict[str, Any]:
        """Wait for a worker's state; its status."""
        with self.connected() as rig:

            def reached() -> dict[str, Any] | None:
                for each in orch.status(rig)["workers"]:
                    if each["name"] == worker and each["state"] == state:
                        return dict(each)
                return None

            return wait_until(reached, seconds)  # type: ignore[no-any-return]

    @property
    def text(self) -> str:
        """What it wrote to stderr."""
        return self.log.read_text(errors="replace")

    def stop(self, signum: int = signal.SIGTERM, timeout: float = 45) -> int:
        """Signal it and wait for its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signum)
        return self.process.wait(timeout)


Kind = TypeVar("Kind", bound=RunningRig)


@contextmanager
def _environment(environ: dict[str, str]) -> Iterator[None]:
    names = ("ORCH_RUNTIME_DIR", "ORCH_STATE_DIR", "ORCH_RIG")
    before = {name: os.environ.get(name) for name in names}
    for name in names:
        os.environ.pop(name, None)
        if name in environ:
            os.environ[name] = environ[name]
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextmanager
def running(
    config: str,
    drivers: dict[str, str] | None = None,
    *,
    texts: Mapping[str, str] | None = None,
    settle: bool = True,
    options: Sequence[str] = (),
) -> Iterator[RunningRig]:
    """A rig that is up, and gone with all its files afterwards.

    Args:
        config: Its config.
        drivers: Modules of drivers, by name.
        texts: Other files, by name.
        settle: Whether to wait until its workers have settled.
        options: Of `orch run`.
    """
    folder = Path(tempfile.mkdtemp(prefix="orch-t-"))
    for name, text in (texts or {}).items():
        (folder / name).write_text(text)
    with up(RunningRig(folder, config, drivers or {}, options), settle=settle) as rig:
        yield rig


@contextmanager
def up(rig: Kind, *, settle: bool = True) -> Iterator[Kind]:
    """Start a rig; it is gone with its folder afterwards."""
    try:
        rig.start()
        if settle:
            rig.wait_settled()
        yield rig
    finally:
        try:
            rig.stop()
        except subprocess.TimeoutExpired:
            rig.process.kill()
            rig.process.wait()
        finally:
            shutil.rmtree(rig.folder, ignore_errors=True)
