"""A program that is interrupted all the time, and counts which interrupts reach it.

Run as a process of its own: `python -m tests.integration.storm WHAT COUNT`. It prints how many
times the signal's handler raised, and how many of those exceptions arrived.
"""

from __future__ import annotations

import itertools
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
import zmq

from orchestrator import connect
from transports import EventConsumer, EventPublisher, SyncZMQClient

Step = Callable[[], object]


@contextmanager
def repeated(work: Step) -> Iterator[None]:
    """Something that goes on in a thread meanwhile."""
    ended = threading.Event()

    def run() -> None:
        while not ended.is_set():
            work()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def calls() -> Iterator[Step]:
    """Blocking calls to the rig."""
    with connect() as rig:
        yield lambda: rig.dev.move(1)


@contextmanager
def events() -> Iterator[Step]:
    """A subscription to a property that a thread writes without end."""
    with connect() as rig, connect() as other, rig.dev.subscribe("position") as subscription:
        numbers = itertools.count()
        with repeated(lambda: other.dev.write("position", next(numbers))):
            yield lambda: next(subscription)


@contextmanager
def client() -> Iterator[Step]:
    """The blocking client of the transports."""
    with connect() as rig:
        address = rig.address
    with SyncZMQClient("storm", "bench", True, access_point=address) as blocking:
        yield lambda: blocking.execute("dev", "readproperty", "position")


@contextmanager
def consumer() -> Iterator[Step]:
    """The blocking consumer of the transports."""
    context: zmq.Context[Any] = zmq.Context()
    publisher = EventPublisher("storm", "INPROC", context)
    with EventConsumer("me", "dev/moved", publisher.socket_address, context) as consuming:
        consuming.subscribe()
        with repeated(lambda: publisher.publish("dev/moved", 1)):
            yield lambda: consuming.receive(1000)
    publisher.exit()
    context.term()


def storm(step: Step, count: int) -> tuple[int, int]:
    """Repeat a step and interrupt it.

    Returns:
        How many exceptions were raised, and caught.
    """
    raised = caught = 0

    def on_signal(number: int, frame: object) -> None:
        nonlocal raised
        if raised < count:
            raised += 1
            raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, on_signal)
    while raised < count:
        try:
            signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-4, 2e-3), 0.5)
            while True:
                step()
        except KeyboardInterrupt:
            caught += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    return raised, caught


def main() -> None:
    """Run the storm that the arguments name."""
    what = {each.__name__: each for each in (calls, events, client, consumer)}[sys.argv[1]]
    with what() as step:
        step()
        counts = storm(step, int(sys.argv[2]))
        step()  # after all that it goes on
        click.echo(" ".join(map(str, counts)))


if __name__ == "__main__":
    main()
