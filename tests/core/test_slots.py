"""Slots of shared memory: none is filled again while somebody may still read what is in it."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from orchestrator.core.effects import (
    DropSlot,
    Effects,
    FreeSlot,
    HandSlot,
    ToClient,
    ToWorker,
)
from orchestrator.core.slots import SHARE, Slots, reader_of
from tests.core.rig_kit import Bench
from tests.core.told import taken
from transports.references import ARGUMENTS, MOST_SLOTS, SLOTTED, Reference, mark

LIMIT = 1000
OWNER, CLIENT, OTHER = b"worker", b"client", b"other"


class Rig:
    """Slots with an owner and two clients."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.effects: Effects = deque()
        self.slots = Slots(self.effects, limit)
        for peer in (OWNER, CLIENT, OTHER):
            assert self.slots.joined(peer)

    def taken(self) -> list[Any]:
        return list(taken(self.effects))

    def sent(self, reference: Reference, *holders: bytes) -> list[Any]:
        """A reply comes and goes to so many; what is left to be done."""
        assert self.slots.came(OWNER, reference)
        for holder in holders:
            self.slots.lease(holder, reference)
        self.slots.settle(reference)
        return self.taken()


def test_a_client_is_handed_a_slot_once_before_it_is_sent_a_reference() -> None:
    rig = Rig()
    number = rig.slots.offered(OWNER, 100)
    assert rig.sent(Reference(number, 1, 50), CLIENT) == [HandSlot(CLIENT, number)]
    assert rig.slots.can_read(CLIENT, Reference(number, 1, 50))
    rig.slots.returned(CLIENT, number, 1)
    assert rig.taken() == [FreeSlot(OWNER, number, 1)]
    assert rig.sent(Reference(number, 2, 50), CLIENT) == []
    assert not rig.slots.can_read(OTHER, Reference(number, 2, 50))


def test_a_frame_that_goes_to_nobody_is_free_at_once() -> None:
    rig = Rig()
    number = rig.slots.offered(OWNER, 100)
    assert rig.sent(Reference(number, 1, 50)) == [FreeSlot(OWNER, number, 1)]


def test_who_has_not_joined_or_could_not_be_handed_it_reads_no_slot() -> None:
    rig = Rig()
    number = rig.slots.offered(OWNER, 100)
    reference = Reference(number, 1, 50)
    assert rig.sent(reference, b"stranger") == []
    assert not rig.slots.can_read(b"stranger", reference)
    rig.slots.returned(b"stranger", number, 1)
    assert rig.taken() == [FreeSlot(OWNER, number, 1)]
    again = Reference(number, 2, 50)
    assert rig.sent(again, CLIENT) == [HandSlot(CLIENT, number)]
    rig.slots.unhanded(CLIENT, number)
    assert not rig.slots.can_read(CLIENT, again)


def test_a_slot_that_is_held_can_not_be_filled() -> None:
    """Nor can one that isn't there, for the wrong generation, or with more than it has room for."""
    rig = Rig()
    number = rig.slots.offered(OWNER, 100)
    rig.sent(Reference(number, 1, 50), CLIENT)
    assert not rig.slots.came(OWNER, Reference(number, 2, 50))
    rig.slots.returned(CLIENT, number, 1)
    assert not rig.slots.came(OWNER, Reference(number, 1, 50))
    assert not rig.slots.came(OWNER, Reference(number, 3, 50))
    assert not rig.slots.came(OWNER, Reference(number, 2, 101))
    assert not rig.slots.came(CLIENT, Reference(number, 2, 50))
    assert not rig.slots.came(OWNER, Reference(number + 1, 1, 1))
    assert rig.slots.came(OWNER, Reference(number, 2, 100))


def test_a_late_return_is_none_of_the_next_frame() -> None:
    rig = Rig()
    number = rig.slots.offered(OWNER, 100)
    for generation in (1, 2):
        rig.sent(Reference(number, generation, 50), CLIENT)
        rig.slots.returned(CLIENT, number, generation - 1)
        assert rig.taken() == []
        rig.slots.returned(CLIENT, number, generation)
        assert rig.taken() == [FreeSlot(OWNER, number, generation)]


def test_a_slot_is_freed_once() -> None:
    """Also if its request is over before its arrival is."""
    rig = Rig()
    number = rig.slots.offered(OWNER, 100)
    reference = Reference(number, 1, 50)
    assert rig.slots.came(OWNER, reference)
    rig.slots.keep(reference)
    rig.slots.end(reference)
    rig.slots.settle(reference)
    assert rig.taken() == [FreeSlot(OWNER, number, 1)]


def test_a_slot_is_free_when_its_last_holder_is_done() -> None:
    rig = Rig()
    number = rig.slots.offered(OWNER, 100)
    reference = Reference(number, 1, 50)
    assert rig.slots.came(OWNER, reference)
    rig.slots.lease(CLIENT, reference)
    rig.slots.lease(OTHER, reference)
    rig.slots.settle(reference)
    rig.taken()
    rig.slots.returned(CLIENT, number, 1)
    assert rig.taken() == []
    rig.slots.returned(OTHER, number, 1)
    assert rig.taken() == [FreeSlot(OWNER, number, 1)]


def test_all_slots_together_and_those_of_one_owner_are_bounded() -> None:
    rig = Rig()
    assert rig.slots.offered(b"stranger", 1) == 0
    assert rig.slots.offered(OWNER, 0) == 0
    assert rig.slots.offered(OWNER, LIMIT // SHARE + 1) == 0
    assert rig.slots.offered(OWNER, LIMIT // SHARE)
    assert rig.slots.offered(OWNER, 1) == 0
    assert rig.slots.offered(CLIENT, LIMIT // SHARE)
    assert rig.slots.offered(OTHER, 1) == 0
    many = Rig()
    assert all(many.slots.offered(OWNER, 1) for _ in range(MOST_SLOTS))
    assert many.slots.offered(OWNER, 1) == 0
    assert Rig(limit=0).slots.offered(OWNER, 1) == 0


def test_an_owner_that_is_gone_leaves_its_frames_to_those_who_hold_them() -> None:
    rig = Rig()
    held, idle = rig.slots.offered(OWNER, 100), rig.slots.offered(OWNER, 100)
    rig.sent(Reference(held, 1, 50), CLIENT, OTHER)
    rig.slots.left(OWNER)
    assert rig.taken() == [DropSlot(idle, ())]
    rig.slots.returned(CLIENT, held, 1)
    assert rig.taken() == []
    rig.slots.left(OTHER)
    assert rig.taken() == [DropSlot(held, (CLIENT,))]
    assert (len(rig.slots), rig.slots.size) == (0, 0)


def test_a_name_is_taken_by_one_connection_at_a_time() -> None:
    rig = Rig()
    assert not rig.slots.joined(CLIENT)
    rig.slots.left(CLIENT)
    assert rig.slots.joined(CLIENT)


def test_only_its_owner_withdraws_a_slot() -> None:
    rig = Rig()
    number = rig.slots.offered(OWNER, 100)
    rig.slots.withdrawn(CLIENT, number)
    assert rig.taken() == []
    rig.slots.withdrawn(OWNER, number)
    rig.slots.withdrawn(OWNER, number)
    assert rig.taken() == [DropSlot(number, ())]
    assert rig.slots.status() == {"slots": 0, "held": 0, "bytes": 0, "limit": LIMIT}


PEERS = st.sampled_from([b"w1", b"w2", b"c1", b"c2", b"c3"])


class AnyOrder(RuleBasedStateMachine):
    """Peers that come, go, lie and repeat themselves, against a list of who reads what."""

    numbers = Bundle("numbers")

    def __init__(self) -> None:
        super().__init__()
        self.effects: Effects = deque()
        self.slots = Slots(self.effects, LIMIT)
        self.there: set[bytes] = set()
        self.owner: dict[int, bytes] = {}  # of those that aren't dropped
        self.sizes: dict[int, int] = {}
        self.filled: dict[int, int] = {}
        self.free: set[int] = set()  # as their owners know it
        self.reads: set[tuple[bytes, int]] = set()
        self.handed: set[tuple[bytes, int]] = set()

    def look(self) -> None:
        """Judge what is to be done."""
        for effect in taken(self.effects):
            match effect:
                case HandSlot(peer=peer, slot=number):
                    assert peer in self.there
                    assert (peer, number) not in self.handed
                    self.handed.add((peer, number))
                case FreeSlot(owner=owner, slot=number, generation=generation):
                    assert not any(slot == number for _, slot in self.reads)
                    assert self.owner[number] == owner
                    assert generation == self.filled[number]
                    assert number not in self.free
                    self.free.add(number)
                case DropSlot(slot=number, peers=peers):
                    assert not any(slot == number for _, slot in self.reads)
                    assert set(peers) == {peer for peer, slot in self.handed if slot == number}
                    del self.owner[number], self.sizes[number]
                    self.free.discard(number)
                case _:
                    raise AssertionError(effect)

    @rule(peer=PEERS)
    def join(self, peer: bytes) -> None:
        assert self.slots.joined(peer) == (peer not in self.there)
        self.there.add(peer)

    @rule(peer=PEERS)
    def leave(self, peer: bytes) -> None:
        self.slots.left(peer)
        self.there.discard(peer)
        self.reads = {(who, slot) for who, slot in self.reads if who != peer}
        self.handed = {(who, slot) for who, slot in self.handed if who != peer}
        self.look()

    @rule(target=numbers, peer=PEERS, size=st.integers(0, LIMIT))
    def offer(self, peer: bytes, size: int) -> int:
        number = self.slots.offered(peer, size)
        if number:
            assert peer in self.there
            assert number not in self.owner
            self.owner[number] = peer
            self.sizes[number] = size
            self.filled[number] = 0
            self.free.add(number)
        return number

    @rule(number=numbers, peer=PEERS)
    def withdraw(self, number: int, peer: bytes) -> None:
        self.slots.withdrawn(peer, number)
        if self.owner.get(number) == peer:
            self.free.discard(number)
        self.look()

    @rule(number=numbers, skip=st.integers(0, 2), holders=st.sets(PEERS))
    def reply(self, number: int, skip: int, holders: set[bytes]) -> None:
        reference = Reference(number, self.filled.get(number, 0) + skip, 1)
        may = number in self.free and self.owner[number] in self.there and skip == 1
        assert self.slots.came(self.owner.get(number, b""), reference) == may
        if not may:
            return
        self.free.discard(number)
        self.filled[number] += 1
        for holder in holders:
            self.reads.add((holder, number))
            self.slots.lease(holder, reference)
        self.slots.settle(reference)
        self.look()
        for holder in holders:
            assert self.slots.can_read(holder, reference) == ((holder, number) in self.handed)

    @rule(number=numbers, peer=PEERS, stale=st.booleans())
    def give_back(self, number: int, peer: bytes, stale: bool) -> None:
        generation = self.filled.get(number, 0) - stale
        if not stale:
            self.reads.discard((peer, number))
        self.slots.returned(peer, number, generation)
        self.look()

    @invariant()
    def is_bounded(self) -> None:
        assert self.slots.size == sum(self.sizes.values()) <= LIMIT
        assert len(self.slots) == len(self.sizes)

    def teardown(self) -> None:
        for peer in [*self.there, b"w1", b"w2", b"c1", b"c2", b"c3"]:
            self.leave(peer)
        assert not self.owner
        assert self.slots.size == 0


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


class Link:
    """A rig's core whose worker has a slot, and whose client takes references."""

    def __init__(self) -> None:
        self.bench = Bench(shared_memory=LIMIT)
        self.bench.start()
        self.slots = self.bench.rig.slots
        assert self.slots.joined(b"a1")
        assert self.slots.joined(b"alice")
        self.slot = self.slots.offered(b"a1", 100)

    def reply(self, id_: str, generation: int, raw: bytes = b"", lane: str = "a1.q") -> list[Any]:
        """The worker answers its oldest dispatch by reference; what is left to be done."""
        number = int(id_).to_bytes(8, "big")
        raw = raw or Reference(self.slot, generation, 50).pack()
        self.bench.link(lane, [mark(number), b"{}", b"", raw])
        effects = list(self.bench.rig.effects)
        self.bench.rig.effects.clear()
        return [each for each in effects if isinstance(each, (ToClient, HandSlot, FreeSlot))]


def test_a_reply_by_reference_is_leased_to_its_client() -> None:
    """Who is handed the slot first."""
    link = Link()
    link.bench.ask("1")
    link.bench.take()
    reference = Reference(link.slot, 1, 50)
    assert link.reply("1", 1) == [
        HandSlot(b"alice", link.slot),
        ToClient([b"alice", b"", b"{}", b"", reference]),
    ]
    assert link.slots.can_read(b"alice", reference)


def test_a_reply_that_goes_to_nobody_frees_its_slot() -> None:
    """Oneway, unasked; and a worker's that has ended, or a stranger's, is no reference."""
    link = Link()
    link.bench.ask("1", context={"oneway": True})
    link.bench.take()
    assert link.reply("1", 1) == [FreeSlot(b"a1", link.slot, 1)]
    assert link.reply("77", 2) == [FreeSlot(b"a1", link.slot, 2)]
    assert link.reply("78", 3, lane="stranger") == []
    link.bench.exit()
    assert [each for each in link.bench.take() if isinstance(each, DropSlot)]
    assert link.reply("79", 3) == []


def test_a_reference_to_what_is_not_there_is_passed_on_as_it_is() -> None:
    """So that the request is answered; its client tells that it can't have the frame."""
    link = Link()
    for id_, raw in (("1", Reference(link.slot, 9, 50).pack()), ("2", b"short")):
        link.bench.ask(id_)
        link.bench.take()
        assert link.reply(id_, 1, raw) == [ToClient([b"alice", b"", b"{}", b"", raw])]
    assert link.slots.status()["held"] == 0


def test_a_message_of_another_form_is_the_brokers_business() -> None:
    link = Link()
    for frames in ([], [mark(bytes(8))], [b"", b"", b"", b""]):
        assert link.slots.taken_off([b"a1.q", *frames]) is None


class Asking:
    """A rig's core whose client has slots for arguments."""

    def __init__(self, **start: Any) -> None:
        self.bench = Bench(shared_memory=LIMIT)
        self.bench.start(**start)
        self.slots = self.bench.rig.slots
        self.reader = b"a1" + ARGUMENTS
        assert self.slots.joined(b"alice" + ARGUMENTS)
        assert self.slots.joined(self.reader)
        self.slot = self.slots.offered(b"alice" + ARGUMENTS, 100)

    def ask(self, id_: str, generation: int, size: int = 50, **more: Any) -> list[Any]:
        """Ask with arguments in the slot; what is left to be done of it."""
        raw = Reference(self.slot, generation, size).pack()
        more.setdefault("preencodedPayloadContentType", SLOTTED)
        self.bench.ask(id_, raw=raw, **more)
        return self.left()

    def left(self) -> list[Any]:
        kinds = (ToClient, ToWorker, HandSlot, FreeSlot, DropSlot)
        effects = [each for each in self.bench.rig.effects if isinstance(each, kinds)]
        self.bench.rig.effects.clear()
        return effects

    @property
    def held(self) -> int:
        return int(self.slots.status()["held"])

    def answer(self, number: int) -> list[Any]:
        self.bench.link("a1.q", [number.to_bytes(8, "big"), b"{}", b"", b""])
        return self.left()


def test_arguments_are_the_clients_again_when_the_request_is_answered() -> None:
    """Its worker is handed the slot once, before it is sent the reference."""
    asking = Asking()
    handed, sent = asking.ask("1", 1)
    assert handed == HandSlot(asking.reader, asking.slot)
    assert sent.frames[-1] == Reference(asking.slot, 1, 50)
    assert asking.slots.can_read(reader_of(sent.frames[0]), sent.frames[-1])
    assert asking.held == 1
    freed, answer = asking.answer(1)
    assert freed == FreeSlot(b"alice" + ARGUMENTS, asking.slot, 1)
    assert isinstance(answer, ToClient)
    (sent,) = asking.ask("2", 2)
    assert isinstance(sent, ToWorker)


def test_arguments_are_kept_while_a_worker_is_at_them() -> None:
    """Also when its client was told that time is over; the next request may not have them."""
    asking = Asking()
    asking.ask("1", 1, context={"execution_timeout": 1})
    asking.bench.at(asking.bench.now + 2)
    assert [type(each) for each in asking.left()] == [ToClient]
    assert asking.held == 1
    (refused,) = asking.ask("2", 2)
    assert b"shared memory that isn't there" in refused.frames[3]
    assert asking.answer(1) == [FreeSlot(b"alice" + ARGUMENTS, asking.slot, 1)]


def test_arguments_of_what_waits_go_to_the_next_life() -> None:
    """They are leased as long as the request is there; each life is handed the slot."""
    asking = Asking()
    asking.bench.ask("0")
    asking.left()
    assert asking.ask("1", 1) == []
    asking.bench.exit()
    assert [type(each) for each in asking.left()] == [ToClient]
    assert asking.held == 1
    asking.bench.to_deadline()
    assert asking.slots.joined(b"a2" + ARGUMENTS)
    asking.bench.come_up("a")
    handed, sent = asking.left()
    assert handed == HandSlot(b"a2" + ARGUMENTS, asking.slot)
    assert sent.frames[-1] == Reference(asking.slot, 1, 50)
    asking.bench.exit()
    assert FreeSlot(b"alice" + ARGUMENTS, asking.slot, 1) in asking.left()


@pytest.mark.parametrize(
    "more",
    [
        {"worker": "nobody"},
        {"context": {"invokation_timeout": 0}},
        {"thingID": "a#other"},
    ],
)
def test_arguments_of_what_is_refused_are_the_clients_again(more: dict[str, Any]) -> None:
    asking = Asking()
    effects = asking.ask("1", 1, **more)
    assert FreeSlot(b"alice" + ARGUMENTS, asking.slot, 1) in effects
    assert asking.held == 0


def test_no_reference_is_taken_for_one() -> None:
    """Of others than its client, or to what it hasn't filled; what says nothing of one is bytes."""
    asking = Asking()
    for generation, size in ((2, 50), (1, 101)):
        (refused,) = asking.ask("1", generation, size)
        assert b"shared memory that isn't there" in refused.frames[3]
    (refused,) = asking.ask("1", 1, client="mallory")
    assert b"shared memory that isn't there" in refused.frames[3]
    (sent,) = asking.ask("1", 1, preencodedPayloadContentType="text/plain")
    assert sent.frames[-1] == Reference(asking.slot, 1, 50).pack()
    assert asking.held == 0


def test_a_client_that_leaves_lets_its_requests_have_their_arguments() -> None:
    """A oneway request is done all the same; then the slot is dropped."""
    asking = Asking()
    asking.ask("1", 1, context={"oneway": True})
    asking.slots.left(b"alice" + ARGUMENTS)
    assert asking.left() == []
    assert asking.answer(1) == [DropSlot(asking.slot, (asking.reader,))]
    assert len(asking.slots) == 0
