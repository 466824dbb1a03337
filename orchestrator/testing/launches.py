"""How lives of a simulated rig begin, and how their devices are made safe, in virtual time."""

from __future__ import annotations

from typing import Protocol

from orchestrator.core.effects import Launch, Secure, Signal
from orchestrator.core.rig import Rig
from orchestrator.testing.behaviour import Boot
from orchestrator.testing.judge import Violation
from orchestrator.testing.lives import LivesJudge
from orchestrator.testing.process import SimulatedProcess, World
from orchestrator.testing.tickets import SimulatedTickets


class Ground(World, Protocol):
    """What launches need of the simulation."""

    core: Rig
    processes: dict[str, SimulatedProcess]
    lives: LivesJudge

    @property
    def now(self) -> float:
        """Virtual seconds."""


class SimulatedLaunches:
    """Begins lives.

    Args:
        ground: The simulation.
        tickets: The tickets of its lives.

    Attributes:
        ends: Workers of which an end hasn't been told yet.
    """

    def __init__(self, ground: Ground, tickets: SimulatedTickets) -> None:
        self.ends: set[str] = set()
        self._ground = ground
        self._tickets = tickets
        self._signals: dict[str, list[str]] = {}  # what they were signalled before they were there

    def launch(self, launch: Launch) -> None:
        """Launch a worker's life."""
        ground, worker, incarnation = self._ground, launch.worker, launch.incarnation
        if self._lives(worker):
            raise Violation(f"I10: two lives of {worker} at once")
        ground.lives.launch(launch, ground.now, ground.processes, ground.core)
        token = f"{worker}-{incarnation}"
        ground.core.expect(worker, incarnation, token)
        self._tickets.begin(token)
        self._signals[worker] = []
        boot = ground.behaviour.boot(worker, incarnation)
        latency = ground.behaviour.latency()
        ground.later(latency, lambda: self._launched(worker, incarnation, boot))

    def _launched(self, worker: str, incarnation: int, boot: Boot) -> None:
        """The outcome of a launch, which takes its time as messages do."""
        ground, signals = self._ground, self._signals.pop(worker)
        if boot.outcome in ("wanting", "unlaunched"):
            wants = boot.outcome == "wanting"
            ground.lives.unlaunched(worker, wants=wants)
            reason = "couldn't be started"
            ground.core.unlaunched(worker, incarnation, reason, ground.now, wants=wants)
            return
        token = f"{worker}-{incarnation}"
        process = SimulatedProcess(ground, ground.core.name, worker, incarnation, token, boot)
        ground.processes[worker] = process
        for how in signals:
            process.signal(how)

    def signal(self, signal: Signal) -> None:
        """Signal a process, or what is about to be one."""
        if (signals := self._signals.get(signal.worker)) is not None:
            signals.append(signal.how)
        elif (process := self._ground.processes.get(signal.worker)) is not None:
            process.signal(signal.how)

    def secure(self, secure: Secure) -> None:
        """Have a worker's device made safe."""
        ground, worker, incarnation = self._ground, secure.worker, secure.incarnation
        ground.lives.safety.follow(worker, incarnation, lives=self._lives(worker))
        recipe = ground.behaviour.recipe(worker)

        def end() -> None:
            ground.lives.safety.safe(worker)
            ground.core.secured(worker, incarnation, recipe.failure, ground.now)

        ground.later(recipe.seconds, end)

    def _lives(self, worker: str) -> bool:
        """Whether a life of it isn't over, or its end hasn't been told."""
        return worker in self._ground.processes or worker in self._signals or worker in self.ends
