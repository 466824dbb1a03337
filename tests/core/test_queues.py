"""Queues that are fair between clients, and deadlines that only count while they are live."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.queues import Deadlines, FairQueue, earliest
from orchestrator.core.request import Request, State
from transports.headers import Limits, RequestHeader

ALICE, BOB, CAROL = b"alice", b"bob", b"carol"


def make(number: int, client: bytes = ALICE, deadline: float | None = None) -> Request:
    request = Request(
        number=number,
        client=client,
        worker="stage",
        header=RequestHeader(
            messageType="OPERATION", messageID=str(number), senderID="", receiverID="rig"
        ),
        frames=[b"", b"null", b""],
        size=4,
        arrived=0.0,
        limits=Limits(deadline, None),
    )
    assert request.deadline == deadline
    return request


def drain(queue: FairQueue[Request]) -> list[int]:
    return [queue.pop().number for _ in range(len(queue))]


class TestFairQueue:
    def test_fifo(self) -> None:
        """One client's requests leave in the order in which they came."""
        queue = FairQueue[Request]()
        for number in (1, 2, 3):
            queue.push(make(number))
        assert drain(queue) == [1, 2, 3]

    def test_round_robin(self) -> None:
        """A client with many requests delays another's by one, not by all of them."""
        queue = FairQueue[Request]()
        for number in (1, 2, 3):
            queue.push(make(number, ALICE))
        queue.push(make(4, BOB))
        queue.push(make(5, CAROL))
        assert drain(queue) == [1, 4, 5, 2, 3]

    def test_a_served_client_goes_to_the_end(self) -> None:
        """Who was served waits behind all who wait, also behind those who came later."""
        queue = FairQueue[Request]()
        queue.push(make(1, ALICE))
        queue.push(make(2, ALICE))
        assert queue.pop().number == 1
        queue.push(make(3, BOB))
        assert drain(queue) == [2, 3]

    def test_a_client_that_left_and_returns_joins_at_the_end(self) -> None:
        """An emptied client's place isn't kept for it."""
        queue = FairQueue[Request]()
        queue.push(make(1, ALICE))
        queue.push(make(2, BOB))
        assert queue.pop().number == 1
        queue.push(make(3, ALICE))
        assert drain(queue) == [2, 3]

    def test_pushed_back_is_next(self) -> None:
        """A request that couldn't be sent has its turn first, before other clients."""
        queue = FairQueue[Request]()
        for number, client in ((1, ALICE), (2, BOB), (3, ALICE)):
            queue.push(make(number, client))
        taken = queue.pop()
        queue.push_back(taken)
        assert drain(queue) == [1, 2, 3]

    def test_several_pushed_back_keep_their_order(self) -> None:
        """Of several requests that couldn't be sent the oldest is the first again: FIFO holds."""
        queue = FairQueue[Request]()
        for number in (1, 2, 3):
            queue.push(make(number))
        taken = [queue.pop(), queue.pop()]
        for request in taken:
            queue.push_back(request)
        assert drain(queue) == [1, 2, 3]

    def test_pushed_back_to_an_emptied_client(self) -> None:
        """A client whose only request comes back is first, too."""
        queue = FairQueue[Request]()
        queue.push(make(1, ALICE))
        queue.push(make(2, BOB))
        queue.push_back(queue.pop())
        assert drain(queue) == [1, 2]

    def test_discard(self) -> None:
        """A request can be taken out wherever it stands; the others keep their order."""
        queue = FairQueue[Request]()
        requests = [make(number) for number in (1, 2, 3)]
        for request in requests:
            queue.push(request)
        queue.discard(requests[1])
        assert len(queue) == 2
        assert drain(queue) == [1, 3]

    def test_counts(self) -> None:
        """Length and count by client follow every move; nothing is kept of an absent client."""
        queue = FairQueue[Request]()
        assert (len(queue), queue.count_of(ALICE)) == (0, 0)
        first, second = make(1, ALICE), make(2, BOB)
        queue.push(first)
        queue.push(second)
        assert (len(queue), queue.count_of(ALICE), queue.count_of(BOB)) == (2, 1, 1)
        queue.discard(second)
        assert (len(queue), queue.count_of(BOB)) == (1, 0)
        assert queue.pop() is first
        assert (len(queue), queue.count_of(ALICE)) == (0, 0)
        assert list(queue) == []

    def test_iterates_over_all(self) -> None:
        """Iteration shows all that wait and takes nothing out."""
        queue = FairQueue[Request]()
        for number, client in ((1, ALICE), (2, BOB), (3, ALICE)):
            queue.push(make(number, client))
        assert sorted(request.number for request in queue) == [1, 2, 3]
        assert len(queue) == 3

    def test_empty(self) -> None:
        """Nothing can be taken from an empty queue."""
        with pytest.raises(KeyError, match="empty"):
            FairQueue().pop()

    @given(st.lists(st.sampled_from([ALICE, BOB, CAROL, None]), max_size=60))
    def test_no_client_is_overtaken_twice(self, moves: list[bytes | None]) -> None:
        """While a client waits, each other client is served at most once before it (None: pop)."""
        queue = FairQueue[Request]()
        overtaken: dict[bytes, dict[bytes, int]] = {}
        served: dict[bytes, int] = {}
        for number, client in enumerate(moves):
            if client is not None:
                queue.push(make(number, client))
                overtaken.setdefault(client, {})
            elif len(queue):
                taken = queue.pop()
                assert taken.number > served.get(taken.client, -1)
                served[taken.client] = taken.number
                overtaken.pop(taken.client)
                for by in overtaken.values():
                    by[taken.client] = by.get(taken.client, 0) + 1
                    assert by[taken.client] == 1
                if queue.count_of(taken.client):
                    overtaken[taken.client] = {}


class TestDeadlines:
    def setup_method(self) -> None:
        self.requests: dict[int, Request] = {}
        self.deadlines = Deadlines[Request](self.requests)

    def add(self, number: int, deadline: float | None) -> Request:
        request = self.requests[number] = make(number, deadline=deadline)
        self.deadlines.add(request)
        return request

    def expired(self, now: float) -> list[int]:
        return [request.number for request in self.deadlines.expired(now)]

    def test_next_is_the_earliest(self) -> None:
        """The next deadline is the earliest, whatever the order of arrival."""
        assert self.deadlines.next() is None
        for number, deadline in ((1, 5.0), (2, 3.0), (3, 4.0)):
            self.add(number, deadline)
        assert self.deadlines.next() == 3.0

    def test_no_deadline_is_not_watched(self) -> None:
        """A request without a limit is never due."""
        self.add(1, None)
        assert self.deadlines.next() is None
        assert self.expired(1e12) == []

    def test_expired_in_order_and_once(self) -> None:
        """What is due comes out by deadline, each request once, at its very moment too."""
        for number, deadline in ((1, 5.0), (2, 3.0), (3, 4.0)):
            self.add(number, deadline)
        assert self.expired(2.999) == []
        assert self.expired(4.0) == [2, 3]
        assert self.expired(4.0) == []
        assert self.deadlines.next() == 5.0

    def test_a_settled_request_is_not_due(self) -> None:
        """The entry of a request that has left the table is dropped when it surfaces."""
        self.add(1, 3.0)
        self.add(2, 4.0)
        del self.requests[1]
        assert self.deadlines.next() == 4.0
        assert self.expired(10.0) == [2]

    def test_a_moved_deadline_replaces_the_old(self) -> None:
        """Only the present deadline of a request counts, once, even if both are equal."""
        request = self.add(1, 3.0)
        request.deadline = 8.0
        self.deadlines.add(request)
        assert self.expired(3.0) == []
        assert self.deadlines.next() == 8.0
        self.deadlines.add(request)
        due = []
        for each in self.deadlines.expired(8.0):
            due.append(each.number)
            each.deadline = None
        assert due == [1]

    def test_the_heap_stays_in_bounds(self) -> None:
        """Requests that come and go before their deadline leave nothing behind for long."""
        kept = self.add(0, 1e6)
        for number in range(1, 10_000):
            self.add(number, 1e5)
            del self.requests[number]
        assert len(self.deadlines) <= 2 * len(self.requests) + 1024
        assert self.deadlines.next() == kept.deadline
        assert len(self.deadlines) == 1


def test_a_request_starts_out_queued_under_its_key() -> None:
    """A request is known by its client's identity and message id, and starts out waiting."""
    request = make(7, BOB, deadline=9.0)
    assert request.key == (BOB, "7")
    assert request.state is State.QUEUED
    assert request.waits_until == request.deadline == 9.0


@pytest.mark.parametrize(
    ("dues", "first"),
    [((), None), ((None, None), None), ((None, 2.0, 1.0, None), 1.0), ((0.0,), 0.0)],
)
def test_the_earliest_of_what_comes_at_all(
    dues: tuple[float | None, ...], first: float | None
) -> None:
    assert earliest(*dues) == first
