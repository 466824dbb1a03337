"""The configs that a simulated rig goes by, one after the other, by the dice."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import msgspec

from orchestrator.core import plan
from orchestrator.core.changeover import Settings
from orchestrator.core.children import ChildSpec
from orchestrator.core.means import Means
from orchestrator.core.plan import Plan
from orchestrator.core.restarts import STRATEGIES
from orchestrator.testing.behaviour import STOP
from transports.exceptions import INTERRUPT

NAMES = ("laser", "stage", "camera", "shutter", "clock")
"""Workers that there may be; each may start after those before it."""
KEYS = {
    "intensity": "max_restarts",
    "period": "max_restarts",
    "restart_on_overrun": "on_execution_timeout",
    "secures": "on_loss",
}
"""What a config calls what has another name in a specification."""


class Configs:
    """Thinks out configs.

    Args:
        random: The dice.

    Attributes:
        specs: The workers of the present one, not in the order of their starts.
        strategy: The strategy of the present one.
        means: How operations of the workers that there may be can be ended, in all of them.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._forms = dict.fromkeys(NAMES, 0)
        self.strategy = random.choice(STRATEGIES)
        self.specs: list[ChildSpec] = []
        for name in NAMES[: random.randint(2, 5)]:
            required = random.random() < 0.02  # of the first config: else few rigs would last
            self.specs.append(self._spec(name, required=required))
        random.shuffle(self.specs)
        self.means = {name: _means(random) for name in NAMES}

    def change(self) -> tuple[Plan, Mapping[str, Settings]]:
        """Go over to another one: what leads there, and all that it says of its workers."""
        random, before = self._random, self._planned()
        if random.random() < 0.1:
            self.strategy = random.choice(STRATEGIES)
        for name in random.sample(NAMES, random.randint(1, 2)):
            self._change(name)
        settings = {spec.name: Settings(spec, means=self.means[spec.name]) for spec in self.specs}
        return plan.plan(before, self._planned()), settings

    def _change(self, name: str) -> None:
        """A worker comes or goes, or something is said otherwise of it."""
        random = self._random
        specs = {spec.name: spec for spec in self.specs}
        if name not in specs:
            self.specs.insert(random.randint(0, len(specs)), self._spec(name))
        elif random.random() < 0.4 and len(specs) > 1:
            self.specs = [_without(spec, name) for spec in self.specs if spec.name != name]
        elif random.random() < 0.5:
            self._forms[name] += 1  # an argument of its driver, which restarts it
        else:
            place = self.specs.index(specs[name])
            self.specs[place] = self._spec(name)

    def _spec(self, name: str, *, required: bool = False) -> ChildSpec:
        random = self._random
        earlier = NAMES[: NAMES.index(name)]
        names = [spec.name for spec in self.specs if spec.name in earlier]
        return ChildSpec(
            name,
            after=tuple(random.sample(names, random.randint(0, min(2, len(names))))),
            restart=random.choice(("permanent", "permanent", "transient", "temporary")),
            intensity=random.randint(1, 10),
            period=random.choice((5.0, 60.0)),
            backoff=random.choice(((0.1, 30.0), (1.0, 2.0))),
            required=required,
            retry_failed=random.choice((None, 5.0)),
            restart_on_overrun=random.random() < 0.3,
            start_timeout=random.choice((None, 1.0, 30.0)),
            stop_timeout=random.choice((0.5, 5.0)),
            retry_start=random.random() < 0.8,
            secures=random.random() < 0.4,
        )

    def _planned(self) -> plan.Config:
        workers: dict[str, dict[str, Any]] = {}
        for spec in self.specs:
            said: dict[str, Any] = {"kwargs": self._forms[spec.name]}
            workers[spec.name] = said
            for key, value in msgspec.structs.asdict(spec).items():
                said[KEYS.get(key, key)] = (said.get(KEYS.get(key, key)), value)
        order = sorted(workers, key=NAMES.index)
        return plan.Config({"strategy": self.strategy}, workers, order)


def _without(spec: ChildSpec, name: str) -> ChildSpec:
    """A worker's specification once there is no such other worker."""
    after = tuple(each for each in spec.after if each != name)
    return msgspec.structs.replace(spec, after=after)


def _means(random: Random) -> Means:
    return Means(
        usual=random.choice(((), (STOP,), (INTERRUPT,), (STOP, INTERRUPT))),
        by_member=random.choice(({}, {"move": (STOP, "abort", INTERRUPT)})),
        grace=random.choice((0.1, 1.0)),
        on_timeout=random.random() < 0.3,
    )
