"""The end of what has started, step by step: each has its time, then the next one is taken.

Pure. First come the driver's own stops, which are called beside the operation; then its Python code
is interrupted; then, only if somebody wants that, its worker gets another life. Which of them there
are is said by the worker's `Means`. It is over when the operation has ended, whatever brought that
about, or when no step is left: then it goes on, and that is told.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from orchestrator.core.effects import Effects, ToWorker
from orchestrator.core.own_client import in_words, request_frames
from orchestrator.core.own_ids import OWN
from orchestrator.core.peers import Peer
from orchestrator.core.request import Request
from orchestrator.core.requests import Ledger
from transports.exceptions import BY_RESTART, INTERRUPT
from transports.headers import REPLY, Operation, decode_response_header
from transports.link import CONTROL, Interrupt, encode_control

STOPPER = OWN + b"cancel"
"""Identity of the client that calls drivers' stops."""

Submit = Callable[[list[Any], float], None]
"""Takes a message as a client's."""
CutShort = Callable[[str, str, float], bool]
"""Has a worker's life end, for a reason, and another one follow; False where there is none."""
GoesOn = Callable[[Request, tuple[str, ...]], None]
"""Is told of an operation that goes on, and which steps were taken in vain."""


class _Climb:
    """An operation that is to end."""

    __slots__ = ("asked", "due", "request", "step", "steps", "tried")

    def __init__(self, request: Request, steps: deque[str], now: float) -> None:
        self.request = request
        self.steps = steps
        self.step = ""
        self.due = now
        self.asked = ""  # id of the request for the driver's stop, until it is answered
        self.tried: tuple[str, ...] = ()


class Ladder:
    """Ends operations that have started.

    It acts in `tick` alone, so that nothing begins while its caller is at something else.

    Args:
        ledger: The requests.
        peers: The workers, by name.
        effects: Where what is to be done is left.
        submit: Takes the requests for drivers' stops.
        cut_short: Restarts workers.
        goes_on: Is told what couldn't be ended.
    """

    def __init__(
        self,
        ledger: Ledger,
        peers: Mapping[str, Peer],
        effects: Effects,
        *,
        submit: Submit,
        cut_short: CutShort,
        goes_on: GoesOn,
    ) -> None:
        self._ledger = ledger
        self._peers = peers
        self._effects = effects
        self._submit = submit
        self._cut_short = cut_short
        self._goes_on = goes_on
        self._climbs: dict[int, _Climb] = {}  # by the number of the request
        self._number = 0

    @property
    def next_deadline(self) -> float | None:
        """When `tick` is due; None while nothing is to end."""
        if not self._climbs:
            return None
        due = min(each.due for each in self._climbs.values())
        return None if due == math.inf else due

    def climb(self, request: Request, now: float, *, restart: bool = False) -> None:
        """Have an operation end that has started; `restart`: if need be, with its worker's life."""
        if request.client == STOPPER:
            return
        climb = self._climbs.get(request.number)
        if climb is None:
            steps = deque(self._peers[request.worker].means.of(request.member))
            climb = self._climbs[request.number] = _Climb(request, steps, now)
        if restart:
            climb.steps.append(BY_RESTART)  # after which none is taken: its life is over

    def ended(self, request: Request) -> tuple[str, ...]:
        """An operation has ended, or never was one.

        Returns:
            The steps that were taken to end it; the last one was when it ended.
        """
        climb = self._climbs.pop(request.number, None)
        if climb is None:
            return ()
        if climb.tried:
            self._ledger.note("info", f"ended after {climb.tried[-1]}", request)
        return climb.tried

    def tick(self, now: float) -> None:
        """Take the steps that are due."""
        for climb in [each for each in self._climbs.values() if each.due <= now]:
            self._step(climb, now)

    def answered(self, frames: list[Any]) -> None:
        """A driver's stop has returned, or it failed: then the next step is due at once."""
        header = decode_response_header(bytes(frames[2]))
        for climb in self._climbs.values():
            if climb.asked == header.messageID:
                climb.asked = ""
                if header.messageType != REPLY:
                    climb.due = 0.0
                    text = f"its stop, {climb.step}, failed"
                    reason = _reason(bytes(frames[3]))
                    self._ledger.note("warning", text, climb.request, reason=reason)

    # -- how ------------------------------------------------------------------------------

    def _step(self, climb: _Climb, now: float) -> None:
        request = climb.request
        peer = self._peers[request.worker]
        while climb.due <= now:
            if not climb.steps:
                del self._climbs[request.number]
                self._tell_vain(climb)
                self._goes_on(request, climb.tried)
                return
            climb.step = step = climb.steps.popleft()
            climb.asked = ""
            if step == INTERRUPT:
                taken = self._interrupt(request, peer)
            elif step == BY_RESTART:
                reason = f"{request.member} was cancelled, by a restart"
                taken = self._cut_short(request.worker, reason, now)
            else:
                self._call(step, climb, now)
                taken = True
            if taken:
                climb.tried = (*climb.tried, step)
                climb.due = math.inf if step == BY_RESTART else now + peer.means.grace
                self._ledger.note("info", f"is to end: {step}", request)

    def _tell_vain(self, climb: _Climb) -> None:
        if climb.tried:
            text = f"goes on, in spite of {' and '.join(climb.tried)}"
            self._ledger.note("warning", text, climb.request)

    def _interrupt(self, request: Request, peer: Peer) -> bool:
        if not peer.beside.open:
            return False
        control = encode_control(Interrupt(request.ticket, peer.means.grace))
        self._effects.append(ToWorker([peer.beside.id, CONTROL, control, b"", b""], 0))
        return True

    def _call(self, action: str, climb: _Climb, now: float) -> None:
        """Call the driver's stop. How long it may run is for its own sake not limited."""
        self._number += 1
        climb.asked = f"cancel {self._number}"
        grace = self._peers[climb.request.worker].means.grace
        about = self._ledger.rig, climb.request.worker, action, climb.asked
        asked = request_frames(STOPPER, *about, grace, None, Operation.INVOKE)
        self._submit(asked, now)


def _reason(payload: bytes) -> str:
    """What an answer says that isn't a reply."""
    content = msgspec.json.decode(payload)
    error = content.get("exception") if isinstance(content, dict) else None
    return in_words(error) if error else str(content)
