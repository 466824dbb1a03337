"""A simulated process of a worker: what a real one does over its link, in virtual time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from orchestrator.core.children import Exit
from orchestrator.testing.behaviour import BESIDE, STOP, Behaviour, Boot
from orchestrator.testing.judge import Asked
from transports.exceptions import FAILED, INTERRUPT, UNKNOWN, refusal_payload
from transports.headers import ERROR, REPLY, ResponseHeader, encode_header
from transports.link import (
    CONCURRENT,
    CONTROL,
    QUEUED,
    Failed,
    Interrupt,
    LaneOpen,
    Ready,
    Starting,
    Stop,
    decode_control,
    encode_control,
    routing_id,
    unpack_number,
)

CAPACITY = {QUEUED: 1, CONCURRENT: 3}
NOT_BUILT = {"type": "OSError", "message": "no such device", "traceback": ["x"]}
DONE = Exit("exit status 0", normal=True)
CRASHED = Exit("killed by SIGSEGV", normal=False)
UNUSABLE = Exit("exit status 70", normal=False, unusable=True)
STARVED = Exit("exit status 72", normal=False, wants=True)
LONG = 2.0
"""Seconds after which a start says what it is at."""

Job = tuple[bytes, Asked]
"""Its number as a frame, and the request."""
ANSWERS = {
    "reply": b"1",
    "raise": refusal_payload("ValueError", "no", FAILED),
    INTERRUPT: refusal_payload("InterruptedError", "cancelled", UNKNOWN, step=INTERRUPT),
}
"""What an operation is answered with, by its outcome."""


class World(Protocol):
    """What a process needs of the simulation."""

    behaviour: Behaviour

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Have something happen."""

    def to_rig(self, process: SimulatedProcess, frames: list[bytes]) -> None:
        """Send over the link."""

    def ticket(self, process: SimulatedProcess) -> int | None:
        """Take the next ticket of a process; None if there is none."""

    def begun(self, process: SimulatedProcess, asked: Asked) -> None:
        """An operation begins."""

    def ended(self, process: SimulatedProcess, exit_: Exit) -> None:
        """The process is over."""


class SimulatedProcess:
    """One incarnation.

    Args:
        world: The simulation.
        rig: Id of the rig, the sender of answers.
        worker: The worker.
        incarnation: Number of this life.
        token: Its secret.
        boot: How it begins.

    Attributes:
        alive: Whether it hasn't ended.
        ready: Whether it has said so.
        told: Whether it was told to stop.
        linked: Whether messages of the rig find it.
        frozen: Whether it stands still, as after SIGSTOP.
    """

    def __init__(
        self, world: World, rig: str, worker: str, incarnation: int, token: str, boot: Boot
    ) -> None:
        self._world = world
        self._rig = rig
        self.worker = worker
        self.incarnation = incarnation
        self.token = token
        self.alive = True
        self.ready = False
        self.told = False
        self.linked = False
        self.frozen = False
        self._thawed: list[Callable[[], None]] = []
        self._waiting: dict[str, deque[Job]] = {lane: deque() for lane in CAPACITY}
        self._running: dict[str, list[Job]] = {lane: [] for lane in CAPACITY}
        self._claimed = 0  # the last ticket
        self._outcome = boot.outcome
        if boot.seconds > LONG or boot.outcome == "hangs":
            self.later(LONG, lambda: self._control(Starting("Stage.__init__ (stage.py:1)")))
        if boot.outcome != "hangs":
            self.later(boot.seconds, self._booted)

    @property
    def state(self) -> str:
        """What a fault would hit it in."""
        if self.told:
            return "closing"
        if any(self._running.values()):
            return "in flight with more waiting" if self._waiting[QUEUED] else "in flight"
        return "idle" if self.ready else "starting"

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Have it do something, if it still lives; once it is thawed, if it is frozen then."""

        def act() -> None:
            if not self.alive:
                return
            if self.frozen:
                self._thawed.append(act)
            else:
                call()

        self._world.later(seconds, act)

    # -- its life -------------------------------------------------------------------------

    def _booted(self) -> None:
        if self._outcome == "dies":
            self.end(CRASHED)
        elif self._outcome == "starved":
            self.end(STARVED)
        elif self._outcome in ("unbuilt", "unfit"):
            stage = "build" if self._outcome == "unbuilt" else "import"
            self._control(Failed(stage, NOT_BUILT))
            self.end(UNUSABLE)
        else:
            self.ready = True
            self.open_lanes()
            self._control(Ready(BESIDE, CAPACITY[CONCURRENT], claims=True), payload=b"{}")

    def open_lanes(self) -> None:
        """Its lanes say that they are there, at first or again."""
        self.linked = True
        for lane in CAPACITY:
            self._control(LaneOpen(), lane)

    def cut(self) -> None:
        """Its lanes are gone for a moment: what is sent to it meanwhile can't be."""
        if self.linked:
            self.linked = False
            self.later(0.05, self.open_lanes)

    def end(self, exit_: Exit) -> None:
        """It is over."""
        if self.alive:
            self.alive = self.linked = False
            self._world.ended(self, exit_)

    def signal(self, how: str) -> None:
        """It is sent a signal."""
        if how == "kill":
            self.end(Exit("killed by SIGKILL", normal=False))
        elif how in ("term", "wake"):
            if how == "wake":
                self.thaw()
            self._close("term", Exit("ended by SIGTERM", normal=False))

    def thaw(self) -> None:
        """It goes on after it was frozen."""
        self.frozen = False
        waiting, self._thawed = self._thawed, []
        for act in waiting:
            act()

    def _close(self, how: str, exit_: Exit) -> None:
        seconds = self._world.behaviour.closing(self.worker, how)
        if seconds is not None:
            self.later(seconds, lambda: self.end(exit_))

    # -- its link -------------------------------------------------------------------------

    def receive(self, lane: str, frames: list[Any], asked: Asked | None) -> None:
        """A message of the rig arrives: number, header, payload, raw."""
        if bytes(frames[0]) == CONTROL:
            control = decode_control(bytes(frames[1]))
            if isinstance(control, Stop):
                self.told = True
                self._close("stop", DONE)
            elif isinstance(control, Interrupt):
                self._heed(INTERRUPT, control.number)
            return
        assert asked is not None
        self._waiting[lane].append((bytes(frames[0]), asked))
        self._work(lane)

    def _work(self, lane: str) -> None:
        waiting = self._waiting[lane]
        while waiting and len(self._running[lane]) < CAPACITY[lane]:
            job = number, asked = waiting.popleft()
            if lane == QUEUED and not self._claims(unpack_number(number)):
                self._world.to_rig(self, [routing_id(self.token, lane), number, b"", b"", b""])
                continue
            self._running[lane].append(job)
            self._world.begun(self, asked)
            operation = self._world.behaviour.operation(self.worker, asked.member)
            if operation.outcome != "hang":
                self.later(operation.seconds, self._finisher(lane, job, operation.outcome))

    def runs(self, asked: Asked) -> bool:
        """Whether it runs a request."""
        return any(asked is each for jobs in self._running.values() for _, each in jobs)

    def _heed(self, how: str, number: int = 0) -> None:
        """What runs is to end: that of this number, or what the queue has."""
        for lane, jobs in self._running.items():
            for job in jobs:
                if unpack_number(job[0]) == number or (not number and lane == QUEUED):
                    seconds = self._world.behaviour.heeding(self.worker, how)
                    outcome = INTERRUPT if how == INTERRUPT else "reply"
                    if seconds is not None:
                        self.later(seconds, self._finisher(lane, job, outcome))

    def _claims(self, number: int) -> bool:
        while self._claimed < number:
            claimed = self._world.ticket(self)
            if claimed is None:
                return False
            self._claimed = claimed
        return self._claimed == number

    def _finisher(self, lane: str, job: Job, outcome: str) -> Callable[[], None]:
        number, asked = job

        def finish() -> None:
            if job not in self._running[lane]:
                return  # it has ended otherwise
            if outcome == "crash":
                self.end(CRASHED)
                return
            kind, payload = REPLY if outcome == "reply" else ERROR, ANSWERS[outcome]
            header = ResponseHeader(
                messageType=kind,
                messageID=asked.id,
                receiverID=asked.client,
                senderID=self._rig,
            )
            self._running[lane].remove(job)
            asked.replies += 1
            sender = routing_id(self.token, lane)
            self._world.to_rig(self, [sender, number, encode_header(header), payload, b""])
            if asked.member == STOP and outcome == "reply":
                self._heed(STOP)
            self._work(lane)

        return finish

    def _control(self, message: Any, lane: str = QUEUED, payload: bytes = b"") -> None:
        frames = [routing_id(self.token, lane), CONTROL, encode_control(message), payload, b""]
        self._world.to_rig(self, frames)
