"""Runtime files: where a rig's lock, state and sockets are, and how a running rig is found.

A rig runs exactly as long as a process holds the lock of its folder; the kernel lets go of it
when that process dies, however it dies.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from orchestrator.errors import AlreadyRunning, RigNotReachable, RuntimeFolderError
from orchestrator.names import ID_PATTERN, RIG_VARIABLE, RUNTIME_VARIABLE
from orchestrator.private import OTHERS_WRITE, check_private, make_private
from orchestrator.runtime.guard import Guard, holder
from orchestrator.runtime.lock import FileLock
from orchestrator.runtime.places import runtime_dir, short_temp, user
from transports.endpoints import MAX_IPC_PATH, parse_endpoint
from transports.errors import AddressError

STATE_FILE = "state.json"
"""In a rig's runtime folder: a `RigState`."""
_LOCK_FILE = "lock"
NUMBER_FILE = "lease-number"
"""Has the number of the newest lease; stays when the rig ends, as the next run goes on from it."""
LIVES_FILE = "lives-abroad.json"
"""Has the workers that may live on other hosts; stays when the rig ends and some still may."""
_STAYS = (_LOCK_FILE, NUMBER_FILE, LIVES_FILE)
_COMMA = re.compile(r",(?=[a-z]+://)")
START_HINT = "start one with: orch run config.yaml"
_ATTEMPTS = 20  # the folder may be removed by a rig that ends while another one starts


def replace_file(file: Path, data: bytes) -> None:
    """Write a file in one step: readers see the old or the new one. Raises OSError."""
    draft = file.with_name(f"{file.name}.new")
    draft.write_bytes(data)
    draft.replace(file)


class RigState(msgspec.Struct, kw_only=True):
    """What a running rig tells about itself, in `state.json`.

    Attributes:
        rig: The rig's id.
        pid: Process id of the supervisor.
        config: Path of its config.
        started: Seconds since the epoch.
        version: Release of orch that runs it.
        addresses: Where clients connect, the preferred one first.
        events: Where subscribers connect, in the order of `addresses`.
    """

    rig: str
    pid: int
    config: str = ""
    started: float = 0.0
    version: str = ""
    addresses: list[str] = []
    events: list[str] = []


@dataclass(frozen=True)
class Found:
    """A rig to connect to.

    Attributes:
        rig: Its id; None when only an address was given.
        address: Where requests go.
        events: Where its events are published; empty when only an address was given, the one that
            was given with it otherwise.
    """

    rig: str | None
    address: str
    events: tuple[str, ...] = ()


class RigFolder:
    """The folder of one rig, held by this process from `acquire` to `release`.

    Args:
        rig: The rig's id.
        base: The folder of all rigs; `runtime_dir()` if left out.

    Raises:
        RuntimeFolderError: The id isn't one.
    """

    def __init__(self, rig: str, base: Path | None = None) -> None:
        if not ID_PATTERN.fullmatch(rig):
            raise RuntimeFolderError(f"{rig!r} is not a rig's id: letters, digits, - and _ only")
        import hashlib  # takes long, and who only connects needs none of it

        self.rig = rig
        self.base = base or runtime_dir()
        self.path = self.base / rig
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:12]
        self._short = short_temp() / f"orch-{user()}-{digest}"
        self._lock: FileLock | None = None
        self._state: RigState | None = None
        self.guard: Guard
        self.ends: Guard

    def __enter__(self) -> RigFolder:
        self.acquire()
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()

    def acquire(self, waits: Callable[[], None] = lambda: None) -> None:
        """Take the lock and clear what a dead rig of this id left.

        What that rig's guardian is still at comes first: it ends processes, and makes devices safe.

        Args:
            waits: Called when that has to be waited for.

        Raises:
            AlreadyRunning: A rig of this id runs; its pid is in the error.
            RuntimeFolderError: The folder can't be used.
        """
        make_private(self.base, OTHERS_WRITE)
        self.guard = Guard(self.base, self.rig)
        pid = self.guard.take()
        if pid is not None:
            raise self._already_runs(pid)
        self.ends = Guard(self.base, f"{self.rig}/ends")
        try:
            self._lock = self._acquire()
            while self.ends.take() is not None:
                waits()
                self.ends.wait()
            self._clear()
            with _room_in(self.path):
                self._lock.write_pid()
        except BaseException:
            self.release()
            self.guard.release()
            self.ends.release()
            raise

    def _acquire(self) -> FileLock:
        for _ in range(_ATTEMPTS):
            lock = FileLock(self.path / _LOCK_FILE)
            try:
                with _room_in(self.path):
                    make_private(self.path)
                    taken = lock.acquire()
            except FileNotFoundError:
                continue  # a rig that just ended removed the folder
            except OSError as error:
                raise RuntimeFolderError(
                    f"{lock.path} can't be locked: {error.strerror}"
                ) from error
            if not taken:
                raise self._already_runs(lock.holder())
            if lock.is_current():
                return lock
            lock.release()  # it was removed between open and lock: somebody may hold a new one
        raise RuntimeFolderError(f"{self.path} keeps vanishing while it is being locked")

    def _already_runs(self, pid: int | None) -> AlreadyRunning:
        who = f" with pid {pid}" if pid else ""
        text = f"rig {self.rig} already runs{who}; stop it with: orch down --rig {self.rig}"
        return AlreadyRunning(text, rig=self.rig, pid=pid or None)

    def restore(self) -> list[str]:
        """Put back what somebody removed while the rig runs, but for its sockets.

        Returns:
            The names of what was gone.

        Raises:
            RuntimeFolderError: The folder can't be made anew, or isn't private any more.
            AlreadyRunning: Another process has taken the lock meanwhile.
            OSError: A file can't be written.
        """
        restored: list[str] = []
        if self._lock is None:
            return restored
        make_private(self.base, OTHERS_WRITE)
        guard = Guard(self.base, self.rig)
        if guard.name != self.guard.name:  # the folder of all rigs is another one
            guard.take()
            self.guard.release()
            self.guard = guard
        if not self._lock.is_current():
            lock = self._acquire()
            lock.write_pid()
            self._lock.release()
            self._lock = lock
            restored.append(_LOCK_FILE)
        if self._state is not None and not (self.path / STATE_FILE).exists():
            self.write_state(self._state)
            restored.append(STATE_FILE)
        return restored

    def touch(self) -> None:
        """Have all files look used, to those who remove what isn't."""
        for folder in self.folders:
            for path in (*folder.iterdir(), folder):
                os.utime(path)

    @property
    def folders(self) -> list[Path]:
        """The folders that are this rig's alone, as far as they are there."""
        return [path for path in (self.path, self._short) if path.is_dir()]

    def release(self) -> None:
        """Remove all files and let go of the lock. Does nothing when not held."""
        lock, self._lock = self._lock, None
        if lock is None:
            return
        self._clear()
        self.guard.release()
        self.ends.release()
        lock.remove()
        for folder in (self.path, self._short):
            try:
                folder.rmdir()
            except OSError:
                continue  # not there, or a rig that starts just now uses it
        lock.release()

    def address(self, name: str) -> str:
        """The ipc address for one of the rig's sockets.

        In the rig's folder if the path is short enough for a unix socket, else in a short
        private folder of its own.

        Args:
            name: Such as `front`.

        Raises:
            RuntimeFolderError: The short folder can't be used.
            AddressError: Even the short path is too long.
        """
        address = f"ipc://{self.path / name}.ipc"
        if len(os.fsencode(f"{self.path / name}.ipc")) > MAX_IPC_PATH:
            address = f"ipc://{make_private(self._short) / name}.ipc"
        return parse_endpoint(address).address

    @property
    def sockets(self) -> Path:
        """The folder for socket files: the rig's own, or the short one if its path is too long.

        Raises:
            RuntimeFolderError: The short folder can't be used.
        """
        longest = parse_endpoint(self.address("events")).path
        return longest.parent

    def write_state(self, state: RigState) -> None:
        """Write `state.json` in one step: readers see the old or the new one.

        Raises:
            RuntimeFolderError: There is no room for it.
            OSError: It can't be written for another reason.
        """
        self._state = state
        with _room_in(self.path):
            text = msgspec.json.format(msgspec.json.encode(state), indent=1)
            replace_file(self.path / STATE_FILE, text)

    def _clear(self) -> None:
        for folder in (self.path, self._short):
            try:
                check_private(folder)
            except FileNotFoundError:
                continue
            for entry in folder.iterdir():
                if entry.name not in _STAYS and not entry.is_dir():
                    entry.unlink(missing_ok=True)


@contextmanager
def _room_in(folder: Path) -> Iterator[None]:
    """Name the folder when there is no room: else it would be taken for the output's."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        text = f"the runtime folder {folder} is full; ${RUNTIME_VARIABLE} names another place"
        raise RuntimeFolderError(text) from error


@dataclass
class _Runtime:
    """What the runtime folder shows."""

    base: Path
    live: list[str] = field(default_factory=list)

    @classmethod
    def read(cls) -> _Runtime:
        runtime = cls(runtime_dir())
        try:
            check_private(runtime.base, OTHERS_WRITE)
            names = sorted(entry.name for entry in runtime.base.iterdir() if entry.is_dir())
        except FileNotFoundError:
            return runtime
        except RuntimeFolderError as error:
            raise RigNotReachable(str(error)) from error
        except OSError as error:
            raise RigNotReachable(f"{runtime.base} can't be read: {error.strerror}") from error
        runtime.live = [name for name in names if runtime.is_live(name)]
        return runtime

    def is_live(self, name: str) -> bool:
        return FileLock(self.base / name / _LOCK_FILE).is_held() or (
            ID_PATTERN.fullmatch(name) is not None and holder(self.base, name) is not None
        )


def running_rigs() -> list[str]:
    """Ids of the rigs that this user runs.

    Raises:
        RigNotReachable: The runtime folder can't be trusted or read.
    """
    return _Runtime.read().live


def read_state(rig: str) -> RigState:
    """What a running rig tells about itself.

    Raises:
        RigNotReachable: It doesn't run, or has only just been started.
    """
    return _state(_Runtime.read(), rig)


def find_rig(name_or_address: str | None = None) -> Found:
    """Find a rig by id or address, by `$ORCH_RIG`, or as the only one that this user runs.

    Args:
        name_or_address: A rig's id, or `tcp://host:port`, or `ipc:///path`; two addresses with a
            comma are those for requests and for events.

    Raises:
        RigNotReachable: None was found, or several; the text names what runs.
    """
    wanted = name_or_address or os.environ.get(RIG_VARIABLE) or None
    if wanted is not None and "://" in wanted:
        try:
            first, *rest = (parse_endpoint(each).address for each in _COMMA.split(wanted, 1))
            return Found(None, first, tuple(rest))
        except AddressError as error:
            raise RigNotReachable(str(error)) from error
    runtime = _Runtime.read()
    if wanted is None:
        if not runtime.live:
            raise RigNotReachable(f"no rig is running; {START_HINT}")
        if len(runtime.live) > 1:
            names = ", ".join(runtime.live)
            raise RigNotReachable(
                f"several rigs run: {names}; choose with --rig or ${RIG_VARIABLE}"
            )
        wanted = runtime.live[0]
    state = _state(runtime, wanted)
    return Found(wanted, _preferred(state.addresses), tuple(state.events))


def _state(runtime: _Runtime, rig: str) -> RigState:
    if rig not in runtime.live:
        raise RigNotReachable(_not_running(rig, runtime.live))
    try:
        content = (runtime.base / rig / STATE_FILE).read_bytes()
    except FileNotFoundError as error:
        raise RigNotReachable(
            f"rig {rig} has only just been started and takes no requests yet; try again"
        ) from error
    try:
        state = msgspec.json.decode(content, type=RigState)
    except msgspec.DecodeError as error:
        raise RigNotReachable(f"the state.json of rig {rig} can't be read: {error}") from error
    if not state.addresses:
        raise RigNotReachable(f"rig {rig} listens nowhere")
    return state


def _not_running(rig: str, live: list[str]) -> str:
    if not ID_PATTERN.fullmatch(rig):
        return f"{rig!r:.100} is neither a rig's id nor an address such as tcp://host:5570"
    if not live:
        return f"rig {rig} is not running, nor is any other; {START_HINT}"
    from orchestrator.words import did_you_mean

    near = did_you_mean(rig, live)
    return f"rig {rig} is not running; running: {', '.join(live)}{near}"


def _preferred(addresses: list[str]) -> str:
    import zmq

    if not zmq.has("ipc"):
        return next((item for item in addresses if not item.startswith("ipc:")), addresses[0])
    return addresses[0]
