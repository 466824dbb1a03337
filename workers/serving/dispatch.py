"""From a request's frames to its answer's: decode, call the driver, encode. No sockets here.

What can be asked for is a table, made once from the description: (operation, member) to a
function. A client's text is only ever looked up in that table.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Any

import msgspec

from transports import client_ids, terms
from transports.headers import (
    CACHED,
    DESCRIPTION,
    ERROR,
    KINDS,
    REFRESH,
    REPLY,
    STREAMS,
    Operation,
    RequestHeader,
    ResponseHeader,
    decode_request_header,
    encode_header,
)
from transports.serializers import JSON, NULL, TEXT, XORCH, Buffer, split_result
from transports.values.codec import NOTHING
from transports.values.kinds import NoForm
from workers import forks
from workers.driver.adapters.adapted import Members
from workers.driver.coroutines import call_here
from workers.driver.describe import ACTION, PROPERTY, Description, concurrent_members, nearest
from workers.driver.opening import Call
from workers.driver.properties import Properties
from workers.driver.settle import settled
from workers.driver.targets import Target, plain_targets
from workers.driver.thing_description import thing_description
from workers.errors import Interrupted, Terminated
from workers.failures import (
    Refused,
    failure_payload,
    interrupted_payload,
    unsendable_payload,
    unsendable_text,
)
from workers.output import capture, records
from workers.serving.arguments import Fitting, arguments_of
from workers.serving.fence import Fence
from workers.serving.handlers import (
    Handler,
    Met,
    caller,
    many_reader,
    many_writer,
    reader,
    writer,
)
from workers.serving.polling import Poller
from workers.serving.replay import Replay
from workers.serving.slots import NONE, Slots
from workers.serving.streams import Streams
from workers.serving.timing import timed

log = logging.getLogger("workers")

READ, WRITE, INVOKE = str(Operation.READ), str(Operation.WRITE), str(Operation.INVOKE)

Answer = tuple[bytes, Buffer, Any]
"""Response header, payload and raw frame, which may be a `Reference`."""
Outcome = tuple[str, Buffer, str, Any, str]
"""Message type, payload and its content type, raw frame and its content type."""
_NO_ARGUMENTS = (NULL, NOTHING)


class Dispatcher:
    """Performs the requests of one driver. May be used from several threads.

    Attributes:
        poller: Reads what is polled, and has its last values.
        fence: Which requests come too late.
        streams: The generators that the driver gave.
        slots: What it has of shared memory.

    Args:
        driver: The object that is served.
        description: What is served of it.
        rig: Id of the rig, the sender of answers.
        worker: Name of the worker.
        wait: Runs an awaitable to its end and gives its result.
        call: Calls a function where the driver's code is to run.
        seen: Takes note of values of observable properties.
        request_addresses: Where the rig takes requests, for the Thing Description.
        event_addresses: Where it publishes events, likewise.
        targets: How its members are reached, by path; its attributes if left out.
        refresh: Describes the driver anew, with what there is along a path, if one is given.
        met: Is given what a property's value is; tells whether that has members of its own.
        slots: What it has of shared memory.
        spans: Whether it is recorded how long the driver takes over each operation.
    """

    def __init__(
        self,
        driver: object,
        description: Description,
        *,
        rig: str,
        worker: str,
        wait: Callable[[Any], Any],
        seen: Callable[[str, Any], None],
        call: Call = call_here,
        request_addresses: Sequence[str] = (),
        event_addresses: Sequence[str] = (),
        targets: Mapping[str, Target] | None = None,
        refresh: Callable[..., None] | None = None,
        met: Met | None = None,
        slots: Slots = NONE,
        spans: bool = False,
    ) -> None:
        self._driver = driver
        self._rig, self._worker = rig, worker
        self._wait = wait
        self._call = call
        self._seen = seen
        self._request_addresses = request_addresses
        self._event_addresses = event_addresses
        self._refresh = refresh
        self._met = met
        self.slots = slots
        self._spans = spans
        self.fence, self.streams = Fence(worker), Streams(wait)
        self.poller = Poller(description, self._read_property, worker)
        self.offer(description, targets or plain_targets(driver, description))

    def offer(self, description: Description, targets: Mapping[str, Target]) -> None:
        """Serve these members from now on; what runs goes on with those of before."""
        properties = Properties(
            self._driver,
            description,
            targets,
            worker=self._worker,
            wait=self._wait,
            seen=self._seen,
            call=self._call,
        )
        handlers: dict[tuple[str | None, str | None], Handler] = {}
        for name, read in properties.readers.items():
            handlers[READ, name] = reader(read, name, self._met)
            handlers[WRITE, name] = writer(properties.writers[name])
            if description[PROPERTY][name].get(terms.CALLABLE):
                handlers[INVOKE, name] = self._invoker(name, targets[name], {})
        for name, affordance in description[ACTION].items():
            handlers[INVOKE, name] = self._invoker(name, targets[name], affordance)
        if self._spans:
            handlers = {key: timed(handler, self._wait) for key, handler in handlers.items()}
        if self.poller.names:
            handlers[INVOKE, CACHED] = caller(self.poller.cached)
        self._add_builtins(handlers, properties)
        self.streams.beside = frozenset(concurrent_members(description))
        self._properties = properties
        self._description = description
        # What answers by a recording has an answer to all, or refuses it.
        self._handlers: dict[tuple[str | None, str | None], Handler] | Replay = (
            self._driver if type(self._driver) is Replay else handlers
        )

    def respond(self, header: Buffer, payload: Buffer, raw: Buffer) -> Answer:
        """Perform a request; whatever the driver raises becomes an answer too.

        Args:
            header: The client's header frame.
            payload: The client's payload frame.
            raw: The client's frame of raw bytes.

        Raises:
            Terminated: The supervisor ends the process by a signal while the driver ran.
        """
        try:
            request = decode_request_header(header)
        except msgspec.DecodeError as error:
            # the broker has read it before; answered all the same, because it counts answers
            request = RequestHeader(messageType="", messageID="", senderID="", receiverID="")
            outcome: Outcome = (ERROR, failure_payload(error), JSON, b"", TEXT)
        else:
            context = request.thingExecutionContext
            if context and capture.wants_logs(context):
                with capture.captured() as entries:
                    outcome = self._perform(request, payload, raw)
                outcome = _with_logs(outcome, entries)
            else:
                outcome = self._perform(request, payload, raw)
        return self._answer(request, outcome)

    def _answer(self, request: RequestHeader, outcome: Outcome) -> Answer:
        kind, content, content_type, body, body_type = outcome
        answer = ResponseHeader(
            messageType=kind,
            messageID=request.messageID,
            receiverID=request.senderID,
            senderID=self._rig,
            payloadContentType=content_type,
            preencodedPayloadContentType=body_type,
        )
        return encode_header(answer), content, body

    def interrupted(self, header: Buffer) -> Answer:
        """The answer to a request that was interrupted, where nothing else is left of it."""
        request = decode_request_header(header)
        return self._answer(request, self._interrupted(request.objekt or ""))

    def _interrupted(self, member: str, error: BaseException | None = None) -> Outcome:
        content, told = interrupted_payload(f"{self._worker}.{member}", error)
        log.warning("%s", told)
        return ERROR, content, JSON, b"", TEXT

    def perform(self, request: RequestHeader, payload: Buffer, raw: Buffer) -> None:
        """Perform a request whose answer nobody waits for.

        Raises:
            Refused: It doesn't fit the driver, which wasn't reached.
            Exception: Whatever the driver raises.
        """
        records.bind_request(request.messageID, request.objekt or "")
        try:
            handler = self._handlers.get((request.operation, request.objekt))
            handler = handler or self._without_entry(request)
            settled(handler(request, payload, raw), self._wait)
            forks.end_child()
        finally:
            records.unbind_request()

    def _perform(self, request: RequestHeader, payload: Buffer, raw: Buffer) -> Outcome:
        member = request.objekt or ""
        records.bind_request(request.messageID, member)
        try:
            handler = self._handlers.get((request.operation, request.objekt))
            if handler is None:
                handler = self._without_entry(request)
            if self.fence.number:
                self.fence.check(request)
            raw = self.slots.raw(request, raw)
            value = settled(handler(request, payload, raw), self._wait)
            if self.streams.is_stream(value) and request.payloadContentType == XORCH:
                value = self._opened(request, value)
            forks.end_child()
            return _encoded(request, value, self._met, self._driver, self.slots)
        except Terminated:
            raise
        except Refused as refusal:
            return ERROR, refusal.payload, JSON, b"", TEXT
        except Interrupted as error:
            return self._interrupted(member, error)
        except BaseException as error:  # the driver may raise anything, SystemExit included
            forks.end_child(error)
            who = {"who": client_ids.caller(request.senderID)}
            # A triple: logging would ask the error for its traceback, which may raise. And without
            # a name: this frame is in there, and would keep what the driver's frames hold open.
            words = "%s %s raised", request.operation, member
            log.warning(*words, exc_info=(type(error), error, None), extra=who)
            return ERROR, failure_payload(error), JSON, b"", TEXT
        finally:
            records.unbind_request()

    def _read_property(self, name: str) -> Any:
        return settled(self._properties.readers[name](), self._wait)

    def _opened(self, request: RequestHeader, generator: Any) -> Any:
        """What the client has of a generator, of which nothing has run; None if it asks no more."""
        opened = self.streams.open(generator, request.senderID, request.objekt or "")
        context = request.serverExecutionContext
        if isinstance(context, dict) and context.get("oneway"):
            self.streams.step(opened.number, ends=True)
            return None
        return opened

    # --- the table

    def _invoker(self, name: str, target: Target, affordance: Mapping[str, Any]) -> Handler:
        function = target.function
        if issubclass(type(self._driver), Members):
            return caller(lambda *args, **kwargs: function()(*args, **kwargs))
        signature = affordance.get(terms.SIGNATURE, "(...)")
        fitting = Fitting(f"{self._worker}.{name}{signature}", self._call)

        def invoke(request: RequestHeader, payload: Buffer, raw: Buffer) -> Any:
            if payload in _NO_ARGUMENTS and not len(raw):
                return fitting.call(function(), (), {})
            args, kwargs = arguments_of(request, payload, raw)
            return fitting.call(function(), args, kwargs)

        return invoke

    def _add_builtins(
        self, handlers: dict[tuple[str | None, str | None], Handler], properties: Properties
    ) -> None:
        for operation in (Operation.READ_MANY, Operation.READ_ALL):
            handlers[operation, None] = many_reader(properties)
        for operation in (Operation.WRITE_MANY, Operation.WRITE_ALL):
            handlers[operation, None] = many_writer(properties)
        own: dict[str, Callable[..., Any]] = {
            "ping": _ping,
            DESCRIPTION: self._get_thing_description,
            "_get_properties": properties.get,
            "_set_properties": properties.set,
            **dict.fromkeys(STREAMS, self.streams.step),
        }
        if self._refresh is not None:
            own[REFRESH] = self._refresh
        for name, function in own.items():
            # a driver's action of the same name goes first
            handlers.setdefault((INVOKE, name), caller(function))

    def _without_entry(self, request: RequestHeader) -> Handler:
        """The handler of an operation on several members, whose `objekt` isn't one name.

        Raises:
            Refused: There is no such operation or member.
        """
        operation, name = request.operation, request.objekt or ""
        handler = self._handlers.get((operation, None))
        if handler is not None:
            return handler
        if operation not in (READ, WRITE, INVOKE):
            raise Refused("NotImplementedError", f"operation {operation!r:.80} isn't served")
        raise Refused("KeyError", self._unknown(operation, name))

    def _unknown(self, operation: str, name: str) -> str:
        shown = f"{name[:80]!r}"
        if name.startswith("_"):
            return f"{shown} is private"
        wanted = ACTION if operation == INVOKE else PROPERTY
        for kind, sort in KINDS.items():
            if kind != wanted and name in self._description[kind]:
                return f"{shown} of {self._worker} is {sort}, not {KINDS[wanted]}"
        hint = nearest(name, self._description[wanted])
        return f"{self._worker} has no {KINDS[wanted].partition(' ')[2]} {shown}{hint}"

    # --- what every worker has

    def _get_thing_description(
        self,
        protocol: str | None = None,
        ignore_errors: bool = False,
        skip_names: Sequence[str] = (),
    ) -> dict[str, Any]:
        return thing_description(
            self._description,
            rig=self._rig,
            worker=self._worker,
            protocol=protocol,
            request_addresses=self._request_addresses,
            event_addresses=self._event_addresses,
            skip_names=skip_names,
        )


def _ping() -> None:
    """The worker's queue moves."""


def _encoded(
    request: RequestHeader, value: Any, met: Met | None, driver: object, slots: Slots
) -> Outcome:
    try:
        if request.payloadContentType == XORCH:
            if value is None:
                return REPLY, NOTHING, XORCH, b"", TEXT
            content, raw, raw_type = slots.encode(value, request)
            return REPLY, content, XORCH, raw, raw_type
        if value is None:
            return REPLY, NULL, JSON, b"", TEXT
        return REPLY, *split_result(value)
    except Terminated:
        raise
    except BaseException as error:  # noqa: BLE001  methods of the value may take part
        reads = request.operation != INVOKE
        done = f"{request.objekt} was {'read, but its value' if reads else 'done, but its result'}"
        text = unsendable_text(done, value, error)
        if request.objekt in STREAMS and isinstance(value, tuple):
            if isinstance(error, NoForm):
                del error.steps[:1]  # of the pair that an item comes in
            done = "an item of the stream was made, but it"
            text = unsendable_text(done, value[1], error, "item")
        elif reads and met is not None and request.objekt and met(request.objekt, value):
            text += "; but it has members, which are described now, by their paths"
        elif value is driver:
            text = f"{done} can't be sent: it is the driver itself, whose members are the worker's"
        log.error("%s", text)
        return ERROR, unsendable_payload(text), JSON, b"", TEXT


def _with_logs(outcome: Outcome, entries: list[capture.Entry]) -> Outcome:
    """The outcome with the records of its request beside the value or the exception."""
    kind, content, content_type, body, body_type = outcome
    if content_type == XORCH:
        pack = msgspec.msgpack.encode
        logs = pack("execution_logs") + pack(entries)
        content = b"\x82" + pack("return_value") + bytes(content) + logs  # a map of two
        return kind, content, content_type, body, body_type
    logs = b'"execution_logs":' + msgspec.json.encode(entries) + b"}"
    if kind == ERROR:
        content = bytes(content)[:-1] + b"," + logs
    else:
        content = b'{"return_value":' + bytes(content) + b"," + logs
    return kind, content, content_type, body, body_type


def performed_in(frame: FrameType) -> tuple[str | int, str] | None:
    """Id and member of the request that a thread performs, by its stack; None if it does none."""
    performs = Dispatcher._perform.__code__
    for each, _ in traceback.walk_stack(frame):
        if each.f_code is performs and "request" in each.f_locals:
            request: RequestHeader = each.f_locals["request"]
            return request.messageID, request.objekt or ""
    return None
