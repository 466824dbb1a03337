"""Other hosts in a config."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.config.hosts import HostConfig, Placement
from orchestrator.config.loader import load
from orchestrator.config.simulation import simulated
from orchestrator.hosts import engines
from orchestrator.names import CLUSTER_FILES
from tests.config.config_kit import expect

HOSTS = """\
hosts:
  pc: {engine: ssh, address: lab@10.0.0.7, ssh: [ssh, -p, "22"], python: py/bin/python, folder: rig}
  far: {engine: dask}
placement: {scheduler: "tls://lab:8786", lost_after: 2s, tls: tls, address: 10.0.0.1}
"""


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "rig.yaml"
    file.write_text(text)
    return file


@pytest.fixture(autouse=True)
def keys(tmp_path: Path) -> Path:
    """The files of a cluster, as far as a config is concerned with them."""
    folder = tmp_path / "tls"
    folder.mkdir()
    for name in CLUSTER_FILES:
        (folder / name).touch()
    return folder


def test_what_is_said_of_hosts_and_of_workers_there(tmp_path: Path) -> None:
    worker = 'workers: {cam: {driver: "a.b:C", host: pc, cwd: data, python: own/python}}\n'
    config = load(written(tmp_path, f"rig: lab\n{HOSTS}{worker}"))
    assert config.hosts == {
        "pc": HostConfig("pc", "ssh", "lab@10.0.0.7", ("ssh", "-p", "22"), "py/bin/python", "rig"),
        "far": HostConfig("far", "dask"),
    }
    assert config.placement == Placement("10.0.0.1", 2.0, "tls://lab:8786", str(tmp_path / "tls"))
    cam = config.workers["cam"]
    assert (cam.host, cam.cwd, cam.python) == ("pc", Path("data"), Path("own/python"))


def test_twins_run_on_the_rigs_own_machine(tmp_path: Path) -> None:
    worker = 'workers: {cam: {driver: "a.b:C", host: pc, simulate: "a.b:Twin"}}\n'
    config = load(written(tmp_path, f"rig: lab\n{HOSTS}{worker}"))
    assert simulated(config, ()).workers["cam"].host is None


@pytest.mark.parametrize(
    ("lines", "messages"),
    [
        ("hosts: §3", ['"hosts" must be a mapping of names to hosts, not the number 3']),
        ("hosts: {§pc: {}}", ['host "pc" needs an "address"']),
        ("hosts: {§far: {engine: dask}}", ['placement: {scheduler: "tls://lab:8786"}']),
        ("hosts: {pc: {engine: §ray, address: a}}", ['"engine" must be ssh or dask']),
        ("hosts: {pc: {address: §-oProxy}}", ["lab@10.0.0.7"]),
        ("hosts: {pc: {address: a, §adress: b}}", ['unknown key "adress" in host "pc"']),
        ("hosts: {§2pc: {address: a}}", ["2pc"]),
        ("placement: {lost_after: §100ms}", ["give it longer"]),
        ("placement: {lost_after: §0s}", ["write a duration such as 10s"]),
        ("placement: {scheduler: §'tls://lab:8786'}", ["tls: FOLDER; orch host keys"]),
        ("placement: {scheduler: 'tls://lab:8786', tls: §nowhere}", ["nowhere isn't there: copy"]),
        ("placement: {scheduler: 'tls://lab:8786', tls: §.}", ["has no ca.pem, cert.pem, key.pem"]),
        ("placement: {scheduler: 'tcp://lab:8786', tls: §tls}", ["in the clear: write tls://"]),
        ("placement: {scheduler: 'tls://lab:8786', tls: §'${env:A}'}", ["isn't looked up here"]),
        ("placement: {address: §999.1.1.1}", ["999.1.1.1 is no number of a machine"]),
        ("placement: {address: §'lab:5570'}", ["without a port"]),
        ("placement: {address: §0.0.0.0}", ["nobody reaches that"]),
        ("hosts: {pc: {address: §a@b@c}}", ['one @, as in lab@10.0.0.7; or ssh: [ssh, -l, "a@b"]']),
        ("hosts: {pc: {address: §'ssh://root@h:22'}}", ['a port as ssh: [ssh, -p, "22"]']),
        ("hosts: {pc: {address: §'root@h:22'}}", ['no port: write ssh: [ssh, -p, "22"]']),
        ("hosts: {pc: {address: §lab@10.0.0.300}}", ["10.0.0.300 is no number"]),
        ("hosts: {pc: {address: a, folder: §'x/${env:A}'}}", ['"${env:A}" isn\'t looked up here']),
        (
            "hosts: {pc: {address: a, ssh: [ssh, §'${file:k}']}}",
            ["env, args, kwargs, cwd and python"],
        ),
        (
            "placement: {scheduler: 'tcp://lab:1'}\nhosts: {pc: {engine: dask, python: §py}}",
            ["by the Python that runs orch host join there"],
        ),
        ("placement: {scheduler: §lab}", ["tls://name:port"]),
        ("placement: {scheduler: §'tcp://lab:99999'}", ["tls://name:port"]),
        ("placement: {scheduler: §'tcp://10.0.0:8786'}", ["10.0.0 is no number"]),
    ],
)
def test_what_is_wrong_with_hosts_is_told(tmp_path: Path, lines: str, messages: list[str]) -> None:
    text = f'rig: lab\n{lines}\nworkers: {{cam: {{driver: "a.b:C"}}}}\n'
    expect(tmp_path, text, *messages)


@pytest.mark.parametrize(
    "lines",
    [
        "hosts: {pc: {address: 'lab@fe80::1%eth0'}}",
        "hosts: {pc: {address: my-alias, folder: '$${env:A}'}}",
        "placement: {address: '[fd00::1]'}",
        "placement: {address: lab.example}",
        "placement: {scheduler: 'tcp://lab:8786'}",
    ],
)
def test_what_is_right_with_hosts_is_taken(tmp_path: Path, lines: str) -> None:
    load(written(tmp_path, f'rig: lab\n{lines}\nworkers: {{cam: {{driver: "a.b:C"}}}}\n'))


@pytest.mark.parametrize(
    ("keys", "messages"),
    [
        ("host: §camera-pd", ['no host is named "camera-pd"; did you mean "camera-pc"']),
        ("host: pc, transport: §inproc", ["can't be on another host"]),
    ],
)
def test_what_is_wrong_with_a_worker_there_is_told(
    tmp_path: Path, keys: str, messages: list[str]
) -> None:
    host = "hosts: {pc: {address: a}, camera-pc: {address: b}}\n"
    text = f'rig: lab\n{host}workers: {{cam: {{driver: "a.b:C", {keys}}}}}\n'
    expect(tmp_path, text, *messages)


def test_engines_are_commands() -> None:
    host = HostConfig("pc", "ssh", "lab@10.0.0.7", ("ssh", "-p", "22"), "my py/python", "rig")
    command = engines.command(host, {})
    assert command[:3] == ["ssh", "-p", "22"]
    assert command[-2:] == ["lab@10.0.0.7", "exec 'my py/python' -m orchestrator.agent"]
    command = engines.command(HostConfig("far", "dask"), {"scheduler": "tcp://a:1", "tls": None})
    assert command[-2:] == ["--name=far", "--scheduler=tcp://a:1"]


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ("python3: No module named orchestrator.agent", "install orch there"),
        ("bash: line 1: exec: py: not found", "name an interpreter"),
        ("lab@pc: Permission denied (publickey).", "by key"),
        ("Host key verification failed.", "try ssh by hand"),
        ("Connection refused", ""),
    ],
)
def test_what_an_engine_says_is_told_with_the_mend(text: str, mend: str) -> None:
    found = engines.mend(text)
    assert mend in found
    assert bool(mend) == bool(found)


def test_the_processors_of_another_host_arent_judged_by_ours(tmp_path: Path) -> None:
    cpus = "limits: {cpus: [99999]}"
    workers = f'workers: {{cam: {{driver: "a.b:C", host: pc, {cpus}}}}}\n'
    limits = load(written(tmp_path, f"rig: lab\n{HOSTS}{workers}")).workers["cam"].limits
    assert limits is not None
    assert limits["cpus"] == [99999]
    both = 'workers: {cam: {driver: "a.b:C", host: pc}, a: "a.b:C", b: "a.b:C"}\n'
    text = f"rig: lab\n{HOSTS}defaults: {{limits: {{cpus: §[99999]}}}}\n{both}"
    expect(tmp_path, text, "there is no processor 99999 here")
