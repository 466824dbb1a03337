"""How long a client waits for a rig that takes and sends parts of what is on its way."""

from __future__ import annotations

import math
import select
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import zmq

from orchestrator.client import channel as module
from orchestrator.client.channel import Channel
from orchestrator.client.exchange import Leader
from orchestrator.client.liveness import INTERVAL, UNANSWERED
from orchestrator.errors import RigLost, RigNotReachable


class SlowPlug:
    """A lane that is full, and moves when it is told to."""

    fd = -1
    malformed = 0
    closed = False
    is_full = True

    def __init__(self) -> None:
        self.poll = select.poll()
        self.moved = 0

    def has_room(self) -> bool:
        return False

    def send(self, exchange: Any) -> bool:
        return False

    def close(self) -> None:
        self.closed = True


class Asked(SimpleNamespace):
    """A request, as far as this goes."""

    __hash__ = object.__hash__


class Bench:
    """A channel whose time is told it, with one request that was sent and one that waits."""

    def __init__(self, context: zmq.Context[Any], monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.plug = SlowPlug()
        monkeypatch.setattr(module, "monotonic", lambda: self.now)
        monkeypatch.setattr(module, "lane_to", lambda *_: self.plug)
        self.channel = Channel("ipc:///nowhere/front.ipc", context, lambda exchange: None)
        self.channel.patience = 2.0
        self.channel.plug()
        self.sent = self._exchange("sent", sent=True)
        self.waits = self._exchange("waits", sent=False)
        self.channel.pending = {"sent": self.sent}
        self.channel.outbox.append(self.waits)
        self.channel.liveness.begin(self.now)

    def _exchange(self, name: str, *, sent: bool) -> Any:
        return Asked(
            id=name,
            name=name,
            sent=sent,
            settled=False,
            error=None,
            future=None,
            filling=None,
            give_up=math.inf if sent else self.now + 2.0,
            limit=math.inf,
            overdue=0,
            where={},
        )

    def pass_time(self, seconds: float, *, moving: bool) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, max(self.channel.due, self.now + 0.01))
            self.plug.moved += moving
            self.channel._tick(Leader())


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with zmq.Context() as context:
        found = Bench(context, monkeypatch)
        yield found
        found.channel.unplug()
        found.channel.wakeup.close()


def test_one_that_moves_is_there_and_nothing_is_given_up(bench: Bench) -> None:
    bench.pass_time(60, moving=True)
    assert not bench.sent.settled
    assert not bench.waits.settled


def test_one_that_moves_no_more_is_lost(bench: Bench) -> None:
    bench.pass_time(10, moving=True)
    bench.pass_time((UNANSWERED + 3) * INTERVAL, moving=False)
    assert isinstance(bench.sent.error, RigLost)
    assert isinstance(bench.waits.error, RigNotReachable)
