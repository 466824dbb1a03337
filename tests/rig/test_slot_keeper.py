"""The rig's socket for shared memory, with a real owner and real holders, in one process."""

from __future__ import annotations

import gc
import math
import mmap
import os
import select
import socket
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from orchestrator.client.slots import RawFrames
from orchestrator.core.admission import Refusal
from orchestrator.core.effects import DropSlot, Effects, FreeSlot, HandSlot
from orchestrator.core.slots import Slots
from orchestrator.errors import ArgumentUnsendable
from orchestrator.rig.slots import SlotKeeper
from transports.errors import AddressError, SerializationError
from transports.headers import RequestHeader
from transports.references import (
    ARGUMENTS,
    BY_SLOT,
    MOST_SLOTS,
    REFERENCE,
    SLOTTED,
    Reference,
    mark,
)
from transports.serializers import OCTETS
from transports.shm import packets
from transports.shm.holder import Frame, Holder
from transports.shm.memory import PAGE, SLOTS_FILE, capacity_for, is_slot, make
from transports.shm.owner import UNUSED, Owner
from workers.failures import Refused
from workers.serving import slots

MIB = 1 << 20
LIMIT = 64 * MIB
OWNER, CLIENT = b"token", b"client"


class Rig:
    """The keeper with a core, and a loop that turns when it is told to.

    Attributes:
        tokens: Of lives that aren't over.
        records: What was recorded.
    """

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        self.effects: Effects = deque()
        self.slots = Slots(self.effects, limit)
        self.tokens = {OWNER}
        self.records: list[tuple[str, str]] = []
        self.watched: dict[int, Callable[[], None]] = {}
        self.keeper = SlotKeeper(
            self.slots, self.tokens, lambda level, text, _: self.records.append((level, text))
        )
        self.path = self.keeper.open(folder, self)

    def watch(self, source: int, callback: Callable[[], None]) -> None:
        self.watched[source] = callback

    def unwatch(self, fd: int) -> None:
        del self.watched[fd]

    def turn(self) -> None:
        """Do all that is to be done by now."""
        while True:
            while self.effects:
                match self.effects.popleft():
                    case HandSlot() as effect:
                        self.keeper.hand(effect)
                    case FreeSlot() as effect:
                        self.keeper.free(effect)
                    case DropSlot() as effect:
                        self.keeper.drop(effect)
            ready, _, _ = select.select(list(self.watched), [], [], 0)
            if not ready:
                return
            for fd in ready:
                if fd in self.watched:
                    self.watched[fd]()

    def taken(self, owner: Owner, size: int) -> Any:
        """A slot to be filled, offered first if there is none."""
        filling = owner.take(size)
        if filling is None:
            self.turn()
            filling = owner.take(size)
        return filling

    def reply(self, owner: Owner, data: bytes, *clients: bytes) -> tuple[Reference, list[bytes]]:
        """An owner's frame goes to clients: what they are sent."""
        filling = self.taken(owner, len(data))
        filling.memory[:] = data
        filling.sent()
        reference = filling.reference
        assert self.slots.came(OWNER, reference)
        for client in clients:
            self.slots.lease(client, reference)
        self.slots.settle(reference)
        while self.effects:  # in order: what is handed over is so before the reference is sent
            effect = self.effects.popleft()
            if isinstance(effect, HandSlot):
                self.keeper.hand(effect)
            else:
                assert isinstance(effect, FreeSlot)
                self.keeper.free(effect)
        return reference, [self.keeper.answer(client, reference) for client in clients]


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="orch-t-") as name:
        yield Path(name)


@pytest.fixture
def rig(folder: Path) -> Iterator[Rig]:
    rig = Rig(folder)
    yield rig
    rig.keeper.close()


@pytest.fixture
def owner(rig: Rig) -> Iterator[Owner]:
    owner = Owner(rig.path, OWNER)
    yield owner
    owner.close()


@pytest.fixture
def holder(rig: Rig) -> Holder:
    holder = Holder(rig.path, CLIENT)
    rig.turn()
    return holder


def slots_mapped() -> int:
    """How many mappings of slots this process has."""
    return Path("/proc/self/maps").read_text().count("memfd:orch-slot")


def test_a_copy_is_the_callers_own_and_the_slot_is_free_again(
    rig: Rig, owner: Owner, holder: Holder
) -> None:
    """Time after time, in the same memory."""
    for number in range(1, 6):
        data = os.urandom(MIB)
        reference, (sent,) = rig.reply(owner, data, CLIENT)
        assert (reference.slot, reference.generation, len(sent)) == (1, number, REFERENCE)
        frame = holder.open(sent)
        copy: Any = frame.copied()
        assert bytes(copy) == data
        copy[0] = 0
        rig.turn()
        assert rig.slots.status()["held"] == 0


def test_a_view_keeps_its_frame_until_the_last_of_it_is_dropped(
    rig: Rig, owner: Owner, holder: Holder
) -> None:
    """However it was cut up; meanwhile the owner fills others."""
    data = os.urandom(MIB)
    _, (sent,) = rig.reply(owner, data, CLIENT)
    view = holder.open(sent).view()
    assert view.readonly
    array = np.ndarray((MIB // 2,), np.uint8, view[MIB // 2 :])
    del view
    for _ in range(3):
        other, (sent,) = rig.reply(owner, os.urandom(MIB), CLIENT)
        assert other.slot == 2
        holder.open(sent).copied()
        rig.turn()
    assert array.tobytes() == data[MIB // 2 :]
    assert rig.slots.status()["held"] == 1
    del array
    rig.turn()
    assert rig.slots.status()["held"] == 0


def test_a_frame_that_nobody_reads_is_returned(rig: Rig, owner: Owner, holder: Holder) -> None:
    _, (sent,) = rig.reply(owner, bytes(MIB), CLIENT)
    frame: Frame | None = holder.open(sent)
    assert frame is not None
    assert frame.size == MIB
    frame = None
    rig.turn()
    assert rig.slots.status()["held"] == 0


def test_who_has_not_joined_has_the_bytes(rig: Rig, owner: Owner, holder: Holder) -> None:
    """And so has who was sent no descriptor; the slot is free at once, for the others' sake."""
    data = os.urandom(MIB)
    _, sent = rig.reply(owner, data, b"stranger")
    assert sent == [data]
    _, sent = rig.reply(owner, data, b"stranger", CLIENT)
    assert [len(each) for each in sent] == [MIB, REFERENCE]
    assert bytes(holder.open(sent[1]).copied()) == data
    rig.turn()
    assert rig.slots.status()["held"] == 0


def test_a_client_that_ends_holds_nothing(rig: Rig, owner: Owner) -> None:
    """Whatever it held, and had been sent."""
    holder = Holder(rig.path, CLIENT)
    rig.turn()
    _, (sent,) = rig.reply(owner, bytes(MIB), CLIENT)
    assert len(sent) == REFERENCE
    del holder
    gc.collect()
    rig.turn()
    assert rig.slots.status()["held"] == 0
    reference, _ = rig.reply(owner, bytes(MIB), b"stranger")
    assert (reference.slot, reference.generation) == (1, 2)


def test_a_view_outlives_the_rig_and_its_connection(rig: Rig, owner: Owner, holder: Holder) -> None:
    """Nobody fills it again: only the rig could free it."""
    data = os.urandom(MIB)
    _, (sent,) = rig.reply(owner, data, CLIENT)
    view = holder.open(sent).view()
    rig.keeper.close()
    assert owner.take(2 * MIB) is None
    assert owner.take(MIB) is None
    assert bytes(view) == data


def test_a_worker_that_ends_leaves_its_frames(rig: Rig, owner: Owner, holder: Holder) -> None:
    """Those that are on their way too: the core is told of its end, not by its connection's."""
    data = os.urandom(MIB)
    _, (sent,) = rig.reply(owner, data, CLIENT)
    owner.close()
    rig.turn()
    assert len(rig.slots) == 1
    view = holder.open(sent).view()
    rig.tokens.clear()
    rig.slots.left(OWNER)
    rig.turn()
    assert bytes(view) == data
    assert rig.slots.status()["held"] == 1
    del view
    rig.turn()
    assert rig.slots.status() == {"slots": 0, "held": 0, "bytes": 0, "limit": LIMIT}
    with pytest.raises(SerializationError, match="slot 1 wasn't handed over"):
        holder.open(sent)  # the rig has told that it is gone
    assert slots_mapped() == 0


def test_frames_go_inline_where_the_bound_is_reached(folder: Path) -> None:
    """And by slots again when there is room: free ones that don't fit are withdrawn."""
    rig = Rig(folder, limit=4 * MIB)
    owner = Owner(rig.path, OWNER)
    assert rig.taken(owner, 3 * MIB) is None
    assert rig.taken(owner, MIB) is None  # refused a moment ago
    owner._not_before = 0.0
    held = [rig.taken(owner, MIB) for _ in range(3)]
    assert [each is None for each in held] == [False, False, True]
    held.clear()
    assert owner.take(MIB) is not None
    assert rig.slots.size == 2 * MIB
    owner.close()
    rig.keeper.close()


def test_an_owner_with_many_slots_gives_up_the_oldest(rig: Rig, owner: Owner) -> None:
    """Sizes may change for good."""
    held = [rig.taken(owner, MIB) for _ in range(MOST_SLOTS)]
    assert all(held)
    assert rig.taken(owner, 3 * MIB) is None
    held.clear()
    assert all(rig.taken(owner, size * MIB) for size in (3, 7))
    rig.turn()
    assert len(rig.slots) == MOST_SLOTS


def test_a_slot_that_no_frame_follows_is_given_back(
    rig: Rig, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was made for the next one of its size, and none came."""
    assert owner.take(MIB) is None
    rig.turn()
    assert rig.slots.status()["slots"] == 1
    assert 0 < owner.due - time.monotonic() <= UNUSED
    later = time.monotonic() + UNUSED + 1
    monkeypatch.setattr("transports.shm.owner.monotonic", lambda: later)
    owner.give_up_unused()
    rig.turn()
    assert rig.slots.status()["slots"] == 0
    assert owner.due == math.inf


def test_slots_that_are_not_used_are_given_back(
    rig: Rig, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that are held are looked at another time."""
    assert owner.due == math.inf
    held = [rig.taken(owner, MIB) for _ in range(2)]
    assert 0 < owner.due - time.monotonic() <= UNUSED
    del held[1]
    owner.give_up_unused()  # isn't due
    assert rig.slots.status()["slots"] == 2
    later = time.monotonic() + UNUSED + 1
    monkeypatch.setattr("transports.shm.owner.monotonic", lambda: later)
    assert owner.due < later
    owner.give_up_unused()
    rig.turn()
    assert rig.slots.status()["slots"] == 1
    assert owner.due == later + UNUSED
    held.clear()
    later += UNUSED + 1
    owner.give_up_unused()
    rig.turn()
    assert rig.slots.status()["slots"] == 0
    assert owner.due == math.inf


def joined(
    peer: socket.socket, name: bytes, packet: packets.FromPeer, fd: int | None = None
) -> None:
    packets.send(peer, packets.Join(name))
    packets.send(peer, packet, fd)


def test_rubbish_is_turned_out(rig: Rig, folder: Path, holder: Holder) -> None:
    """Whoever sends it; the others are served."""
    path = str(folder / SLOTS_FILE)
    fd, _ = make(MIB)
    plain = os.memfd_create("plain")
    os.ftruncate(plain, PAGE + MIB)
    said: list[Callable[[socket.socket], Any]] = [
        lambda peer: packets.send(peer, packets.Offer(1, MIB), fd),  # it hasn't joined
        lambda peer: peer.send(b"rubbish"),
        lambda peer: joined(peer, b"a", packets.Offer(1, MIB)),
        lambda peer: joined(peer, b"b", packets.Offer(1, 2 * MIB), fd),
        lambda peer: joined(peer, b"c", packets.Offer(1, MIB), plain),
        lambda peer: packets.send(peer, packets.Join(b"")),
        lambda peer: joined(peer, b"d", packets.Join(b"e")),
        lambda peer: joined(peer, CLIENT, packets.Returned(1, 1)),  # the name of another one
    ]
    peers = []
    for say in said:
        peer = packets.connect(path)
        peers.append(peer)
        say(peer)
        rig.turn()
        with pytest.raises((EOFError, ConnectionResetError)):
            packets.receive_from_rig(peer)
    assert [level for level, _ in rig.records] == ["warning"] * len(said)
    assert len(rig.slots) == 0
    for peer in peers:
        peer.close()
    os.close(fd)
    os.close(plain)


def test_a_frame_that_was_written_over_is_found_out(rig: Rig, owner: Owner, holder: Holder) -> None:
    """It can't be, but if it were, nobody would be given it."""
    _, (sent,) = rig.reply(owner, bytes(MIB), CLIENT)
    frame = holder.open(sent)
    slot = owner._slots[1]
    slot.generation += 1
    slot.memory[:8] = (99).to_bytes(8, "little")
    with pytest.raises(SerializationError, match="was written over"):
        frame.copied()
    with pytest.raises(SerializationError, match="was written over"):
        frame.view()


def test_no_reader_can_change_or_shorten_a_slot() -> None:
    fd, memory = make(MIB)
    assert is_slot(fd, MIB)
    assert not is_slot(fd, 2 * MIB)
    with pytest.raises(PermissionError):
        mmap.mmap(fd, PAGE + MIB)
    with pytest.raises(PermissionError):
        os.ftruncate(fd, 1)
    memory[PAGE] = 1
    os.close(fd)


@pytest.mark.parametrize("size", [1, PAGE, PAGE + 1, MIB, MIB + 1, 5 * MIB, 100_000_001])
def test_a_slot_has_room_for_its_frame_and_little_more(size: int) -> None:
    capacity = capacity_for(size)
    assert size <= capacity <= max(PAGE, size * 1.25 + PAGE)
    assert capacity % PAGE == 0


def test_no_shared_memory_no_socket(folder: Path) -> None:
    rig = Rig(folder, limit=0)
    assert rig.path == ""
    assert not (folder / SLOTS_FILE).exists()
    assert Owner(rig.path, OWNER).take(MIB) is None
    with pytest.raises(FileNotFoundError):
        Holder(str(folder / SLOTS_FILE), CLIENT)
    rig.keeper.close()


def test_a_socket_whose_file_is_removed_is_put_back(rig: Rig, folder: Path, holder: Holder) -> None:
    """Who is connected stays so."""
    assert rig.keeper.restore() == []
    (folder / SLOTS_FILE).unlink()
    assert rig.keeper.restore() == [SLOTS_FILE]
    other = Holder(rig.path, b"other")
    rig.turn()
    assert not other.has_ended
    assert not holder.has_ended


def test_a_socket_that_cannot_be_bound_is_told(folder: Path) -> None:
    with pytest.raises(AddressError, match=r"slots\.sock can't be bound"):
        Rig(folder / "absent")


def test_a_result_that_cannot_be_written_leaves_its_slot_free(rig: Rig) -> None:
    """And one that can goes by reference, if its client takes that."""
    header = RequestHeader(
        messageType="OPERATION",
        messageID="1",
        senderID="client",
        receiverID="rig",
        thingExecutionContext={BY_SLOT: True},
    )
    array = np.zeros(MIB, np.uint8)
    worker = slots.Slots(rig.path, OWNER.decode())
    owner = worker._owner
    worker.encode(array, header)  # there is none free: it goes inline, and one is offered
    rig.turn()
    _, reference, kind = worker.encode(array, header)
    assert (type(reference), kind) == (Reference, SLOTTED)
    frames = slots.reply(bytes(8), (b"header", b"payload", reference))
    assert frames == [mark(bytes(8)), b"header", b"payload", reference.pack()]
    _, raw, kind = worker.encode(array, structs.replace(header, thingExecutionContext=None))
    assert (len(raw), kind) == (MIB, OCTETS)
    filling = rig.taken(owner, MIB)
    assert filling.reference.slot != reference.slot
    number = filling.reference.slot
    del filling
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np, "copyto", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            worker.encode(array, header)
    again = owner.take(MIB)
    assert again is not None
    assert again.reference == Reference(number, 1, MIB)
    owner.close()


def test_arguments_are_read_by_a_worker(rig: Rig) -> None:
    """Inline until it has joined; from then on as copies, whatever their slot is used for."""
    client, data = Owner(rig.path, CLIENT + ARGUMENTS), os.urandom(MIB)
    header = RequestHeader(
        messageType="OPERATION",
        messageID="1",
        senderID="client",
        receiverID="rig",
        preencodedPayloadContentType=SLOTTED,
    )
    worker, reader = slots.Slots(rig.path, OWNER.decode()), OWNER + ARGUMENTS

    def sent() -> bytes:
        filling = rig.taken(client, MIB)
        filling.memory[:] = data
        assert filling.is_known
        filling.sent()
        frames: list[Any] = [CLIENT, b"", b"", b"", filling.reference.pack()]
        reference = rig.slots.arrived(CLIENT, header, frames)
        assert reference == frames[4] == filling.reference
        rig.slots.keep(reference)
        rig.slots.settle(reference)
        rig.slots.show(reader, reference)
        for effect in list(rig.effects):
            assert isinstance(effect, HandSlot)
            rig.keeper.hand(effect)
        rig.effects.clear()
        raw = rig.keeper.raw(reader, reference)
        assert rig.slots.status()["held"] == 1
        rig.slots.end(reference)
        rig.turn()
        return raw

    with pytest.raises(Refused, match="this worker has none"):
        worker.raw(header, bytes(REFERENCE))
    assert sent() == data
    assert worker.raw(header, data) is data  # and it joins
    rig.turn()
    for _ in range(3):
        raw = sent()
        assert len(raw) == REFERENCE
        copy: Any = worker.raw(header, raw)
        assert bytes(copy) == data
        copy[0] = 0
    client._slots[1].memory[:8] = (99).to_bytes(8, "little")
    with pytest.raises(Refused, match="was written over"):
        worker.raw(header, raw)
    with pytest.raises(Refusal, match="shared memory that isn't there"):
        rig.slots.arrived(CLIENT, header, [CLIENT, b"", b"", b"", raw])
    assert rig.slots.arrived(CLIENT, header, [CLIENT, b"", b"", b"", data]) is None
    assert rig.slots.status()["held"] == 0
    client.close()


def test_a_client_gives_back_what_it_does_not_use(rig: Rig, folder: Path) -> None:
    """With its next call; what is too small, or a value that the rig may keep, needs no slot."""
    frames = RawFrames(f"ipc://{folder}/front.ipc", "client", zero_copy=False)
    array = np.zeros(MIB, np.uint8)
    found: list[Any] = []
    for _ in range(2):
        found = [frames.arguments("a", "take", (array,), {})[1]]
        rig.turn()
    assert found[0].reference == Reference(1, 1, MIB)
    found.clear()
    assert isinstance(frames.value("a", "mask", array)[1], memoryview)
    assert not isinstance(frames.value("a", "mask", np.zeros(2 * MIB, np.uint8))[1], bytes)
    frames._owner.due = 0.0
    frames._owner._free[0].used = -UNUSED
    frames.arguments("a", "take", (1,), {})
    rig.turn()
    assert set(rig.keeper._descriptors) == {2}
    with pytest.raises(ArgumentUnsendable):
        frames.arguments("a", "take", (lambda: 1,), {})
    frames.close()
    assert isinstance(frames.arguments("a", "take", (array,), {})[1], memoryview)


def test_an_owner_begins_anew_with_another_rig(rig: Rig, folder: Path) -> None:
    """What it had filled for the former one goes inline."""
    owner = Owner(rig.path, OWNER)
    filling = rig.taken(owner, MIB)
    assert filling.is_known
    filling.sent()
    filling.unsent()
    rig.keeper.close()
    assert not filling.is_known
    other = Rig(folder)
    del filling  # isn't one of the new rig's
    owner._not_before = 0.0
    again = other.taken(owner, MIB)
    assert again.reference == Reference(1, 1, MIB)
    owner.close()
    other.keeper.close()


def test_who_is_turned_out_may_join_again(rig: Rig, holder: Holder) -> None:
    assert not holder.has_ended
    rig.keeper._disconnect(rig.keeper._peers[CLIENT])
    assert holder.has_ended
