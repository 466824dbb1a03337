"""hololinked's event consumers. Arguments: access point of the server, address of its events."""

import asyncio
import sys
import threading

import zmq
from checks import check, repeat_until, report
from hololinked.server.zmq import SyncZMQClient
from hololinked.server.zmq.brokers import AsyncEventConsumer, EventConsumer

access_point, events = sys.argv[1:]
client = SyncZMQClient("consumers", "bench", access_point=access_point)


def consumer(topic, context):
    """A subscribed consumer in a plain context."""
    made = EventConsumer(f"c-{topic}", topic, access_point=events, context=context)
    made.subscribe()
    return made


def receive_in_thread(made, got, count):
    """Receive events in another thread, as its users do."""

    def receive():
        while len(got) < count:
            event = made.receive(timeout=100)
            if event is not None:
                got.append(event)

    thread = threading.Thread(target=receive, daemon=True)
    thread.start()
    return thread


def act(name):
    """Invoke an action of worker one."""
    return lambda: client.execute("one", name, "invokeaction")


@check
def consumer_receives():
    got = []
    thread = receive_in_thread(consumer("one/ticked", zmq.Context()), got, 3)
    repeat_until(act("tick"), lambda: len(got) >= 3)
    thread.join(5)
    event = got[0]
    assert (event.event_id, event.sender_id) == ("one/ticked", "bench/event-publisher")
    assert event.payload.deserialize() == {"n": 0}
    assert set(event.header.json() if hasattr(event.header, "json") else event.header) >= {
        "messageType",
        "messageID",
        "senderID",
        "eventID",
    }


@check
def consumer_receives_raw():
    got = []
    receive_in_thread(consumer("one/blob", zmq.Context()), got, 1)
    repeat_until(act("send_blob"), lambda: got)
    assert got[0].payload.deserialize() is None
    assert got[0].preserialized_payload.value == b"\x07\x08"


@check
def consumer_of_a_change():
    got = []
    receive_in_thread(consumer("one/level_change_event", zmq.Context()), got, 1)
    levels = iter(range(1000))
    from hololinked.core.eventloop.payloads import SerializableData

    def write():
        payload = SerializableData(next(levels) % 9)
        client.execute("one", "level", "writeproperty", payload=payload)

    repeat_until(write, lambda: got)
    assert got[0].event_id == "one/level_change_event"


@check
def consumer_is_interrupted():
    made = consumer("one/never", zmq.Context())
    thread = receive_in_thread(made, [], 1)
    made.interrupt()
    made.stop_polling()
    ended = threading.Event()

    def receive():
        made.receive(timeout=100)
        ended.set()

    del thread
    made._stop = True
    threading.Thread(target=receive, daemon=True).start()
    assert ended.wait(5)


@check
def async_consumer_receives():
    async def use():
        made = AsyncEventConsumer("async-consumer", "one/ticked", access_point=events)
        made.subscribe()
        task = asyncio.create_task(made.receive(timeout=100))
        for _ in range(300):
            await asyncio.to_thread(act("tick"))
            done, _ = await asyncio.wait([task], timeout=0.03)
            if done:
                break
        event = task.result()
        assert event.payload.deserialize() == {"n": 0}

    asyncio.run(use())


@check
def prefixes_leak_as_in_hololinked():
    """Its consumers match topics as prefixes; nothing that a server does changes that."""
    got = []
    receive_in_thread(consumer("one/ticked", zmq.Context()), got, 1)
    repeat_until(act("tick_twice"), lambda: got)
    assert got[0].event_id == "one/ticked_twice"


report()
