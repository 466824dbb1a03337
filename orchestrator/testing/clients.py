"""Clients of a simulated rig: what they send, and that it is noted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from orchestrator.core.rig import Rig
from orchestrator.testing.judge import Asked, Judge
from orchestrator.testing.messages import addressed, request_frames
from transports.headers import HANDSHAKE, OPERATION, Operation, execution_context


class SimulatedClients:
    """All clients of a rig.

    Args:
        core: The rig.
        judge: Is told what is asked.
        now: Virtual seconds.
        settle: Has what a message leads to done.
    """

    def __init__(
        self, core: Rig, judge: Judge, now: Callable[[], float], settle: Callable[[], None]
    ) -> None:
        self._core = core
        self._judge = judge
        self._now = now
        self._settle = settle
        self._ids: Counter[str] = Counter()

    def ask(
        self,
        client: str,
        worker: str,
        member: str = "move",
        *,
        payload: bytes = b"null",
        invocation_timeout: float | None = None,
        execution_timeout: float | None = None,
        oneway: bool = False,
        life: int | None = None,
    ) -> Asked:
        """Send a request; timeouts in seconds, None for no limit; `life`: the only one meant."""
        times = (self._now(), invocation_timeout, execution_timeout)
        id_ = self._new_id(client)
        asked = self._judge.ask(client, id_, worker, member, *times, oneway=oneway)
        asked.only = "" if life is None else f"{worker}-{life}"
        context = execution_context(invocation_timeout, execution_timeout, oneway)
        about = addressed(worker, life), member, Operation.INVOKE, context, payload
        self._send(client, OPERATION, asked.id, *about)
        return asked

    def shake_hands(self, client: str) -> None:
        """Send a handshake, which is answered at once."""
        id_ = self._new_id(client)
        self._judge.expect(client, id_)
        self._send(client, HANDSHAKE, id_)

    def repeat(self, asked: Asked) -> None:
        """Send a request's id once more: it is dropped while the first is unanswered."""
        if not asked.answers and not asked.oneway:
            self._send(asked.client, OPERATION, asked.id, asked.worker, "other", Operation.INVOKE)

    def send(self, client: str, frames: list[bytes]) -> None:
        """Send whatever it is, in place of the frames behind the identity."""
        self._judge.send_rubbish(client)
        self._core.receive_client([client.encode(), *frames][:5], self._now(), len(frames) + 1)
        self._settle()

    def _send(self, client: str, kind: str, id_: str, *about: Any) -> None:
        frames = request_frames(self._core.name, client, kind, id_, *about)
        self._core.receive_client(frames, self._now())
        self._settle()

    def _new_id(self, client: str) -> str:
        self._ids[client] += 1
        return f"{client} {self._ids[client]}"
