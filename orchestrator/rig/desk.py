"""Takes what people want of a running rig: workers started and stopped, another config.

In the loop's thread; whoever asked is told by a future when it is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

import msgspec

from orchestrator.config.loader import ConfigError, RigConfig
from orchestrator.config.simulation import as_started
from orchestrator.core.admission import unknown_worker
from orchestrator.core.effects import CancelDone, OrderDone
from orchestrator.core.orders import Verb
from orchestrator.core.plan import RESTART, Plan, plan
from orchestrator.core.rig import Rig
from orchestrator.rig import specs
from orchestrator.rig.applier import Changed
from orchestrator.rig.gate import Gate
from orchestrator.words import hide


class Desk:
    """Takes orders for a rig.

    Args:
        config: By which it runs.
        rig: Its core.
        gate: Knows who asks.
        mask: Has texts masked in the logs.

    Attributes:
        config: By which it runs now, and begins lives.
    """

    def __init__(
        self, config: RigConfig, rig: Rig, gate: Gate, mask: Callable[[Iterable[str]], None]
    ) -> None:
        self.config = config
        self._rig = rig
        self._gate = gate
        self._mask = mask
        self._hidden: tuple[str, ...] = ()
        self._learn(config)
        self._give_access(config)
        self._waiting: dict[int, Future[dict[str, str]]] = {}
        self._cancels: dict[int, Future[dict[str, Any]]] = {}

    def order(self, verb: Verb, names: list[str], fresh: bool) -> Future[dict[str, str]]:
        """Have workers started, stopped or restarted; the future has their states once settled.

        Raises:
            KeyError: There is no such worker.
            ConnectionRefusedError: The rig is stopping.
        """
        self.check_names(names)
        self._check_open()
        return self._wait(self._rig.order(verb, names, time.monotonic(), fresh=fresh))

    def host_came(self, host: str) -> None:
        """Another host is there: workers that waited for it needn't wait for their next turn."""
        self._retry([name for name, each in self.config.workers.items() if each.host == host])

    def came_free(self, worker: str) -> None:
        """A worker's device isn't in use elsewhere any more: it needn't wait for its next turn."""
        self._retry([worker])

    def _retry(self, workers: list[str]) -> None:
        children = self._rig.children
        names = [each for each in workers if each in children and children[each].waits_to_retry]
        if names and not self._rig.is_closing:
            self._rig.order("start", names, time.monotonic())

    def cancel(self, request: str, restart: bool) -> Future[dict[str, Any]]:
        """Have a request withdrawn, or ended if it has started; the future tells what came of it.

        Args:
            request: Its id.
            restart: Whether its worker may be restarted for that.
        """
        future: Future[dict[str, Any]] = Future()
        self._cancels[self._rig.cancel(request, time.monotonic(), restart=restart)] = future
        return future

    def plan(self, wanted: RigConfig) -> Plan:
        """What another config would change.

        Raises:
            ValueError: It is that of another rig, or a worker whose twin is to run has none in it.
        """
        wanted = self._with_twins(wanted)
        if wanted.rig != self.config.rig:
            raise ValueError(f"it is the config of rig {wanted.rig!r}, not {self.config.rig!r}")
        found = plan(specs.planned(self.config), specs.planned(wanted))
        stopped = tuple(filter(self._rig.stays_stopped, found.names(RESTART)))
        return msgspec.structs.replace(found, stopped=stopped)

    def change(self, wanted: RigConfig) -> Changed:
        """Have the rig go by another config.

        Raises:
            ValueError: It can't while it runs.
            ConnectionRefusedError: The rig is stopping.
        """
        self._check_open()
        wanted = self._with_twins(wanted)
        found = self.plan(wanted)
        if found.fixed:
            raise ValueError(
                f"nothing was changed: {', '.join(found.fixed)} can't be changed while the rig"
                " runs; for that, orch down and orch run"
            )
        self._learn(wanted)
        self._give_access(wanted)
        before, self.config = self.config, wanted
        settings = {name: specs.settings(each) for name, each in wanted.workers.items()}
        number = self._rig.change(found, settings, wanted.strategy, time.monotonic())
        return Changed(found, before, self._wait(number))

    def reasons(self, names: list[str]) -> dict[str, str]:
        """Why workers are where they are."""
        return {name: self._rig.why(name, time.monotonic()) for name in names}

    def done(self, done: OrderDone) -> None:
        """Tell whoever waits for an order; nobody does for the first start."""
        if (future := self._waiting.pop(done.number, None)) is not None:
            future.set_result(done.states)

    def cancelled(self, done: CancelDone) -> None:
        """Tell whoever wants a request withdrawn."""
        found = {"verdict": done.verdict, "worker": done.worker, "member": done.member}
        self._cancels.pop(done.number).set_result({**found, "steps": list(done.steps)})

    def check_names(self, names: list[str]) -> None:
        """Refuse names that no worker has, or only one that is about to be removed.

        Raises:
            KeyError: With the nearest one.
        """
        known = self._rig.kept
        for name in names:
            if name not in known:
                raise KeyError(str(unknown_worker(self.config.rig, name, known)))

    def _with_twins(self, wanted: RigConfig) -> RigConfig:
        """A config with the twins that run instead of drivers in this rig, as it was started."""
        try:
            return as_started(wanted, self.config)
        except ConfigError as error:
            raise ValueError(f"nothing was changed, no drivers run in this rig:\n{error}") from None

    def _give_access(self, config: RigConfig) -> None:
        """Go by what a config says of who may what; what was asked for before goes on."""
        self._rig.broker.access = access = specs.access_of(config)
        self._gate.asks = self._gate.has_keys_or_roles or access is not None

    def _learn(self, config: RigConfig) -> None:
        """Have its secrets hidden, those of earlier ones too."""
        self._hidden = hidden = (*self._hidden, *config.hidden)
        self._rig.hide = lambda text: hide(text, hidden)
        self._mask(config.hidden)

    def _check_open(self) -> None:
        if self._rig.is_closing:
            raise ConnectionRefusedError(f"rig {self.config.rig!r} is stopping")

    def _wait(self, number: int) -> Future[dict[str, str]]:
        future: Future[dict[str, str]] = Future()
        self._waiting[number] = future
        return future
