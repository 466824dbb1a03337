"""How long the driver takes is recorded where that is wanted, and nothing is called where not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from transports.headers import DESCRIPTION, RequestHeader, encode_header
from workers.driver.describe import describe
from workers.output import records
from workers.serving import dispatch
from workers.serving.dispatch import Dispatcher


class Device:
    level: int = 1

    def move(self) -> int:
        return 2

    async def home(self) -> int:
        await asyncio.sleep(0.001)
        return 3

    def fail(self) -> None:
        raise ValueError("no")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr(records, "write_span", found.append)
    return found


def desk(*, spans: bool) -> Dispatcher:
    return Dispatcher(
        Device(),
        describe(Device),
        rig="bench",
        worker="device",
        wait=asyncio.run,
        seen=lambda name, value: None,
        spans=spans,
    )


def ask(dispatcher: Dispatcher, operation: str, member: str) -> bytes:
    header = RequestHeader(
        messageType="OPERATION",
        messageID="1",
        senderID="me",
        receiverID="bench",
        thingID="device",
        operation=operation,
        objekt=member,
    )
    answer: Any = dispatcher.respond(encode_header(header), b"null", b"")
    return bytes(answer[1])


@pytest.mark.parametrize(
    ("operation", "member", "expected"),
    [
        ("readproperty", "level", b"1"),
        ("invokeaction", "move", b"2"),
        ("invokeaction", "home", b"3"),
        ("invokeaction", "fail", b"ValueError"),
    ],
)
def test_each_operation_of_the_driver_is_timed_however_it_ends(
    told: list[float], operation: str, member: str, expected: bytes
) -> None:
    assert expected in ask(desk(spans=True), operation, member)
    (seconds,) = told
    assert seconds >= (0.001 if member == "home" else 0.0)


@pytest.mark.parametrize("member", ["ping", DESCRIPTION])
def test_what_the_driver_has_no_part_in_is_not(told: list[float], member: str) -> None:
    ask(desk(spans=True), "invokeaction", member)
    assert told == []


def test_without_spans_the_handlers_are_the_plain_ones(
    told: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "timed", lambda *_: pytest.fail("it was wrapped"))
    assert ask(desk(spans=False), "invokeaction", "move") == b"2"
    assert told == []
