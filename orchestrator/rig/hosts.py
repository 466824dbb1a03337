"""The other hosts of a rig: agents come to one socket, and workers are launched there.

See `hosts.messages` for what is said, `hosts.lease` for when a host is lost.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec
import zmq

from orchestrator.config.hosts import HostConfig
from orchestrator.config.loader import RigConfig
from orchestrator.hosts import engines, messages
from orchestrator.hosts.channel import Channel
from orchestrator.hosts.clock import clock
from orchestrator.hosts.messages import PROTOCOL, RELIABLE_PARTS, Start, encode
from orchestrator.logs.collect.streams import Streams
from orchestrator.rig.following import Outcome
from orchestrator.rig.host_agent import Agent
from orchestrator.rig.host_keys import DOMAIN, HostKeys
from orchestrator.rig.host_link import HostLink
from orchestrator.rig.host_output import HostOutput
from orchestrator.rig.keeper import Waits
from orchestrator.rig.launchers.handle import Housed, Launched
from orchestrator.rig.lives_abroad import LivesAbroad
from orchestrator.rig.loop import BATCH
from orchestrator.rig.own_address import find_own_address
from orchestrator.rig.processes import Collects
from orchestrator.rig.recipes import recipe_of
from orchestrator.rig.sockets import Sockets, expect_strangers
from orchestrator.version import version
from transports import frames
from transports.errors import AddressError, ProtocolError
from workers.spec import Curve, WorkerSpec

SECOND = messages.Refused("another agent has come by the same token: each is for one")
"""What is said to an agent that was started twice; it has started nothing."""
FRAME = 1 << 20
"""Bytes of a frame of an agent's; it sends less."""


class Waiting(Protocol):
    """Starts workers that wait."""

    def host_came(self, host: str, /) -> None:
        """Those that waited for a host."""

    def came_free(self, worker: str, /) -> None:
        """One that waited for its device."""


class Hosts:
    """Starts agents, and has workers launched by them: a `Launcher`.

    Args:
        context: The one of the rig's sockets.
        config: The rig's config.
        folder: The rig's, where its next run finds what lives elsewhere.
        sockets: Where workers of other hosts come in.
        logs: Collects.
        record: Writes a record: level, text, fields.

    Attributes:
        held: Is told what keeps a worker from running Python code: worker, incarnation, what.
        came, came_free: Are told of a host that is there now, of a device that can be had again.
        config: By which lives begin now.
        keys: Those by which agents and workers come in.
    """

    def __init__(
        self,
        context: zmq.Context[Any],
        config: RigConfig,
        folder: Path,
        sockets: Sockets,
        logs: Collects,
        record: Callable[[str, str, dict[str, Any]], None],
    ) -> None:
        self._context = context
        self._config = config
        self._folder = folder
        self._sockets = sockets
        self._logs = logs
        self.record = record
        self.held: Callable[[str, int, str], None] = lambda *_: None
        self.config: Callable[[], RigConfig] = lambda: config
        self.came: Callable[[str], None] = lambda host: None
        self.came_free: Callable[[str], None] = lambda worker: None
        self.keys = HostKeys()
        self._links: dict[str, HostLink] = {}
        self._agents: dict[str, tuple[HostLink, Agent]] = {}  # by token
        self._names: dict[str, str] = {}  # that the one agent of a token has given itself
        self._ran: dict[str, str] = {}  # where the last life of each worker was to be
        self._opens: dict[tuple[str, int], str] = {}  # the public key of each life
        self._places: dict[str, str] = {}  # the rig's address, by host
        self._socket: zmq.Socket[Any] | None = None
        self._loop: Waits | None = None
        self._output: HostOutput | None = None
        self._abroad: LivesAbroad | None = None
        self._soon_free: set[str] = set()  # workers whose devices are

    def tell(
        self,
        held: Callable[[str, int, str], None],
        waiting: Waiting,
        config: Callable[[], RigConfig],
    ) -> None:
        """Who is told of workers that can't run Python code, and who waits; the config now."""
        self.held, self.config = held, config
        self.came, self.came_free = waiting.host_came, waiting.came_free

    # -- life --------------------------------------------------------------------------------

    @property
    def is_needed(self) -> bool:
        """Whether the config has other hosts."""
        return bool(self._config.hosts)

    def bind(self) -> None:
        """Make the socket where agents come in, and see what an earlier run has left."""
        self._abroad = LivesAbroad(self._folder, clock(), self.record)
        if not self.is_needed:
            return
        made: zmq.Socket[Any] = self._context.socket(zmq.ROUTER)
        made.set(zmq.LINGER, 200)
        made.set(zmq.RCVHWM, 0)
        made.set(zmq.SNDHWM, 0)
        made.set(zmq.MAXMSGSIZE, FRAME)
        made.set(zmq.ROUTER_HANDOVER, 1)  # a host that was cut off may come by another connection
        expect_strangers(made)
        made.set(zmq.CURVE_SERVER, 1)
        made.set(zmq.CURVE_SECRETKEY, self.keys.server.secret.encode())
        made.setsockopt_string(zmq.ZAP_DOMAIN, DOMAIN)
        made.set(zmq.ZAP_ENFORCE_DOMAIN, 1)
        self._socket = made

    def start(self, loop: Waits) -> None:
        """Have an agent started on each host, and again whenever there is none."""
        self._loop = loop
        if not self.is_needed:
            return
        assert self._socket is not None
        self._output = HostOutput(self._logs, loop, self.record)
        self._output.changed = self._say_paused
        loop.watch(self._socket, self._hear)
        lost_after = self._config.placement.lost_after
        used = {each.host for each in self._config.workers.values()}
        for name, host in self._config.hosts.items():
            self._links[name] = HostLink(host, lost_after, self)
            if name in used:
                self._links[name].begin()

    def close(self) -> None:
        """Have all agents end."""
        for link in self._links.values():
            link.close()
        if self._abroad is not None:
            self.keep_lives()
        if self._output is not None:
            self._output.close()
        if self._socket is not None:
            self._socket.close()

    def status(self) -> list[dict[str, Any]]:
        """What is known of each host."""
        return [link.status() for link in self._links.values()]

    @property
    def pids(self) -> set[int]:
        """The processes that keep agents running, for which somebody waits."""
        return {pid for link in self._links.values() if (pid := link.engine_pid) is not None}

    def usage(self, worker: str) -> tuple[float, int] | None:
        """CPU seconds and bytes of memory of a worker on another host, as last told."""
        for link in self._links.values():
            if link.agent is not None and worker in link.agent.usage:
                used = link.agent.usage[worker]
                return used.cpu, used.memory
        return None

    # -- as a launcher -------------------------------------------------------------------------

    def launch(
        self,
        config: Housed,
        spec: WorkerSpec,
        env: dict[str, str],
        streams: Streams | None,
        tickets: int,
        done: Launched,
    ) -> None:
        """As `Launcher.launch`; tickets are of no use there."""
        assert streams is not None
        assert config.host is not None
        worker, incarnation = spec.worker, spec.incarnation
        pair = self.keys.issue(f"worker {worker}")
        self._opens[worker, incarnation] = pair.public
        cwd = "" if config.cwd == self._config.folder else str(config.cwd)
        spec = msgspec.structs.replace(
            spec,
            curve=Curve(self.keys.server.public, pair.public, pair.secret),
            claims=False,
            slots="",
            lanes="",
            folder="",
            cwd=None,
        )
        known = self.config().workers[worker]
        told = messages.Launch(
            worker,
            incarnation,
            spec.to_dict(),
            python=str(config.python or ""),
            cwd=cwd,
            env=dict(config.env),
            recipe=None if known.on_loss is None else recipe_of(known, ""),
        )
        self._ran[worker] = config.host
        self.output.expect(worker, incarnation, streams)
        self._links[config.host].launch(told, done)

    def secure(
        self, worker: str, incarnation: int, done: Callable[[str, int, Outcome], None]
    ) -> None:
        """As `recipes.Elsewhere.secure`."""
        link = self._links[self._ran[worker]]
        link.secure(worker, incarnation, lambda told: done(worker, incarnation, told))

    def fenced(self, worker: str) -> str:
        """As `processes.Fences.fenced`."""
        known = self.config().workers.get(worker)
        for name, link in self._links.items():
            left = link.devices.in_use(worker, here=known is not None and known.host == name)
            if left > 0:
                self._tell_when_free(worker, left)
                return f"its device may be in use on host {name} for {left:.1f} s, which was lost"
        return self._fenced_by_the_run_before(worker)

    def _fenced_by_the_run_before(self, worker: str) -> str:
        if self._abroad is None or (known := self.config().workers.get(worker)) is None:
            return ""
        host = self._config.hosts.get(known.host or "")
        life = self._abroad.left_by_others(worker, host)
        left = 0.0 if life is None else self._abroad.over_at(life) - clock()
        if life is None or left <= 0:
            return ""
        self._tell_when_free(worker, left)
        name = life.host[0]
        return (
            f"its device may be in use on host {name} for {left:.1f} s, where an earlier run of"
            " the rig has left it"
        )

    def _tell_when_free(self, worker: str, seconds: float) -> None:
        if worker in self._soon_free:
            return
        self._soon_free.add(worker)

        def tell() -> None:
            self._soon_free.discard(worker)
            self.came_free(worker)

        self.loop.call_later(seconds, tell)

    def keep_lives(self) -> None:
        """Keep which workers may live on other hosts, for the rig's next run."""
        assert self._abroad is not None
        lives = {
            worker: life for link in self._links.values() for worker, life in link.devices.kept()
        }
        self._abroad.keep(lives, clock())

    def give_up(self, worker: str) -> None:
        """As `Launcher.give_up`."""
        for link in self._links.values():
            link.give_up(worker)

    # -- for each host ---------------------------------------------------------------------------

    @property
    def loop(self) -> Waits:
        """What waits."""
        assert self._loop is not None
        return self._loop

    @property
    def output(self) -> HostOutput:
        """Where the output of their workers goes."""
        assert self._output is not None
        return self._output

    def locate(self, host: HostConfig, done: Callable[[str | AddressError], None]) -> None:
        """As `all_hosts.AllHosts.locate`."""
        known = self._config.placement.address
        if known is not None:
            done(known)
        else:
            find_own_address(host, self.loop, done)

    def expect(self, link: HostLink, agent: Agent, place: str) -> Start:
        """As `all_hosts.AllHosts.expect`."""
        self._agents[agent.token] = link, agent
        if place not in self._sockets.for_hosts:
            assert self._socket is not None
            first, secret = self._config.placement.port, self.keys.server.secret
            self._sockets.open_to_hosts(self._socket, place, first, secret)
        self._places[link.config.name] = place
        return Start(
            protocol=PROTOCOL,
            release=version(),
            rig=self._config.rig,
            host=link.config.name,
            address=self._sockets.agents[place],
            server=self.keys.server.public,
            public=agent.pair.public,
            secret=agent.pair.secret,
            token=agent.token,
            lost_after=self._config.placement.lost_after,
            folder=link.config.folder or "",
            place=f"{socket.gethostname()} {self._sockets.link}",
        )

    def addressed(self, host: str, launch: messages.Launch) -> messages.Launch:
        """As `all_hosts.AllHosts.addressed`."""
        link, events = self._sockets.for_hosts[self._places[host]]
        spec = {**launch.spec, "link": link, "events": events}
        return msgspec.structs.replace(launch, spec=spec)

    def forget(self, token: str) -> None:
        """An agent isn't let in any more."""
        self._names.pop(token, None)
        if (found := self._agents.pop(token, None)) is not None:
            self.keys.revoke(found[1].pair.public)

    def life_over(self, worker: str, incarnation: int) -> None:
        """A life there is over, or doesn't begin: it is let in no more, and its streams end."""
        self.keys.revoke(self._opens.pop((worker, incarnation)))
        self.output.end(worker, incarnation)

    def command(self, host: HostConfig) -> list[str]:
        """What starts an agent there."""
        placement = self._config.placement
        return engines.command(host, {"scheduler": placement.scheduler, "tls": placement.tls})

    def send(self, token: str, parts: Sequence[Any]) -> None:
        """Send a message to an agent; one that isn't connected gets it by its channel later."""
        assert self._socket is not None
        frames.send(self._socket, [self._names.get(token, token).encode(), *parts])

    def _say_paused(self) -> None:
        for link in self._links.values():
            link.say_paused()

    def _hear(self) -> None:
        assert self._socket is not None
        for _ in range(BATCH):
            if not frames.has_more(self._socket):
                return
            parts = frames.receive(self._socket, RELIABLE_PARTS + 1)
            if isinstance(parts, frames.TooManyFrames) or len(parts) != RELIABLE_PARTS + 1:
                continue  # of somebody with an agent's key, who isn't one of this release
            identity, *rest = (each.bytes for each in parts)
            name = identity.decode("ascii", "replace")
            token = name.partition(".")[0]
            found = self._agents.get(token)
            if found is None:
                continue
            link, agent = found
            if self._names.setdefault(token, name) != name:  # an engine has started it twice
                frames.send(self._socket, [identity, *Channel().say(encode(SECOND))])
                continue
            try:
                link.take(agent, rest, sum(map(len, rest)))
            except (ValueError, ProtocolError) as error:
                text = f"host {link.config.name} says what this release doesn't know: {error}"
                self.record("error", text, {})
