"""What a rig does about workers that die, hang or fall ill, on real processes."""

from __future__ import annotations

import os
import signal

from tests.rigs import running, wait_until

LASER = """
class Laser:
    def ping(self):
        pass
"""


def test_the_fate_of_a_required_worker() -> None:
    """Those that rely on it are restarted with it; its last death is the rig's end and status."""
    config = """
rig: bench
strategy: rest_for_one
defaults: {backoff: 10ms..20ms}
workers:
  laser: {driver: "laser:Laser", required: true, max_restarts: 1 in 1min}
  stage: {driver: "laser:Laser", after: [laser]}
  other: {driver: "laser:Laser"}
"""
    with running(config, {"laser": LASER}) as rig:
        with rig.connected() as client:

            def lives() -> list[int]:
                return [
                    w["incarnation"] * (w["state"] == "READY") for w in client.status()["workers"]
                ]

            os.kill(client.status()["workers"][0]["pid"], signal.SIGKILL)
            wait_until(lambda: lives() == [2, 2, 1])
            os.kill(client.status()["workers"][0]["pid"], signal.SIGKILL)
        assert rig.process.wait(20) == 128 + signal.SIGKILL
        assert "is required: the rig ends with it" in rig.text
        assert "is restarted, as laser has died: rest_for_one" in rig.text
        assert "given up after 1 restart" in rig.text
