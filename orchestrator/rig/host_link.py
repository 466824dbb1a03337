"""One other host, as the rig sees it: its agent, what lives there, and whether it is lost."""

from __future__ import annotations

import errno
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from orchestrator.config.hosts import HostConfig
from orchestrator.core.children import UNHEARD, Exit
from orchestrator.hosts import engines, messages
from orchestrator.hosts.clock import clock
from orchestrator.hosts.lease import HostLease
from orchestrator.hosts.messages import PROTOCOL, decode, encode
from orchestrator.rig.all_hosts import AllHosts
from orchestrator.rig.engine import Engine
from orchestrator.rig.following import Outcome
from orchestrator.rig.host_agent import Agent
from orchestrator.rig.host_devices import HostDevices
from orchestrator.rig.host_rest import HostRest
from orchestrator.rig.launchers.handle import Launched, MayHaveLived
from orchestrator.rig.launchers.remote import RemoteHandle
from orchestrator.version import version
from transports.errors import AddressError
from workers.errors import EXIT_SUPERVISOR_LOST

COMES_WITHIN = 60.0
"""Seconds for an agent to come once its engine was started: old machines are slow."""
AGAIN_AFTER = (1.0, 30.0)
"""Seconds until it is tried again, at first and at most."""
USUAL = (0, EXIT_SUPERVISOR_LOST, 255)
"""Statuses whose last line says all: of an agent that ends, one without its rig, and of ssh."""
MUCH = 1 << 20
"""Bytes after which an agent is told what was taken, without being asked."""
DRIFTED = 5.0
"""Seconds by which clocks may differ before that is told: times of log lines are the host's."""


class _Life(msgspec.Struct):
    """A worker that is about to live there, or does."""

    worker: str
    incarnation: int
    done: Launched
    handle: RemoteHandle | None = None


class HostLink:
    """One host.

    Args:
        config: What the config says of it.
        lost_after: Seconds of silence after which it is lost.
        rig: What all hosts share.

    Attributes:
        state: `starting` (an agent), `up` or `away`.
        reason: Why it is away.
        agent: The present one; None while there is none.
        devices: What may have one there.
    """

    def __init__(self, config: HostConfig, lost_after: float, rig: AllHosts) -> None:
        self.config = config
        self.state = "away"
        self.reason = "no worker is to run there"
        self._is_begun = False
        self.agent: Agent | None = None
        self._lost_after = lost_after
        self._rig = rig
        self._engine: Engine | None = None
        self._pause = AGAIN_AFTER[0]
        self._queued: list[tuple[messages.Launch, _Life]] = []
        self._lives: dict[str, _Life] = {}
        self._securing: dict[tuple[str, int], Callable[[Outcome], None]] = {}
        self.devices = HostDevices(config, lost_after, rig.keep_lives)
        self._closing = False
        self._rest = HostRest(config.name, rig)

    # -- its agent ---------------------------------------------------------------------------

    def begin(self) -> None:
        """Have an agent started there."""
        if self._closing or self.state != "away":
            return
        self.state, self.reason, self._is_begun = "starting", "", True
        self._rig.locate(self.config, self._start)

    def _start(self, place: str | AddressError) -> None:
        """Have an agent started that finds the rig at this address."""
        if self._closing:
            return
        rig, name = self._rig, self.config.name
        if isinstance(place, AddressError):
            self._fail_to_start(str(place))
            return
        token, pair = secrets.token_hex(16), rig.keys.issue(f"host {name}")
        agent = self.agent = Agent(token, pair, HostLease(COMES_WITHIN, clock()), clock())
        try:
            line = encode(rig.expect(self, agent, place)) + b"\n"
            self._engine = Engine(
                rig.command(self.config),
                line,
                rig.loop,
                lambda status, lines: self._engine_ended(agent, status, lines),
            )
        except AddressError as error:
            self._none_came(agent, str(error))
            return
        except OSError as error:
            self._none_came(agent, f"its {self.config.engine} can't be started: {error}")
            return
        self._watch(agent)

    def _watch(self, agent: Agent) -> None:
        """Look whether it is lost, whenever that would be so unless it is heard."""
        left = agent.lease.until - clock()
        if agent is not self.agent:
            return
        if left > 0:
            self._rig.loop.call_later(left, lambda: self._watch(agent))
        elif agent.hello is None:
            told = self._engine.said if self._engine is not None else ""
            why = f"no agent came within {COMES_WITHIN:g} s"
            self._none_came(agent, f"{why}: {told}" if told else why)
        else:
            self._lose(agent, f"it was not heard for {self._lost_after:g} s")

    def _engine_ended(self, agent: Agent, status: int, lines: list[str]) -> None:
        told = lines[-1] if lines else ""
        if agent is not self.agent:
            return
        self._engine = None
        why = f"its {self.config.engine} ended with status {status}"
        why = f"{why}: {told}{engines.mend(told)}" if told else why
        if status not in USUAL and len(lines) > 1:
            about = {"output": "\n".join(lines)}
            self._rig.record("warning", f"what started host {self.config.name} wrote", about)
        if agent.hello is None:
            self._none_came(agent, why)
        else:
            self._lose(agent, why)

    def _none_came(self, agent: Agent, why: str) -> None:
        self._rig.forget(agent.token)
        self._fail_to_start(why)

    def _fail_to_start(self, why: str) -> None:
        self._rig.record("warning", f"host {self.config.name} isn't there: {why}", {})
        # Nothing was started by it. One that is late is refused: it is nobody's agent any more.
        self._go_away(why, self._pause)
        self._pause = min(2 * self._pause, AGAIN_AFTER[1])

    def _lose(self, agent: Agent, why: str) -> None:
        """The host is lost: what lived there counts as ended, and lives nowhere before it has."""
        name = self.config.name
        fenced_at = agent.lease.fenced_at(clock())
        self.devices.lost(fenced_at)
        text = f"its host {name} was lost: {why}"
        self._rig.record(
            "error", f"host {name} is lost: {why}", {"workers": ", ".join(self._lives)}
        )
        for life in list(self._lives.values()):
            if life.handle is None:
                self._fail(life, MayHaveLived(errno.EAGAIN, text))
            else:
                self._rig.life_over(life.worker, life.incarnation)
                life.handle.end(Exit(text, normal=False))
        self._rest.owed(agent, list(self._lives))
        self._lives.clear()
        securing, self._securing = self._securing, {}
        for done in securing.values():
            done(self._unknown(why))
        self._go_away(why, fenced_at - clock())

    def _unknown(self, why: str) -> Outcome:
        """What is known of a device that a lost host's guardian makes safe."""
        told = f"{UNHEARD}: host {self.config.name} was lost ({why}), whose guardian does it"
        return Outcome(told, "", [])

    def secure(self, worker: str, incarnation: int, done: Callable[[Outcome], None]) -> None:
        """Have the device of a worker made safe that has ended there."""
        life = (worker, incarnation)
        if self.agent is None or not self.devices.is_of_this_agent(*life):
            done(self._unknown(self.reason or "another agent is there now"))
            return
        self._securing[life] = done
        self._tell(self.agent, messages.Secure(worker, incarnation))

    def _go_away(self, why: str, again_after: float) -> None:
        self.state, self.reason, self.agent = "away", why, None
        if self._engine is not None:
            self._engine.kill()
            self._engine = None
        while self._queued:
            self._fail(self._queued.pop()[1], self._absent())
        if not self._closing:
            self._rig.loop.call_later(again_after, self.begin)

    def _fail(self, life: _Life, error: OSError) -> None:
        """A life doesn't begin."""
        self._rig.life_over(life.worker, life.incarnation)
        life.done(error)

    def _absent(self) -> OSError:
        return OSError(errno.EAGAIN, f"host {self.config.name} isn't there: {self.reason}")

    # -- what it says ------------------------------------------------------------------------

    def take(self, agent: Agent, parts: Sequence[bytes], size: int) -> None:
        """A message of its agent, present or lost.

        Raises:
            ValueError, ProtocolError: It is none.
        """
        taken = agent.channel.take(list(parts))
        if taken is None:
            return
        message = decode(taken[0])
        agent.heard = clock()
        if isinstance(message, messages.Renew):
            self._renew(agent, message)
        elif isinstance(message, messages.Hello):
            if agent is self.agent:
                self._came(agent, message)
        elif isinstance(message, messages.Output):
            self._wrote(message, taken[1])
        elif agent is self.agent:
            self._changed(message)
        elif isinstance(message, messages.Ended):  # as was taken for granted
            self._rig.output.end(message.worker, message.incarnation)
        agent.taken += size
        if agent.taken >= MUCH:
            agent.taken = 0
            self._say_taken(agent)

    def say_paused(self) -> None:
        """Tell the agent of which streams there is more than can be stored."""
        if self.agent is not None:
            self._say_taken(self.agent)

    def _say_taken(self, agent: Agent) -> None:
        self._say(agent, messages.Taken(self._rig.output.paused))

    def _came(self, agent: Agent, hello: messages.Hello) -> None:
        if agent.hello is not None:
            return
        if hello.protocol != PROTOCOL:
            why = f"it has orch {hello.release}, which this rig's {version()} doesn't understand"
            self._none_came(agent, why)
            return
        agent.hello = hello
        self.devices.followed()
        self.state, self.reason, self._pause = "up", "", AGAIN_AFTER[0]
        self._rig.record("info", f"host {self.config.name} is there", agent.about)
        queued, self._queued = self._queued, []
        for launch, life in queued:
            self._launch(agent, launch, life)
        self._rig.came(self.config.name)
        self._rest.followed()

    def _renew(self, agent: Agent, renew: messages.Renew) -> None:
        for parts in agent.channel.answered(renew.granted):
            self._rig.send(agent.token, parts)
        is_present = agent is self.agent and agent.hello is not None
        if is_present and renew.over and not (self._lives or renew.held):
            self._lose(agent, f"its agent ends: {renew.over}")
            is_present = False
        renews = is_present and not renew.over and self._trusts(agent)
        if renews:
            agent.usage = renew.usage
            self._look_at_clock(agent, renew.clock)
        elif not is_present and not renew.held:  # all that it had to tell has come
            self._say(agent, messages.Refused("the rig has given this host up"))
            self._rig.forget(agent.token)
            self._rest.told(agent)
            return
        agent.channel.asked(renew.number)
        self._say(agent, messages.Grant(renew.number, renews, self._rig.output.paused))

    def _trusts(self, agent: Agent) -> bool:
        """Whether an agent that is heard now goes on to be trusted."""
        if not agent.is_leased:
            agent.is_leased, agent.lease = True, HostLease(self._lost_after, clock())
            self._watch(agent)
        return agent.lease.heard(clock())

    def _look_at_clock(self, agent: Agent, told: float) -> None:
        before, agent.drift = agent.drift, told - time.time()
        if abs(agent.drift) > DRIFTED >= abs(before):
            text = f"the clock of host {self.config.name} differs by {agent.drift:+.1f} s"
            self._rig.record("warning", f"{text}: so do times of its log lines", {})

    def _wrote(self, message: messages.Output, data: bytes) -> None:
        output = self._rig.output
        if message.lost:
            why = f"host {self.config.name} had no room for it while the rig wasn't reached"
            output.lost(message.worker, message.incarnation, message.lost, why)
        if data:
            output.write(message.worker, message.incarnation, message.stream, data, message.mark)

    def _changed(self, message: Any) -> None:
        if isinstance(message, messages.Secured):
            self.devices.settled(message.worker, message.incarnation)
            done = self._securing.pop((message.worker, message.incarnation), None)
            if done is not None:
                done(Outcome(message.failure, message.trace, message.output))
            return
        life = self._lives.get(getattr(message, "worker", ""))
        if life is None or life.incarnation != message.incarnation:
            return
        if isinstance(message, messages.Started):
            life.handle = RemoteHandle(message.pid, lambda how: self._signal(life, how))
            life.done(life.handle)
        elif isinstance(message, messages.Unstarted):
            del self._lives[life.worker]
            if message.lived:
                self.devices.over(life.worker, life.incarnation)
            else:
                self.devices.settled(life.worker, life.incarnation)
            kind = MayHaveLived if message.lived else OSError
            self._fail(life, kind(message.number, f"{message.text} (on host {self.config.name})"))
        elif isinstance(message, messages.Held):
            self._rig.held(message.worker, message.incarnation, message.held)
        elif isinstance(message, messages.Ended) and life.handle is not None:
            del self._lives[life.worker]
            self.devices.over(life.worker, life.incarnation)
            self._rig.life_over(life.worker, life.incarnation)
            told = Exit(
                message.text,
                normal=message.normal,
                unusable=message.unusable,
                wants=message.wants,
                status=message.status,
            )
            life.handle.end(told)

    # -- what it is told ---------------------------------------------------------------------

    def launch(self, launch: messages.Launch, done: Launched) -> None:
        """Have a worker started there, once it is there; `done` is told if that isn't to come."""
        life = _Life(launch.worker, launch.incarnation, done)
        if not self._is_begun:
            self.begin()
        if self.state == "up" and self.agent is not None:
            self._launch(self.agent, launch, life)
        elif self.state == "starting":
            self._queued.append((launch, life))
        else:
            self._fail(life, self._absent())

    def _launch(self, agent: Agent, launch: messages.Launch, life: _Life) -> None:
        self._lives[life.worker] = life
        self.devices.begins(life.worker, life.incarnation, launch.recipe)
        self._tell(agent, self._rig.addressed(self.config.name, launch))

    def give_up(self, worker: str) -> None:
        """The launch of a worker takes too long."""
        for each in self._queued:
            if each[1].worker == worker:
                self._queued.remove(each)
                why = f"host {self.config.name} isn't there yet"
                self._fail(each[1], OSError(errno.EAGAIN, why))
                return
        if (life := self._lives.get(worker)) is not None:
            self._signal(life, "kill")

    def _signal(self, life: _Life, how: str) -> None:
        if self.agent is not None and self._lives.get(life.worker) is life:
            self._tell(self.agent, messages.Signal(life.worker, life.incarnation, how))

    def _tell(self, agent: Agent, message: messages.Told) -> None:
        self._rig.send(agent.token, agent.channel.tell(encode(message)))

    def _say(self, agent: Agent, message: messages.Message) -> None:
        self._rig.send(agent.token, agent.channel.say(encode(message)))

    @property
    def engine_pid(self) -> int | None:
        """The process that keeps the agent running."""
        return self._engine.pid if self._engine is not None else None

    # -- views and end -----------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """What is known of it."""
        agent, hello = self.agent, self.agent.hello if self.agent is not None else None
        return {
            "name": self.config.name,
            "engine": self.config.engine,
            "address": self.config.address,
            "state": self.state,
            "reason": self.reason or None,
            "uptime": None if agent is None or hello is None else round(clock() - agent.since, 3),
            "machine": hello and hello.name,
            "system": hello and hello.system,
            "python": hello and hello.python,
            "release": hello and hello.release,
            "pid": hello and hello.pid,
            "folder": hello and hello.folder,
            "drift": None if agent is None or hello is None else round(agent.drift, 3),
            "workers": sorted(self._lives),
        }

    def close(self) -> None:
        """The rig is down: the agent ends."""
        self._closing = True
        self._rest.close()
        if self.agent is not None and self.agent.hello is not None:
            self._tell(self.agent, messages.Bye())
        if self._engine is not None:
            self._engine.close()
            self._engine = None
