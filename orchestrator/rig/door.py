"""The door: who comes in shows the token of a worker's present life, or a client's key.

A socket with a receive mark has to be kept from strangers: what they send behind more than is
read, and leave, ends the process (see `transports.keepalive`). So libzmq asks here, by its own
protocol for that (ZAP, RFC 27, https://rfc.zeromq.org/spec/27/), before it takes a connection's
first message. It waits for the answer as long as a handshake may take: while nobody answers,
nobody comes in.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import zmq

from orchestrator.rig.gate import Gate
from orchestrator.rig.host_keys import DOMAIN as HOSTS
from orchestrator.rig.host_keys import HostKeys
from orchestrator.rig.sockets import EVENTS
from transports.frames import TooManyFrames, receive, send

ADDRESS = "inproc://zeromq.zap.01"
"""Where libzmq asks, fixed by its protocol."""
_VERSION = b"1.0"
_NUMBER, _DOMAIN, _ADDRESS, _MECHANISM, _CREDENTIALS = 3, 4, 5, 7, 8
"""Where the question's parts stand, behind routing id and delimiter."""
_MOST = 10
_YES, _NO = (b"200", b"OK"), (b"400", b"not let in")


class Door:
    """Answers whether a connection is let in: a worker's publisher, a client, or another host.

    Args:
        context: The one of the rig's sockets.
        tokens: Those of the incarnations that live.
        gate: Knows the clients.
        hosts: Knows who comes from other hosts.

    Attributes:
        socket: Readable when there is something to `answer`.
    """

    def __init__(
        self,
        context: zmq.Context[Any],
        tokens: Container[bytes],
        gate: Gate,
        hosts: HostKeys,
    ) -> None:
        self.socket: zmq.Socket[Any] = context.socket(zmq.ROUTER)
        self.socket.set(zmq.LINGER, 0)
        self.socket.set(zmq.RCVHWM, 0)
        self.socket.bind(ADDRESS)
        self._tokens = tokens
        self._gate = gate
        self._hosts = hosts

    def answer(self) -> None:
        """Answer one question, if there is one."""
        frames = receive(self.socket, _MOST)
        if isinstance(frames, TooManyFrames) or len(frames) < _CREDENTIALS:
            return  # libzmq asks in no other form
        mechanism = frames[_MECHANISM].bytes
        credentials = [each.bytes for each in frames[_CREDENTIALS:]]
        domain = frames[_DOMAIN].bytes.decode("utf-8", "replace")
        if domain == EVENTS:
            is_worker = len(credentials) == 2 and credentials[1] in self._tokens
            user = "worker" if is_worker else ""
        elif domain == HOSTS:
            user = self._hosts.name_of(mechanism, credentials)
        else:
            user = self._gate.let_in(domain, mechanism, credentials)
            if not user:
                self._gate.refused(frames[_ADDRESS].bytes.decode("utf-8", "replace"))
        code, text = _YES if user else _NO
        number = frames[_NUMBER].bytes
        send(self.socket, [frames[0], b"", _VERSION, number, code, text, user.encode(), b""])

    def close(self) -> None:
        """Let nobody in any more."""
        self.socket.close()
