"""hololinked's clients of messages, and its pool. Arguments: access point of the server."""

import asyncio
import sys
import threading

import zmq
import zmq.asyncio
from checks import check, raised, report, until
from hololinked.core.eventloop.payloads import PreserializedData, SerializableData
from hololinked.server.zmq import AsyncZMQClient, SyncZMQClient
from hololinked.server.zmq.brokers import MessageMappedZMQClientPool

access_point = sys.argv[1]
INVOKE, READ, WRITE = "invokeaction", "readproperty", "writeproperty"
sync = SyncZMQClient("messages-sync", "bench", access_point=access_point)
# one that is collected makes the next one fail: its monitor's name comes from a reused descriptor
kept = [sync]


def value(response):
    """The value of a response."""
    assert response.type == "REPLY", (response.type, response.payload.deserialize())
    return response.payload.deserialize()


def limits(invocation=5.0, execution=5.0, oneway=False):
    """An execution context as the proxy writes it."""
    return {"invokation_timeout": invocation, "execution_timeout": execution, "oneway": oneway}


@check
def sync_execute_with_default_contexts():
    response = sync.execute("one", "add", INVOKE, payload=SerializableData({"a": 1}))
    assert value(response) == 3
    assert response.header["senderID"] == "bench"
    assert response.header["receiverID"] == "messages-sync"
    assert value(sync.execute("one", "limit", READ)) == 10
    assert value(sync.execute("one", "limit", WRITE, payload=SerializableData(10))) is None


@check
def sync_answers_in_any_order():
    slow = sync.send_request("one", "wait", INVOKE, payload=SerializableData({"seconds": 0.2}))
    fast = sync.send_request("two", "add", INVOKE, payload=SerializableData({"a": 1}))
    assert value(sync.recv_response(fast)) == 3
    assert value(sync.recv_response(slow)) is False


@check
def sync_raw_payload_out():
    response = sync.execute("one", "raw", INVOKE, payload=SerializableData({"size": 2}))
    assert value(response) is None
    assert response.preserialized_payload.value == b"\x00\x01"


@check
def sync_raw_payload_in():
    raw = PreserializedData(b"12345", content_type="application/octet-stream")
    response = sync.execute(
        "one",
        "take",
        INVOKE,
        payload=SerializableData({"factor": 2}),
        preserialized_payload=raw,
    )
    assert value(response) == 10
    sync.execute("two", "data", WRITE, preserialized_payload=raw)
    assert value(sync.execute("two", "notes", READ))[-1] == 5


@check
def sync_msgpack_payload():
    payload = SerializableData({"value": {"x": b"\x01"}}, content_type="application/msgpack")
    assert value(sync.execute("one", "echo", INVOKE, payload=payload)) == {"x": "AQ=="}


@check
def sync_several_properties():
    response = sync.execute("one", "limit,name", "readmultipleproperties")
    assert value(response) == {"limit": 10, "name": "bench"}
    payload = SerializableData({"limit": 10})
    assert value(sync.execute("one", "", "writemultipleproperties", payload=payload)) is None


@check
def sync_errors_are_answers():
    response = sync.execute("one", "fail", INVOKE)
    assert response.type == "EXCEPTION"
    body = response.payload.deserialize()["exception"]
    assert (body["type"], body["message"]) == ("ValueError", "it failed")
    assert body["traceback"]
    for thing, member, operation, kind in (
        ("none", "add", INVOKE, "INVALID_MESSAGE"),
        ("one", "none", INVOKE, "EXCEPTION"),
        ("one", "_limit", READ, "EXCEPTION"),
        ("one", "add", "deleteproperty", "EXCEPTION"),
    ):
        assert sync.execute(thing, member, operation).type == kind, (thing, member, operation)


@check
def sync_timeouts():
    payload = SerializableData({"seconds": 3.0})
    response = sync.execute(
        "one", "wait", INVOKE, payload=payload, server_execution_context=limits(execution=0.1)
    )
    assert (response.type, response.payload.deserialize()) == ("TIMEOUT", "execution")
    add = SerializableData({"a": 1})
    response = sync.execute(
        "one", "add", INVOKE, payload=add, server_execution_context=limits(invocation=0.1)
    )
    assert (response.type, response.payload.deserialize()) == ("TIMEOUT", "invokation")
    response = sync.execute(
        "one", "add", INVOKE, payload=add, server_execution_context=limits(invocation=0)
    )
    assert (response.type, response.payload.deserialize()) == ("TIMEOUT", "invokation")
    assert value(sync.execute("one", "cancel", INVOKE)) is None
    # no limits at all
    assert value(sync.execute("one", "add", INVOKE, add, server_execution_context=None)) == 3


@check
def sync_oneway():
    payload = SerializableData({"text": "one way"})
    sync.send_request(
        "one", "note", INVOKE, payload=payload, server_execution_context=limits(oneway=True)
    )
    until(lambda: "one way" in value(sync.execute("one", "notes", READ)))


@check
def sync_handshake_again():
    sync.handshake(timeout=5000)
    assert value(sync.execute("one", "ping", INVOKE)) is None


@check
def sync_in_several_threads():
    results = []

    def use(number):
        # a plain context: the default one is of asyncio, whose sockets belong to their loop
        context = zmq.Context()
        client = SyncZMQClient(
            f"thread-{number}", "bench", context=context, access_point=access_point
        )
        kept.append(client)
        payload = SerializableData({"a": number})
        results.append(value(client.execute("two", "add", INVOKE, payload=payload)))

    threads = [threading.Thread(target=use, args=(number,), daemon=True) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(results) == [2, 3, 4, 5], results


@check
def async_client():
    async def use():
        client = AsyncZMQClient("messages-async", "bench", access_point=access_point)
        kept.append(client)
        await client.handshake_complete()
        answers = await asyncio.gather(
            client.async_execute("one", "limit", READ),
            client.async_execute("two", "double", INVOKE, payload=SerializableData({"x": 4})),
        )
        assert sorted(value(answer) for answer in answers) == [8, 10]
        message = await client.async_send_request("one", "name", READ)
        assert value(await client.async_recv_response(message)) == "bench"
        context = {"fetch_execution_logs": True}
        answer = await client.async_execute(
            "one",
            "talk",
            INVOKE,
            payload=SerializableData({"text": "x"}),
            thing_execution_context=context,
        )
        assert len(value(answer)["execution_logs"]) == 2

    asyncio.run(use())


async def make_pool(name, things):
    """A pool with a client for each Thing, as its users make one."""
    ids = [f"{name}-{thing}" for thing in things]
    pool = MessageMappedZMQClientPool(
        name, ids, ["bench"] * len(ids), handshake=False, access_point=access_point
    )
    kept.append(pool)
    for client, thing in zip(ids, things, strict=True):
        pool.register(pool[client], thing)
    pool.handshake()
    await pool.handshake_complete()
    pool.start_polling()
    return pool


@check
def pool_executes_and_maps():
    async def use():
        pool = await make_pool("pool", ["one", "two"])
        payload = SerializableData({"a": 1})
        answers = await asyncio.gather(
            *(pool.async_execute(thing, "add", INVOKE, payload=payload) for thing in ("one", "two"))
        )
        assert [value(answer) for answer in answers] == [3, 3]
        message = await pool.async_send_request("two", "limit", READ)
        assert value(await pool.async_recv_response("two", message)) == 10
        pool.stop_polling()

    asyncio.run(use())


@check
def pool_executes_in_all_things():
    async def use():
        pool = await make_pool("all", ["one", "two"])
        answers = await pool.async_execute_in_all_things("name", READ)
        assert {thing: value(answer) for thing, answer in answers.items()} == {
            "one": "bench",
            "two": "bench",
        }
        pool.stop_polling()

    asyncio.run(use())


@check
def identity_in_use_is_locked_out():
    """hololinked's own servers treat it alike; the first client isn't disturbed."""
    context = zmq.Context()
    raised(
        ConnectionError,
        lambda: SyncZMQClient(
            "messages-sync",
            "bench",
            context=context,
            access_point=access_point,
            handshake_timeout=1200,
        ),
    )
    assert value(sync.execute("one", "limit", READ)) == 10


report()
