"""The broker's core towards clients: what is answered at once, refused, queued, started."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.core.admission import Caps
from orchestrator.core.effects import ToWorker
from tests.core.kit import RIG, Bench, request
from tests.core.told import taken

ENDLESS: dict[str, Any] = {}
"""A context without limits."""


@pytest.fixture
def bench() -> Bench:
    """A rig with one worker, not started yet."""
    bench = Bench()
    bench.add("stage")
    return bench


@pytest.fixture
def up(bench: Bench) -> Bench:
    """A rig with one worker, ready."""
    bench.bring_up("stage")
    bench.others.clear()
    return bench


class TestAtOnce:
    """Messages that the broker answers itself, whatever the workers do."""

    def test_handshake(self, bench: Bench) -> None:
        """A handshake is answered at once with its id and null, also while workers are down."""
        bench.ask("hs", messageType="HANDSHAKE", thingID="", objekt="", operation="")
        (answer,) = bench.answers
        assert answer.summary == ("hs", "HANDSHAKE", None)
        assert answer.client == answer.header["receiverID"] == "alice"
        assert (answer.payload, answer.raw) == (b"null", b"")
        bench.assert_empty()

    def test_handshake_during_an_operation(self, up: Bench) -> None:
        """A busy worker doesn't delay handshakes."""
        up.ask("1")
        up.ask("hs", messageType="HANDSHAKE")
        assert up.summaries == [("hs", "HANDSHAKE", None)]

    def test_exit_is_refused(self, up: Bench) -> None:
        """A client can't silence the rig by EXIT; it is told so, and all goes on."""
        up.ask("bye", messageType="EXIT")
        assert up.summaries == [("bye", "INVALID_MESSAGE", "PermissionError", "not started")]
        assert "orch down" in up.last.error["message"]
        up.ask("1")
        assert up.started == ["1"]

    @pytest.mark.parametrize("kind", ["REPLY", "EVENT", "INTERRUPT", "operation", ""])
    def test_other_types_are_refused(self, up: Bench, kind: str) -> None:
        """Only HANDSHAKE, OPERATION and EXIT are requests."""
        up.ask("1", messageType=kind)
        assert up.summaries == [("1", "INVALID_MESSAGE", "ValueError", "not started")]
        assert up.sent == []

    def test_unknown_worker(self, up: Bench) -> None:
        """A thing id that no worker has is a KeyError."""
        up.ask("1", "stag")
        assert up.summaries == [("1", "INVALID_MESSAGE", "KeyError", "not started")]
        up.ask("2", None)
        assert up.last.kind == "INVALID_MESSAGE"

    @pytest.mark.parametrize("frames", [1, 2, 3, 4, 6, 500])
    def test_wrong_number_of_frames(self, up: Bench, frames: int) -> None:
        """Other than five frames is refused, and the neighbours aren't touched."""
        up.ask("1")
        message = [*request("odd"), *[b""] * 500]
        up.give(message[: min(frames, 5)], count=frames)
        up.ask("2")
        (answer,) = up.answers
        assert (answer.kind, answer.error["type"]) == ("INVALID_MESSAGE", "ValueError")
        assert answer.id == ("odd" if frames > 2 else "")
        up.reply(up.sent[0])
        assert up.started == ["1", "2"]

    @pytest.mark.parametrize("value", ["5", True, [], {"a": 1}])
    def test_a_timeout_that_is_no_number(self, up: Bench, value: Any) -> None:
        """A timeout that isn't a number is refused and nothing is kept of it."""
        up.ask("1", context={"execution_timeout": value})
        assert up.summaries == [("1", "INVALID_MESSAGE", "ValueError", "not started")]
        up.assert_empty()

    def test_a_refusal_is_recorded(self, up: Bench) -> None:
        """Each refusal is counted and worth a record with its reason."""
        up.ask("1", "nobody")
        up.give([b"alice", b"", b"{"])
        assert up.broker.counts["refused"] == 2
        assert all("reason" in fact.fields for fact in up.facts[-2:])


class TestPending:
    """Our own operation: which of my requests do you still hold?"""

    def pending(self, bench: Bench, ids: Any, client: str = "alice") -> Any:
        payload = ids if isinstance(ids, bytes) else json.dumps(ids).encode()
        bench.ask("ask", RIG, "", operation="pending", payload=payload, client=client)
        return bench.last

    def test_tells_what_is_held(self, up: Bench) -> None:
        """Queued and running requests are held; answered and unknown ones are not."""
        for id_ in ("done", "runs", 3):
            up.ask(id_)
        up.reply(up.sent[0])
        answer = self.pending(up, ["done", "runs", 3, "3", "never"])
        assert answer.summary == ("ask", "REPLY", ["runs", 3])

    def test_tells_only_the_asker_s(self, up: Bench) -> None:
        """Nobody learns of another client's requests."""
        up.ask("1", client="alice")
        assert self.pending(up, ["1"], client="bob").value == []

    def test_overdue_is_not_held(self, up: Bench) -> None:
        """A request that was answered with a timeout is settled, though its worker goes on."""
        up.ask("1", context={"execution_timeout": 1})
        up.at(101)
        assert self.pending(up, ["1"]).value == []

    @pytest.mark.parametrize(
        "payload", [b"", b"null", b"{}", b'"1"', b"[null]", b"[1.5]", b'["\xff"]', b"[" * 9999]
    )
    def test_takes_a_list_of_ids(self, up: Bench, payload: bytes) -> None:
        """Anything but a list of ids is refused."""
        assert self.pending(up, payload).summary[1:] == (
            "INVALID_MESSAGE",
            "ValueError",
            "not started",
        )


class TestDispatch:
    def test_frames_pass_untouched(self, up: Bench) -> None:
        """A worker gets header, payload and raw frame as the client sent them, uncopied."""
        frames = request("1", payload=b'{"x": 1}', raw=b"raw")
        up.broker.receive_client(frames, up.now)
        (effect,) = taken(up.effects)
        assert isinstance(effect, ToWorker)
        lane, number, *rest = effect.frames
        assert lane == b"stage1.q"
        assert int.from_bytes(number, "big") == effect.number > 0
        assert all(sent is frame for sent, frame in zip(rest, frames[2:], strict=True))

    def test_the_reply_goes_to_the_requester(self, up: Bench) -> None:
        """A reply passes to the client that asked, by its identity and not by its header."""
        frames = request("1", client="alice", senderID="mallory")
        up.give(frames)
        up.reply(up.sent[0], 42)
        assert up.last.client == "alice"
        assert up.last.summary == ("1", "REPLY", 42)
        up.assert_empty()

    def test_an_exception_passes_like_a_reply(self, up: Bench) -> None:
        """What a driver raised reaches the client as its worker wrote it."""
        up.ask("1")
        error = {"exception": {"type": "OSError", "outcome": "failed", "traceback": ["x"]}}
        up.reply(up.sent[0], error, "EXCEPTION")
        assert up.last.summary == ("1", "EXCEPTION", "OSError", "failed")
        up.assert_empty()

    def test_one_at_a_time(self, up: Bench) -> None:
        """A queued lane has one operation in flight; the next goes out with its reply."""
        for id_ in "123":
            up.ask(id_)
        assert up.started == ["1"]
        assert up.broker.queued("stage") == 2
        up.reply(up.sent[0])
        assert up.started == ["1", "2"]
        up.reply(up.sent[1])
        up.reply(up.sent[2])
        assert [answer.id for answer in up.answers] == ["1", "2", "3"]
        up.assert_empty()

    def test_fair_between_clients(self, up: Bench) -> None:
        """A client that sends many requests doesn't starve one that sends few."""
        for id_ in ("a1", "a2", "a3"):
            up.ask(id_, client="alice")
        up.ask("b1", client="bob")
        for index in range(4):
            up.reply(up.sent[index])
        assert up.started == ["a1", "a2", "b1", "a3"]

    def test_a_refused_neighbour_leaves_order_and_count(self, up: Bench) -> None:
        """Refusals between requests of one client change nothing for these."""
        up.ask("1")
        up.ask("2", context={"execution_timeout": "x"})
        up.ask("3")
        up.reply(up.sent[0])
        assert up.started == ["1", "3"]

    def test_same_id_of_two_clients(self, up: Bench) -> None:
        """Ids count by client: equal ids of two clients are two requests."""
        up.ask("1", client="alice")
        up.ask("1", client="bob")
        up.reply(up.sent[0], "for alice")
        up.reply(up.sent[1], "for bob")
        assert [(a.client, a.value) for a in up.answers] == [
            ("alice", "for alice"),
            ("bob", "for bob"),
        ]

    def test_integer_and_text_ids_differ(self, up: Bench) -> None:
        """1 and "1" are two ids; each is echoed as it came."""
        up.ask(1)
        up.ask("1")
        up.reply(up.sent[0])
        up.reply(up.sent[1])
        assert [answer.id for answer in up.answers] == [1, "1"]


class TestDuplicates:
    def test_repeated_while_pending(self, up: Bench) -> None:
        """A request that is repeated while it waits or runs is dropped: one start, one answer."""
        up.ask("1")
        up.ask("2")
        up.ask("1")
        up.ask("2")
        assert up.broker.counts["duplicates"] == 2
        up.reply(up.sent[0])
        up.reply(up.sent[1])
        assert up.started == ["1", "2"]
        assert up.summaries == [("1", "REPLY", None), ("2", "REPLY", None)]
        up.assert_empty()

    @pytest.mark.parametrize(
        "changes",
        [
            {"messageType": "EXIT"},
            {"messageType": "REPLY"},
            {"messageType": "HANDSHAKE"},
            {"operation": "pending", "payload": b"[]"},
            {"worker": "nobody"},
            {"context": {"execution_timeout": "x"}},
            {"context": {"execution_timeout": 0}},
            {"thingID": 5},
            {"without": ["receiverID"]},
        ],
        ids=str,
    )
    def test_a_pending_id_gets_no_other_answer(self, up: Bench, changes: dict[str, Any]) -> None:
        """No message that reuses a pending id is answered: it would settle the running one."""
        up.ask("1")
        up.ask("1", **changes)
        assert up.answers == []
        up.reply(up.sent[0], "done")
        assert up.summaries == [("1", "REPLY", "done")]
        up.assert_empty()

    def test_another_client_s_pending_id_is_free(self, up: Bench) -> None:
        """A pending id blocks only its own client."""
        up.ask("1", client="alice")
        up.ask("1", client="bob", messageType="EXIT")
        assert up.last.client == "bob"

    def test_repeated_after_the_answer(self, up: Bench) -> None:
        """An id may be used again once it is answered; a late end of the first settles nothing."""
        up.ask("1", context={"execution_timeout": 1})
        up.at(101)
        assert up.summaries == [("1", "TIMEOUT", "execution")]
        up.ask("1")
        assert up.started == ["1"]
        up.reply(up.sent[0], "late")
        up.reply(up.sent[1], "second")
        assert up.summaries[1:] == [("1", "REPLY", "second")]
        up.assert_empty()


class TestCaps:
    def test_queue(self) -> None:
        """As many requests as the cap says wait for a worker; the next is refused at once."""
        bench = Bench(Caps(queue=2))
        bench.add("stage")
        bench.add("camera")
        for id_ in "123":
            bench.ask(id_, client=f"client{id_}")
        assert bench.summaries == [("3", "INVALID_MESSAGE", "BufferError", "not started")]
        assert "'stage' is busy: 2 requests wait" in bench.last.error["message"]
        assert bench.broker.queued("stage") == 2
        bench.ask("4", "camera")
        assert len(bench.answers) == 1

    def test_queue_of_one_client(self) -> None:
        """One client can't fill the queue alone, in whichever lanes its requests wait."""
        bench = Bench(Caps(queue_per_client=2))
        bench.add()
        bench.bring_up(concurrent=["peek"], capacity=1)
        for id_, member in (("1", "move"), ("2", "peek")):  # these run
            bench.ask(id_, member=member)
        for id_, member in (("3", "move"), ("4", "peek"), ("5", "move"), ("6", "peek")):
            bench.ask(id_, member=member)
        assert [answer.id for answer in bench.answers] == ["5", "6"]
        assert "2 requests of this client wait" in bench.last.error["message"]
        bench.ask("7", client="bob")
        assert len(bench.answers) == 2

    def test_bytes(self) -> None:
        """The bytes that wait for a worker are bounded, headers included."""
        size = sum(len(frame) for frame in request("1", payload=b"x" * 100)[2:])
        bench = Bench(Caps(queue_bytes=2 * size))
        bench.add()
        for id_ in "123":
            bench.ask(id_, payload=b"x" * 100)
        assert bench.summaries == [("3", "INVALID_MESSAGE", "BufferError", "not started")]
        assert bench.broker.peers["stage"].waiting_bytes == 2 * size

    def test_room_comes_back(self) -> None:
        """Room is given back by a start, a timeout and a refusal of what waits."""
        bench = Bench(Caps(queue=1))
        bench.add()
        bench.ask("timed out", context={"invokation_timeout": 1})
        bench.at(101)
        bench.ask("started")
        bench.bring_up()
        bench.ask("refused")
        bench.broker.refuse("stage", "gone")
        bench.broker.hold("stage")
        bench.ask("kept")
        assert [a.kind for a in bench.answers if a.kind == "INVALID_MESSAGE"] == []
        assert bench.broker.queued("stage") == 1

    def test_a_free_worker_needs_no_room(self) -> None:
        """A request that starts at once never waits, so no cap of the queue is in its way."""
        bench = Bench(Caps(queue=0, queue_per_client=0, queue_bytes=0))
        bench.add()
        bench.bring_up()
        bench.ask("1")
        assert bench.started == ["1"]
        bench.ask("2")
        assert bench.last.summary == ("2", "INVALID_MESSAGE", "BufferError", "not started")

    def test_message_and_header(self) -> None:
        """Messages and headers over their caps are refused with their id."""
        bench = Bench(Caps(header=2000, message=4000))
        bench.add()
        bench.ask("1", payload=b"x" * 4000)
        bench.ask("2", objekt="x" * 2000)
        assert [(a.id, a.error["type"]) for a in bench.answers] == [
            ("1", "ValueError"),
            ("2", "ValueError"),
        ]
