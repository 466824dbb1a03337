"""A rig for tests: the real core on simulated sockets, processes and time.

::

    from orchestrator.core.children import ChildSpec
    from orchestrator.testing import Calm, SimulatedRig

    rig = SimulatedRig([ChildSpec("stage")], Calm())
    rig.start()
    asked = rig.ask("alice", "stage", "move", execution_timeout=1.0)
    rig.run()
    assert asked.answers[0].kind == "REPLY"

`python -m orchestrator.testing` runs seeded chaos on it, judged by the promises of the product.
"""

from __future__ import annotations

from orchestrator.testing.behaviour import Behaviour, Boot, Calm, Chaos, Operation
from orchestrator.testing.judge import Answer, Asked, Violation
from orchestrator.testing.simulation import SimulatedRig

__all__ = [
    "Answer",
    "Asked",
    "Behaviour",
    "Boot",
    "Calm",
    "Chaos",
    "Operation",
    "SimulatedRig",
    "Violation",
]
