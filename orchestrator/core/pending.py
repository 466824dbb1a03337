"""Requests that wait or run, their deadlines, and queues that are fair between clients."""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Iterator
from enum import Enum
from typing import Any

Key = tuple[bytes, str | int]
"""A request's key: the client's identity, which ZeroMQ vouches for, and its message id."""


class State(Enum):
    """Where a request stands; it leaves the table when it is answered and holds no lane."""

    QUEUED = "queued"
    DISPATCHED = "dispatched"
    OVERRUN = "overrun"  # answered with a timeout; its worker is still at it


class Request:
    """One accepted request, from arrival until it is answered and its lane is free again."""

    __slots__ = (
        "arrived",
        "client",
        "content_type",
        "deadline",
        "execution_timeout",
        "frames",
        "member",
        "message_id",
        "number",
        "oneway",
        "operation",
        "sender",
        "size",
        "started",
        "state",
        "waits_until",
        "worker",
    )

    def __init__(
        self,
        *,
        number: int,
        client: bytes,
        message_id: str | int,
        sender: str,
        worker: str,
        member: str,
        operation: str,
        content_type: str | None,
        frames: list[Any],
        size: int,
        arrived: float,
        deadline: float | None,
        execution_timeout: float | None,
        oneway: bool,
    ) -> None:
        self.number = number
        self.client = client
        self.message_id = message_id
        self.sender = sender
        self.worker = worker
        self.member = member
        self.operation = operation
        self.content_type = content_type
        self.frames = frames  # header, payload, raw; kept while it may have to be sent again
        self.size = size
        self.arrived = arrived
        self.deadline = deadline  # of the state that it is in
        self.waits_until = deadline  # of the invocation
        self.execution_timeout = execution_timeout
        self.oneway = oneway
        self.state = State.QUEUED
        self.started = 0.0

    @property
    def key(self) -> Key:
        """The key of its table entry."""
        return self.client, self.message_id


class Deadlines:
    """A heap of deadlines; an entry whose request has moved on is dropped when it surfaces."""

    def __init__(self, requests: dict[int, Request]) -> None:
        self._requests = requests
        self._heap: list[tuple[float, int]] = []

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, request: Request) -> None:
        """Watch the request's present deadline."""
        if request.deadline is None:
            return
        heapq.heappush(self._heap, (request.deadline, request.number))
        if len(self._heap) > 2 * len(self._requests) + 1024:
            self._heap = [entry for entry in self._heap if self._is_live(entry)]
            heapq.heapify(self._heap)

    def next(self) -> float | None:
        """The earliest deadline that still counts."""
        heap = self._heap
        while heap and not self._is_live(heap[0]):
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def expired(self, now: float) -> Iterator[Request]:
        """Take out the requests whose deadline has come."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            entry = heapq.heappop(heap)
            if self._is_live(entry):
                yield self._requests[entry[1]]

    def _is_live(self, entry: tuple[float, int]) -> bool:
        request = self._requests.get(entry[1])
        return request is not None and request.deadline == entry[0]


class FairQueue:
    """FIFO for each client, round robin between clients."""

    def __init__(self) -> None:
        self._clients: OrderedDict[bytes, OrderedDict[int, Request]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Request]:
        for queue in self._clients.values():
            yield from queue.values()

    def push(self, request: Request) -> None:
        """Append behind the client's other requests."""
        queue = self._clients.get(request.client)
        if queue is None:
            queue = self._clients[request.client] = OrderedDict()
        queue[request.number] = request
        self._count += 1

    def push_back(self, request: Request) -> None:
        """Put a request that was taken out in its place again; its client's turn comes next."""
        self.push(request)
        # By number, not simply in front: several may come back, the oldest of them first.
        queue = self._clients[request.client]
        self._clients[request.client] = OrderedDict(sorted(queue.items()))
        self._clients.move_to_end(request.client, last=False)

    def pop(self) -> Request:
        """Take the next request. Raises KeyError when there is none."""
        client, queue = next(iter(self._clients.items())) if self._clients else _nothing()
        _, request = queue.popitem(last=False)
        self._count -= 1
        if queue:
            self._clients.move_to_end(client)
        else:
            del self._clients[client]
        return request

    def discard(self, request: Request) -> None:
        """Take out a request wherever it stands."""
        queue = self._clients[request.client]
        del queue[request.number]
        self._count -= 1
        if not queue:
            del self._clients[request.client]

    def count_of(self, client: bytes) -> int:
        """How many requests of this client wait here."""
        queue = self._clients.get(client)
        return len(queue) if queue else 0


def _nothing() -> tuple[bytes, OrderedDict[int, Request]]:
    raise KeyError("the queue is empty")
