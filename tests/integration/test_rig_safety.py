"""Devices that are made safe when their worker has ended, on real processes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from orchestrator import errors
from tests.rigs import is_alive, running, wait_until

SUPPLY = """
import os, subprocess, sys, time

def lives(file: str) -> bool:
    try:
        os.kill(int(open(file).read()), 0)
    except (ProcessLookupError, FileNotFoundError):
        return False
    return True

class Supply:
    def __init__(self, log: str):
        self.log = log
        if lives(log + ".hang"):
            open(log + ".early", "w").close()

    def pid(self) -> int:
        return os.getpid()

class Safe:
    def __init__(self, log: str):
        self.log = log

    async def output_off(self, volts: float):
        child = subprocess.Popen(["sleep", "600"], start_new_session=True)
        with open(self.log + ".child", "w") as file:
            file.write(str(child.pid))
        with open(self.log, "a") as file:
            print("switches off")
            file.write(f"off at {volts}, worker lives: {lives(self.log + '.pid')}\\n")

    def fail(self):
        raise OSError("no device")

    def hang(self):
        with open(self.log + ".hang", "w") as file:
            file.write(str(os.getpid()))
        time.sleep(60)
"""
RIG = """
rig: lab
defaults: {backoff: 10ms..20ms}
workers:
  psu:
    driver: "supply:Supply"
    kwargs: {log: LOG}
    on_loss: {driver: "supply:Safe", kwargs: {log: LOG}, calls: [[output_off, 0.5]]}
  bad:
    driver: "supply:Supply"
    kwargs: {log: LOG}
    on_loss: {driver: "supply:Safe", kwargs: {log: LOG}, calls: [fail]}
  slow:
    driver: "supply:Supply"
    kwargs: {log: LOG}
    on_loss: {driver: "supply:Safe", kwargs: {log: LOG}, calls: [hang], timeout: 300ms}
"""


@pytest.mark.measured
def test_a_device_is_made_safe_whatever_ends_its_worker(tmp_path: Path) -> None:
    """A death, and the SIGKILL of the supervisor; its own failure and hang are told."""
    log = tmp_path / "log"

    def child() -> int:
        return int(log.with_name("log.child").read_text())

    with running(RIG.replace("LOG", str(log)), {"supply": SUPPLY}) as rig:
        with rig.connected() as client:

            def note_pid() -> int:
                pid = int(client["psu"].call("pid"))
                log.with_name("log.pid").write_text(str(pid))
                return pid

            os.kill(note_pid(), signal.SIGKILL)
            wait_until(log.exists)
            workers = wait_until(lambda: rig.wait_settled())
            assert workers["psu"]["incarnation"] == 2
            assert log.read_text() == "off at 0.5, worker lives: False\n"
            wait_until(lambda: not is_alive(child()))
            for name in ("bad", "slow"):
                os.kill(int(client[name].call("pid")), signal.SIGKILL)

            def told() -> bool:
                workers = {each["name"]: each for each in client.status()["workers"]}
                return workers["slow"]["securing"] is not None

            wait_until(told)
            wait_until(lambda: "took longer than 0.3 s in hang, no call was made" in rig.text)
            wait_until(lambda: rig.wait_settled()["bad"]["unsafe"])
            why = "its device may not be safe: fail raised OSError: no device (supply.py:33)"
            assert f"bad: on_loss failed, {why}\n" in rig.orch("status").stdout
            assert "on_loss wrote: switches off" in rig.text
            note_pid()
        os.kill(rig.process.pid, signal.SIGKILL)
        rig.process.wait()
        wait_until(lambda: len(log.read_text().splitlines()) == 2)
        assert log.read_text().splitlines()[1] == "off at 0.5, worker lives: False"
        wait_until(lambda: "made safe by on_loss after the supervisor's death" in rig.text)

        def kept() -> str:
            return str(rig.orch("logs", "-o", "full").stdout)

        # As each has ended, in turn: one that switches off, one that fails and one that hangs.
        wait_until(lambda: kept().count("on_loss failed after the supervisor's death") == 2)
        wait_until(lambda: not is_alive(child()))
        last = kept().split("made safe by on_loss after the supervisor's death")[1]
        assert "fail raised OSError: no device (supply.py:33)" in last
        assert "took longer than 0.3 s in hang, no call was made" in last
        assert 'raise OSError("no device")' in last


@pytest.mark.measured
def test_a_rig_that_is_started_again_waits_for_that(tmp_path: Path) -> None:
    """Two processes never have a device, also after the SIGKILL of the supervisor."""
    log = tmp_path / "log"
    config = RIG.replace("LOG", str(log)).replace("timeout: 300ms", "timeout: 1s")
    with running(config, {"supply": SUPPLY}) as rig:
        os.kill(rig.process.pid, signal.SIGKILL)
        rig.process.wait()
        rig.start()
        rig.wait_settled()
        assert log.with_name("log.hang").exists()
        assert not log.with_name("log.early").exists()
        assert "what the rig before this one left is ended and made safe" in rig.text


WATCHED = """
rig: lab
workers:
  oven:
    driver: "supply:Oven"
    poll: {temperature: 20ms}
    alarms: {temperature: {above: 60, clear: 55, do: {on_loss: [psu, hung]}}}
  psu:
    driver: "supply:Supply"
    kwargs: {log: LOG}
    on_loss: {driver: "supply:Safe", kwargs: {log: LOG}, calls: [[output_off, 0.5]]}
  hung:
    driver: "supply:Oven"
    stop_timeout: 100ms
    execution_timeout: 60s
    on_loss: {driver: "supply:Safe", kwargs: {log: LOG}, calls: [[output_off, 0.7]]}
"""
OVEN = """
class Oven:
    temperature = 20.0

    def stand_still(self):
        time.sleep(600)
"""


@pytest.mark.measured
def test_an_alarm_makes_devices_safe_also_of_a_driver_that_hangs(tmp_path: Path) -> None:
    log = tmp_path / "log"
    config = WATCHED.replace("LOG", str(log))
    with running(config, {"supply": SUPPLY + OVEN}) as rig, rig.connected() as client:
        hung = client["hung"].submit("stand_still")
        waiting = client["hung"].submit("stand_still")

        def states() -> dict[str, str]:
            return {each["name"]: each["state"] for each in client.status()["workers"]}

        wait_until(lambda: any(each["running"] for each in client.status()["workers"]))
        log.with_name("log.pid").write_text(str(client["psu"].call("pid")))
        client.oven.temperature = 61.5
        wanted = {"oven": "READY", "psu": "STOPPED", "hung": "STOPPED"}
        wait_until(log.exists)
        wait_until(lambda: states() == wanted and len(log.read_text().splitlines()) == 2)
        assert "off at 0.5, worker lives: False" in log.read_text().splitlines()
        with pytest.raises(errors.OutcomeUnknown):
            hung.result(20)
        with pytest.raises(errors.NotStarted):
            waiting.result(20)
        shown = rig.orch("status").stdout
        assert "psu: alarm: oven.temperature is 61.5, above 60" in shown
        with pytest.raises(errors.NotStarted, match=r"alarm: oven\.temperature is 61\.5"):
            client["psu"].call("pid")
        assert rig.orch("start", "psu").returncode == 0
        assert states()["psu"] == "READY"
