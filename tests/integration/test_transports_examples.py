"""The examples in the docstrings of the public classes, run as they stand."""

from __future__ import annotations

import asyncio
import doctest
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq
import zmq.asyncio

import transports
from tests.integration.transports_kit import Echo, Place, short_folder

CLASSES = [
    name
    for name in transports.__all__
    if name.startswith(("Base", "Async", "Sync", "Event", "ZMQServer", "MessageMapped"))
    and name != "EventMessage"
]


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with short_folder() as folder:
        monkeypatch.setenv("HOME", str(folder))
        yield folder


@pytest.fixture
def bench(home: Path) -> Iterator[None]:
    """The server `bench` of the examples, where a client given its id and `IPC` looks."""
    place = Place("IPC", home)
    place.address = f"ipc://{home}/.hololinked/sockets/bench.ipc"
    with Echo(place):
        yield
    place.close()


@pytest.fixture
def address() -> Iterator[str]:
    """A publisher's address that publishes `stage/moved` again and again."""
    done = threading.Event()
    with transports.EventPublisher("bench/event-publisher", "TCP") as publisher:

        def publish() -> None:
            while not done.wait(0.005):
                publisher.publish("stage/moved", {"x": 1.5})

        thread = threading.Thread(target=publish)
        thread.start()
        yield publisher.socket_address
        done.set()
        thread.join()


def test_all_that_is_promised_can_be_imported() -> None:
    assert (
        {
            "BaseZMQ",
            "BaseSyncZMQ",
            "BaseAsyncZMQ",
            "BaseZMQServer",
            "BaseZMQClient",
            "AsyncZMQServer",
            "ZMQServerPool",
            "SyncZMQClient",
            "AsyncZMQClient",
            "MessageMappedZMQClientPool",
            "EventPublisher",
            "EventConsumer",
            "AsyncEventConsumer",
            "RequestMessage",
            "ResponseMessage",
            "EventMessage",
            "ZMQ_TRANSPORTS",
        }
        <= set(transports.__all__)
        <= set(dir(transports))
    )
    for name in transports.__all__:
        assert getattr(transports, name).__name__ == name
    with pytest.raises(AttributeError, match="Nothing"):
        _ = transports.Nothing


@pytest.mark.parametrize("name", CLASSES)
def test_the_example_of_a_class_works(name: str, bench: None, address: str) -> None:
    kind = getattr(transports, name)
    known: dict[str, Any] = {each: getattr(transports, each) for each in transports.__all__}
    known |= {"asyncio": asyncio, "zmq": zmq, "address": address}
    (example,) = (
        test
        for test in doctest.DocTestFinder(recurse=False).find(kind, name, globs=known)
        if test.examples
    )
    report: list[str] = []
    failed, tried = doctest.DocTestRunner().run(example, out=report.append)
    assert tried > 0
    assert not failed, "".join(report)
