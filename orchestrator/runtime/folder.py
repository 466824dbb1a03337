"""Runtime files: where a rig's lock, state and sockets are, and how a running rig is found.

A rig runs exactly as long as a process holds the lock of its folder; the kernel lets go of it
when that process dies, however it dies.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from orchestrator.errors import AlreadyRunning, RigNotReachable, RuntimeFolderError
from orchestrator.runtime.lock import FileLock
from transports.endpoints import MAX_IPC_PATH, parse_endpoint
from transports.errors import AddressError

RIG_ID = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
START_HINT = "start one with: orch run config.yaml"
_ATTEMPTS = 20  # the folder may be removed by a rig that ends while another one starts


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
        events: Where its events are published; empty when only an address was given.
    """

    rig: str | None
    address: str
    events: tuple[str, ...] = ()


def runtime_dir() -> Path:
    """The folder of all rigs of this user; it may not exist yet.

    `$ORCH_RUNTIME_DIR`, else `orch` in `$XDG_RUNTIME_DIR`, else `/tmp/orch-<uid>`.
    """
    given = os.environ.get("ORCH_RUNTIME_DIR")
    if given:
        return Path(given).absolute()
    session = os.environ.get("XDG_RUNTIME_DIR")
    if session and os.path.isabs(session) and os.path.isdir(session):
        return Path(session) / "orch"
    return _short_temp() / f"orch-{_user()}"


def state_dir() -> Path:
    """The folder for what outlives a rig, such as logs; it may not exist yet.

    `$ORCH_STATE_DIR`, else `orch` in `$XDG_STATE_HOME`, else `~/.local/state/orch`.
    """
    given = os.environ.get("ORCH_STATE_DIR")
    if given:
        return Path(given).absolute()
    home = os.environ.get("XDG_STATE_HOME")
    if home and os.path.isabs(home):
        return Path(home) / "orch"
    return Path.home() / ".local" / "state" / "orch"


OTHERS = 0o077
"""Mode bits that a rig's folder must not have: others may not enter it."""
OTHERS_WRITE = 0o022
"""Mode bits that the folder of all rigs must not have: others may look, but swap nothing."""


def make_private(folder: Path, forbidden: int = OTHERS) -> Path:
    """Make a folder that only this user can use, or check that it is one.

    Args:
        folder: The folder; made with mode 0700.
        forbidden: Mode bits that it must not have if it is there already.

    Raises:
        RuntimeFolderError: It can't be made, or others own it, may enter it, or could swap it.
        FileNotFoundError: It was removed at the same time.
    """
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        pass  # whatever it is, it is checked next
    except OSError as error:
        raise RuntimeFolderError(
            f"{folder} can't be made: {error.strerror}; set ORCH_RUNTIME_DIR to another folder"
        ) from error
    check_private(folder, forbidden)
    return folder


def check_private(folder: Path, forbidden: int = OTHERS) -> None:
    """Check that a folder is this user's, and that others have none of the `forbidden` bits.

    Raises:
        RuntimeFolderError: It isn't, with the mend in the text.
        FileNotFoundError: There is none.
    """
    status = os.lstat(folder)
    if stat.S_ISLNK(status.st_mode):
        raise RuntimeFolderError(f"{folder} is a symbolic link; others may control where it leads")
    if not stat.S_ISDIR(status.st_mode):
        raise RuntimeFolderError(f"{folder} is not a folder; set ORCH_RUNTIME_DIR to another one")
    if not hasattr(os, "getuid"):
        return  # without POSIX modes, a folder in the user's profile is private by its ACL
    if status.st_uid != os.getuid():
        raise RuntimeFolderError(
            f"{folder} belongs to user {status.st_uid}, not to you; "
            "set ORCH_RUNTIME_DIR to a folder of your own"
        )
    if status.st_mode & forbidden:
        raise RuntimeFolderError(
            f"{folder} is open to other users (mode {stat.S_IMODE(status.st_mode):04o}); "
            f"close it with: chmod 700 {folder}"
        )


@contextmanager
def _telling_when_full(folder: Path) -> Iterator[None]:
    """Name the folder when it has no room; that isn't the command's output."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise RuntimeFolderError(
            f"the runtime folder {folder} is full; make room there, "
            "or set ORCH_RUNTIME_DIR to another folder"
        ) from error


class RigFolder:
    """The folder of one rig, held by this process from `acquire` to `release`.

    Args:
        rig: The rig's id.
        base: The folder of all rigs; `runtime_dir()` if left out.

    Raises:
        RuntimeFolderError: The id isn't one.
    """

    def __init__(self, rig: str, base: Path | None = None) -> None:
        if not RIG_ID.fullmatch(rig):
            raise RuntimeFolderError(f"{rig!r} is not a rig's id: letters, digits, - and _ only")
        self.rig = rig
        self.base = base or runtime_dir()
        self.path = self.base / rig
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:12]
        self._short = _short_temp() / f"orch-{_user()}-{digest}"
        self._lock: FileLock | None = None

    def __enter__(self) -> RigFolder:
        self.acquire()
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()

    def acquire(self) -> None:
        """Take the lock and clear what a dead rig of this id left.

        Raises:
            AlreadyRunning: A rig of this id runs; its pid is in the error.
            RuntimeFolderError: The folder can't be used.
        """
        make_private(self.base, OTHERS_WRITE)
        for _ in range(_ATTEMPTS):
            lock = FileLock(self.path / "lock")
            try:
                make_private(self.path)
                taken = lock.acquire()
            except FileNotFoundError:
                continue  # a rig that just ended removed the folder
            except OSError as error:
                raise RuntimeFolderError(
                    f"{lock.path} can't be locked: {error.strerror}"
                ) from error
            if not taken:
                pid = lock.holder()
                who = f" with pid {pid}" if pid else ""
                raise AlreadyRunning(
                    f"rig {self.rig} already runs{who}; stop it with: orch down --rig {self.rig}",
                    rig=self.rig,
                    pid=pid,
                )
            if lock.is_current():
                break
            lock.release()  # it was removed between open and lock: somebody may hold a new one
        else:
            raise RuntimeFolderError(f"{self.path} keeps vanishing while it is being locked")
        self._lock = lock
        with _telling_when_full(self.path):
            self._clear()
            lock.write_pid()

    def release(self) -> None:
        """Remove all files and let go of the lock. Does nothing when not held."""
        lock, self._lock = self._lock, None
        if lock is None:
            return
        self._clear()
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
            RuntimeFolderError: The folder is full.
        """
        draft = self.path / "state.json.new"
        with _telling_when_full(self.path):
            draft.write_bytes(msgspec.json.format(msgspec.json.encode(state), indent=1))
            draft.replace(self.path / "state.json")

    def _clear(self) -> None:
        for folder in (self.path, self._short):
            try:
                check_private(folder)
            except FileNotFoundError:
                continue
            for entry in folder.iterdir():
                if entry.name != "lock" and not entry.is_dir():
                    entry.unlink(missing_ok=True)


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
        runtime.live = [name for name in names if FileLock(runtime.base / name / "lock").is_held()]
        return runtime


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
        name_or_address: A rig's id, or `tcp://host:port`, or `ipc:///path`.

    Raises:
        RigNotReachable: None was found, or several; the text names what runs.
    """
    wanted = name_or_address or os.environ.get("ORCH_RIG") or None
    if wanted is not None and "://" in wanted:
        try:
            return Found(None, parse_endpoint(wanted).address)
        except AddressError as error:
            raise RigNotReachable(str(error)) from error
    runtime = _Runtime.read()
    if wanted is None:
        if not runtime.live:
            raise RigNotReachable(f"no rig is running; {START_HINT}")
        if len(runtime.live) > 1:
            names = ", ".join(runtime.live)
            raise RigNotReachable(f"several rigs run: {names}; choose with --rig or $ORCH_RIG")
        wanted = runtime.live[0]
    state = _state(runtime, wanted)
    return Found(wanted, _preferred(state.addresses), tuple(state.events))


def _state(runtime: _Runtime, rig: str) -> RigState:
    if rig not in runtime.live:
        raise RigNotReachable(_not_running(rig, runtime.live))
    try:
        content = (runtime.base / rig / "state.json").read_bytes()
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
    if not RIG_ID.fullmatch(rig):
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


def _user() -> str:
    if hasattr(os, "getuid"):
        return str(os.getuid())
    import getpass

    return re.sub(r"[^A-Za-z0-9]+", "_", getpass.getuser())


def _short_temp() -> Path:
    """A temporary folder with a short path: `/tmp` wherever it is there."""
    return Path("/tmp") if os.path.isdir("/tmp") else Path(tempfile.gettempdir())  # noqa: S108
