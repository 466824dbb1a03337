"""Clients, consumers and servers that are forgotten without `exit()`."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import pytest
import zmq

from tests.integration.transports_kit import Echo, Place, short_folder
from transports import (
    AsyncZMQClient,
    AsyncZMQServer,
    BaseSyncZMQ,
    EventConsumer,
    SyncZMQClient,
)
from transports.errors import BreakLoop

FORGOTTEN = {
    "client": "SyncZMQClient('c', 'nosuch', False)",
    "client, awaited": "AsyncZMQClient('c', 'nosuch', False)",
    "publisher": "EventPublisher('p', 'INPROC')",
    "consumer": "EventConsumer('c', 't', 'ipc://@nosuch')",
    "consumer, awaited": "AsyncEventConsumer('c', 't', 'ipc://@nosuch')",
    "server": "AsyncZMQServer(id='s', transport='INPROC')",
    "servers": "ZMQServerPool(ids=['s', 't'], transport='INPROC')",
    "clients": "MessageMappedZMQClientPool('p', ['a', 'b'], ['s', 't'], False)",
    "client in a context": "SyncZMQClient('c', 'nosuch', False, context=given)",
    "never opened": "BaseSyncZMQ()",
}
PROGRAM = """
import gc, threading, zmq
from transports import *
given = zmq.Context()
lost = {make}
lost.me = lost
in_thread = {in_thread}
del lost
if in_thread:
    thread = threading.Thread(target=gc.collect)
    thread.start()
    thread.join()
else:
    gc.collect()
given.term()
print("collected")
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=30,
    )


@pytest.mark.parametrize("in_thread", [False, True])
@pytest.mark.parametrize("make", FORGOTTEN.values(), ids=FORGOTTEN)
def test_what_is_forgotten_is_closed_without_waiting(make: str, in_thread: bool):
    done = run(PROGRAM.format(make=make, in_thread=in_thread))
    assert (done.stdout, done.stderr, done.returncode) == ("collected\n", "", 0)


@pytest.mark.parametrize("make", FORGOTTEN.values(), ids=FORGOTTEN)
def test_what_is_open_at_the_end_of_the_program_does_not_hold_it_up(make: str):
    program = f"import zmq\nfrom transports import *\ngiven = zmq.Context()\nlost = {make}\n"
    done = subprocess.run([sys.executable, "-c", program], timeout=30, capture_output=True)
    assert (done.stderr, done.returncode) == (b"", 0)


def test_a_forgotten_server_removes_its_file_and_gives_its_descriptors_back():
    with short_folder() as folder:
        place = Place("IPC", folder)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(2):  # the second one finds the address free
            server = AsyncZMQServer(id="bench", context=place.aio, socket_address=place.address)
            file = Path(place.address.removeprefix("ipc://"))
            assert file.exists()
            del server
            gc.collect()
            assert not file.exists()
        place.close()
        assert len(os.listdir("/proc/self/fd")) <= before


def test_a_running_loop_keeps_nobody_alive_and_watches_nothing_that_is_lost():
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with Echo(place):
            client = AsyncZMQClient("me", "bench", False, place.address, place.aio)
            await client.async_execute("stage", "x", "readproperty", timeout=5)
            lost = weakref.ref(client)
            (fd,) = client._tasks._readers._fds.values()
            del client
            while lost() is not None:
                await asyncio.sleep(0)
                gc.collect()
            while True:  # the loop itself takes it off, at its next turn
                try:
                    os.fstat(fd)
                except OSError:
                    break
                await asyncio.sleep(0)
            assert not loop.remove_reader(fd)

    with short_folder() as folder:
        place = Place("IPC", folder)
        asyncio.run(main())
        place.close()


@pytest.mark.parametrize(
    "made",
    [
        "SyncZMQClient, 'c', 'nosuch', False",
        "AsyncZMQClient, 'c', 'nosuch', False",
        "AsyncZMQServer, id='s', transport='INPROC'",
        "ZMQServerPool, ids=['s', 't'], transport='INPROC'",
        "EventPublisher, 'p', 'INPROC'",
    ],
)
@pytest.mark.parametrize("cycle", [True, False])
def test_a_subclass_exits_in_its_own_way_when_it_is_collected(made: str, cycle: bool):
    program = f"""
import gc
from transports import *
def make(kind, *args, **kwargs):
    class Own(kind):
        def exit(self):
            print("own", not self._exited)
            super().exit()
    lost = Own(*args, **kwargs)
    if {cycle}:
        lost.me = lost
make({made})
gc.collect()
print("collected")
"""
    done = run(program)
    assert (done.stdout, done.stderr, done.returncode) == ("own True\ncollected\n", "", 0)


def test_an_exit_that_fails_is_told_and_leaves_nothing_open():
    program = """
import gc, os, zmq
from transports import *
class Own(SyncZMQClient):
    def exit(self):
        raise ValueError("mine")
given = zmq.Context()
lost = Own("c", "nosuch", False, context=given)
del lost
gc.collect()
given.term()
print("collected")
"""
    done = run(program)
    assert (done.stdout, done.returncode) == ("collected\n", 0)
    assert "ValueError: mine" in done.stderr


@pytest.mark.parametrize("make", FORGOTTEN.values(), ids=FORGOTTEN)
def test_what_is_forgotten_leaves_no_thread_and_no_descriptor(make: str):
    program = f"""
import gc, os, zmq
from transports import *
def count():
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))
def make():
    return {make}
def rounds(number):
    global given
    given = zmq.Context()
    for _ in range(number):
        lost = make()
        del lost
        gc.collect()
    given.term()  # waits for all that was made in it
    return count()
before = rounds(1)  # what is made once: imports, say
after = rounds(5)
print(after == before, before, after)
"""
    done = run(program)
    assert done.stdout.startswith("True"), done.stdout + done.stderr


def test_a_client_is_not_lost_while_somebody_waits_in_it():
    async def main() -> None:
        with Echo(place):
            waits = asyncio.create_task(
                AsyncZMQClient("me", "bench", False, place.address, place.aio).async_execute(
                    "stage", "silence", "readproperty", timeout=0.2
                )
            )
            while not waits.done():
                gc.collect()
                await asyncio.sleep(0)
            with pytest.raises(TimeoutError, match="no answer"):
                waits.result()
            del waits

    with short_folder() as folder:
        place = Place("IPC", folder)
        asyncio.run(main())
        gc.collect()
        place.close()


def test_a_forked_child_that_forgets_leaves_its_parent_alone():
    program = """
import gc, os, sys
from transports import *
from transports.hololinked.messages import EventMessage
publisher = EventPublisher("p", "TCP", socket_address="tcp://127.0.0.1:*")
consumer = EventConsumer("c", "t", publisher.socket_address)
consumer.subscribe()
while consumer.receive(10) is None:
    publisher.publish("t", 1)
child = os.fork()
if child == 0:
    del publisher, consumer
    gc.collect()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
publisher.publish("t", "still here")
while consumer.receive(5000).payload.deserialize() != "still here":
    pass
consumer.exit()
publisher.exit()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], timeout=30, capture_output=True, text=True
    )
    assert (done.stderr, done.returncode) == ("", 0)


def test_exit_after_all_does_nothing_twice():
    node = BaseSyncZMQ()
    node.create_socket(id="bench", transport="INPROC")
    held = node._held
    assert held is not None
    node.exit()
    assert not held.is_ours
    context = zmq.Context()
    node.create_socket(id="bench", transport="INPROC", context=context)
    node.exit()
    context.term()


@pytest.mark.parametrize("what", ["client", "consumer"])
def test_exit_in_a_signal_handler_ends_the_call_that_it_interrupts_at_once(what: str):
    def handle(number: int, frame: object) -> None:
        started = time.monotonic()
        (client if what == "client" else consumer).exit()
        took.append(time.monotonic() - started)

    def send() -> None:
        asked.wait()
        while True:  # one that comes just before the wait is noticed only after it
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
            if ended.wait(0.05):
                return

    took: list[float] = []
    asked, ended = threading.Event(), threading.Event()
    with short_folder() as folder:
        place = Place("IPC", folder)
        with Echo(place):
            client = SyncZMQClient("me", "bench", context=place.context, transport=place.address)
            consumer = EventConsumer("c", "t", f"ipc://{folder}/e.ipc", place.context)
            consumer.subscribe()
            waiting = client if what == "client" else consumer
            wait = waiting._threads._readiness.wait

            def tell(seconds: float | None) -> None:
                asked.set()
                wait(seconds)

            waiting._threads._readiness.wait = tell  # type: ignore[method-assign]
            before = signal.signal(signal.SIGUSR1, handle)
            helper = threading.Thread(target=send)
            helper.start()
            started = time.monotonic()
            try:
                if what == "client":
                    with pytest.raises(ConnectionAbortedError):
                        client.execute("stage", "silence", "readproperty", timeout=20)
                else:
                    with pytest.raises(BreakLoop):
                        consumer.receive(20_000, raise_interrupt_as_exception=True)
            finally:
                ended.set()
                helper.join()
                signal.signal(signal.SIGUSR1, before)
            assert took[0] < 10
            assert time.monotonic() - started < 15
            assert waiting._threads._readiness._reader.fileno() == -1
            client.exit()
            consumer.exit()
        place.close()
