"""Hosts of a Dask cluster, on this machine: a scheduler and a host with keys, as the page says."""

from __future__ import annotations

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
from tests.rigs import RunningRig, running, wait_until

pytest.importorskip("distributed")

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
        assert self._orch("keys", str(self.tls)).wait(60) == 0
        self.scheduler = self._orch("scheduler", "--address", f"127.0.0.1:{self.port}", *self._own)
        self.running.append(self.scheduler)

    @property
    def _own(self) -> tuple[str, str]:
        return "--tls", str(self.tls)

    def _orch(self, *arguments: str) -> subprocess.Popen[bytes]:
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
        host = self._orch("join", address, "--name", name, *more, *self._own)
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
def test_what_a_host_has_of_a_kind_is_one_rigs_at_a_time(
    cluster: Cluster,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    open_input: None,
) -> None:
    cluster.join("far", "--resources", "laser=1,slot=2")
    with lab(cluster, ", resources: {laser: 1}") as rig:
        rig.wait_state("cam", "READY", seconds=60)
        monkeypatch.setattr(start, "FREE_WITHIN", 1.0)
        monkeypatch.setattr(start, "first_line", lambda fd: b"no line of a rig\n")
        ask = ["--name=far", f"--scheduler=tls://127.0.0.1:{cluster.port}", f"--tls={cluster.tls}"]
        assert start.main([*ask, "--resource=laser=1"]) == 1
        assert "somebody else has the resources of far: laser" in capfd.readouterr().err
        assert start.main([*ask, "--resource=laser=1", "--resource=slot=3"]) == 1
        assert "hasn't got slot=3: orch host join --resources" in capfd.readouterr().err
        assert rig.wait_state("cam", "READY")["restarts"] == 0
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
