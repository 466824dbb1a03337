"""The unit in docs/systemd.md, as it is printed there."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.cli_kit import ROOT, environment, orch

ORCH = str(Path(sys.executable).with_name("orch"))
CONFIG = 'rig: bench\nworkers:\n  a: {driver: "plain:Plain"}\n'


def unit() -> str:
    text = (ROOT / "docs" / "systemd.md").read_text()
    return re.findall(r"```ini\n(.*?)```", text, re.DOTALL)[0]


def service() -> dict[str, list[str]]:
    """The service's settings; a key may stand there several times."""
    settings: dict[str, list[str]] = {}
    section = unit().partition("[Service]\n")[2].partition("\n[")[0]
    for line in section.splitlines():
        if line:
            key, _, value = line.partition("=")
            settings.setdefault(key, []).append(value)
    return settings


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_finds_nothing_wrong_with_the_unit(folder: Path) -> None:
    text = unit().replace("/opt/orch/bin/orch", ORCH).replace("User=lab", "User=root")
    file = folder / "orch@.service"
    file.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", str(file)], capture_output=True, text=True, timeout=50
    )
    about = [line for line in done.stderr.splitlines() if "orch@" in line]
    assert about == []


def test_the_unit_has_all_sections() -> None:
    parser = configparser.ConfigParser(strict=False)
    parser.read_string(unit().replace("%", "%%"))
    assert parser.sections() == ["Unit", "Service", "Install"]


def test_the_rig_of_the_unit_starts_and_stops(folder: Path) -> None:
    """`ExecStart` as typed, in the environment and folder that systemd gives; then its SIGTERM."""
    (folder / "etc").mkdir()
    (folder / "etc" / "bench.yaml").write_text(CONFIG)
    (folder / "etc" / "plain.py").write_text(
        "class Plain:\n    def close(self):\n        print('closed', flush=True)\n"
    )
    settings = service()
    (command,) = settings["ExecStart"]
    command = command.replace("/opt/orch/bin/orch", ORCH).replace("%i", "bench")
    places = {"/run/orch": folder / "run", "/var/lib/orch": folder / "state"}
    environ = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT)}
    for setting in settings["Environment"]:
        name, _, value = setting.partition("=")
        environ[name] = str(places[value])
    (kind,) = settings["Type"]
    assert kind == "notify"
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(folder / "notify"))
    manager.settimeout(30)
    environ |= {"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "60000000"}
    arguments = shlex.split(command.replace("/etc/orch", str(folder / "etc")))
    with subprocess.Popen(
        arguments,
        env=environ,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            told: list[bytes] = []
            while b"READY=1" not in told:
                told.append(manager.recv(4096))
            assert b"WATCHDOG=1" in told
            assert b"STATUS=1 of 1 workers ready" in told
            assert "READY" in orch(environment(folder), "status").out
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=30)
        finally:
            process.kill()
            while not told[-1].startswith(b"STOPPING=1"):
                told.append(manager.recv(4096))
            manager.close()
    assert process.returncode == 0
    assert any(line.endswith(" closed") for line in errors.splitlines())
    assert settings["KillMode"] == ["mixed"]
    assert not os.path.exists(folder / "run" / "bench")
