"""Requests: where each of them stands, and the one answer that each is given.

Pure, as the broker is: what is to be sent is left as effects.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from orchestrator.core.admission import Refusal, read_ids, refuse_unread, response
from orchestrator.core.audit import is_audited, outcome_of
from orchestrator.core.effects import Effects, Fact, Recorded, ToClient
from orchestrator.core.held import HeldBytes
from orchestrator.core.queues import Deadlines, earliest
from orchestrator.core.request import (
    Key,
    Request,
    State,
    about,
    as_it_says,
    asked_for,
    client_span,
)
from orchestrator.core.slots import Slots
from orchestrator.core.tally import Tally, shorten
from transports.exceptions import BY_RESTART, DONE, NOT_STARTED, UNKNOWN, refusal_payload
from transports.headers import (
    CACHED,
    ERROR,
    EXECUTION,
    INVALID_MESSAGE,
    INVOCATION,
    REPLY,
    STREAMS,
    TIMEOUT,
    RequestHeader,
)
from transports.levels import AUDIT, SPAN
from transports.references import Reference

_TIMEOUTS = {INVOCATION: "invocation timeouts", EXECUTION: "execution timeouts"}


class Ledger:
    """The table of requests, which nobody else changes.

    A request leaves it when it is answered and no lane runs it any more.

    Args:
        rig: Id of the rig: who answers.
        effects: Where what is to be done is left.

    Attributes:
        requests: By number.
        unanswered: Those that still owe their client an answer, by client and message id.
        deadlines: Of those that have one.
        counts: How often what happened that isn't a plain answer.
        tally: Tells what strangers cause.
        held: Their bytes.
        streams: The workers of which each client has had streams.
        traces: Whether each request's life is told as facts of level debug.
        slots: Who holds which frames in shared memory.
        audited: The workers of which each request is told when it is answered; see `watch`.
        spans: Whether what came of each one is told for OpenTelemetry.
        tells: Whether what came of any is told: there are spans, or audits.
        records: Whether each one is left as `Recorded`.
        is_watched: Whether there is any of these.
        who: Who asked, for people.
    """

    def __init__(self, rig: str, effects: Effects) -> None:
        self.rig = rig
        self.requests: dict[int, Request] = {}
        self.unanswered: dict[Key, Request] = {}
        self.deadlines: Deadlines[Request] = Deadlines(self.requests)
        self.counts: Counter[str] = Counter()
        self.effects = effects
        self.tally = Tally(effects)
        self.held = HeldBytes()
        self.streams: dict[bytes, set[str]] = {}
        self.traces = False
        self.slots = Slots(effects)
        self.audited: frozenset[str] = frozenset()
        self.records = self.spans = self.tells = self.is_watched = False
        self.who: Callable[[Request], str] = as_it_says

    @property
    def next_deadline(self) -> float | None:
        """When a request's time is over, or a sum is to be told; None while nothing is due."""
        return earliest(self.deadlines.next(), self.tally.next_deadline)

    # -- where a request stands -----------------------------------------------------------

    def enter(self, request: Request) -> None:
        """Take a request up: it is owed an answer from now on."""
        self.requests[request.number] = self.unanswered[request.key] = request
        self.held.add(request)
        if type(request.frames[-1]) is Reference:
            self.slots.keep(request.frames[-1])
        if request.member in STREAMS:
            self.streams.setdefault(request.client, set()).add(request.worker)

    def wait(self, request: Request) -> None:
        """It waits for its lane, until its invocation times out."""
        request.state = State.QUEUED
        request.deadline = request.waits_until
        self.deadlines.add(request)

    def start(self, request: Request, now: float) -> None:
        """Its turn has come: its execution's time runs.

        Until it is known to be claimed, that of its invocation runs too.
        """
        timeout, wait = request.execution_timeout, request.waits_until
        request.state = State.DISPATCHED
        request.started = now
        until = request.runs_until = None if timeout is None else now + timeout
        if not request.claimed and wait is not None and (until is None or wait < until):
            until = wait
        request.deadline = until
        self.deadlines.add(request)

    def claimed(self, request: Request, now: float) -> None:
        """It is known to have started."""
        request.claimed = True
        if request.state is State.QUEUED:
            self.start(request, now)
        else:
            request.deadline = request.runs_until
            self.deadlines.add(request)

    def describe(self, request: Request) -> None:
        """It is answered without its worker."""
        request.state = State.DISPATCHED
        request.deadline = None

    def overrun(self, request: Request, until: float | None = None) -> None:
        """It was answered with a timeout, and still holds its lane; `until`: looked at again."""
        request.state = State.OVERRUN
        request.deadline = until
        self.deadlines.add(request)

    def leave(self, number: int) -> Request:
        """It holds no lane any more. Raises KeyError if there is no such request."""
        request = self.requests.pop(number)
        self.held.remove(request)
        if type(request.frames[-1]) is Reference:
            self.slots.end(request.frames[-1])
        return request

    # -- the answer -----------------------------------------------------------------------

    def pass_on(self, request: Request, frames: list[Any]) -> None:
        """Answer with what the worker replied: header, payload and raw, unread.

        A raw frame in shared memory is leased to the client.
        """
        del self.unanswered[request.key]
        self.counts["answered"] += 1
        if not request.oneway:
            if type(frames[2]) is Reference:
                self.slots.lease(request.client, frames[2])
            self.effects.append(ToClient([request.client, b"", *frames]))

    def answer(self, request: Request, kind: str, payload: bytes, text: str = "") -> None:
        """Answer in the rig's name, a oneway request too; `text` goes into the last frame."""
        self.unanswered.pop(request.key, None)
        frames = response(
            request.client, request.message_id, request.sender, self.rig, kind, payload
        )
        frames[-1] = text.encode()
        self.effects.append(ToClient(frames))

    def time_out(self, request: Request, which: str, keeps: str = "") -> None:
        """Answer that the time is over.

        Args:
            request: The request.
            which: INVOCATION, so it never started, or EXECUTION.
            keeps: What keeps its worker, or it, for people.
        """
        self.counts[_TIMEOUTS[which]] += 1
        if self.tells:
            outcome = NOT_STARTED if which == INVOCATION else UNKNOWN
            self.came_of(request, outcome, f"its {which} timeout has passed")
        self.answer(request, TIMEOUT, msgspec.json.encode(which), keeps)

    def refuse_each(self, requests: Iterable[Request], reason: str) -> None:
        """Answer requests that waited in vain: none of them has started."""
        for request in requests:
            self.leave(request.number)
            self.answer_error(request, "ConnectionRefusedError", reason, NOT_STARTED)

    def answer_other_life(self, request: Request, text: str) -> None:
        """Answer that the only life which may run a request isn't there; `text`: in words."""
        self.note("info", "not started: meant for another life", request, life=request.life)
        self.answer_error(request, "ConnectionAbortedError", text, NOT_STARTED)

    def answer_unless_oneway(self, request: Request, kind: str, payload: bytes) -> None:
        """Answer in the rig's name if the client listens."""
        if request.oneway:
            self.unanswered.pop(request.key, None)
        else:
            self.answer(request, kind, payload)

    def answer_error(
        self,
        request: Request,
        type_: str,
        message: str,
        outcome: str,
        notes: list[str] | None = None,
        *,
        step: str = "",
    ) -> None:
        """Answer with an error if the client listens.

        Args:
            request: The request.
            type_: Name of the builtin exception that the client raises.
            message: What went wrong.
            outcome: What is known of the operation.
            notes: Further lines for people.
            step: What ended it, for programs.
        """
        if self.tells:
            self.came_of(request, outcome, message)
        payload = refusal_payload(type_, message, outcome, notes, step=step)
        self.answer_unless_oneway(request, ERROR, payload)

    def answer_cancelled(self, request: Request, reason: str) -> None:
        """Answer that its worker's life was ended to cancel it, which `reason` tells."""
        text = f"{request.worker}.{request.member} was cancelled while it ran: {reason}"
        if self.tells:
            self.came_of(request, UNKNOWN, text)
        payload = refusal_payload("InterruptedError", text, UNKNOWN, step=BY_RESTART)
        self.answer_unless_oneway(request, ERROR, payload)

    # -- what never becomes a request -----------------------------------------------------

    def is_pending(self, client: bytes, message_id: str | int, now: float) -> bool:
        """Whether a message reuses a pending id: any answer to it would settle that request."""
        if (client, message_id) not in self.unanswered:
            return False
        self.counts["duplicates"] += 1
        text = "message with a pending request's id dropped"
        self.tally.tell("warning", text, now, request=message_id)
        return True

    def stranger(self, now: float, former: str | None = None) -> None:
        """Drop what came over the link from somebody who isn't a worker, or not any more.

        Args:
            now: Monotonic seconds.
            former: The worker whose ended incarnation it was. Its end has been told, and that a
                thread may be left behind.
        """
        if former is None:
            self.counts["strangers"] += 1
            self.tally.tell("warning", "message dropped: its sender is no worker of this rig", now)
        else:
            self.counts["late replies"] += 1
            self.fact("debug", "message of an ended incarnation dropped", worker=former)

    def tell(
        self, client: bytes, header: RequestHeader, kind: str, payload: bytes = b"null"
    ) -> None:
        """Answer a message at once."""
        frames = response(client, header.messageID, header.senderID, self.rig, kind, payload)
        self.effects.append(ToClient(frames))

    def refuse(self, client: bytes, header: RequestHeader, refusal: Refusal, now: float) -> None:
        """Refuse a message that can't be dispatched."""
        self.counts["refused"] += 1
        reason = refusal.message
        self.tally.tell("warning", "request refused", now, request=header.messageID, reason=reason)
        payload = refusal_payload(refusal.type, refusal.message, NOT_STARTED)
        self.tell(client, header, INVALID_MESSAGE, payload)

    def refuse_unread(self, client: bytes, message_id: str, refusal: Refusal, now: float) -> None:
        """Refuse a message whose header couldn't be used."""
        self.counts["refused"] += 1
        self.tally.tell("warning", "malformed message refused", now, reason=refusal.message)
        if not self.is_pending(client, message_id, now):
            self.effects.append(ToClient(refuse_unread(client, message_id, self.rig, refusal)))

    def tell_pending(self, client: bytes, header: RequestHeader, payload: Any) -> None:
        """Answer which of a client's requests are unanswered.

        Raises:
            Refusal: The payload is no list of message ids.
        """
        held = [each for each in read_ids(payload) if (client, each) in self.unanswered]
        self.tell(client, header, REPLY, msgspec.json.encode(held))

    # -- records --------------------------------------------------------------------------

    def watch(
        self,
        *,
        traces: bool | None = None,
        audited: Iterable[str] | None = None,
        records: bool | None = None,
        spans: bool | None = None,
    ) -> None:
        """Have requests told of; what is left out stays as it is.

        Args:
            traces: Whether each one's life is, at level debug.
            audited: Of which workers each one is, with what it was given and what came of it; if
                of any, then orders to the rig are too.
            records: Whether each one is left as `Recorded` when it has ended.
            spans: Whether what came of each one is told for OpenTelemetry.
        """
        self.records = self.records if records is None else records
        self.traces = self.traces if traces is None else traces
        if audited is not None:
            workers = frozenset(audited)
            self.audited = workers and workers | {self.rig}
        self.spans = self.spans if spans is None else spans
        self.tells = self.spans or bool(self.audited)
        self.is_watched = self.traces or self.records or self.tells

    def note(self, level: str, text: str, request: Request, **fields: Any) -> None:
        """Record what happened to a request, and who asked unless its arrival tells that."""
        if level != "debug":
            fields["who"] = self.who(request)
        self.effects.append(Fact(level, text, about(request) | fields))

    def note_arrival(self, request: Request) -> None:
        """Record that a request has come, from whom, and what it was given."""
        fields = {"operation": request.operation, "who": self.who(request)}
        self.effects.append(Fact("debug", "arrived", about(request) | fields, asked_for(request)))

    def note_dispatch(self, request: Request, life: int, now: float) -> None:
        """Record that a request was given to an incarnation."""
        waited = round(now - request.arrived, 6)
        self.note("debug", "dispatched", request, waited=waited, life=life)

    def note_reply(self, request: Request, frames: list[Any], life: int, now: float) -> None:
        """Record that a request was answered by its worker's life with these frames."""
        self.keep(request, life, frames)
        outcome, reason = outcome_of(frames[0], frames[1])
        if self.traces:
            how = "done" if outcome == DONE else "raised"
            seconds, total = round(now - request.started, 6), round(now - request.arrived, 6)
            self.note("debug", "answered", request, how=how, seconds=seconds, total=total)
        if self.tells:
            self.came_of(request, outcome, reason, life)

    def keep(
        self, request: Request, life: int, frames: list[Any] | None = None, *, status: int = 0
    ) -> None:
        """Leave it to be recorded how an operation ended; without frames: with its worker's life,
        which had that exit status.

        What the rig asks by itself isn't, but for stops.
        """
        if self.records and is_audited(request.client, "", request.operation):
            asked = asked_for(request)
            kept = Recorded(request.worker, life, request.member, asked, frames, status)
            self.effects.append(kept)

    def came_of(self, request: Request, outcome: str, reason: str = "", life: int = 0) -> None:
        """Record who asked for what, and what came of it: as a span, and if it is audited.

        Args:
            request: The request.
            outcome: What is known of the operation.
            reason: Why, if it isn't done.
            life: The one of its worker that answered; 0 for none.
        """
        is_traced = self.spans and request.member != CACHED  # which asks no device
        of_rig = request.worker == self.rig
        if not (is_traced or request.worker in self.audited):
            return
        if not is_audited(request.client, request.member, request.operation, of_rig=of_rig):
            return
        fields = {"who": self.who(request), "operation": request.operation, "outcome": outcome}
        if reason:
            fields["reason"] = shorten(reason)
        told, asked = about(request) | fields, asked_for(request)
        if is_traced:
            parent, state = client_span(request)
            span = {"life": life, "parent": parent} | ({"state": state} if state else {})
            self.effects.append(Fact(SPAN, outcome, told | span, asked))
        if request.worker in self.audited:
            self.effects.append(Fact(AUDIT, outcome, told, asked))

    def fact(self, level: str, text: str, **fields: Any) -> None:
        """Record what concerns no request of the table."""
        self.effects.append(Fact(level, text, fields))
