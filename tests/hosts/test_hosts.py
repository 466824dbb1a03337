"""Workers on other hosts: as on the rig's own, and what becomes of them when a host is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import orch
from orchestrator import errors
from tests.hosts.namespaces import Network
from tests.hosts.rig_kit import LOST_AFTER, SAFE, HostRig, had_one_master, lab, lives
from tests.rigs import is_alive, wait_until

WORKER = '  cam: {driver: "device:Device", host: far, backoff: 10ms..50ms}'
MASTER = (
    '  cam: {driver: "device:Device", host: far, kwargs: {journal: JOURNAL}, backoff: 10ms..50ms,'
    " max_restarts: 100 in 1min}"
)


TALKER = """
import threading, time

class Talker:
    def __init__(self):
        threading.Thread(target=self.talk, daemon=True).start()

    def talk(self):
        number = 0
        while True:
            number += 1
            print("beat", number, flush=True)
            time.sleep(0.005)
"""


def agent_of(rig: HostRig, host: str = "far") -> int:
    return int(rig.hosts()[host]["pid"])


@pytest.mark.measured
def test_a_worker_of_another_host_is_as_one_of_ones_own(net: Network) -> None:
    with lab(net, f'{WORKER}\n  own: {{driver: "device:Device"}}', "far") as rig:
        with rig.connected() as client:
            assert client.cam.network() != client.own.network()
            assert Path(client.cam.folder()) == rig.folder
            client.cam.level = 7
            assert client.cam.level == 7
            assert client.cam.frame(3_000_000) == bytes(3_000_000)
            future = client.cam.submit("write", "hello")
            future.result(20)
            with pytest.raises(errors.ExecutionTimeout):
                client["cam"].call("sleep", 60, execution_timeout=0.2)

            def status() -> dict[str, dict[str, Any]]:
                return {each["name"]: each for each in orch.status(client)["workers"]}

            assert [status()[name]["host"] for name in ("cam", "own")] == ["far", None]
            # As its host tells it, some times in `lost_after`.
            assert wait_until(lambda: status()["cam"]["memory"]) > 1 << 20
        request = future.request_id

        def told() -> set[str]:
            done = rig.orch("logs", "-o", "json", "-r", request)
            return {json.loads(line)["event"] for line in done.stdout.splitlines()}

        assert wait_until(lambda: {"hello", "C says hello", "record of hello"} <= told())
        host = rig.hosts()["far"]
        assert (host["state"], host["workers"], host["reason"]) == ("up", ["cam"], None)
        assert abs(host["drift"]) < 5
        stacks = rig.orch("stacks", "cam").stdout
        assert "in sleep" in stacks or "device.py" in stacks
        assert rig.stop() == 0
        assert not is_alive(host["pid"])


def test_one_that_dies_is_told_at_once_and_lives_again(net: Network) -> None:
    with lab(net, WORKER, "far") as rig, rig.connected() as client:
        first = client.cam.pid()
        with pytest.raises(errors.WorkerDied, match="exit status 3"):
            client.cam.die()
        rig.wait_state("cam", "READY")
        second = client.cam.pid()
        assert second != first
        os.kill(second, signal.SIGKILL)
        wait_until(lambda: rig.wait_state("cam", "READY")["pid"] not in (first, second))
        rig.orch("restart", "cam")
        rig.wait_state("cam", "READY")
        rig.orch("stop", "cam")
        assert rig.hosts()["far"]["workers"] == []


def test_a_short_cut_loses_nothing(net: Network) -> None:
    with lab(net, WORKER, "far") as rig, rig.connected() as client:
        future = client["cam"].submit("sleep", 0.6)
        pid = client_pid(rig)
        net.pull("far")
        time.sleep(0.3)  # less than after which a host is lost
        net.plug("far")
        assert future.result(20) == "woke"
        assert client.cam.pid() == pid
        assert agent_of(rig)


def client_pid(rig: HostRig) -> int:
    """The pid of cam, as the rig knows it."""
    return int(rig.wait_state("cam", "READY")["pid"])


@pytest.mark.parametrize("how", ["pull", "deafen", "mute"])
def test_a_host_that_is_cut_off_is_told_and_its_device_has_one_master(
    net: Network, tmp_path: Path, how: str
) -> None:
    journal = tmp_path / "journal"
    with lab(net, MASTER.replace("JOURNAL", str(journal)), "far") as rig:
        with rig.connected() as client:
            first = client.cam.pid()
            getattr(net, how)("far")
            began = time.monotonic()
            with pytest.raises(errors.WorkerDied, match="host far was lost"):
                client["cam"].call("sleep", 60, execution_timeout=None)
            assert (
                time.monotonic() - began < LOST_AFTER + 10
            )  # a busy machine; the figure's elsewhere
            wait_until(lambda: not is_alive(first))
            rig.wait_host("far", "away")
            net.heal("far")
            rig.wait_host("far", "up")
            rig.wait_state("cam", "READY")
            assert client["cam"].call("pid", invocation_timeout=30) != first
        assert len(lives(journal)) >= 2
        assert had_one_master(journal), lives(journal)


@pytest.mark.measured
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_an_agent_that_is_killed_or_stopped_leaves_no_master(
    net: Network, tmp_path: Path, number: int
) -> None:
    journal = tmp_path / "journal"
    with lab(net, MASTER.replace("JOURNAL", str(journal)), "far") as rig, rig.connected() as client:
        first = client.cam.pid()
        agent = agent_of(rig)
        future = client["cam"].submit("sleep", 60)
        wait_until(lambda: rig.wait_state("cam", "READY")["running"])
        os.kill(agent, number)
        with pytest.raises(errors.WorkerDied, match="host far was lost"):
            future.result(40)
        wait_until(lambda: not is_alive(first))
        rig.wait_host("far", "up")
        rig.wait_state("cam", "READY")
        assert client["cam"].call("pid", invocation_timeout=30) != first
        assert had_one_master(journal), lives(journal)


@pytest.mark.measured
def test_what_was_written_in_a_cut_comes_afterwards(net: Network) -> None:
    beats = '  cam: {driver: "talker:Talker", host: far}'
    with lab(net, beats, "far", drivers={"talker": TALKER}) as rig:

        def numbers() -> list[int]:
            """What the first life has counted to, as far as it came."""
            done = rig.orch("logs", "cam", "-o", "json", "-n", "100000")
            lines = [json.loads(line) for line in done.stdout.splitlines()]
            texts = [each["event"] for each in lines if each["incarnation"] == 1]
            return [int(text.split()[1]) for text in texts if text.startswith("beat ")]

        before = len(numbers())
        net.pull("far")
        rig.wait_host("far", "away")
        net.plug("far")
        rig.wait_host("far", "up")
        wait_until(lambda: len(numbers()) > before + 5)
        wait_until(lambda: numbers() == list(range(1, len(numbers()) + 1)))


@pytest.mark.measured
@pytest.mark.parametrize("cut", [False, True])
def test_a_device_is_made_safe_where_it_is(net: Network, tmp_path: Path, cut: bool) -> None:
    journal, log = tmp_path / "journal", tmp_path / "log"
    loss = f'on_loss: {{driver: "safe:Safe", kwargs: {{log: "{log}"}}, calls: ["off"]}}'
    worker = MASTER.replace("JOURNAL", str(journal)).replace("backoff", f"{loss}, backoff")
    with lab(net, worker, "far", drivers={"safe": SAFE}) as rig, rig.connected() as client:
        first = client.cam.pid()
        if cut:
            net.pull("far")
            rig.wait_host("far", "away")
            wait_until(log.exists)  # by the guardian there, while nobody is heard
            assert wait_until(lambda: rig.wait_state("cam", "BACKOFF")["unsafe"])
            net.plug("far")
        else:
            os.kill(first, signal.SIGKILL)
            wait_until(log.exists)
        wait_until(lambda: rig.wait_state("cam", "READY", 40)["pid"] != first)
        assert bool(rig.wait_state("cam", "READY")["unsafe"]) is cut
        networks = client.cam.network()
    at, where = log.read_text().splitlines()[0].split()
    assert where.split(",") == networks
    born = lives(journal)
    assert born[0][2] < float(at) < born[1][1]


@pytest.mark.measured
def test_one_that_is_moved_home_from_a_lost_host_waits_for_its_lease(
    net: Network, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    with lab(net, MASTER.replace("JOURNAL", str(journal)), "far") as rig, rig.connected() as client:
        first, agent = client.cam.pid(), agent_of(rig)
        (ssh,) = [each for each in children(rig.process.pid) if each == agent]
        net.pull("far")
        os.kill(ssh, signal.SIGSTOP)  # by which nobody there knows that the rig gave it up
        rig.config.write_text(rig.config.read_text().replace("host: far, ", ""))
        rig.orch("apply", str(rig.config), timeout=90)
        wait_until(lambda: rig.wait_state("cam", "READY", 40)["pid"] != first)
        assert rig.wait_state("cam", "READY")["host"] is None
    assert len(lives(journal)) >= 2
    assert had_one_master(journal), lives(journal)


def test_the_run_after_one_that_was_killed_waits_for_the_lease_too(
    net: Network, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    with lab(net, MASTER.replace("JOURNAL", str(journal)), "far") as rig:
        with rig.connected() as client:
            first, agent = client.cam.pid(), agent_of(rig)
        (ssh,) = [each for each in children(rig.process.pid) if each == agent]
        net.pull("far")
        os.kill(ssh, signal.SIGSTOP)  # by which nobody there knows that the rig is gone
        rig.process.kill()
        rig.process.wait()
        rig.config.write_text(rig.config.read_text().replace("host: far, ", ""))
        rig.start()
        rig.wait_up()
        told = rig.wait_state("cam", "BACKOFF")["reason"]
        assert "its device may be in use on host far for " in told, told
        assert rig.wait_state("cam", "READY")["pid"] != first
        assert len(lives(journal)) == 2
        assert had_one_master(journal), lives(journal)


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(each) for file in found for each in file.read_text().split()]


@pytest.mark.measured
def test_many_that_die_at_once_take_nobody_with_them(net: Network) -> None:
    workers = "\n".join(WORKER.replace("cam", f"w{number}") for number in range(6))
    with lab(net, workers, "far") as rig:
        agent = agent_of(rig)
        before = rig.wait_settled()
        for number in range(5):
            os.kill(before[f"w{number}"]["pid"], signal.SIGKILL)
        for number in range(5):
            name = f"w{number}"
            wait_until(lambda: rig.wait_state(name, "READY")["pid"] != before[name]["pid"])  # noqa: B023
        assert rig.wait_state("w5", "READY")["pid"] == before["w5"]["pid"]
        rig.orch("restart", *(f"w{number}" for number in range(6)))
        assert agent_of(rig) == agent


def test_workers_start_as_soon_as_their_host_is_there(net: Network) -> None:
    with lab(net, WORKER, "far", settle=False) as rig:
        net.pull("far")
        rig.wait_up()
        with rig.connected() as client:
            wait_until(lambda: "isn't there" in (rig.wait_state("cam", "BACKOFF")["reason"] or ""))
            net.plug("far")
            rig.wait_host("far", "up")
            rig.wait_state("cam", "READY")
            assert client.cam.pid()


def test_without_its_rig_nothing_lives_on(net: Network) -> None:
    with lab(net, WORKER, "far") as rig:
        with rig.connected() as client:
            pid = client.cam.pid()
        agent = agent_of(rig)
        rig.process.kill()
        rig.process.wait()
        wait_until(lambda: not is_alive(pid) and not is_alive(agent))


def test_an_agent_that_nobody_hears_any_more_makes_room_for_the_next(
    net: Network, tmp_path: Path
) -> None:
    log = tmp_path / "safe.log"
    worker = f'{WORKER[:-1]}, on_loss: {{driver: "safe:Safe", args: ["{log}"], calls: [off]}}}}'
    with lab(net, worker, "far", drivers={"safe": SAFE}) as rig:
        agent = agent_by_itself(rig)
        assert locks_of(agent)
        before = log.read_text()
        rig.process.kill()
        rig.process.wait()
        try:
            wait_until(lambda: not locks_of(agent))
            assert log.read_text() != before  # its device is safe by then
            rig.start()
            rig.wait_up()
            rig.wait_state("cam", "READY", 30)
            assert is_alive(agent)  # it has something to tell still
        finally:
            os.killpg(os.getpgid(agent), signal.SIGKILL)


def test_an_agent_whose_rig_never_comes_back_ends(net: Network) -> None:
    with lab(net, WORKER, "far") as rig:
        short = rig.folder / "short.py"
        short.write_text(
            "import sys\n"
            "from orchestrator.agent import __main__, agent\n"
            "agent.LAST_WORDS = 1.0\n"
            "sys.exit(__main__.main())\n"
        )
        agent = agent_by_itself(rig, str(short))
        group = os.getpgid(agent)
        rig.process.kill()
        rig.process.wait()
        try:
            wait_until(lambda: not is_alive(agent))
        finally:
            os.killpg(group, signal.SIGKILL)  # what held its input


def agent_by_itself(rig: HostRig, program: str = "-m orchestrator.agent") -> int:
    """Have another agent of "far", which isn't told by ssh when the rig is gone: its process."""
    first, ssh = agent_of(rig), rig.folder / "ssh-far"
    text = ssh.read_text().replace("exec ip", "{ cat; exec sleep 300; } | ip")
    other = f"last=$(echo \"$last\" | sed 's|-m orchestrator.agent|{program}|')"
    ssh.write_text(text.replace("; done\n", f"; done\n{other}\n"))
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: rig.hosts()["far"]["pid"] not in (None, first))
    rig.wait_state("cam", "READY")
    return agent_of(rig)


def locks_of(pid: int) -> list[str]:
    """The lock by which an agent has its turn."""
    found = []
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since
            found.append(os.readlink(each))
    return [each for each in found if "/agent-" in each]


def test_strangers_on_the_network_get_nowhere(net: Network, tmp_path: Path) -> None:
    knock = tmp_path / "knock.py"
    knock.write_text(
        "import sys, zmq\n"
        "from orchestrator.hosts.messages import Hello, encode\n"
        "c = zmq.Context()\n"
        "for address in sys.argv[1:]:\n"
        "    for curve in (False, True):\n"
        "        s = c.socket(zmq.DEALER); s.linger = 0; s.rcvtimeo = 1500\n"
        "        if curve:\n"
        "            s.curve_publickey, s.curve_secretkey = zmq.curve_keypair()\n"
        "            s.curve_serverkey = zmq.curve_keypair()[0]\n"
        "        s.connect(address)\n"
        "        hello = Hello(1, '1', '3', 'x', 'x', 1, '/')\n"
        "        s.send_multipart([b'0', b'0', encode(hello), b''])\n"
        "        try:\n"
        "            print('ANSWER', s.recv_multipart())\n"
        "        except zmq.Again:\n"
        "            print('nothing')\n"
    )
    with lab(net, WORKER, "far", placement=", port: 5580") as rig, rig.connected() as client:
        ports = listening(net)
        assert sorted(ports) == [5580, 5581, 5582]
        command = net.inside(
            rig.command()[4], str(knock), *(f"tcp://10.77.0.1:{port}" for port in ports), host="far"
        )
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, env=rig.environ, check=True
        )
        assert done.stdout.split() == ["nothing"] * 6
        assert client.cam.level == 0


def listening(net: Network) -> list[int]:
    """The ports of tcp on which somebody listens where the rig is."""
    done = subprocess.run(
        net.inside("cat", "/proc/net/tcp"), capture_output=True, text=True, check=True
    )
    rows = [line.split() for line in done.stdout.splitlines()[1:]]
    return [int(row[1].split(":")[1], 16) for row in rows if row[3] == "0A"]


@pytest.mark.measured
def test_a_host_that_isnt_there_is_told_and_holds_up_nobody(net: Network) -> None:
    gone = '  gone: {address: 127.0.0.1, ssh: ["sh", "-c", "echo no such key >&2; exit 255"]}'
    gone += "\n  lost: {address: lab@no.such.host.invalid}"
    workers = f'  own: {{driver: "device:Device"}}\n{WORKER.replace("far", "gone")}'
    workers += '\n  other: {driver: "device:Device", host: lost}'
    with lab(net, workers, more=gone, settle=False) as rig:
        rig.wait_up()
        rig.wait_state("own", "READY")
        assert "placement: {address:" in rig.wait_host("lost", "away")["reason"]
        assert "no such key" in rig.wait_host("gone", "away")["reason"]
        done = rig.orch("hosts")
        assert done.returncode == 4
        assert "no such key" in done.stdout
        assert "no such key" in rig.orch("status").stdout
        tried = rig.wait_state("cam", "BACKOFF")["restarts"]
        before = pipes_of(rig)
        wait_until(lambda: rig.wait_state("cam", "BACKOFF")["restarts"] > tried)
        wait_until(lambda: pipes_of(rig) <= before)  # a start that fails leaves nothing open


def pipes_of(rig: HostRig) -> int:
    """How many ends of pipes the supervisor has open."""
    folder = Path(f"/proc/{rig.process.pid}/fd")
    return sum(os.readlink(each).startswith("pipe:") for each in folder.iterdir())
