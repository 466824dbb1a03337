"""ophyd-async: devices whose methods are coroutines, signals that are awaited."""

from __future__ import annotations

from tests.instruments.instrument_kit import hosted, needs

needs("ophyd_async")

CONFIG = """
motor: {driver: "ophyd_async.sim:SimMotor", kwargs: {name: motor}, open_with: connect}
stage: {driver: "lab:stage", open_with: connect}
"""
LAB = """
from ophyd_async.sim import PatternGenerator, SimStage

def stage():
    return SimStage(PatternGenerator(), name="stage")
"""


def test_ophyd_async() -> None:
    with hosted(CONFIG, lab=LAB) as (_, rig):
        motor = rig["motor"]
        with motor.subscribe("user_readback", timeout=20) as events:
            assert motor.call("set", 1.5) is None  # it is waited for
            assert motor.read("user_readback") == 1.5
            while next(events).value != 1.5:
                pass
        assert motor.call("read")["motor"]["value"] == 1.5
        assert motor.call("locate")["setpoint"] == 1.5
        motor.write("velocity", 100.0)
        assert motor.read("velocity") == 100.0
        assert motor.describe()["properties"]["user_readback"]["readOnly"] is True
        stage = rig.stage
        stage.x.velocity = 1000.0
        stage.x.acceleration_time = 0.01
        stage.x.set(2.0)
        assert stage.x.user_readback == 2.0
        assert "stage-x" in stage.read()
