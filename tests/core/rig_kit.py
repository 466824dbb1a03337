"""A bench for the rig's core: broker and supervision as one, with a clock of its own."""

from __future__ import annotations

import json
from typing import Any

from orchestrator.core.children import ChildSpec, Exit
from orchestrator.core.effects import Fact, Moved, ToClient, ToWorker
from orchestrator.core.orders import Verb
from orchestrator.core.rig import Rig
from orchestrator.core.states import Status
from tests.core.kit import CONTROL, RIG, Answer, Sent, reply_frames, request
from tests.core.told import taken
from transports.headers import Limits

CRASH = Exit("killed by SIGSEGV", normal=False)
DONE = Exit("ended with status 0", normal=True)


class Bench:
    """A rig's core, and what it has left.

    Attributes:
        rig: The core.
        now: Its clock.
        facts: The facts of all time; they are kept apart from other effects.
        moves: The changes of states of all time, likewise.
    """

    def __init__(self, *specs: ChildSpec, **options: Any) -> None:
        limits = {spec.name: Limits(None, None) for spec in specs}
        self.rig = Rig(RIG, specs or (ChildSpec("a"),), limits=limits, **options)
        self.now = 100.0
        self.facts: list[Fact] = []
        self.moves: list[Moved] = []

    def take(self) -> list[Any]:
        """The effects since the last call, in order; messages are read."""
        effects = []
        for effect in taken(self.rig.effects):
            match effect:
                case Fact():
                    self.facts.append(effect)
                case Moved():
                    self.moves.append(effect)
                case ToClient():
                    effects.append(Answer.read(effect))
                case ToWorker():
                    effects.append(Sent.read(effect))
                case _:
                    effects.append(effect)
        return effects

    def of(self, kind: type) -> list[Any]:
        """The new effects of one kind; all new effects are taken."""
        return [effect for effect in self.take() if isinstance(effect, kind)]

    def status(self, name: str = "a") -> Status:
        return self.rig.children[name].status

    # -- inputs ---------------------------------------------------------------------------

    def order(self, verb: Verb, *names: str) -> int:
        return self.rig.order(verb, names, self.now)

    def ask(self, id_: str, worker: str = "a", member: str = "move", **more: Any) -> None:
        """Send a request."""
        self.rig.receive_client(request(id_, worker, member, **more), self.now)

    def link(self, lane: str, frames: list[bytes]) -> None:
        self.rig.receive_link([lane.encode(), *frames], self.now)

    def control(self, lane: str, message: dict[str, Any], payload: bytes = b"") -> None:
        self.link(lane, [CONTROL, json.dumps(message).encode(), payload, b""])

    def open(self, name: str = "a") -> str:
        """Expect a worker's incarnation and open its lanes; gives its token."""
        incarnation = self.rig.children[name].incarnation
        token = f"{name}{incarnation}"
        self.rig.expect(name, incarnation, token)
        for lane in "qc":
            self.control(f"{token}.{lane}", {"type": "lane_open"})
        return token

    def say_ready(self, token: str, *concurrent: str, claims: bool = False) -> None:
        ready: dict[str, Any] = {"type": "ready", "concurrent": concurrent}
        ready |= {"capacity": len(concurrent), "claims": claims}
        self.control(f"{token}.q", ready, b'{"title": "Stage"}')

    def come_up(self, *names: str, concurrent: tuple[str, ...] = (), claims: bool = False) -> None:
        """Take what was launched from its start to its being ready."""
        for name in names or ("a",):
            self.say_ready(self.open(name), *concurrent, claims=claims)

    def start(self, *names: str, concurrent: tuple[str, ...] = (), claims: bool = False) -> None:
        """Have workers started, those before others first, and ready; the effects are taken."""
        self.order("start", *(names or ("a",)))
        self.come_up(*names, concurrent=concurrent, claims=claims)
        self.take()

    def reply(self, sent: Sent) -> None:
        self.link(sent.lane, [sent.number.to_bytes(8, "big"), *reply_frames(sent.header, "done")])

    def exit(self, name: str = "a", how: Exit = CRASH) -> None:
        self.rig.exited(name, self.rig.children[name].incarnation, how, self.now)

    # -- time -----------------------------------------------------------------------------

    def at(self, now: float) -> None:
        """Move the clock and let what is due happen."""
        self.now = now
        self.rig.tick(now)

    def to_deadline(self) -> None:
        """Move the clock to the next deadline."""
        deadline = self.rig.next_deadline
        assert deadline is not None
        self.at(deadline)


def up(*specs: ChildSpec) -> Bench:
    """A rig whose workers are ready."""
    bench = Bench(*specs)
    bench.order("start", *(spec.name for spec in specs))
    for spec in specs:
        bench.come_up(spec.name)
    bench.take()
    return bench
