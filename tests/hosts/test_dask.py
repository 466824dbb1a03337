"""Hosts of a Dask cluster, on this machine: a scheduler and a host with keys, as the page says."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.dask import start
from tests.hosts.rig_kit import DEVICE
from tests.rigs import RunningRig, is_alive, running, wait_until

pytest.importorskip("distributed")
psutil = pytest.importorskip("psutil")

CONFIG = """
rig: lab
hosts: {{far: {{engine: dask, folder: "{folder}"{needs}}}}}
placement: {{scheduler: "tls://127.0.0.1:{port}", tls: "{tls}", address: 127.0.0.1, lost_after: 2s}}
workers:
  cam: {{driver: "device:Device", host: far, backoff: 10ms..50ms}}
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


class Cluster:
    """A scheduler, and hosts."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.tls = folder / "tls"
        self.running: list[subprocess.Popen[bytes]] = []
        self._log = (folder / "cluster.log").open("ab")
        assert self.orch("keys", str(self.tls)).wait(60) == 0
        self.scheduler = self.orch("scheduler", "--address", f"127.0.0.1:{self.port}", *self._own)
        self.running.append(self.scheduler)
        wait_until(lambda: "the scheduler is at" in self.said(), 60)

    @property
    def _own(self) -> tuple[str, str]:
        return "--tls", str(self.tls)

    def said(self) -> str:
        """What all of them have written."""
        return Path(self._log.name).read_text()

    def orch(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Run a command of `orch host`."""
        from sys import executable

        return subprocess.Popen(
            [executable, "-m", "orchestrator", "host", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def join(self, name: str, *more: str) -> subprocess.Popen[bytes]:
        address = f"tls://127.0.0.1:{self.port}"
        host = self.orch("join", address, "--name", name, *more, *self._own)
        self.running.append(host)
        return host

    def close(self) -> None:
        for process in self.running:
            process.kill()
            process.wait()
        self._log.close()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def open_input() -> Iterator[None]:
    """Standard input that doesn't end, as a rig gives it."""
    before, (reader, writer) = os.dup(0), os.pipe()
    os.dup2(reader, 0)
    try:
        yield
    finally:
        os.dup2(before, 0)
        for each in (before, reader, writer):
            os.close(each)


@contextmanager
def lab(cluster: Cluster, needs: str = "") -> Iterator[RunningRig]:
    folder = Path(tempfile.mkdtemp(dir=cluster.folder))
    (folder / "device.py").write_text(DEVICE)
    text = CONFIG.format(folder=folder, port=cluster.port, tls=cluster.tls, needs=needs)
    with running(text, settle=False) as rig:
        wait_until(lambda: rig.orch("status").returncode in (0, 4))
        yield rig


@pytest.mark.measured
@pytest.mark.timeout(150)
def test_a_host_that_joins_has_its_workers_and_one_that_dies_is_replaced(cluster: Cluster) -> None:
    with lab(cluster) as rig:
        wait_until(lambda: "orch host join" in rig.orch("hosts").stdout, 60)
        host = cluster.join("far")
        first = rig.wait_state("cam", "READY", seconds=60)["pid"]
        with rig.connected() as client:
            assert client.cam.pid() == first
        os.kill(host.pid, signal.SIGKILL)
        wait_until(lambda: "away" in rig.orch("hosts").stdout)
        cluster.join("far")
        wait_until(lambda: rig.wait_state("cam", "READY", seconds=60)["pid"] != first)


@pytest.mark.measured
@pytest.mark.timeout(150)
def test_an_agent_ends_with_its_rig_and_hosts_with_their_scheduler(cluster: Cluster) -> None:
    host = cluster.join("far")
    with lab(cluster) as rig:
        worker = rig.wait_state("cam", "READY", seconds=60)["pid"]
        agent = json.loads(rig.orch("hosts", "--json").stdout)[0]["pid"]
        assert listening(host.pid) == []
        assert listening(cluster.scheduler.pid) == [cluster.port]
        rig.process.kill()
        rig.process.wait()
        wait_until(lambda: not is_alive(agent) and not is_alive(worker), 20)
        rig.start()
        wait_until(lambda: rig.orch("status").returncode in (0, 4))
        rig.wait_state("cam", "READY", seconds=60)
        agent = json.loads(rig.orch("hosts", "--json").stdout)[0]["pid"]
        cluster.scheduler.kill()
        wait_until(lambda: "is gone, and with it its hosts" in rig.orch("hosts").stdout)
        assert host.wait(60) == 3
        wait_until(lambda: not is_alive(agent))
        wait_until(lambda: "can't be reached: Connection refused" in rig.orch("hosts").stdout)
    assert "the scheduler tls://127.0.0.1:" in cluster.said()
    assert "is gone, or has given this host up" in cluster.said()
    assert "Traceback" not in cluster.said()


def listening(pid: int) -> list[int]:
    """The ports at which a process listens."""
    return [
        each.laddr.port
        for each in psutil.Process(pid).net_connections("inet")
        if each.status == psutil.CONN_LISTEN
    ]


@pytest.mark.measured
@pytest.mark.timeout(150)
def test_a_mistake_is_told_in_one_line(cluster: Cluster, tmp_path: Path) -> None:
    here = f"127.0.0.1:{cluster.port}"
    host = cluster.join("far", "--resources", "laser=1")
    wait_until(lambda: "host far has joined" in cluster.said(), 60)
    others = tmp_path / "others"
    assert cluster.orch("keys", str(others)).wait(60) == 0
    tls, nobody = ("--tls", str(cluster.tls)), free_port()
    for status, told, given in (
        (2, "tls://name:port", ["join", "foo", "--name", "x"]),
        (2, '"2x" is not an id', ["join", f"tcp://{here}", "--name", "2x"]),
        (2, "needs --tls FOLDER", ["join", f"tls://{here}", "--name", "x"]),
        (2, "leave out --tls", ["join", f"tcp://{here}", "--name", "x", *tls]),
        (2, "isn't HOST:PORT", ["scheduler", "--address", "foo"]),
        (3, "use", ["scheduler", "--address", here, *tls]),
        (3, "choose another --name", ["join", f"tls://{here}", "--name", "far", *tls]),
        (3, "can't be reached", ["join", f"tcp://127.0.0.1:{nobody}", "--name", "x"]),
        (3, "same files", ["join", f"tls://{here}", "--name", "x", "--tls", str(others)]),
    ):
        before = len(cluster.said())
        assert cluster.orch(*given).wait(60) == status, given
        lines = cluster.said()[before:].splitlines()
        assert told in lines[0], lines
        assert [each for each in lines[1:] if not each.startswith("  see: ")] == []
    host.send_signal(signal.SIGTERM)
    assert host.wait(30) == 0
    cluster.scheduler.send_signal(signal.SIGINT)
    assert cluster.scheduler.wait(30) == 0


@pytest.mark.measured
@pytest.mark.timeout(150)
def test_what_a_host_has_of_a_kind_is_one_rigs_at_a_time(
    cluster: Cluster,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    open_input: None,
) -> None:
    cluster.join("far", "--resources", "laser=1,slot=2")
    with lab(cluster, ", resources: {laser: 1}") as rig:
        before = rig.wait_state("cam", "READY", seconds=60)["restarts"]  # it may have come first
        monkeypatch.setattr(start, "FREE_WITHIN", 1.0)
        monkeypatch.setattr(start, "first_line", lambda fd: b"no line of a rig\n")
        ask = ["--name=far", f"--scheduler=tls://127.0.0.1:{cluster.port}", f"--tls={cluster.tls}"]
        assert start.main([*ask, "--resource=laser=1"]) == 1
        assert "somebody else has the resources of far: laser" in capfd.readouterr().err
        assert start.main([*ask, "--resource=laser=1", "--resource=slot=3"]) == 1
        assert "hasn't got slot=3: orch host join --resources" in capfd.readouterr().err
        assert rig.wait_state("cam", "READY")["restarts"] == before
    assert start.main([*ask, "--resource=laser=1"]) == 2  # that rig is down: it is free
    assert "an agent is started by a rig" in capfd.readouterr().err


def test_what_is_in_the_way_is_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"{}\n" * 3)
    monkeypatch.setattr(start, "first_line", lambda fd: os.read(reader, 3))
    assert start.main(["--name=far", "--scheduler=tls://127.0.0.1:1"]) == 2
    assert "placement: {tls: FOLDER}" in capfd.readouterr().err
    assert start.main(["--name=far", "--scheduler=tls://127.0.0.1:1", f"--tls={tmp_path}"]) == 2
    assert "orch host keys FOLDER" in capfd.readouterr().err
    monkeypatch.setattr(start, "CONNECT_WITHIN", "500ms")
    assert start.main(["--name=far", f"--scheduler=tcp://127.0.0.1:{free_port()}"]) == 1
    assert "can't be reached" in capfd.readouterr().err
    os.close(reader)
    os.close(writer)
