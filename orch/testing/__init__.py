"""Real rigs for tests of drivers and of what uses them, and faults on demand.

With pytest the fixtures `rig` and `faults` are there by themselves::

    import pytest

    @pytest.mark.rig("lab.yaml")                       # beside the test
    def test_move(rig, faults):
        assert rig.stage.move(x=5.0) == 5.0
        faults.kill("stage")
        assert rig.stage.home() == 0.0                 # of its next life

`running` is the same without pytest, and for a rig that several tests share.
"""

from __future__ import annotations

from orch.testing.faults import Faults
from orch.testing.rigs import NotUp, RunningRig, running

__all__ = ["Faults", "NotUp", "RunningRig", "running"]
