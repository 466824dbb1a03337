"""A rig as the wire sees it, in a thread: real sockets, no workers, and faults on demand."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import zmq

from orchestrator.client.wakeup import Wakeup
from transports.exceptions import exception_payload, refusal_payload
from transports.headers import (
    ERROR,
    EVENT,
    FRAMES,
    HANDSHAKE,
    INVALID_MESSAGE,
    REPLY,
    TIMEOUT,
    EventHeader,
    Operation,
    RequestHeader,
    ResponseHeader,
    decode_request_header,
    encode_header,
    event_id,
    new_tag,
)
from transports.serializers import JSON, OCTETS, TEXT, XORCH, Buffer, encode
from transports.values import codec

RIG = "bench"


class Request:
    """A request that was received."""

    def __init__(self, client: bytes, header: RequestHeader, payload: bytes, raw: bytes) -> None:
        self.client = client
        self.header = header
        self.raw = raw
        self.is_faithful = header.payloadContentType == XORCH
        self.args: list[Any] = []
        self.payload = codec.decode(payload, raw) if self.is_faithful else json.loads(payload)
        if header.operation == Operation.INVOKE and self.is_faithful and self.payload:
            self.args, self.payload = self.payload
            if self.args:
                self.payload["__args__"] = self.args

    @property
    def name(self) -> str:
        return f"{self.header.thingID}.{self.header.objekt}"


class OwnDriverError(Exception):
    """A driver's exception that isn't a builtin."""


class FakeRig:
    """Answers at once, holds what is named `hold`, loses what is named `lose`.

    Attributes:
        requests: Operations received, in order.
        held: Requests that wait for `release`.
        edit: Changes the header of an answer before it is sent.
        questions: How often a client asked what is pending.
        came: Set with each message received.
    """

    def __init__(self, folder: Path, address: str = "") -> None:
        self.address = address or f"ipc://{folder}/front.ipc"
        self.events = f"ipc://{folder}/events.ipc"
        self.requests: list[Request] = []
        self.held: list[Request] = []
        self.questions = 0
        self.handshakes = 0
        self.malformed = 0
        self.mute = False
        self.edit: Callable[[bytes], bytes] = bytes
        self.came = threading.Condition()
        self.values: dict[str, Any] = {"position": 0.0, "speed": 1, "image": None}
        self.start()

    def start(self) -> None:
        """Bind and serve. Raises what binding raises."""
        self.topics: set[str] = set()
        self._tag = new_tag()
        self._newest: dict[bytes, list[bytes]] = {}
        self._sequence = 0
        self._context: zmq.Context[Any] = zmq.Context()
        self._front = self._context.socket(zmq.ROUTER)
        self._front.set(zmq.IDENTITY, RIG.encode())
        self._front.set(zmq.ROUTER_MANDATORY, 1)
        self._front.set(zmq.LINGER, 200)
        self._publisher = self._context.socket(zmq.XPUB)
        self._publisher.set(zmq.SNDHWM, 0)  # what is lost is for the tests to say
        self._publisher.set(zmq.XPUB_VERBOSE, 1)
        self._publisher.set(zmq.LINGER, 0)
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._bell = Wakeup()
        self._front.bind(self.address)
        self.address = self._front.getsockopt_string(zmq.LAST_ENDPOINT)
        self._publisher.bind(self.events)
        self._thread = threading.Thread(target=self._serve, name="fake-rig")
        self._thread.start()

    def stop(self) -> None:
        """Vanish: sockets close, what was held is forgotten."""
        if self._thread.is_alive():
            self._do(None)
            self._thread.join(10)
            assert not self._thread.is_alive()
        self.held.clear()

    def _do(self, job: Callable[[], None] | None) -> None:
        self._jobs.put(job)
        self._bell.wake()

    def perform(self, job: Callable[[], Any]) -> Any:
        """Run something in the rig's thread and give its result."""
        results: SimpleQueue[Any] = SimpleQueue()
        self._do(lambda: results.put(job()))
        return results.get(timeout=10)

    def release(self) -> int:
        """Answer what is held. Returns how many requests that was."""

        def answer() -> int:
            count = len(self.held)
            for request in self.held:
                self._reply(request, request.payload)
            self.held.clear()
            return count

        count: int = self.perform(answer)
        return count

    def emit(self, name: str, value: Any, skip: int = 0, lost: bool = False) -> None:
        """Publish an event; `skip` sequence numbers are left out before it.

        One that is lost isn't sent, but the rig knows of it.
        """

        def publish() -> None:
            self._sequence += 1 + skip
            payload, raw = codec.encode(value)
            header = EventHeader(
                messageType=EVENT,
                messageID=event_id(self._sequence, tag=self._tag),
                senderID=f"{RIG}/event-publisher",
                eventID=name,
                payloadContentType=XORCH,
                preencodedPayloadContentType=OCTETS if len(raw) else TEXT,
            )
            frames = [f"@{name}".encode(), b"", encode_header(header), bytes(payload), bytes(raw)]
            self._newest[frames[0]] = frames
            if not lost:
                self._publisher.send_multipart(frames)

        self.perform(publish)

    def say(self, frames: list[bytes], client: bytes) -> None:
        """Send a client any frames."""
        self.perform(lambda: self._front.send_multipart([client, *frames]))

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds that messages received bring about."""
        with self.came:
            assert self.came.wait_for(condition, 20)

    def _serve(self) -> None:
        poller = zmq.Poller()
        for source in (self._front, self._publisher, self._bell.fd):
            poller.register(source, zmq.POLLIN)
        try:
            while True:
                ready = dict(poller.poll())
                if self._bell.fd in ready:
                    self._bell.clear()
                while not self._jobs.empty():
                    job = self._jobs.get()
                    if job is None:
                        return
                    job()
                if self._publisher in ready:
                    self._echo(self._publisher.recv())
                if self._front in ready:
                    frames = self._front.recv_multipart()
                    if len(frames) != FRAMES:
                        self.malformed += 1
                    elif not self.mute:
                        self._take(frames)
                    with self.came:
                        self.came.notify_all()
        finally:
            for each in (self._front, self._publisher, self._bell):
                each.close()
            self._context.term()

    def wait_for_subscriber(self, topic: str) -> None:
        """Wait until somebody has subscribed to a topic since `start`."""
        self.wait_for(lambda: f"@{topic}" in self.topics)

    def _echo(self, subscription: bytes) -> None:
        self.topics.add(subscription[1:].decode())
        with self.came:
            self.came.notify_all()
        if subscription.startswith(b"\1?") and not self.mute:
            _, known, topic = subscription[2:].split(b" ", 2)
            newest = self._newest.get(topic)
            if newest is None or (known and known in newest[2]):
                newest = [b""] * FRAMES
            self._publisher.send_multipart([subscription[1:], b"", *newest[2:]])

    def _take(self, frames: list[bytes]) -> None:
        client, _, head, payload, raw = frames
        header = decode_request_header(head)
        request = Request(client, header, payload, raw)
        if header.messageType == HANDSHAKE:
            self.handshakes += 1
            self._reply(request, None, HANDSHAKE)
        elif header.operation == Operation.PENDING:
            self.questions += 1
            held = [each.header.messageID for each in self.held if each.client == client]
            self._reply(request, [each for each in request.payload if each in held])
        else:
            self.requests.append(request)
            self._perform(request)

    def _perform(self, request: Request) -> None:
        context = request.header.serverExecutionContext
        oneway = isinstance(context, dict) and context.get("oneway")
        member = request.header.objekt or ""
        if member == "get_thing_description":
            self._reply(request, describe(request.header.thingID or "", self.events))
        elif member == "status":
            workers = [
                {"name": "stage", "state": "READY"},
                {"name": "laser", "state": "STARTING"},
            ]
            self._reply(request, {"rig": RIG, "workers": workers})
        elif oneway or member == "lose":
            return
        elif member == "cancel":
            found = {"verdict": "runs", "worker": "stage", "member": "hold", "steps": []}
            self._reply(request, found)
        elif member == "hold":
            self.held.append(request)
        elif member == "tell":
            self._tell(request)
        elif request.header.operation == Operation.READ:
            self._reply(request, self.values[member])
        elif request.header.operation == Operation.WRITE:
            self.values[member] = request.payload
            self._reply(request, None)
        else:
            self._reply(request, request.args[0] if member == "snap" else request.payload)

    def _tell(self, request: Request) -> None:
        """Answer with the fault that the argument names."""
        kind = request.payload["kind"]
        if kind in ("invokation", "execution"):
            self._reply(request, kind, TIMEOUT)
            return
        if kind == "refused":
            payload = refusal_payload("ValueError", "it makes no sense", "not started")
            self._send(request, INVALID_MESSAGE, payload)
            return
        faults: dict[str, tuple[Exception, str]] = {
            "key": (KeyError("axis"), "failed"),
            "own": (OwnDriverError("jammed"), "failed"),
            "died": (ConnectionResetError("worker stage died"), "unknown"),
            "down": (ConnectionRefusedError("worker stage is FAILED"), "not started"),
        }
        error, outcome = faults[kind]
        self._send(request, ERROR, exception_payload(error, outcome))

    def _reply(self, request: Request, value: Any, kind: str = REPLY) -> None:
        if request.is_faithful and kind == REPLY:
            payload, raw = codec.encode(value)
            self._send(request, kind, payload, raw, XORCH)
        else:
            self._send(request, kind, encode(value))

    def _send(
        self,
        request: Request,
        kind: str,
        payload: Buffer,
        raw: Buffer = b"",
        content_type: str = JSON,
    ) -> None:
        header = ResponseHeader(
            messageType=kind,
            messageID=request.header.messageID,
            receiverID=request.header.senderID,
            senderID=RIG,
            payloadContentType=content_type,
            preencodedPayloadContentType=OCTETS if len(raw) else TEXT,
        )
        head = self.edit(encode_header(header))
        try:
            self._front.send_multipart([request.client, b"", head, payload, raw])
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise


def describe(worker: str, events: str) -> dict[str, Any]:
    """The Thing Description of any worker here."""
    form = {"op": "subscribeevent", "href": events, "contentType": JSON}
    actions = {name: {} for name in ("move", "hold", "lose", "tell", "read", "snap")}
    actions["move"] = {"description": "Go there.", "orch:signature": "(x: float) -> None"}
    return {
        "id": worker,
        "title": "Stage",
        "properties": {"position": {"readOnly": True}, "speed": {}, "image": {}},
        "actions": actions,
        "events": {"moved": {"forms": [form]}, "moved_far": {"forms": [form]}},
    }
