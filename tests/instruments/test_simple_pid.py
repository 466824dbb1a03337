"""simple-pid: a controller that is called."""

from __future__ import annotations

from tests.instruments.instrument_kit import hosted, needs

needs("simple_pid")

CONFIG = """
pid: {driver: "simple_pid:PID", args: [1.0], kwargs: {setpoint: 5.0, sample_time: null}}
"""


def test_simple_pid() -> None:
    """It is called with what was measured; gains and limits are read and written."""
    with hosted(CONFIG) as (_, rig):
        pid = rig.pid
        assert pid.call(2.0) == 3.0
        pid.setpoint = 7.5
        assert pid.setpoint == 7.5
        assert pid.call(2.0) == 5.5
        pid.tunings = (2.0, 0.0, 0.0)
        assert pid.tunings == (2.0, 0.0, 0.0)
        assert pid.components == (5.5, 0.0, 0.0)
        pid.output_limits = (0.0, 4.0)
        assert pid.call(2.0) == 4.0
        pid.set_auto_mode(False)
        assert pid.auto_mode is False
        pid.reset()
        assert pid.components == (0.0, 0.0, 0.0)
