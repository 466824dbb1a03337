"""What is measured: a rig, and raw ZeroMQ through `zmq.proxy`, which is C, as the reference."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

HERE = Path(__file__).parent
DRIVER = """\
from orch import Event

def random_bytes(size):
    import numpy
    return numpy.random.default_rng(1).integers(0, 256, size, dtype="u1")

class Bench:
    ticked = Event()

    def __init__(self, mib=0):
        self._level = 1.5
        self._frame = random_bytes(mib << 20) if mib else None

    @property
    def level(self) -> float:
        return self._level

    def nothing(self) -> None:
        pass

    def beside(self) -> None:
        pass

    def frame(self):
        return self._frame

    def take(self, frame) -> int:
        return len(frame)

    def hold(self, seconds: float) -> None:
        import ctypes
        # holds the interpreter, as a library in C may
        ctypes.PyDLL(None).usleep(int(seconds * 1e6))

    def tick(self, count: int) -> None:
        for number in range(count):
            self.ticked.emit(number)
"""


def free_port() -> int:
    """A port that is free now, as is the one after it."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            number = int(first.getsockname()[1])
            with suppress(OSError, OverflowError):
                second.bind(("127.0.0.1", number + 1))
                return number


@contextmanager
def process(*arguments: str, python: str = sys.executable) -> Iterator[subprocess.Popen[str]]:
    """A program of this folder; at the end it is killed, with what it has started."""
    started = subprocess.Popen(
        [python, *arguments],
        cwd=HERE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE if arguments[0] == "client.py" else subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        yield started
    finally:
        os.killpg(started.pid, signal.SIGKILL)
        started.communicate()


@contextmanager
def raw(ends: int = 1, reply: int = 0) -> Iterator[str]:
    """`zmq.proxy` between clients and echoes; the address of its front.

    Args:
        ends: How many echoes it spreads requests over.
        reply: Bytes of random data in the last frame of each answer.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, ExitStack() as stack:
        front, back = f"ipc://{folder}/front", f"ipc://{folder}/back"
        stack.enter_context(process("raw.py", "proxy", front, back))
        for _ in range(ends):
            stack.enter_context(process("raw.py", "echo", back, str(reply)))
        yield front


@contextmanager
def raw_events() -> Iterator[str]:
    """An XSUB and XPUB proxy with a publisher that sends when it is asked to; their folder."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        process("raw.py", "relay", f"ipc://{folder}/in", f"ipc://{folder}/out"),
        process("raw.py", "publish", f"ipc://{folder}/in", f"ipc://{folder}/ask"),
    ):
        yield folder


@contextmanager
def rig(
    workers: int = 1,
    *,
    mib: int = 0,
    transport: str = "ipc",
    shared_memory: str = "512MiB",
    door: str = "ipc",
) -> Iterator[str]:
    """A rig whose workers are `w0`, `w1` and so on.

    Args:
        workers: How many it has.
        mib: The size of the arrays that they have.
        transport: That of its workers.
        shared_memory: For frames.
        door: Where clients come in: `ipc`, `tcp`, or `curve`, which is tcp with keys.

    Yields:
        Its address; behind a `#` the file of a client's key, if it takes keys.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        Path(folder, "bench_driver.py").write_text(DRIVER)
        driver = f'{{driver: "bench_driver:Bench", kwargs: {{mib: {mib}}}, concurrent: [beside], '
        lines = [f"  w{n}: {driver}transport: {transport}}}" for n in range(workers)]
        config = Path(folder, "bench.yaml")
        at = f"127.0.0.1:{free_port()}"
        key = Path(folder, "keys", "bench.key")
        how = {"tcp": "allow_local_users: true", "curve": "curve: keys/"}.get(door)
        listen = "listen: [ipc]" if how is None else f'listen: [ipc, {{tcp: "{at}", {how}}}]'
        if door == "curve":
            command = [sys.executable, "-m", "orchestrator", "keys", "new", "bench"]
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
        head = [f"rig: bench{os.getpid()}", listen, f"shared_memory: {shared_memory}", "workers:"]
        config.write_text("\n".join([*head, *lines, ""]))
        places = {"ORCH_RUNTIME_DIR": f"{folder}/run", "ORCH_STATE_DIR": f"{folder}/state"}
        before = dict(os.environ)
        os.environ.update(places)
        command = [sys.executable, "-m", "orchestrator", "run", str(config)]
        with Path(folder, "stderr").open("w") as log:
            running = subprocess.Popen(command, stderr=log)
        try:
            address = _when_ready(running, Path(folder))
            yield address if how is None else f"tcp://{at}" + f"#{key}" * (door == "curve")
        finally:
            running.terminate()
            running.wait(60)
            os.environ.clear()
            os.environ.update(before)


def _when_ready(running: subprocess.Popen[bytes], folder: Path) -> str:
    """Wait for a rig, and give its address."""
    command = [sys.executable, "-m", "orchestrator", "wait", "--timeout", "60s"]
    deadline = time.monotonic() + 60
    while not list((folder / "run").glob("*/state.json")):
        if running.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"the rig didn't come up:\n{(folder / 'stderr').read_text()}")
        time.sleep(0.01)  # another process's file; nothing is measured yet
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    from orchestrator import connect

    with connect() as found:
        return str(found.address)
