"""The sockets of a rig: where clients, workers, events and subscribers come in.

They stay bound for life, so that a worker's restart is invisible to clients as a disconnection.
"""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import zmq

from orchestrator.config.doors import Door
from orchestrator.rig import unlocked
from orchestrator.rig.gate import OPEN, Gate, Way
from orchestrator.rig.host_keys import DOMAIN as HOSTS
from transports import binding
from transports.endpoints import BACKLOG, hololinked_endpoint, parse_endpoint
from transports.errors import AddressError
from transports.headers import EVENT_PUBLISHER
from transports.keepalive import keep_alive
from transports.link import PRESENCE

Binding = Callable[[], binding.SocketFile | None]

ROOT = 0
"""The user who may reach what belongs to any other anyway."""
ANSWER_QUEUE = 200
"""Answers that ZeroMQ keeps for a slow client before the outbox does."""
EVENT_QUEUE = 1000
"""Messages that a subscriber may lag behind before it misses some, and the rig behind a worker."""
SUBSCRIPTION = 1024
"""Bytes of a message to the publisher above which the subscriber is disconnected."""
HANDSHAKE = 5000
"""Milliseconds in which who connects must have shaken hands as ZeroMQ does."""
EVENTS = "events"
"""What libzmq names when it asks about a worker's publisher."""
LINGER = 200
"""Milliseconds for last answers to leave when a socket is closed."""


class Sockets:
    """The four sockets of a rig, bound.

    Args:
        context: Where they are made.
        rig: Id of the rig.
        doors: What holds for those who come by an address, if anything was said of it.

    Attributes:
        gate: Knows who may come in.
        front: ROUTER for clients, its identity the rig's id.
        back: ROUTER for workers' lanes.
        publisher: XPUB for subscribers.
        collector: XSUB for workers' events.
        addresses: Where clients connect, the rig's own ipc address first.
        event_addresses: Where subscribers connect, in the order of `addresses`.
        link: Where worker processes connect their lanes.
        events: Where worker processes connect their publishers.
        slots: Path of the socket for shared memory; empty for none.
        lanes: Path of the one for workers' lanes (see `transports.lane`); empty for none.
        is_open_to_users: Whether users of this machine come in as such at the rig's own address.
        is_used: The front or the back one was used since they were polled; who uses them says so.
        agents: Where agents of other hosts connect, by the rig's name or number that they reach.
        for_hosts: Where their workers connect lanes and publishers, by the same.
        meanwhile: Has a socket bound by whoever watches them, for whom that may wait; see
            `orchestrator.rig.connections`.
    """

    def __init__(
        self, context: zmq.Context[Any], rig: str, doors: Mapping[str, Door] | None = None
    ) -> None:
        self.rig = rig
        self.gate = Gate(doors or {})
        self.addresses: list[str] = []
        self.event_addresses: list[str] = []
        self.link = ""
        self.events = ""
        self.slots = ""
        self.lanes = ""
        self.is_open_to_users = False
        self.is_used = True
        self._own = ""
        self.agents: dict[str, str] = {}
        self.for_hosts: dict[str, tuple[str, str]] = {}
        self.meanwhile: Callable[[Binding], binding.SocketFile | None] = lambda bind: bind()
        self.inproc_link = f"inproc://{rig}/link"
        self.inproc_events = f"inproc://{rig}/worker-events"
        self._ways: dict[str, Way] = {}  # by address
        self._asking: set[zmq.Socket[Any]] = set()  # whose connections libzmq asks about
        self._bound: dict[Path, tuple[zmq.Socket[Any], binding.SocketFile]] = {}
        self._context = context
        self._message_cap = -1
        self.front = self._make_front()
        self.back = self._make(zmq.ROUTER)
        self.publisher = self._make(zmq.XPUB)
        self.collector = self._make(zmq.XSUB)
        expect_strangers(self.publisher)
        self.publisher.set(zmq.MAXMSGSIZE, SUBSCRIPTION)
        # Each subscriber's wishes are told, not only the first one's and what ends the last one:
        # libzmq takes the end of a subscription from whoever sends it.
        self.publisher.set(zmq.XPUB_VERBOSER, 1)
        self.back.set(zmq.ROUTER_MANDATORY, 1)
        # Bounded by the lanes' credit, so a request for a living worker always finds room.
        self.back.set(zmq.SNDHWM, 0)
        self.publisher.set(zmq.SNDHWM, EVENT_QUEUE)
        # Here a worker that publishes too fast has to wait. So it alone has a mark (see
        # transports.keepalive), and a door (see orchestrator.rig.door) by which workers alone come.
        self.collector.set(zmq.RCVHWM, EVENT_QUEUE)
        self.collector.set(zmq.PLAIN_SERVER, 1)
        self.collector.setsockopt_string(zmq.ZAP_DOMAIN, EVENTS)
        self.collector.set(zmq.HANDSHAKE_IVL, HANDSHAKE)
        # What it sends is subscriptions, and one that is dropped is never asked for again.
        self.collector.set(zmq.SNDHWM, 0)
        # One that is always there: by it a worker knows that the others have come as well.
        self.collector.send(b"\x01" + PRESENCE)

    def _make(self, kind: int) -> zmq.Socket[Any]:
        made: zmq.Socket[Any] = self._context.socket(kind)
        made.set(zmq.LINGER, LINGER)
        made.set(zmq.BACKLOG, BACKLOG)
        # See transports.keepalive: what comes is bounded by what reads it.
        made.set(zmq.RCVHWM, 0)
        if zmq.has("ipc"):
            for uid in {os.getuid(), ROOT}:
                made.set(zmq.IPC_FILTER_UID, uid)
        return made

    def _make_front(self) -> zmq.Socket[Any]:
        front = self._make(zmq.ROUTER)
        expect_strangers(front)
        front.set(zmq.IDENTITY, self.rig.encode())
        # An unroutable answer is an error that can be counted, not a silent drop.
        front.set(zmq.ROUTER_MANDATORY, 1)
        # Counted in messages of any size: what a client lags behind is bounded in bytes only
        # where the outbox keeps it.
        front.set(zmq.SNDHWM, ANSWER_QUEUE)
        front.set(zmq.MAXMSGSIZE, self._message_cap)
        return front

    @property
    def _all(self) -> tuple[zmq.Socket[Any], ...]:
        return self.front, self.back, self.publisher, self.collector

    def bind(
        self, listen: Sequence[str], sockets: Path, message_cap: int, events: Mapping[str, str]
    ) -> None:
        """Bind everything.

        Args:
            listen: As in the config: `ipc`, `ipc:///path`, `hololinked`, `tcp://host:port`.
            sockets: The folder of the rig's own socket files.
            events: Where events are published for those of `listen` that say so.
            message_cap: Bytes of a client's frame above which it is disconnected.

        Raises:
            AddressError: An address is taken or can't be bound.
        """
        self._message_cap = message_cap
        self.front.set(zmq.MAXMSGSIZE, message_cap)
        self.back.bind(self.inproc_link)
        self.collector.bind(self.inproc_events)
        if zmq.has("ipc"):
            self.link = self._bind(self.back, f"ipc://{sockets / 'link.ipc'}")
            self.events = self._bind(self.collector, f"ipc://{sockets / 'xsub.ipc'}")
        else:
            self.link = self._bind(self.back, "tcp://127.0.0.1:*")
            self.events = self._bind(self.collector, "tcp://127.0.0.1:*")
        tcp = [item for item in listen if item.startswith("tcp://")]
        for item in (each for each in listen if each not in tcp):
            self._listen_ipc(item, sockets, events)
        for item in tcp:
            self._listen_tcp(item, events)

    def open_to_hosts(
        self, agents: zmq.Socket[Any], place: str, first: int | None, secret: str
    ) -> None:
        """Let agents and workers of other hosts in, each by a key of its own.

        Args:
            agents: The socket for agents.
            place: Name or number of this machine by which they reach it.
            first: The first of three ports; None for any that are free.
            secret: The secret half of the rig's key for them.

        Raises:
            AddressError: It can't be bound.
        """
        for port in (self.back, self.collector):
            expect_strangers(port)
            port.set(zmq.CURVE_SERVER, 1)
            port.set(zmq.CURVE_SECRETKEY, secret.encode())
            port.setsockopt_string(zmq.ZAP_DOMAIN, HOSTS)
        bound: list[tuple[zmq.Socket[Any], str]] = []
        try:
            for more, port in enumerate((agents, self.back, self.collector)):
                number = "*" if first is None else first + more
                bound.append((port, self._bind_so(port, f"tcp://{place}:{number}", 0.0)))
        except AddressError:
            for port, address in bound:
                self.meanwhile(functools.partial(port.unbind, address))
            raise
        finally:
            # Those of this machine come as before, also when a file is made anew.
            self.back.set(zmq.CURVE_SERVER, 0)
            self.back.setsockopt_string(zmq.ZAP_DOMAIN, OPEN)
            self.collector.set(zmq.CURVE_SERVER, 0)
            self.collector.set(zmq.PLAIN_SERVER, 1)
            self.collector.setsockopt_string(zmq.ZAP_DOMAIN, EVENTS)
        self.agents[place], *links = [address for _, address in bound]
        self.for_hosts[place] = (links[0], links[1])

    def _listen_ipc(self, item: str, sockets: Path, events: Mapping[str, str]) -> None:
        if item == "ipc" and not zmq.has("ipc"):
            self._listen_tcp("tcp://127.0.0.1:*", {})
            return
        if item == "ipc":
            request, event = (
                f"ipc://{sockets / 'front.ipc'}",
                f"ipc://{sockets / 'events.ipc'}",
            )
        elif item == "hololinked":
            request = hololinked_endpoint(self.rig).address
            event = hololinked_endpoint(f"{self.rig}/{EVENT_PUBLISHER}").address
            parse_endpoint(request).path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        else:
            request, event = item, events.get(item, f"{item}.events")
        way = self.gate.way(item)
        self.addresses.append(self._bind(self.front, request, way=way))
        if item == "ipc":
            self._own, self.is_open_to_users = request, not way.domain
        self.event_addresses.append(self._bind(self.publisher, event, way=way))

    def _listen_tcp(self, item: str, events: Mapping[str, str]) -> None:
        endpoint = parse_endpoint(item)
        way = self.gate.way(item)
        address = self._bind(self.front, item, way=way)
        port = parse_endpoint(address).port
        self.addresses.append(address)
        # hololinked's rule: events are published on the port after the one for requests.
        event_port = port + 1 if endpoint.port else "*"
        event = events.get(item, f"tcp://{endpoint.host}:{event_port}")
        self.event_addresses.append(self._bind(self.publisher, event, way=way))

    def _bind(
        self,
        port: zmq.Socket[Any],
        address: str,
        patience: float = binding.CLOSING,
        way: Way | None = None,
    ) -> str:
        """Bind an address; the way that connections come in by it is kept with it."""
        way = self._ways.get(address, Way()) if way is None else way
        self._let_in(port, way)
        bound = self._bind_so(port, address, patience)
        self._ways[bound] = way
        return bound

    def _let_in(self, port: zmq.Socket[Any], way: Way) -> None:
        """Set how connections come in by the address that is bound next."""
        if way.domain:
            # Without somebody who answers for a domain nobody comes in, else anybody would.
            port.set(zmq.ZAP_ENFORCE_DOMAIN, 1)
            self._asking.add(port)
        elif port not in self._asking:
            return
        port.set(zmq.CURVE_SERVER, int(way.pair is not None))
        if way.pair is not None:
            port.set(zmq.CURVE_SECRETKEY, way.pair.secret.encode())
        port.setsockopt_string(zmq.ZAP_DOMAIN, way.domain or OPEN)

    def _bind_so(self, port: zmq.Socket[Any], address: str, patience: float) -> str:
        endpoint = parse_endpoint(address)
        try:
            bind = functools.partial(binding.bind, port, endpoint, patience, unlocked.bind)
            file = self.meanwhile(bind)
        except zmq.ZMQError as error:
            if endpoint.has_file and error.errno == zmq.EADDRINUSE:
                raise AddressError(f"{address} is in use by a running process") from error
            reason = zmq.strerror(error.errno or 0)
            raise AddressError(f"{address} can't be bound: {reason}") from error
        if file is not None:
            os.chmod(endpoint.path, 0o600)
            self._bound[endpoint.path] = (port, file)
            return endpoint.address
        return port.getsockopt_string(zmq.LAST_ENDPOINT)

    def door_of(self, address: str) -> Door:
        """What the config says of an address at which requests come in."""
        return self._ways[address].door

    def known_to(self, frame: Any) -> tuple[list[str], list[str]]:
        """The addresses for requests and for events that a client can be told.

        Of the transport by which it came these are the ones that it came by: another folder or
        network of ours it may not see. Of the others they are all.

        Args:
            frame: A frame of its request, as received.
        """
        came_by = self._way_of(frame)
        scheme = came_by.partition("://")[0]
        pairs = [
            (requests, events)
            for requests, events in zip(self.addresses, self.event_addresses, strict=True)
            if requests == came_by or not came_by or not requests.startswith(f"{scheme}://")
        ]
        return [requests for requests, _ in pairs], [events for _, events in pairs]

    def _way_of(self, frame: Any) -> str:
        """The address by which a frame came; "" if that isn't known, or any more."""
        if isinstance(frame, bytes | memoryview):
            return self._own  # it came by a lane, from where that address is
        try:
            with socket.socket(fileno=os.dup(frame.get(zmq.SRCFD))) as connection:
                name = connection.getsockname()
        except (AttributeError, OSError, zmq.ZMQError):  # no frame of a socket's; it has gone
            return ""
        for address in self.addresses:
            endpoint = parse_endpoint(address)
            if endpoint.has_file:
                if str(endpoint.path) == name:
                    return address
            elif isinstance(name, tuple) and endpoint.port == name[1]:
                return address
        return ""

    @property
    def files(self) -> list[Path]:
        """The files of the sockets that have some."""
        return list(self._bound)

    def restore(self) -> list[str]:
        """Make the files anew that somebody removed; connections that there are aren't touched.

        Returns:
            Their names.

        Raises:
            AddressError: One can't be bound.
        """
        gone = [path for path in self._bound if not path.exists()]
        for path in gone:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._bind(self._bound[path][0], f"ipc://{path}")
        return [path.name for path in gone]

    def replace_front(self) -> tuple[zmq.Socket[Any], zmq.Socket[Any]]:
        """Put a new socket for clients in place of `front`; returns that one, and the new one.

        The new one is bound by `bind_front`, once the old one is closed by `close_front`.
        """
        old, self.front = self.front, self._make_front()
        return old, self.front

    def close_front(self, old: zmq.Socket[Any]) -> None:
        """Close a socket that was replaced, and remove its files."""
        self._asking.discard(old)
        for path in [path for path, (port, _) in self._bound.items() if port is old]:
            binding.remove(self._bound.pop(path)[1])
        old.close()

    def bind_front(self, addresses: Iterable[str]) -> dict[str, str]:
        """Bind a new socket for clients; waits for nobody.

        Returns:
            Addresses that can't be bound yet, each with the reason: ZeroMQ closes the old one's
            listeners in a thread of its own.
        """
        taken = {}
        for address in addresses:
            try:
                self._bind(self.front, address, 0.0)
            except AddressError as error:
                taken[address] = str(error)
        return taken

    def close(self) -> None:
        """Close the sockets and remove their files, unless others are in their place by now."""
        for _, file in self._bound.values():
            binding.remove(file)
        for port in self._all:
            port.close()


def expect_strangers(port: zmq.Socket[Any]) -> None:
    """Have connections that are half-open, or say nothing, noticed and closed."""
    keep_alive(port)
    port.set(zmq.HANDSHAKE_IVL, HANDSHAKE)
