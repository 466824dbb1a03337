"""Queues that are fair between clients, and a heap of deadlines."""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Generic, Protocol, TypeVar


class Queued(Protocol):
    """What is asked of a request by those who keep it waiting."""

    number: int
    client: bytes
    deadline: float | None


R = TypeVar("R", bound=Queued)


def earliest(*dues: float | None) -> float | None:
    """The first of some moments, of which None never comes."""
    first: float | None = None
    for due in dues:  # `min` over what isn't None takes three times as long
        if due is not None and (first is None or due < first):
            first = due
    return first


class Deadlines(Generic[R]):
    """A heap of deadlines; an entry whose request has moved on is dropped when it surfaces."""

    def __init__(self, requests: Mapping[int, R]) -> None:
        self._requests = requests
        self._heap: list[tuple[float, int]] = []

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, request: R) -> None:
        """Watch the request's present deadline."""
        if request.deadline is None:
            return
        heapq.heappush(self._heap, (request.deadline, request.number))
        if len(self._heap) > 2 * len(self._requests) + 1024:
            # In place: `expired` may be under way.
            self._heap[:] = [entry for entry in self._heap if self._is_live(entry)]
            heapq.heapify(self._heap)

    def next(self) -> float | None:
        """The earliest deadline that still counts."""
        heap = self._heap
        while heap and not self._is_live(heap[0]):
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def expired(self, now: float) -> Iterator[R]:
        """Take out the requests whose deadline has come."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            entry = heapq.heappop(heap)
            if self._is_live(entry):
                yield self._requests[entry[1]]

    def _is_live(self, entry: tuple[float, int]) -> bool:
        request = self._requests.get(entry[1])
        return request is not None and request.deadline == entry[0]


class FairQueue(Generic[R]):
    """FIFO for each client, round robin between clients."""

    def __init__(self) -> None:
        self._clients: OrderedDict[bytes, OrderedDict[int, R]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[R]:
        for queue in self._clients.values():
            yield from queue.values()

    def push(self, request: R) -> None:
        """Append behind the client's other requests."""
        queue = self._clients.get(request.client)
        if queue is None:
            queue = self._clients[request.client] = OrderedDict()
        queue[request.number] = request
        self._count += 1

    def push_back(self, request: R) -> None:
        """Put a request that was taken out in its place again; its client's turn comes next."""
        self.push(request)
        # By number, not simply in front: several may come back, the oldest of them first.
        queue = self._clients[request.client]
        self._clients[request.client] = OrderedDict(sorted(queue.items()))
        self._clients.move_to_end(request.client, last=False)

    def pop(self) -> R:
        """Take the next request. Raises KeyError when there is none."""
        if not self._clients:
            raise KeyError("the queue is empty")
        client, queue = next(iter(self._clients.items()))
        _, request = queue.popitem(last=False)
        self._count -= 1
        if queue:
            self._clients.move_to_end(client)
        else:
            del self._clients[client]
        return request

    def discard(self, request: R) -> None:
        """Take out a request wherever it stands."""
        queue = self._clients[request.client]
        del queue[request.number]
        self._count -= 1
        if not queue:
            del self._clients[request.client]

    def ahead_of(self, request: R) -> int:
        """How many go before a request that stands here."""
        own = self._clients[request.client]
        # Not by a list of them: whole queues expire at once, the oldest first.
        place = next(at for at, number in enumerate(own) if number == request.number)
        count, turn = place, place + 1
        for client, queue in self._clients.items():
            if client == request.client:
                turn = place
                if not turn:
                    break
            else:
                count += min(len(queue), turn)
        return count

    def count_of(self, client: bytes) -> int:
        """How many requests of this client wait here."""
        queue = self._clients.get(client)
        return len(queue) if queue else 0
