"""Our clients use unmodified hololinked 0.4.2 servers."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.interop.kit import Server, hololinked_server
from tests.rigs import wait_until
from transports import (
    AsyncEventConsumer,
    AsyncZMQClient,
    EventConsumer,
    EventMessage,
    MessageMappedZMQClientPool,
    PreserializedData,
    ResponseMessage,
    SerializableData,
    SyncZMQClient,
)
from transports.exceptions import describe_exception

pytestmark = [pytest.mark.timeout(60, func_only=True), pytest.mark.usefixtures("hololinked")]

INVOKE, READ, WRITE = "invokeaction", "readproperty", "writeproperty"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with hololinked_server() as server:
        yield server


@pytest.fixture(params=["ipc", "tcp"])
def address(server: Server, request: pytest.FixtureRequest) -> str:
    """Where the server takes requests."""
    return str(getattr(server, request.param))


@pytest.fixture
def events(server: Server, address: str) -> str:
    """Where it publishes, over the same transport."""
    return server.ipc_events if address == server.ipc else server.tcp_events


@pytest.fixture
def client(server: Server, address: str) -> Iterator[SyncZMQClient]:
    with SyncZMQClient(str(uuid4()), server.id, socket_address=address) as client:
        yield client


def value(response: ResponseMessage) -> Any:
    """The value of a reply."""
    assert response.type == "REPLY", response.payload.deserialize()
    return response.payload.deserialize()


def test_sync_client_reads_writes_and_invokes(client: SyncZMQClient) -> None:
    assert value(client.execute("one", "label", READ, timeout=5)) == "box"
    assert value(client.execute("one", "level", WRITE, SerializableData(2.5), timeout=5)) is None
    assert value(client.execute("one", "level", READ, timeout=5)) == 2.5
    assert value(client.execute("one", "add", INVOKE, SerializableData({"a": 1}), timeout=5)) == 3
    args = SerializableData({"__args__": [1], "b": 5})
    assert value(client.execute("two", "add", INVOKE, args, timeout=5)) == 6
    assert value(client.execute("one", "ping", INVOKE, timeout=5)) is None


def test_sync_client_raw_bytes(client: SyncZMQClient) -> None:
    response = client.execute("one", "raw", INVOKE, SerializableData({"size": 2}), timeout=5)
    assert (value(response), response.preserialized_payload.value) == (None, b"\x00\x01")
    response = client.execute("one", "pair", INVOKE, timeout=5)
    assert (value(response), response.preserialized_payload.value) == (
        {"size": 3},
        b"\x01\x02\x03",
    )
    # as the first positional argument; 0.4.2 takes it when there are no others
    raw = PreserializedData(b"12345")
    response = client.execute(
        "one", "take", INVOKE, SerializableData({"factor": 2}), raw, timeout=5
    )
    assert value(response) == 10


def test_sync_client_errors_and_timeouts(client: SyncZMQClient) -> None:
    response = client.execute("one", "fail", INVOKE, timeout=5)
    assert response.type == "EXCEPTION"
    exception = response.payload.deserialize()["exception"]
    assert set(exception) <= {*describe_exception(ValueError("x")), "outcome"}
    assert (exception["type"], exception["message"]) == ("ValueError", "it failed")
    assert client.execute("none", "fail", INVOKE, timeout=5).type == "INVALID_MESSAGE"
    limits = {"executionTimeout": 0.2, "execution_timeout": 0.2}
    slow = SerializableData({"seconds": 0.8})
    response = client.execute(
        "two", "wait", INVOKE, slow, server_execution_context=limits, timeout=5
    )
    assert (response.type, response.payload.deserialize()) == ("TIMEOUT", "execution")
    limits = {"invokationTimeout": 0.1, "invokation_timeout": 0.1}
    response = client.execute("two", "ping", INVOKE, server_execution_context=limits, timeout=5)
    assert (response.type, response.payload.deserialize()) == ("TIMEOUT", "invokation")


def test_sync_client_oneway_and_logs(client: SyncZMQClient) -> None:
    context = {"oneway": True, "invokation_timeout": 5, "execution_timeout": 5}
    client.send_request(
        "one", "level", WRITE, SerializableData(7), server_execution_context=context
    )
    wait_until(lambda: value(client.execute("one", "level", READ, timeout=5)) == 7)
    response = client.execute(
        "one",
        "add",
        INVOKE,
        SerializableData({"a": 1}),
        thing_execution_context={"fetchExecutionLogs": True, "fetch_execution_logs": True},
        timeout=5,
    )
    answer = value(response)
    assert answer["return_value"] == 3
    assert isinstance(answer["execution_logs"], list)


def test_thing_description_of_a_hololinked_thing(client: SyncZMQClient, address: str) -> None:
    wanted = {
        "ignore_errors": False,
        "protocol": address.partition("://")[0].upper(),
        "skip_names": [],
    }
    td = value(
        client.execute("one", "get_thing_description", INVOKE, SerializableData(wanted), timeout=5)
    )
    assert td["id"] == "one"
    assert td["properties"]["level"]["observable"] is True


def test_threads_share_a_client(client: SyncZMQClient) -> None:
    results: list[Any] = []

    def use(number: int) -> None:
        for _ in range(10):
            payload = SerializableData({"a": number})
            results.append(value(client.execute("one", "add", INVOKE, payload, timeout=10)))

    threads = [threading.Thread(target=use, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(results) == sorted([number + 2 for number in range(3)] * 10)


def test_async_client(server: Server, address: str) -> None:
    async def use() -> list[Any]:
        async with AsyncZMQClient(str(uuid4()), server.id, socket_address=address) as client:
            answers = await asyncio.gather(
                *(
                    client.async_execute(
                        thing, "add", INVOKE, SerializableData({"a": number}), timeout=5
                    )
                    for number in range(3)
                    for thing in ("one", "two")
                )
            )
            return [value(answer) for answer in answers]

    assert asyncio.run(use()) == [2, 2, 3, 3, 4, 4]


def test_pool(server: Server, address: str) -> None:
    async def use() -> dict[str, Any]:
        ids = [str(uuid4()), str(uuid4())]
        async with MessageMappedZMQClientPool(
            str(uuid4()), ids, [server.id] * 2, handshake=False, access_point=address
        ) as pool:
            for client, thing in zip(ids, ("one", "two"), strict=True):
                pool.register(pool[client], thing)
            pool.handshake()
            await pool.handshake_complete()
            pool.start_polling()
            answers = await pool.async_execute_in_all("label", READ, timeout=5)
            await pool.ping_all_servers(timeout=5)
            return {thing: value(answer) for thing, answer in answers.items()}

    assert asyncio.run(use()) == {"one": "box", "two": "box"}


def next_event(client: SyncZMQClient, consumer: EventConsumer, action: str) -> EventMessage:
    """The next event, which an action says again until the subscription is live."""

    def receive() -> EventMessage | None:
        client.execute("one", action, INVOKE, timeout=5)
        return consumer.receive(timeout=50)

    event: EventMessage = wait_until(receive)
    return event


def test_event_consumer(client: SyncZMQClient, events: str) -> None:
    with EventConsumer(str(uuid4()), "one/ticked", events) as consumer:
        consumer.subscribe()
        event = next_event(client, consumer, "tick")
        assert (event.event_id, event.payload.deserialize()) == ("one/ticked", {"n": 0})
        while consumer.receive(timeout=0):
            pass
        # of another name that begins alike; and both ends know that they are one stream
        client.execute("one", "tick_twice", INVOKE, timeout=5)
        client.execute("one", "tick", INVOKE, timeout=5)
        following = consumer.receive(timeout=5000)
        assert following is not None
        assert following.event_id == "one/ticked"
        assert consumer.receive(timeout=10) is None


def test_event_consumer_raw(client: SyncZMQClient, events: str) -> None:
    with EventConsumer(str(uuid4()), "one/blob", events) as consumer:
        consumer.subscribe()
        event = next_event(client, consumer, "send_blob")
        assert event.preserialized_payload.value == b"\x07\x08"


def test_async_event_consumer(client: SyncZMQClient, events: str) -> None:
    async def use() -> Any:
        async with AsyncEventConsumer(str(uuid4()), "one/ticked", events) as consumer:
            consumer.subscribe()
            async with asyncio.timeout(20):
                while True:
                    await asyncio.to_thread(client.execute, "one", "tick", INVOKE, timeout=5)
                    event = await consumer.receive(timeout=50)
                    if event is not None:
                        return event.payload.deserialize()

    assert asyncio.run(use()) == {"n": 0}


def test_a_server_that_is_killed() -> None:
    """What waits is told at once, and the client is good for another server there."""
    with hololinked_server(1) as server:
        client = SyncZMQClient(str(uuid4()), server.id, socket_address=server.ipc)
        message = client.send_request("one", "wait", INVOKE, SerializableData({"seconds": 30.0}))
        server.process.send_signal(signal.SIGKILL)
        with pytest.raises(ConnectionAbortedError):
            client.recv_response(message, timeout=10)
        with pytest.raises(ConnectionError):
            client.execute("one", "label", READ, timeout=1)
        client.exit()
