"""The rig's core on a virtual clock, with simulated clients, links and processes.

What ZeroMQ really does is kept: messages of one link stay in order, what is under way to a
process that dies is lost, what a dead process sent may still arrive, and a lane that is gone
can't be sent to. Whatever happens is judged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from orchestrator.core.admission import Caps
from orchestrator.core.changeover import Settings
from orchestrator.core.children import ChildSpec, Exit
from orchestrator.core.effects import (
    CancelDone,
    Describe,
    Effect,
    Fact,
    Launch,
    Moved,
    OrderDone,
    RigUp,
    Secure,
    Signal,
    TakeBack,
    ToClient,
    ToWorker,
)
from orchestrator.core.means import Means
from orchestrator.core.orders import Verb
from orchestrator.core.own_ids import is_own
from orchestrator.core.plan import ADD, LIMITS, REMOVE, RESTART, Plan
from orchestrator.core.rig import Rig
from orchestrator.core.states import SERVING, Status
from orchestrator.testing.behaviour import Behaviour
from orchestrator.testing.clients import SimulatedClients
from orchestrator.testing.judge import Asked, Judge, Violation, judge_tables
from orchestrator.testing.launches import SimulatedLaunches
from orchestrator.testing.lives import LivesJudge
from orchestrator.testing.messages import RUN
from orchestrator.testing.process import SimulatedProcess
from orchestrator.testing.tickets import SimulatedTickets
from orchestrator.testing.timeline import Timeline
from orchestrator.testing.wishes import WishesJudge
from transports.headers import (
    REPLY,
    Limits,
    decode_request_header,
)
from transports.link import unpack_number

MOST_EFFECTS = 100_000
"""Effects of one event; more would mean that they make each other."""


class SimulatedRig:
    """A rig in virtual time.

    Args:
        specs: The workers.
        behaviour: What they do.
        limits: For each worker the timeouts of requests that bring none.
        means: How workers' operations can be ended.
        caps: What one client can make the rig keep.
        strategy: Who is restarted with a worker that died.
        chance: Gives numbers from 0 to 1, for the pauses before restarts.

    Attributes:
        core: The real core.
        judge: Who takes notes, and raises `Violation`.
        lives: The same for starts, stops and recipes.
        wishes: The same for what is to end.
        ask, repeat, shake_hands, send: What clients do: see `SimulatedClients`.
        processes: The living incarnations by worker.
        facts: What was worth a record.
        orders: What came of orders, by number.
        up: What was said when all had settled for the first time.
        events: How many events have happened.
        hits: How many processes ended, by the state that it hit them in.
    """

    def __init__(
        self,
        specs: Sequence[ChildSpec],
        behaviour: Behaviour,
        *,
        limits: dict[str, Limits] | None = None,
        means: dict[str, Means] | None = None,
        caps: Caps | None = None,
        strategy: str = "one_for_one",
        chance: Callable[[], float] = lambda: 1.0,
    ) -> None:
        self.core = Rig(
            "simulated",
            specs,
            limits=limits,
            means=means,
            caps=caps,
            strategy=strategy,
            chance=chance,
            run=RUN,
        )
        self.behaviour = behaviour
        self.judge = Judge()
        self.processes: dict[str, SimulatedProcess] = {}
        self.facts: list[Fact] = []
        self.orders: dict[int, dict[str, str]] = {}
        self.up: RigUp | None = None
        self.events = 0
        self.hits: Counter[str] = Counter()
        self._timeline = Timeline(1000.0)
        self.lives = LivesJudge(specs, strategy)
        self.wishes = WishesJudge(self.processes)
        self._tickets = SimulatedTickets(self.judge)
        self._launches = SimulatedLaunches(self, self._tickets)
        clients = SimulatedClients(self.core, self.judge, lambda: self.now, self._settle)
        self.ask, self.repeat = clients.ask, clients.repeat
        self.shake_hands, self.send = clients.shake_hands, clients.send

    @property
    def now(self) -> float:
        """Virtual seconds."""
        return self._timeline.now

    # -- what a test does -----------------------------------------------------------------

    def start(self, names: Sequence[str] | None = None) -> int:
        """Start workers, all of them by default; the number is that of `order`."""
        return self.order("start", names or list(self.lives.specs))

    def order(self, verb: Verb, names: Sequence[str]) -> int:
        """Start, stop or restart workers; the number is a key of `orders` once it is done."""
        number = self.core.order(verb, names, self.now)
        self._settle()
        return number

    def change(self, plan: Plan, wanted: Mapping[str, Settings], strategy: str) -> int:
        """Carry out a plan; the number is a key of `orders` once it is done."""
        specs = [wanted[name].spec for name in plan.names(ADD, RESTART, LIMITS)]
        self.lives.change(specs, strategy)
        number = self.core.change(plan, wanted, strategy, self.now)
        self._settle()
        self.judge.removed(plan.names(REMOVE))
        return number

    def cancel(self, asked: Asked, *, restart: bool = False) -> None:
        """Want a request cancelled; `restart`: by a restart of its worker, if need be."""
        means = self.core.broker.peers[asked.worker].means
        until = None if restart else self.now + means.grace * len(means.of(asked.member))
        asked.wished = True
        number = self.core.cancel(asked.id, self.now, restart=restart)
        self.wishes.wish(number, asked, until)
        self._settle()

    def kill(self, worker: str, exit_: Exit) -> None:
        """End a worker's process, whatever it does."""
        if (process := self.processes.get(worker)) is not None:
            process.end(exit_)
            self._settle()

    def freeze(self, worker: str) -> None:
        """Stop a worker's process as SIGSTOP does."""
        if (process := self.processes.get(worker)) is not None:
            process.frozen = True

    def cut(self, worker: str) -> None:
        """Cut a worker's link for a moment: what is sent to it meanwhile can't be."""
        if (process := self.processes.get(worker)) is not None:
            process.cut()

    def shut_down(self) -> None:
        """Stop everything."""
        self.core.shut_down(self.now)
        self._settle()

    def kill_all(self) -> None:
        """Stop everything, waiting for nobody."""
        self.core.kill(self.now)
        self._settle()

    def run(self, seconds: float = 3600.0, until: Callable[[], bool] = lambda: False) -> bool:
        """Let things happen until all is quiet, `until` says so, or the time is over.

        Returns:
            Whether it ended before the time was over.
        """
        end = self.now + seconds
        while not until():
            due = self._due()
            if due is None:
                return True
            if due > end:
                self._timeline.now = end
                return False
            self.step()
        return True

    def step(self) -> bool:
        """Let the next thing happen; False when nothing is due any more."""
        if (due := self._due()) is None:
            return False
        deadline = self.core.next_deadline
        self._timeline.now = max(self.now, due)
        if deadline is not None and deadline <= due:
            self.core.tick(self.now)
        else:
            self._timeline.take()()
        self._settle()
        return True

    def rest(self) -> None:
        """Judge that nothing is left of anything, once all is over."""
        self.judge.rest()
        self.wishes.rest()
        self.lives.safety.rest()
        judge_tables(self.core)

    # -- what processes ask for -----------------------------------------------------------

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Have something happen after so many seconds."""
        self._timeline.later(seconds, call)

    def to_rig(self, process: SimulatedProcess, frames: list[bytes]) -> None:
        """A process sends; it arrives in order, also if the process is dead by then."""

        def arrive() -> None:
            self._tickets.heard(process.token, unpack_number(bytes(frames[1])), self.now)
            self.core.receive_link(frames, self.now)

        self._timeline.in_order("to rig", process.token, self.behaviour.latency(), arrive)

    def ticket(self, process: SimulatedProcess) -> int | None:
        """A process takes its next ticket."""
        return self._tickets.claim(process.token, self.now)

    def begun(self, process: SimulatedProcess, asked: Asked) -> None:
        """A process begins an operation."""
        self.judge.start(asked, process.token)

    def ended(self, process: SimulatedProcess, exit_: Exit) -> None:
        """A process is over; that is told a little later."""
        self.hits[process.state] += 1
        del self.processes[process.worker]
        self._launches.ends.add(process.worker)
        self.lives.ended(process.worker, exit_, served=process.ready)

        def tell() -> None:
            self._launches.ends.discard(process.worker)
            self._take_back(process.worker, process.incarnation)
            child = self.core.children[process.worker]
            was, restarts = child.status, child.restarts
            life = process.worker, process.incarnation
            self.core.exited(*life, exit_, self.now)
            if exit_.speaks:
                self.later(self.behaviour.latency(), lambda: self.core.wrote(*life, ["Fault"]))
            if was in SERVING and child.status is Status.BACKOFF and child.restarts > restarts:
                self.lives.crashed(process.worker, self.processes)

        self.later(self.behaviour.latency(), tell)

    # -- how ------------------------------------------------------------------------------

    def _due(self) -> float | None:
        deadline = self.core.next_deadline
        event = self._timeline.due
        return min((each for each in (deadline, event) if each is not None), default=None)

    def _settle(self) -> None:
        self.events += 1
        effects = self.core.effects
        for _ in range(MOST_EFFECTS):
            if not effects:
                break
            self._perform(effects.popleft())
        else:
            raise Violation("effects without end")
        self.judge.look(self.now)
        self.lives.look(self.processes, self.now)

    def _perform(self, effect: Effect) -> None:
        match effect:
            case ToClient() if is_own(effect.frames[0]):
                self.core.answered(effect.frames, self.now)
            case ToClient():
                self.judge.answer(effect.frames, self.now)
            case ToWorker():
                self._to_worker(effect)
            case TakeBack():
                self._take_back(effect.worker, effect.incarnation)
            case Describe():
                self.core.described(effect.number, REPLY, b"{}")
            case Launch():
                self._launches.launch(effect)
            case Secure():
                self._launches.secure(effect)
            case Signal():
                self._launches.signal(effect)
            case CancelDone():
                self.wishes.tell(effect, self.now)
            case OrderDone():
                self.orders[effect.number] = effect.states
            case RigUp():
                self.up = effect
            case Moved():
                self.lives.starts.move(effect)
            case Fact():
                self.facts.append(effect)
                del self.facts[:-1000]

    def _to_worker(self, effect: ToWorker) -> None:
        target, number = bytes(effect.frames[0]).decode(), effect.number
        token, _, lane = target.rpartition(".")
        worker = token.rpartition("-")[0]
        process = self.processes.get(worker)
        asked = None
        if number:
            header = decode_request_header(bytes(effect.frames[2]))
            asked = self.judge.find(header, self.now)
            is_next = not effect.ticket or self._tickets.is_idle(token)
            self.judge.give(asked, token, self.now, is_next=is_next)
            if effect.ticket:
                self._tickets.give(token, number, asked)
        elif self.core.is_closing:
            self.lives.starts.stop(worker, self.processes)
        if process is None or process.token != token or not process.linked:
            if asked is not None:
                self.judge.take_back(asked)
                self._tickets.unsent(token, number)
                self.core.unreachable(number, self.now)
            return
        frames = effect.frames[1:]
        receiver = process

        def arrive() -> None:  # at once, unless it is dead or stands still
            receiver.later(0.0, lambda: receiver.receive(lane, frames, asked))

        self._timeline.in_order("to worker", token, self.behaviour.latency(), arrive)

    def _take_back(self, worker: str, incarnation: int) -> None:
        numbers = self._tickets.take_back(f"{worker}-{incarnation}")
        self.core.taken_back(worker, incarnation, numbers, self.now)
