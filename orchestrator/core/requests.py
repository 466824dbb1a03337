"""The broker's books: which requests it knows, and the one answer that each is given.

Pure, as the broker is: what is to be sent is left as effects.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from orchestrator.core.admission import Refusal, refuse_unread, response
from orchestrator.core.effects import Effect, Fact, ToClient
from orchestrator.core.pending import Deadlines, Key, Request
from transports.exceptions import NOT_STARTED, refusal_payload
from transports.headers import ERROR, INVALID_MESSAGE, RequestHeader


class Ledger:
    """The table of requests. One leaves it when it is answered and no lane runs it any more.

    Args:
        rig: Id of the rig: who answers.

    Attributes:
        requests: By number.
        unanswered: Those that still owe their client an answer, by client and message id.
        deadlines: Of those that have one.
        counts: How often what happened that isn't a plain answer.
        effects: What the loop is to do, in order.
    """

    def __init__(self, rig: str) -> None:
        self.rig = rig
        self.requests: dict[int, Request] = {}
        self.unanswered: dict[Key, Request] = {}
        self.deadlines = Deadlines(self.requests)
        self.counts: Counter[str] = Counter()
        self.effects: list[Effect] = []

    def enter(self, request: Request) -> None:
        """Take a request up: it is owed an answer from now on."""
        self.requests[request.number] = self.unanswered[request.key] = request

    # -- the answer -----------------------------------------------------------------------

    def pass_on(self, request: Request, frames: list[Any]) -> None:
        """Answer with what the worker replied: header, payload and raw, unread."""
        del self.unanswered[request.key]
        self.counts["answered"] += 1
        if not request.oneway:
            self.effects.append(ToClient([request.client, b"", *frames]))

    def answer(self, request: Request, kind: str, payload: bytes) -> None:
        """Answer in the rig's name, a oneway request too."""
        self.unanswered.pop(request.key, None)
        frames = response(
            request.client, request.message_id, request.sender, self.rig, kind, payload
        )
        self.effects.append(ToClient(frames))

    def answer_unless_oneway(self, request: Request, kind: str, payload: bytes) -> None:
        """Answer in the rig's name if the client listens."""
        if request.oneway:
            self.unanswered.pop(request.key, None)
        else:
            self.answer(request, kind, payload)

    def answer_error(self, request: Request, type_: str, message: str, outcome: str) -> None:
        """Answer with an error if the client listens.

        Args:
            request: The request.
            type_: Name of the builtin exception that the client raises.
            message: What went wrong.
            outcome: What is known of the operation.
        """
        self.answer_unless_oneway(request, ERROR, refusal_payload(type_, message, outcome))

    # -- what never becomes a request -----------------------------------------------------

    def is_pending(self, client: bytes, message_id: str | int) -> bool:
        """Whether a message reuses a pending id: any answer to it would settle that request."""
        if (client, message_id) not in self.unanswered:
            return False
        self.counts["duplicates"] += 1
        self.fact("warning", "message with a pending request's id dropped", request=message_id)
        return True

    def tell(
        self, client: bytes, header: RequestHeader, kind: str, payload: bytes = b"null"
    ) -> None:
        """Answer a message at once."""
        frames = response(client, header.messageID, header.senderID, self.rig, kind, payload)
        self.effects.append(ToClient(frames))

    def refuse(self, client: bytes, header: RequestHeader, refusal: Refusal) -> None:
        """Refuse a message that can't be dispatched."""
        self.counts["refused"] += 1
        self.fact("warning", "request refused", request=header.messageID, reason=refusal.message)
        payload = refusal_payload(refusal.type, refusal.message, NOT_STARTED)
        self.tell(client, header, INVALID_MESSAGE, payload)

    def refuse_unread(self, client: bytes, message_id: str, refusal: Refusal) -> None:
        """Refuse a message whose header couldn't be used."""
        self.counts["refused"] += 1
        self.fact("warning", "malformed message refused", reason=refusal.message)
        if not self.is_pending(client, message_id):
            self.effects.append(ToClient(refuse_unread(client, message_id, self.rig, refusal)))

    # -- records --------------------------------------------------------------------------

    def note(self, level: str, text: str, request: Request, **fields: Any) -> None:
        """Record what happened to a request."""
        about = {"worker": request.worker, "member": request.member, "request": request.message_id}
        self.effects.append(Fact(level, text, about | fields))

    def fact(self, level: str, text: str, **fields: Any) -> None:
        """Record what concerns no request of the table."""
        self.effects.append(Fact(level, text, fields))
