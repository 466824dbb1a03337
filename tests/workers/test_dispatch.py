from __future__ import annotations

import asyncio
import importlib.util
import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from transports.headers import RequestHeader, decode_response_header, encode_header
from transports.serializers import (
    JSON,
    MSGPACK,
    NPY,
    OCTETS,
    TEXT,
    Buffer,
    decode_array,
    encode_array,
)
from workers import Event, prop
from workers.driver.adapters.adapted import Members
from workers.driver.describe import describe
from workers.errors import Terminated
from workers.failures import import_place
from workers.output import capture
from workers.serving.dispatch import Dispatcher


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class Treacherous(Exception):
    __notes__ = 3  # type: ignore[assignment]


class Device:
    note: str = "first"
    blob: bytes | str | None = None
    ready = Event()

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self._level = 1.0
        self._image = np.zeros((2, 3), dtype=np.uint8)

    @prop(unit="V", observable=True)
    def level(self) -> float:
        return self._level

    @level.setter
    def level(self, value: float) -> None:
        if value < 0:
            raise ValueError("level must not be negative")
        self._level = float(value)

    @prop(observable=True)
    def image(self) -> Any:
        return self._image

    @image.setter
    def image(self, value: Any) -> None:
        self._image = value

    @property
    def fixed(self) -> int:
        return 7

    @property
    def broken(self) -> int:
        raise OSError("the line is dead")

    @property
    async def slow(self) -> int:
        await asyncio.sleep(0)
        return 11

    def add(self, a: float, b: float = 1) -> float:
        self.calls.append((a, b))
        return a + b

    def take(self, *args: Any, **kwargs: Any) -> Any:
        self.calls.append((args, kwargs))

    def give(self, what: str) -> Any:
        return {
            "bytes": b"\x00\xff",
            "pair": ({"n": 1}, b"raw"),
            "array": np.arange(6).reshape(2, 3),
            "object": object(),
            "nan": math.nan,
            "text": "grün",
            "surrogate": "\ud800",
            "generator": (x for x in ()),
        }[what]

    def raise_(self, what: str) -> None:
        errors: dict[str, BaseException] = {
            "value": ValueError("out of range"),
            "exit": SystemExit(3),
            "interrupt": KeyboardInterrupt(),
            "generator": GeneratorExit(),
            "stop": StopIteration(1),
            "group": ExceptionGroup("several", [ValueError("a"), KeyError("b")]),
            "unprintable": Unprintable(),
            "treacherous": Treacherous("boo"),
            "surrogate": RuntimeError("\udcff"),
            "own": LookupError("nowhere"),
            "cancelled": asyncio.CancelledError(),
        }
        raise errors[what]

    def talk(self) -> int:
        logging.getLogger("driver").warning("first %s", 1)
        logging.getLogger("driver").error("second")
        return 5

    def talk_and_fail(self) -> None:
        logging.getLogger("driver").error("before the end")
        raise ValueError("the end")

    async def later(self, value: int) -> int:
        await asyncio.sleep(0)
        return value

    async def fail_later(self) -> None:
        raise SystemExit(4)

    def _secret(self) -> str:
        raise AssertionError("private")

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"looked for {name}")


class Answer:
    def __init__(self, header: bytes, payload: Buffer, raw: Buffer) -> None:
        self.header = decode_response_header(header)
        self.type = self.header.messageType
        self.payload = bytes(payload)
        self.raw = bytes(raw)

    @property
    def value(self) -> Any:
        assert self.type == "REPLY", self.payload
        return msgspec.json.decode(self.payload)

    @property
    def error(self) -> dict[str, Any]:
        assert self.type == "EXCEPTION", self.payload
        found: dict[str, Any] = msgspec.json.decode(self.payload)["exception"]
        return found


class Desk:
    """A dispatcher with its driver and what it noticed."""

    def __init__(self) -> None:
        self.driver = Device()
        self.seen: list[tuple[str, Any]] = []
        self.dispatcher = Dispatcher(
            self.driver,
            describe(Device),
            rig="bench",
            worker="device",
            wait=run,
            seen=lambda name, value: self.seen.append((name, value)),
            request_addresses=["ipc:///front"],
            event_addresses=["ipc:///events"],
        )

    def ask(
        self,
        operation: str,
        objekt: str | None,
        payload: Any = None,
        raw: Buffer = b"",
        **header: Any,
    ) -> Answer:
        head = RequestHeader(
            messageType="OPERATION",
            messageID="id-1",
            senderID="client",
            receiverID="bench",
            thingID="device",
            objekt=objekt,
            operation=operation,
            **header,
        )
        body = payload if isinstance(payload, bytes) else msgspec.json.encode(payload)
        return Answer(*self.dispatcher.respond(encode_header(head), body, raw))

    def call(self, action: str, /, *args: Any, **kwargs: Any) -> Answer:
        if args:
            kwargs["__args__"] = list(args)
        return self.ask("invokeaction", action, kwargs or None)


def run(awaitable: Any) -> Any:
    async def wait() -> Any:
        return await awaitable

    return asyncio.run(wait())


@pytest.fixture
def desk() -> Desk:
    return Desk()


# --- properties


def test_a_property_is_read(desk: Desk):
    answer = desk.ask("readproperty", "fixed")
    assert answer.value == 7
    header = answer.header
    assert (header.messageID, header.receiverID, header.senderID) == ("id-1", "client", "bench")
    assert (header.payloadContentType, header.preencodedPayloadContentType) == (JSON, TEXT)


def test_an_integer_message_id_is_echoed_as_one(desk: Desk):
    head = (
        b'{"messageType":"OPERATION","messageID":17,"senderID":"c","receiverID":"bench",'
        b'"thingID":"device","objekt":"fixed","operation":"readproperty"}'
    )
    assert Answer(*desk.dispatcher.respond(head, b"null", b"")).header.messageID == 17


def test_a_property_is_written(desk: Desk):
    assert desk.ask("writeproperty", "note", "second").value is None
    assert desk.driver.note == "second"


def test_raw_bytes_are_the_value_if_there_are_any(desk: Desk):
    desk.ask("writeproperty", "blob", "ignored", b"\x01\x02")
    assert desk.driver.blob == b"\x01\x02"


def test_an_empty_raw_frame_is_no_value(desk: Desk):
    desk.ask("invokeaction", "take", None, b"", preencodedPayloadContentType=OCTETS)
    assert desk.driver.calls == [((), {})]


def test_an_array_is_written_as_one(desk: Desk):
    array = np.arange(6, dtype=np.int16).reshape(2, 3)
    raw = encode_array(array)
    desk.ask("writeproperty", "image", None, raw, preencodedPayloadContentType=NPY)
    assert isinstance(desk.driver._image, np.ndarray)
    assert desk.driver._image.dtype == np.int16
    assert (desk.driver._image == array).all()


def test_the_payloads_content_type_is_used(desk: Desk):
    packed = msgspec.msgpack.encode(b"\x00")
    desk.ask("writeproperty", "blob", packed, payloadContentType=MSGPACK)
    assert desk.driver.blob == b"\x00"
    desk.ask("writeproperty", "note", b"plain", payloadContentType=TEXT)
    assert desk.driver.note == "plain"


def test_an_awaitable_property_is_waited_for(desk: Desk):
    assert desk.ask("readproperty", "slow").value == 11


def test_what_the_driver_refuses_is_its_exception(desk: Desk):
    error = desk.ask("writeproperty", "level", -1).error
    assert (error["type"], error["message"]) == ("ValueError", "level must not be negative")
    assert error["outcome"] == "failed"


def test_a_read_only_property_is_not_touched(desk: Desk):
    error = desk.ask("writeproperty", "fixed", 1).error
    assert (error["type"], error["outcome"]) == ("AttributeError", "not started")
    assert error["message"] == "device.fixed is read-only"


# --- actions


def test_keyword_and_positional_arguments(desk: Desk):
    assert desk.call("add", a=2, b=3).value == 5
    assert desk.call("add", 2, 3).value == 5
    assert desk.call("add", 2, b=4).value == 6
    assert desk.call("add", 2).value == 3
    assert desk.driver.calls == [(2, 3), (2, 3), (2, 4), (2, 1)]


def test_no_arguments_at_all(desk: Desk):
    for payload in (b"null", b"{}", b' {"__args__": []} '):
        assert desk.ask("invokeaction", "take", payload).value is None
    assert desk.driver.calls == [((), {})] * 3


def test_raw_bytes_are_the_first_positional_argument(desk: Desk):
    desk.ask("invokeaction", "take", {"a": 1, "__args__": [2]}, b"raw")
    desk.ask("invokeaction", "take", None, b"raw")
    assert desk.driver.calls == [((b"raw", 2), {"a": 1}), ((b"raw",), {})]


def test_a_raw_array_is_an_array(desk: Desk):
    raw = encode_array(np.ones((4, 5)))
    desk.ask("invokeaction", "take", {"a": 1}, raw, preencodedPayloadContentType=NPY)
    (array,), kwargs = desk.driver.calls[0]
    assert array.shape == (4, 5)
    assert kwargs == {"a": 1}


@pytest.mark.parametrize(
    ("kwargs", "text"),
    [
        ({}, "missing a required argument: 'a'"),
        ({"a": 1, "speed": 2}, "got an unexpected keyword argument 'speed'"),
        ({"__args__": [1, 2, 3]}, "too many positional arguments"),
        ({"a": 1, "__args__": [1]}, "multiple values for argument 'a'"),
    ],
)
def test_wrong_arguments_read_as_in_python(desk: Desk, kwargs: dict[str, Any], text: str):
    error = desk.ask("invokeaction", "add", kwargs).error
    assert error["type"] == "TypeError"
    assert error["message"].startswith("device.add(a")
    assert text in error["message"]
    assert error["outcome"] == "not started"
    assert desk.driver.calls == []


@pytest.mark.parametrize("payload", [[1], "x", 3, True])
def test_a_payload_that_holds_no_arguments(desk: Desk, payload: Any):
    error = desk.ask("invokeaction", "take", payload).error
    assert (error["type"], error["outcome"]) == ("AttributeError", "not started")
    assert desk.driver.calls == []


def test_positional_arguments_must_be_a_list(desk: Desk):
    error = desk.ask("invokeaction", "take", {"__args__": "abc"}).error
    assert (error["type"], error["outcome"]) == ("TypeError", "not started")


def test_async_actions_run_to_their_end(desk: Desk):
    assert desk.call("later", 3).value == 3
    assert desk.call("fail_later").error["message"] == "SystemExit: 4"


# --- results


def test_bytes_and_pairs_travel_raw(desk: Desk):
    answer = desk.call("give", "bytes")
    assert (answer.payload, answer.raw) == (b"null", b"\x00\xff")
    answer = desk.call("give", "pair")
    assert (answer.value, answer.raw) == ({"n": 1}, b"raw")


def test_arrays_travel_raw(desk: Desk):
    answer = desk.call("give", "array")
    assert answer.payload == b"null"
    assert answer.header.preencodedPayloadContentType == NPY
    assert (decode_array(answer.raw) == np.arange(6).reshape(2, 3)).all()


def test_json_results(desk: Desk):
    assert desk.call("give", "text").value == "grün"
    assert desk.call("give", "nan").value is None


@pytest.mark.parametrize(("what", "kind"), [("object", "object"), ("generator", "generator")])
def test_a_result_that_cannot_be_sent_says_that_it_was_done(desk: Desk, what: str, kind: str):
    error = desk.call("give", what).error
    assert (error["type"], error["outcome"]) == ("TypeError", "done")
    start = f"give was done, but its result of type {kind} can't be sent: "
    assert error["message"].startswith(start)


def test_a_text_that_is_no_unicode_cannot_be_sent(desk: Desk):
    assert desk.call("give", "surrogate").error["type"] == "TypeError"


# --- exceptions


def test_an_exception_carries_the_drivers_traceback_and_nothing_else(desk: Desk):
    error = desk.call("raise_", "value").error
    assert (error["type"], error["message"]) == ("ValueError", "out of range")
    places = [line for line in error["traceback"] if line.startswith("  File")]
    assert len(places) == 1
    assert places[0].endswith("in raise_")
    assert error["traceback"][-1] == "ValueError: out of range"


@pytest.mark.parametrize(
    ("what", "kind", "message"),
    [
        ("exit", "RuntimeError", "SystemExit: 3"),
        ("interrupt", "RuntimeError", "KeyboardInterrupt"),
        ("generator", "RuntimeError", "GeneratorExit"),
        ("cancelled", "CancelledError", ""),
        ("stop", "RuntimeError", "StopIteration: 1"),
        ("group", "RuntimeError", "ExceptionGroup: several (2 sub-exceptions)"),
        ("own", "LookupError", "nowhere"),
    ],
)
def test_exceptions_of_any_kind_are_answers(desk: Desk, what: str, kind: str, message: str):
    error = desk.call("raise_", what).error
    assert (error["type"], error["message"]) == (kind, message)
    assert error["traceback"]
    assert desk.ask("readproperty", "fixed").value == 7


def test_a_text_that_is_no_unicode_is_escaped(desk: Desk, caplog: pytest.LogCaptureFixture):
    # not into the captured log: test runners fail on such text
    with caplog.at_level(logging.CRITICAL, "workers"):
        error = desk.call("raise_", "surrogate").error
    assert error["message"] == "\\udcff"
    assert error["traceback"][-1] == "RuntimeError: \\udcff"


@pytest.mark.parametrize("what", ["unprintable", "treacherous"])
def test_exceptions_that_cannot_be_shown_are_answers(desk: Desk, what: str):
    error = desk.call("raise_", what).error
    assert error["traceback"]
    assert error["outcome"] == "failed"
    assert desk.ask("readproperty", "fixed").value == 7


def test_termination_is_no_answer(desk: Desk):
    def terminate(*args: Any, **kwargs: Any) -> None:
        raise Terminated

    desk.driver.take = terminate  # type: ignore[method-assign]
    with pytest.raises(Terminated):
        desk.call("take")
    desk.driver.note = "kept"
    assert desk.ask("readproperty", "note").value == "kept"


# --- what isn't there


@pytest.mark.parametrize(
    ("operation", "name", "message"),
    [
        ("invokeaction", "ad", "device has no action 'ad'; did you mean 'add'?"),
        ("invokeaction", "zzz", "device has no action 'zzz'"),
        ("invokeaction", "level", "'level' of device is a property, not an action"),
        ("invokeaction", "ready", "'ready' of device is an event, not an action"),
        ("readproperty", "add", "'add' of device is an action, not a property"),
        ("readproperty", "levl", "device has no property 'levl'; did you mean 'level'?"),
        ("writeproperty", "nope", "device has no property 'nope'; did you mean 'note'?"),
        ("invokeaction", "_secret", "'_secret' is private"),
        ("readproperty", "__class__", "'__class__' is private"),
        ("readproperty", "_level", "'_level' is private"),
        ("readproperty", "level.real", "device has no property 'level.real'"),
        ("readproperty", "\N{MATHEMATICAL ITALIC SMALL L}evel", "device has no property '"),
        ("readproperty", "", "device has no property ''"),
        ("invokeaction", "exit", "device has no action 'exit'"),
    ],
)
def test_only_described_members_are_reached(desk: Desk, operation: str, name: str, message: str):
    error = desk.ask(operation, name).error
    assert (error["type"], error["outcome"]) == ("KeyError", "not started")
    assert error["message"].startswith(message)


def test_a_huge_name_is_cut(desk: Desk):
    assert len(desk.ask("invokeaction", "x" * 100_000).error["message"]) < 200


@pytest.mark.parametrize("operation", ["deleteproperty", "observeproperty", "", "x" * 1000])
def test_other_operations_are_not_served(desk: Desk, operation: str):
    error = desk.ask(operation, "level").error
    assert (error["type"], error["outcome"]) == ("NotImplementedError", "not started")
    assert len(error["message"]) < 200


@pytest.mark.parametrize("content_type", ["application/x-pickle", "image/png", None])
def test_an_unknown_content_type(desk: Desk, content_type: str | None):
    for operation, name in (("writeproperty", "note"), ("invokeaction", "add")):
        error = desk.ask(operation, name, {"a": 1}, payloadContentType=content_type).error
        assert (error["type"], error["outcome"]) == ("ValueError", "not started")
        assert "has no codec here" in error["message"]
    assert desk.driver.note == "first"


@pytest.mark.parametrize("payload", [b"", b"{", b"{'a': 1}", b"\xff", b"[" * 100_000])
def test_a_payload_that_is_not_json(desk: Desk, payload: bytes):
    error = desk.ask("invokeaction", "add", payload).error
    assert (error["type"], error["outcome"]) == ("ValueError", "not started")


def test_a_raw_frame_that_is_no_array(desk: Desk):
    answer = desk.ask(
        "writeproperty", "image", None, b"\x93NUMPY nonsense", preencodedPayloadContentType=NPY
    )
    assert answer.error["type"] == "ValueError"


def test_a_header_that_cannot_be_read_is_answered(desk: Desk):
    answer = Answer(*desk.dispatcher.respond(b"{}", b"null", b""))
    assert answer.type == "EXCEPTION"


# --- several properties


class Panel:
    one: int
    two: float

    def __init__(self) -> None:
        self.one, self.two = 1, 2.0

    @property
    def three(self) -> int:
        return 3


@pytest.fixture
def panel(desk: Desk) -> Desk:
    desk.driver = Panel()  # type: ignore[assignment]
    desk.dispatcher = dispatcher_of(desk.driver)
    return desk


def dispatcher_of(driver: object) -> Dispatcher:
    return Dispatcher(
        driver,
        describe(type(driver)),
        rig="bench",
        worker="panel",
        wait=run,
        seen=lambda name, value: None,
        request_addresses=["ipc:///front"],
    )


def test_several_properties_are_read(panel: Desk):
    everything = {"one": 1, "two": 2.0, "three": 3}
    assert panel.ask("readmultipleproperties", "one, three").value == {"one": 1, "three": 3}
    assert panel.ask("readmultipleproperties", "one").value == {"one": 1}
    assert panel.ask("readallproperties", None).value == everything
    assert panel.ask("readallproperties", "").value == everything
    assert panel.call("_get_properties").value == everything
    assert panel.call("_get_properties", names=["two"]).value == {"two": 2.0}
    assert panel.call("_get_properties", names="one,two").value == {"one": 1, "two": 2.0}
    assert panel.call("_get_properties", one="first").value == {"first": 1}


class Vault:
    level: int = 1
    written: object = None

    def _write(self, value: object) -> None:
        self.written = value

    secret = property(None, _write)


def test_what_can_only_be_written_is_left_out_of_all(desk: Desk):
    vault = Vault()
    desk.driver = vault  # type: ignore[assignment]
    desk.dispatcher = dispatcher_of(vault)
    everything = {"level": 1, "written": None}
    assert desk.ask("readallproperties", None).value == everything
    assert desk.call("_get_properties").value == everything
    assert desk.ask("writeproperty", "secret", 7).value is None
    assert vault.written == 7
    assert desk.ask("readproperty", "secret").error["type"] == "AttributeError"
    assert desk.call("_get_properties", names=["secret"]).error["type"] == "RuntimeError"


class Framed(Members):
    """As an adapter makes it: with errors of its framework."""

    @property
    def fixed(self) -> int:
        return 1

    @property
    def broken(self) -> int:
        raise ValueError("the line is dead")

    def __setattr__(self, name: str, value: object) -> None:
        raise ValueError(f"{name} can't be modified")


def test_the_framework_of_an_adapted_driver_raises_its_own_errors(desk: Desk):
    desk.dispatcher = dispatcher_of(Framed())
    error = desk.ask("writeproperty", "fixed", 2).error
    assert (error["type"], error["message"]) == ("ValueError", "fixed can't be modified")
    error = desk.call("_get_properties", names=["fixed", "broken"]).error
    assert (error["type"], error["message"]) == ("ValueError", "the line is dead")
    assert desk.call("_get_properties", names=["fixed"]).value == {"fixed": 1}


def test_several_properties_are_written(panel: Desk):
    assert panel.ask("writemultipleproperties", "", {"one": 5, "two": 6}).value is None
    assert panel.call("_set_properties", one=7).value is None
    assert panel.ask("writeallproperties", None, {"two": 8}).value is None
    assert vars(panel.driver) == {"one": 7, "two": 8}


def test_a_partial_failure_tells_which_and_writes_the_rest(panel: Desk):
    error = panel.call("_set_properties", three=1, one=9).error
    assert (error["type"], error["outcome"]) == ("RuntimeError", "failed")
    assert error["message"] == "not all properties could be written: three"
    assert error["notes"] == ["three: AttributeError: panel.three is read-only"]
    assert vars(panel.driver)["one"] == 9


def test_one_that_cannot_be_read_is_named(desk: Desk):
    error = desk.call("_get_properties", names=["broken", "fixed"]).error
    assert error["type"] == "RuntimeError"
    assert error["notes"] == ["broken: OSError: the line is dead"]


@pytest.mark.parametrize(
    ("kwargs", "kind"),
    [
        ({"names": ["one", "nope"]}, "AttributeError"),
        ({"nope": "x"}, "AttributeError"),
        ({"names": "__dict__"}, "AttributeError"),
        ({"names": 3}, "TypeError"),
        ({"names": [3]}, "TypeError"),
    ],
)
def test_names_that_are_not_there(panel: Desk, kwargs: dict[str, Any], kind: str):
    error = panel.call("_get_properties", **kwargs).error
    assert (error["type"], error["outcome"]) == (kind, "not started")


def test_nothing_is_written_if_a_name_is_unknown(panel: Desk):
    error = panel.call("_set_properties", one=9, nope=1).error
    assert (error["type"], error["outcome"]) == ("AttributeError", "not started")
    assert vars(panel.driver)["one"] == 1
    assert panel.ask("writemultipleproperties", "", [1]).error["type"] == "TypeError"


# --- what every worker has


def test_ping_and_thing_description(desk: Desk):
    assert desk.call("ping").value is None
    thing = desk.call(
        "get_thing_description", ignore_errors=False, protocol="IPC", skip_names=["add"]
    ).value
    assert thing["id"] == "device"
    assert "add" not in thing["actions"]
    assert thing["properties"]["level"]["forms"][2]["href"] == "ipc:///events"


def test_a_protocol_that_is_not_served(desk: Desk):
    for arguments in ({}, {"protocol": "TCP"}, {"protocol": None}):
        assert desk.call("get_thing_description", **arguments).error["type"] == "ValueError"


def test_a_drivers_own_ping_goes_first():
    class Pinger:
        def ping(self) -> str:
            return "pong"

    desk = Desk()
    desk.dispatcher = Dispatcher(
        Pinger(),
        describe(Pinger),
        rig="bench",
        worker="pinger",
        wait=run,
        seen=lambda name, value: None,
    )
    assert desk.call("ping").value == "pong"


# --- observation


def test_values_of_observable_properties_are_noticed(desk: Desk):
    desk.ask("readproperty", "level")
    desk.ask("writeproperty", "level", 2)
    desk.ask("readproperty", "fixed")
    desk.ask("writeproperty", "level", -1)
    assert desk.seen == [("level", 1.0), ("level", 2)]


def test_several_properties_are_noticed_too(desk: Desk):
    desk.call("_get_properties", names=["level"])
    desk.call("_set_properties", level=3)
    assert desk.seen == [("level", 1.0), ("level", 3)]


def test_a_value_that_cannot_be_published_is_still_written(
    desk: Desk, caplog: pytest.LogCaptureFixture
):
    def refuse(name: str, value: Any) -> None:
        raise TypeError("can't be encoded")

    desk.dispatcher = Dispatcher(
        desk.driver, describe(Device), rig="bench", worker="device", wait=run, seen=refuse
    )
    assert desk.ask("writeproperty", "level", 4).value is None
    assert desk.driver._level == 4.0
    assert "a change of level can't be published" in caplog.text


# --- records


@pytest.fixture
def collecting() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:]
    capture.install()
    yield
    root.handlers[:] = before


@pytest.mark.usefixtures("collecting")
@pytest.mark.parametrize("key", ["fetchExecutionLogs", "fetch_execution_logs"])
def test_records_come_with_the_answer_newest_first(desk: Desk, key: str):
    answer = desk.ask("invokeaction", "talk", thingExecutionContext={key: True})
    assert answer.value["return_value"] == 5
    logs = answer.value["execution_logs"]
    assert [entry["message"] for entry in logs] == ["second", "first 1"]
    assert [entry["level"] for entry in logs] == ["ERROR", "WARNING"]
    assert all(set(entry) == {"level", "timestamp", "thread_id", "message"} for entry in logs)


@pytest.mark.usefixtures("collecting")
def test_records_come_with_an_exception(desk: Desk):
    answer = desk.ask(
        "invokeaction", "talk_and_fail", thingExecutionContext={"fetchExecutionLogs": True}
    )
    body = msgspec.json.decode(answer.payload)
    assert body["exception"]["type"] == "ValueError"
    assert [entry["message"] for entry in body["execution_logs"]][-1] == "before the end"


@pytest.mark.usefixtures("collecting")
def test_raw_results_come_with_records_too(desk: Desk):
    answer = desk.ask(
        "invokeaction",
        "give",
        {"what": "bytes"},
        thingExecutionContext={"fetchExecutionLogs": True},
    )
    assert answer.value == {"return_value": None, "execution_logs": []}
    assert answer.raw == b"\x00\xff"


def test_records_are_left_out_unless_asked_for(desk: Desk):
    for context in (None, {}, {"fetchExecutionLogs": False}, {"fetchExecutionLogs": None}):
        assert desk.ask("invokeaction", "talk", thingExecutionContext=context).value == 5


def test_a_property_that_gives_parts_says_that_they_are_described(desk: Desk):
    class Stage:
        @property
        def axis(self) -> Any:
            return object()

    met = []

    def meet(name: str, value: object) -> bool:
        met.append(name)
        return True

    desk.dispatcher = Dispatcher(
        Stage(),
        describe(Stage),
        rig="bench",
        worker="stage",
        wait=run,
        seen=lambda name, value: None,
        met=meet,
    )
    error = desk.ask("readproperty", "axis").error
    assert error["message"].startswith("axis was read, but its value of type object can't be sent")
    assert error["message"].endswith(
        "; but it has members, which are described now, by their paths"
    )
    assert set(met) == {"axis"}


class Port:
    """Has what a file has."""

    def read(self) -> str:
        return "x"

    def write(self, text: str) -> None: ...

    def close(self) -> None: ...

    def itself(self) -> Any:
        return self


def test_a_driver_that_gives_itself_is_told_as_that() -> None:
    desk = Desk()
    desk.dispatcher = Dispatcher(
        Port(),
        describe(Port),
        rig="bench",
        worker="device",
        wait=run,
        seen=lambda name, value: None,
    )
    assert desk.call("itself").error["message"] == (
        "itself was done, but its result can't be sent: it is the driver itself, whose members are"
        " the worker's"
    )


def test_where_an_import_failed_is_the_last_line_in_the_configs_folder(tmp_path: Path) -> None:
    (tmp_path / "stage.py").write_text("import json\n\njson.loads('{')\n")
    (tmp_path / "torn.py").write_text("def\n")
    found = {}
    for name in ("stage", "torn"):
        spec = importlib.util.spec_from_file_location(name, tmp_path / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            found[name] = import_place(error, str(tmp_path))
    assert found == {"stage": " (stage.py:3)", "torn": ""}
