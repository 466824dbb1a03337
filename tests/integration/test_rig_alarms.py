"""A real rig that is watched: its alarms, and what `orch top` asks of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

import orch
from orchestrator import aconnect, errors
from orchestrator.cli.columns import Line
from orchestrator.top.source import RigSource
from tests.rigs import RunningRig, running, wait_until

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

    def swap(self, a: int, /, b: int) -> tuple[int, int]:
        print("swapped", a)
        return b, a
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


@pytest.fixture(scope="module")
def rig() -> Iterator[RunningRig]:
    with running(CONFIG, {"oven": OVEN}) as rig:
        yield rig


@pytest.mark.measured
def test_alarms_come_stay_and_go(rig: RunningRig) -> None:
    with rig.connected() as client:

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
            assert "1 of 1 ready, 1 alarm: oven.temperature, config" in shown.stdout
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


def texts(lines: list[Line]) -> str:
    return "\n".join("".join(text for text, _ in line) for line in lines)


@pytest.mark.measured
def test_top_asks_the_rig_and_no_device(rig: RunningRig) -> None:
    async def ask(address: str, request: str) -> None:
        async with aconnect(address) as connected:
            source = RigSource(connected)
            (oven,) = (await source.look())["workers"]
            assert (source.rig, oven["name"]) == ("heat", "oven")
            assert (await source.cached("oven", "name")).value == "A"
            assert await source.read("oven", "name") == "A"
            await source.write("oven", "name", "B")
            thing = await source.describe("oven")
            assert "swap" in thing["actions"]
            assert await source.call("oven", "swap", [1], {"b": 2}) == (2, 1)
            assert "Thread" in texts(await source.stacks("oven"))
            with pytest.raises(errors.NameRefused):
                await source.read("oven", "nam")

            assert await source.cancel("none") == "it neither waits nor runs by now"
            assert "nothing is recorded of it" in texts(await source.trace("none"))
            log = source.records(worker="oven", request=None, level="info")
            found = ""
            while "swapped 1" not in found:
                found += texts(await anext(log))
            await log.aclose()
            found = texts(await source.trace(request))
            assert "swapped 0" in found
            assert found.endswith("\nwhat the broker did is recorded at level debug only")

            changes = source.changes()
            change = asyncio.ensure_future(anext(changes))
            assert await source.order("restart", "oven") == "READY"
            await asyncio.wait_for(change, 20)
            await changes.aclose()

    with rig.connected() as client:
        before = client["oven"].submit("swap", 0, b=0)
        assert before.result(20) == (0, 0)
        asyncio.run(ask(orch.status(client)["addresses"][0], str(before.request_id)))
