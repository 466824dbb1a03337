"""Alarms of a real rig: seen by whoever looks, whatever becomes of the worker and the config."""

from __future__ import annotations

from typing import Any

import pytest

import orch
from tests.rigs import running, wait_until

OVEN = """
import math

class Oven:
    def __init__(self):
        self.temperature = 20.0
        self.pressure = math.nan
        self.name = "A"

    @property
    def level(self) -> int:
        return int(self.temperature)
"""
CONFIG = """
rig: heat
workers:
  oven:
    driver: "oven:Oven"
    concurrent: [level]
    poll: {temperature: 20ms, level: 20ms, pressure: 20ms, name: 20ms}
    alarms:
      temperature: {above: 60, clear: 55, run: [sh, -c, 'echo "$ORCH_ALARM_REASON" > alarmed']}
      level: {below: 10}
      pressure: {above: 1, stale: 200ms}
      name: {above: 1}
"""


@pytest.mark.measured
def test_alarms_come_stay_and_go() -> None:
    with running(CONFIG, {"oven": OVEN}) as rig, rig.connected() as client:

        def alarms() -> dict[str, dict[str, Any]]:
            (oven,) = orch.status(client)["workers"]
            return {each["member"]: each for each in oven["alarms"]}

        def states() -> list[str]:
            return [each["state"] for each in alarms().values()]

        wait_until(lambda: states() == ["ok", "ok", "stale", "stale"])
        assert alarms()["name"]["reason"] == "it is no number, but of type str"
        wait_until(lambda: alarms()["pressure"]["reason"] == "no value for 0.2 s: it is NaN")
        with orch.subscribe(client, "worker-alarm", timeout=20) as events:
            client.oven.temperature = 61.5
            raised = next(events).value
            told = {"worker": "oven", "member": "temperature", "was": "ok", "state": "raised"}
            assert raised == {**told, "raised": True, "value": 61.5, "reason": "61.5, above 60"}
            wait_until(lambda: (rig.folder / "alarmed").exists())
            shown = rig.orch("status")
            assert "1 of 1 ready, 1 alarm, config" in shown.stdout
            assert "oven: ALARM temperature: 61.5, above 60, for" in shown.stdout

            client.oven.temperature = 57.0
            wait_until(lambda: alarms()["temperature"]["reason"] == "57, not cleared yet")
            client["heat"].call("restart", ["oven"])  # the new one is at 20 again
            lost = next(events).value
            assert (lost["state"], lost["raised"]) == ("stale", True)
            wait_until(lambda: alarms()["temperature"]["state"] == "ok")

            life = orch.status(client)["workers"][0]["life"]
            rig.config.write_text(CONFIG.replace("below: 10", "below: 30"))
            client["heat"].call("apply", str(rig.config))
            wait_until(lambda: alarms()["level"]["state"] == "raised")
            assert orch.status(client)["workers"][0]["life"] == life
        log = rig.orch("logs", "-w", "oven").stdout
        assert "alarm: temperature is 61.5, above 60" in log
        assert "alarm: level is 20, below 30" in log
        assert (rig.folder / "alarmed").read_text() == "61.5, above 60\n"
