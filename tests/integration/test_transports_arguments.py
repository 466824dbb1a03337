"""What callers give is checked at the call, before anything is sent or waited for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.integration.transports_kit import Echo, Place, short_folder, value
from transports import (
    AsyncEventConsumer,
    AsyncZMQClient,
    BaseZMQ,
    EventConsumer,
    MessageMappedZMQClientPool,
    PreserializedData,
    SyncZMQClient,
)

NAN = float("nan")
READ = ("stage", "x", "readproperty")
BAD_TIMES: list[tuple[Any, Any]] = [
    (NAN, ValueError),
    (-1, ValueError),
    (-(10**400), ValueError),
    ("5", TypeError),
    (True, TypeError),
]


@pytest.fixture
def place() -> Iterator[Place]:
    with short_folder() as folder:
        place = Place("IPC", folder)
        yield place
        place.close()


@pytest.fixture
def echo(place: Place) -> Iterator[Echo]:
    with Echo(place) as echo:
        yield echo


@pytest.mark.parametrize(("time", "error"), BAD_TIMES)
def test_a_time_without_sense_is_refused(place: Place, echo: Echo, time: Any, error: Any) -> None:
    with (
        SyncZMQClient("me", "bench", context=place.context, transport=place.address) as client,
        EventConsumer("c", "t", place.address, place.context) as consumer,
    ):
        consumer.subscribe()
        calls: list[Callable[[], Any]] = [
            lambda: client.execute(*READ, timeout=time),
            lambda: client.recv_response("1", time),
            lambda: client.handshake(time),
            lambda: consumer.receive(time),
        ]
        for call in calls:
            with pytest.raises(error, match="timeout must be"):
                call()
        with pytest.raises(error, match="handshake_timeout must be"):
            SyncZMQClient("you", "bench", handshake_timeout=time)
    assert echo.seen == []


@pytest.mark.parametrize(("time", "error"), BAD_TIMES)
def test_a_time_without_sense_is_refused_where_it_is_awaited(
    place: Place, echo: Echo, time: Any, error: Any
) -> None:
    async def main() -> None:
        client = AsyncZMQClient("me", "bench", False, place.address, place.aio)
        pool = MessageMappedZMQClientPool("pool", [], [], context=place.aio)
        pool.register(client, "stage")
        with client, pool, AsyncEventConsumer("c", "t", place.address, place.aio) as consumer:
            consumer.subscribe()
            for call in (
                client.async_execute(*READ, timeout=time),
                client.async_recv_response("1", time),
                client.handshake_complete(time),
                pool.async_execute(*READ, timeout=time),
                pool.async_recv_response("stage", "1", time),
                pool.async_execute_in_all("x", "readproperty", timeout=time),
                pool.ping_all_servers(time),
                pool.handshake_complete(time),
                consumer.receive(time),
            ):
                with pytest.raises(error, match="timeout must be"):
                    await call
            for each in (client, pool):
                with pytest.raises(error, match="timeout must be"):
                    each.handshake(time)

    asyncio.run(main())
    assert echo.seen == []


BAD_ARGUMENTS: list[tuple[str, Any]] = [
    ("thing_id", 5),
    ("objekt", 5),
    ("operation", 5),
    ("operation", None),
    ("payload", 5),
    ("preserialized_payload", b"raw"),
    ("preserialized_payload", PreserializedData("text")),  # type: ignore[arg-type]
    ("server_execution_context", 5),
    ("thing_execution_context", "logs"),
]


@pytest.mark.parametrize(("name", "given"), BAD_ARGUMENTS)
def test_an_argument_of_another_type_is_named(
    place: Place, echo: Echo, name: str, given: Any
) -> None:
    arguments = dict(zip(("thing_id", "objekt", "operation"), READ, strict=True)) | {name: given}

    async def awaited() -> None:
        with AsyncZMQClient("you", "bench", False, place.address, place.aio) as client:
            with pytest.raises(TypeError, match=name):
                await client.async_send_request(**arguments)
            with pytest.raises(TypeError, match=name):
                await client.async_execute(**arguments)

    with SyncZMQClient("me", "bench", context=place.context, transport=place.address) as client:
        with pytest.raises(TypeError, match=name):
            client.send_request(**arguments)
        with pytest.raises(TypeError, match=name):
            client.execute(**arguments)
    asyncio.run(awaited())
    assert echo.seen == []


@pytest.mark.parametrize("wrong", [NAN, float("-inf"), -1, "5", True])
def test_a_context_without_a_number_is_refused(place: Place, echo: Echo, wrong: Any) -> None:
    with (
        SyncZMQClient("me", "bench", context=place.context, transport=place.address) as client,
        pytest.raises(ValueError, match="invokation_timeout must be"),
    ):
        client.execute(*READ, server_execution_context={"invokation_timeout": wrong})
    assert echo.seen == []


@pytest.mark.parametrize("wrong", [{"id": None}, {"id": "me", "server_id": 5}])
def test_an_id_is_text(place: Place, wrong: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="id must be text"):
        BaseZMQ.get_socket(node_type="client", context=place.context, **wrong)


def test_the_shorter_of_two_bounds_ends_the_wait_for_a_server(place: Place) -> None:
    """... that isn't there: of the call's timeout and the client's."""
    started = time.monotonic()
    with SyncZMQClient(
        "me", "bench", False, place.address, place.context, poll_timeout=30_000
    ) as client:
        with pytest.raises(ConnectionError, match="bench"):
            client.execute(*READ, timeout=0.05)
        client.poll_timeout = 50
        with pytest.raises(ConnectionError, match="bench"):
            client.execute(*READ, timeout=30)

    async def main() -> None:
        client = AsyncZMQClient("me", "bench", False, place.address, place.aio, poll_timeout=30_000)
        pool = MessageMappedZMQClientPool("pool", [], [], context=place.aio)
        pool.register(client, "stage")
        with pool:
            for one in (client, pool):
                with pytest.raises(ConnectionError, match="bench"):
                    await one.async_execute(*READ, timeout=0.05)

    asyncio.run(main())
    assert time.monotonic() - started < 15


def test_numbers_of_all_kinds_are_times(place: Place, echo: Echo) -> None:
    import numpy as np

    with SyncZMQClient("me", "bench", context=place.context, transport=place.address) as client:
        for each in (np.float32(5), np.int64(5), float("inf"), 10**400, None):
            context = {"invokation_timeout": each, "executionTimeout": each}
            answer = client.execute(*READ, value(3), server_execution_context=context, timeout=each)
            assert answer.payload.deserialize() == 3


def test_a_consumer_that_has_exited_says_so(place: Place) -> None:
    consumer = EventConsumer("c", "t", place.address, place.context)
    consumer.subscribe()
    consumer.exit()
    with pytest.raises(ConnectionAbortedError, match="exited"):
        consumer.receive(0)
    with pytest.raises(ConnectionAbortedError, match="exited"):
        consumer.subscribe()

    async def main() -> None:
        consumer = AsyncEventConsumer("c", "t", place.address, place.aio)
        consumer.subscribe()
        consumer.exit()
        with pytest.raises(ConnectionAbortedError, match="exited"):
            await consumer.receive(0)

    asyncio.run(main())
