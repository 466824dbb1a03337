"""Runtime folders: who may use them, who holds them, and how a rig is found by them."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.errors import AlreadyRunning, RigNotReachable, RuntimeFolderError
from orchestrator.private import make_private
from orchestrator.runtime.folder import (
    Found,
    RigFolder,
    RigState,
    find_rig,
    read_state,
    running_rigs,
)
from orchestrator.runtime.lock import FileLock
from orchestrator.runtime.places import runtime_dir, state_dir, user

ROOT = Path(__file__).parents[2]
HOLD = """
import sys
from orchestrator.runtime.folder import RigFolder, RigState
folder = RigFolder(sys.argv[1])
folder.acquire()
folder.write_state(RigState(rig=sys.argv[1], pid=1, addresses=["ipc:///x"]))
(folder.path / "front.ipc").touch()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime folder of this test's own."""
    monkeypatch.setenv("ORCH_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.delenv("ORCH_RIG", raising=False)
    return tmp_path / "run"


@pytest.fixture
def holder() -> Iterator[subprocess.Popen[str]]:
    """Another process that runs rig `bench`."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, "bench"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def state(rig: str) -> RigState:
    return RigState(
        rig=rig,
        pid=os.getpid(),
        addresses=[f"ipc:///run/{rig}.ipc", "tcp://127.0.0.1:5570"],
        events=[f"ipc:///run/{rig}.events.ipc"],
    )


# -- where -------------------------------------------------------------------------------------


def test_the_order_of_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours, the session's, a folder of this user in /tmp; for state, the one below home."""
    assert runtime_dir() == tmp_path / "run"
    monkeypatch.setenv("ORCH_RUNTIME_DIR", "")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert runtime_dir() == tmp_path / "orch"
    for unusable in ("", "relative", str(tmp_path / "gone")):
        monkeypatch.setenv("XDG_RUNTIME_DIR", unusable)
        assert runtime_dir() == Path(f"/tmp/orch-{os.getuid()}")

    monkeypatch.setenv("ORCH_STATE_DIR", str(tmp_path / "state"))
    assert state_dir() == tmp_path / "state"
    monkeypatch.delenv("ORCH_STATE_DIR")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_dir() == tmp_path / "orch"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert state_dir() == tmp_path / ".local/state/orch"


def test_folders_are_made_private(base: Path) -> None:
    """Whatever the umask is."""
    before = os.umask(0)
    try:
        with RigFolder("bench") as folder:
            for path in (base, folder.path):
                assert stat.S_IMODE(path.stat().st_mode) == 0o700
    finally:
        os.umask(before)


def test_folders_that_others_could_use_are_refused(tmp_path: Path) -> None:
    """Each with the mend in its text."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(RuntimeFolderError, match=r"mode 0777.*chmod 700"):
        make_private(shared)
    link = tmp_path / "link"
    link.symlink_to(make_private(tmp_path / "own"))
    with pytest.raises(RuntimeFolderError, match="symbolic link"):
        make_private(link)
    file = tmp_path / "file"
    file.touch()
    for path in (file, file / "below"):
        with pytest.raises(RuntimeFolderError, match="ORCH_RUNTIME_DIR"):
            make_private(path)


def test_a_folder_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is refused, by a rig and by a client."""
    make_private(tmp_path / "run")
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(RuntimeFolderError, match="not to you"):
        RigFolder("bench").acquire()
    with pytest.raises(RigNotReachable, match="not to you"):
        find_rig()


@pytest.mark.parametrize("rig", ["", "../x", "a/b", "1st", "a b", "x" * 65, "a\n", "é"])
def test_ids_that_are_none(rig: str) -> None:
    """Never become a path."""
    with pytest.raises(RuntimeFolderError):
        RigFolder(rig)


# -- holding -----------------------------------------------------------------------------------


def test_a_folder_is_gone_after_release(base: Path) -> None:
    """With all that was in it."""
    with RigFolder("bench") as folder:
        folder.write_state(state("bench"))
        (folder.path / "front.ipc").touch()
        assert (folder.path / "lock").read_text() == f"{os.getpid()}\n"
        assert stat.S_IMODE((folder.path / "lock").stat().st_mode) == 0o600
    assert list(base.iterdir()) == []
    folder.release()


def test_a_second_rig_is_refused_with_the_pid_of_the_first(
    holder: subprocess.Popen[str],
) -> None:
    """And takes nothing away."""
    with pytest.raises(AlreadyRunning, match=f"already runs with pid {holder.pid}") as raised:
        RigFolder("bench").acquire()
    assert (raised.value.rig, raised.value.pid) == ("bench", holder.pid)
    assert running_rigs() == ["bench"]
    with RigFolder("other"):
        assert running_rigs() == ["bench", "other"]


def test_what_a_killed_rig_left_is_cleared(holder: subprocess.Popen[str], base: Path) -> None:
    """Its lock dies with it, and its files are no rig's."""
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (base / "bench" / "front.ipc").exists()
    assert running_rigs() == []
    with pytest.raises(RigNotReachable, match="bench is not running, nor is any other"):
        find_rig("bench")
    with RigFolder("bench") as folder:
        assert [path.name for path in folder.path.iterdir()] == ["lock"]
    assert not (base / "bench").exists()


def test_asking_does_not_hinder_a_start() -> None:
    """Clients that look whether a rig runs don't look like one that does."""
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            running_rigs()

    askers = [threading.Thread(target=ask) for _ in range(2)]
    for asker in askers:
        asker.start()
    try:
        for _ in range(100):
            with RigFolder("bench"):
                pass
    finally:
        stop.set()
        for asker in askers:
            asker.join()


def test_one_of_many_starters_wins(base: Path) -> None:
    """Also while a rig that ends removes the folder under them."""
    inside = []
    violations = []
    guard = threading.Lock()

    def start() -> None:
        for _ in range(50):
            folder = RigFolder("bench")
            try:
                folder.acquire()
            except AlreadyRunning:
                continue
            if not guard.acquire(blocking=False):
                violations.append(folder)
                continue
            inside.append(folder)
            guard.release()
            folder.release()

    starters = [threading.Thread(target=start) for _ in range(4)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()
    assert not violations
    assert inside
    assert list(base.iterdir()) == []


def test_a_lock_on_a_file_that_was_replaced_is_no_lock(tmp_path: Path) -> None:
    """The holder of the old file must not believe that it holds the new one."""
    path = tmp_path / "lock"
    lock = FileLock(path)
    assert lock.acquire()
    assert lock.is_current()
    path.unlink()
    assert not lock.is_current()
    path.touch()
    assert not lock.is_current()
    lock.release()


def test_state_is_replaced_in_one_step() -> None:
    """A reader never sees half of it."""
    with RigFolder("bench") as folder:
        folder.write_state(state("bench"))
        torn = []
        stop = threading.Event()

        def read() -> None:
            while not stop.is_set():
                try:
                    assert read_state("bench").rig == "bench"
                except RigNotReachable as error:
                    torn.append(error)

        reader = threading.Thread(target=read)
        reader.start()
        for _ in range(200):
            folder.write_state(state("bench"))
        stop.set()
        reader.join()
        assert not torn


# -- sockets -----------------------------------------------------------------------------------


def test_socket_addresses() -> None:
    """In the rig's folder while they are short enough for a unix socket, else in a short one."""
    with tempfile.TemporaryDirectory(prefix="o-") as short:
        folder = RigFolder("bench", Path(short))
        assert folder.address("front") == f"ipc://{short}/bench/front.ipc"
        assert folder.sockets == Path(short) / "bench"

        deep = RigFolder("bench", Path(short) / ("d" * 100))
        deep.acquire()
        address = deep.address("front")
        path = Path(address.removeprefix("ipc://"))
        assert len(str(path)) <= 107
        assert deep.sockets == path.parent
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert RigFolder("bench", Path(short) / ("d" * 100)).address("front") == address
        assert RigFolder("other", Path(short) / ("d" * 100)).address("front") != address
        path.touch()
        deep.release()
        assert not path.parent.exists()
        (Path(tempfile.gettempdir()) / Path(RigFolder("other", deep.base).sockets)).rmdir()


# -- finding -----------------------------------------------------------------------------------


def test_nothing_runs(base: Path) -> None:
    """The hint says how to start something; looking makes no folder."""
    for name in (None, "bench"):
        with pytest.raises(RigNotReachable, match="start one with: orch run"):
            find_rig(name)
    assert not base.exists()


def test_a_rig_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """By name, by the environment, as the only one; what was killed doesn't count."""
    with RigFolder("bench") as folder:
        folder.write_state(state("bench"))
        make_private(runtime_dir() / "dead")
        expected = Found("bench", "ipc:///run/bench.ipc", ("ipc:///run/bench.events.ipc",))
        assert find_rig("bench") == expected
        assert find_rig() == expected
        monkeypatch.setenv("ORCH_RIG", "bench")
        assert find_rig() == expected
        monkeypatch.setenv("ORCH_RIG", "tcp://host:5570")
        assert find_rig() == Found(None, "tcp://host:5570")
        assert find_rig("bench") == expected  # the argument wins


@pytest.mark.parametrize("address", ["tcp://[::1]:5570", "ipc:///tmp/x.ipc", "TCP://h:1"])
def test_an_address_is_taken_as_it_is(address: str) -> None:
    """Whether anybody is there shows when it is connected."""
    scheme, _, rest = address.partition("://")
    assert find_rig(address) == Found(None, f"{scheme.lower()}://{rest}")


@pytest.mark.parametrize("address", ["tcp://host", "http://x", "ipc://" + "x" * 200])
def test_an_address_that_is_none(address: str) -> None:
    """Is said so."""
    with pytest.raises(RigNotReachable, match=r"isn't spoken|needs a host|path of"):
        find_rig(address)


def test_several_rigs_run() -> None:
    """One has to be chosen, and a misspelt name is put right."""
    with RigFolder("bench"), RigFolder("oven"):
        with pytest.raises(RigNotReachable, match=r"several rigs run: bench, oven; choose"):
            find_rig()
        with pytest.raises(RigNotReachable, match='running: bench, oven; did you mean "bench"'):
            find_rig("bnech")
        with pytest.raises(RigNotReachable, match="neither a rig's id nor an address"):
            find_rig("../bench")


def test_a_rig_that_has_no_address_yet() -> None:
    """Has just been started."""
    with RigFolder("bench") as folder:
        with pytest.raises(RigNotReachable, match="only just been started"):
            find_rig()
        folder.write_state(RigState(rig="bench", pid=1))
        with pytest.raises(RigNotReachable, match="listens nowhere"):
            find_rig()
        (folder.path / "state.json").write_text("{")
        with pytest.raises(RigNotReachable, match=r"state\.json of rig bench can't be read"):
            find_rig()


def test_nothing_posix_only_is_imported() -> None:
    """File locks are chosen when one is first taken."""
    code = (
        "import sys; sys.modules['fcntl'] = None; "
        "import orchestrator.runtime.folder, orchestrator.client"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_user_is_told_apart_without_uids(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are no numbers, names serve."""
    monkeypatch.delattr(os, "getuid")
    monkeypatch.setenv("LOGNAME", "ann lee")
    assert user() == "ann_lee"


def test_a_runtime_folder_that_others_may_look_into_will_do(tmp_path: Path) -> None:
    """What a plain mkdir makes: the rig's own folder in it is closed; one they can write isn't."""
    base = tmp_path / "run"
    base.mkdir()
    base.chmod(0o755)
    with RigFolder("bench", base) as folder:
        assert folder.path.stat().st_mode & 0o777 == 0o700
    base.chmod(0o777)
    with pytest.raises(RuntimeFolderError, match="0777"):
        RigFolder("bench", base).acquire()
