"""What the core leaves is performed: each effect by who can, and what can't be done is told."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest
import zmq

from orchestrator.core.children import ChildSpec
from orchestrator.core.effects import (
    Alarmed,
    CancelDone,
    Cut,
    Describe,
    DropSlot,
    Effect,
    Fact,
    FreeSlot,
    HandSlot,
    KeepNumber,
    Launch,
    Moved,
    OrderDone,
    Recorded,
    RigUp,
    Secure,
    Signal,
    TakeBack,
    ToClient,
    ToWorker,
    Unblock,
)
from orchestrator.core.states import Status
from orchestrator.rig import performer as module
from orchestrator.rig.performer import Performer
from tests.core.kit import Answer, Sent
from tests.core.rig_kit import Bench
from tests.rig.sockets_kit import BROKEN, FULL, GONE, FakeSocket, fake_frames
from transports.references import REFERENCE, Reference


class Hands:
    """Everybody who performs something; notes it.

    Attributes:
        done: What was done, in order.
        fails: What a launch raises.
    """

    cap = 1

    def __init__(self) -> None:
        self.done: list[tuple[Any, ...]] = []
        self.fails: Exception | None = None

    def launch(self, worker: str, incarnation: int) -> None:
        if self.fails:
            raise self.fails
        self.done.append(("launch", worker, incarnation))

    def describe(self, request: Describe) -> tuple[str, bytes]:
        self.done.append(("describe", request.worker))
        return "REPLY", b'"described"'

    def record(self, level: str, text: str, fields: dict[str, Any]) -> None:
        self.done.append(("record", level, text, fields))

    def secure(self, secure: Secure) -> None:
        self.done.append(("secure", secure))

    def moved(self, change: Moved) -> None:
        self.done.append(("moved", change))

    def alarmed(self, change: Alarmed) -> None:
        self.done.append(("alarmed", change))

    def order_done(self, done: OrderDone) -> None:
        self.done.append(("order done", done))

    def cancel_done(self, done: CancelDone) -> None:
        self.done.append(("cancel done", done))

    def rig_up(self, up: RigUp) -> None:
        self.done.append(("rig up", up))

    def cut(self, socket: Any, frame: Any) -> bool:
        self.done.append(("cut", frame))
        return True

    def signal(self, worker: str, how: str) -> None:
        self.done.append(("signal", worker, how))

    def give_ticket(self, worker: str, number: int) -> None:
        self.done.append(("ticket", worker, number))

    def take_back(self, worker: str, incarnation: int) -> list[int]:
        self.done.append(("take back", worker, incarnation))
        return [1]

    def unblock(self, worker: str) -> None:
        self.done.append(("unblock", worker))

    def send(self, frames: list[Any], now: float) -> None:
        self.done.append(("answer", frames, now))


class Scene:
    """A performer with a real core."""

    def __init__(self) -> None:
        self.bench = Bench(ChildSpec("a"))
        self.hands, self.back = Hands(), FakeSocket()
        hands: Any = self.hands
        sockets: Any = SimpleNamespace(back=self.back, front=self.back)
        self.performer = Performer(self.bench.rig, sockets, hands, hands, hands, hands)

    def perform(self, effect: Effect) -> list[tuple[Any, ...]]:
        """Perform one effect; gives what was done."""
        self.performer.perform(effect, 100.0)
        return self.hands.done


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    fake_frames(monkeypatch, module)
    return Scene()


CHANGE = Moved("a", 1, "WAITING", "STARTING", "")
ALARM = Alarmed("a", "temperature", "ok", "raised", raised=True, value=61.0, reason="hot")
EFFECTS: list[tuple[Effect, tuple[Any, ...]]] = [
    (ToClient([b"alice", b""]), ("answer", [b"alice", b""], 100.0)),
    (Cut(b"frame", "rubbish", b"client"), ("cut", b"frame")),
    (Launch("a", 3), ("launch", "a", 3)),
    (Signal("a", "kill"), ("signal", "a", "kill")),
    (Secure("a", 3), ("secure", Secure("a", 3))),
    (Unblock("a"), ("unblock", "a")),
    (CHANGE, ("moved", CHANGE)),
    (ALARM, ("alarmed", ALARM)),
    (OrderDone(1, {"a": "READY"}), ("order done", OrderDone(1, {"a": "READY"}))),
    (CancelDone(1, "runs", "a", "b"), ("cancel done", CancelDone(1, "runs", "a", "b"))),
    (RigUp(1, 1, ()), ("rig up", RigUp(1, 1, ()))),
    (Fact("info", "ready", {"worker": "a"}), ("record", "info", "ready", {"worker": "a"})),
]


@pytest.mark.parametrize(("effect", "done"), EFFECTS, ids=lambda each: type(each).__name__)
def test_each_effect_by_who_can(scene: Scene, effect: Effect, done: tuple[Any, ...]) -> None:
    """Once, with what it says."""
    assert scene.perform(effect) == [done]


def test_no_kind_of_effect_is_left_out() -> None:
    """Those that aren't in the list have tests of their own."""
    kinds = {type(effect) for effect, _ in EFFECTS} | {ToWorker, TakeBack, Describe}
    kinds |= {HandSlot, FreeSlot, DropSlot, Recorded, KeepNumber}
    assert kinds == set(get_args(Effect))


def test_a_request_is_sent_to_its_lane(scene: Scene) -> None:
    """Its frames as they are."""
    scene.perform(ToWorker([b"a1.q", b"number", b"header"], 1))
    assert scene.back.sent == [[b"a1.q", b"number", b"header"]]


def test_the_number_of_a_lease_is_kept_for_the_next_run(scene: Scene, tmp_path: Path) -> None:
    """Which refuses it, and goes on from it."""
    relay: Any = None  # it is asked for nothing, unless the rig is recorded
    scene.performer.begin(None, tmp_path, relay)
    scene.perform(KeepNumber(7))
    scene.performer.begin(None, tmp_path, relay)
    assert scene.bench.rig.broker.leasing.leases.number == 7


def test_a_rig_that_is_recorded_has_its_events_recorded_too(scene: Scene, tmp_path: Path) -> None:
    keeps: list[Any] = []
    relay: Any = SimpleNamespace(record=keeps.append)
    scene.performer.begin(tmp_path / "one.rec", tmp_path, relay)
    scene.performer.close()
    assert [each.__name__ for each in keeps] == ["keep_event"]
    assert scene.bench.rig.broker.ledger.records


def test_a_ticket_goes_first(scene: Scene) -> None:
    """So that a worker that has the message finds it, unless it was taken back."""
    scene.back.errno = GONE
    done = scene.perform(ToWorker([b"a1.q", b"number", b"header"], 7, "a"))
    assert done == [("ticket", "a", 7)]


def test_tickets_that_were_taken_back_are_told_to_the_core(scene: Scene) -> None:
    """The operation waits again."""
    bench = scene.bench
    bench.start(claims=True)
    bench.ask("1")
    bench.rig.effects.clear()
    scene.perform(TakeBack("a", 1))
    assert scene.hands.done == [("take back", "a", 1)]
    assert bench.rig.broker.queued("a") == 1


def test_a_lane_that_is_gone_is_told_to_the_core(scene: Scene) -> None:
    """What was to be sent wasn't started: it waits, and is sent when the lane opens again."""
    bench = scene.bench
    bench.start()
    bench.ask("1")
    (effect,) = bench.rig.effects
    bench.rig.effects.clear()
    scene.back.errno = GONE
    scene.perform(effect)
    assert bench.rig.broker.queued("a") == 1
    bench.control("a1.q", {"type": "lane_open"})
    assert [sent.id for sent in bench.of(Sent)] == ["1"]


@pytest.mark.parametrize("errno", [FULL, BROKEN])
def test_any_other_error_is_a_fault_of_ours(scene: Scene, errno: int) -> None:
    """A lane's credit is room: a full one can't be."""
    scene.back.errno = errno
    with pytest.raises(zmq.ZMQError):
        scene.perform(ToWorker([b"a1.q"], 1))


def test_a_description_is_given_to_the_core(scene: Scene) -> None:
    """Which answers with it."""
    bench = scene.bench
    bench.start()
    bench.ask("1", member="get_thing_description")
    (effect,) = bench.rig.effects
    bench.rig.effects.clear()
    assert scene.perform(effect) == [("describe", "a")]
    assert [answer.value for answer in bench.of(Answer)] == ["described"]


def test_a_launch_that_fails_is_told_to_the_core(scene: Scene) -> None:
    """With the reason; only what the system says is one."""
    bench = scene.bench
    bench.order("start", "a")
    (effect,) = bench.take()
    scene.hands.fails = FileNotFoundError(2, "no such file", "python9")
    scene.perform(effect)
    assert bench.status() is Status.FAILED
    assert bench.rig.children["a"].reason == (
        "couldn't be started: [Errno 2] no such file: 'python9'"
    )
    scene.hands.fails = TypeError("ours")
    with pytest.raises(TypeError):
        scene.perform(effect)


def with_slot(scene: Scene) -> tuple[Reference, list[Any]]:
    """A frame in a slot, leased to alice, who has joined but wasn't handed the slot."""
    slots = scene.bench.rig.slots
    slots.limit = 4 << 20
    assert slots.joined(b"token")
    number = slots.offered(b"token", 1 << 20)
    reference = Reference(number, 1, 1 << 20)
    assert slots.came(b"token", reference)
    slots.lease(b"alice", reference)
    return reference, [b"alice", b"", b'{"x": "application/x-orch-slot"}', b"", reference]


def test_a_reference_is_sent_as_its_bytes(scene: Scene) -> None:
    """To a client that has the slot; who hasn't is sent the frame, of which the keeper's tests
    are."""
    slots = scene.bench.rig.slots
    assert slots.joined(b"alice")
    reference, frames = with_slot(scene)
    scene.bench.rig.effects.clear()
    assert scene.perform(ToClient(frames)) == [("answer", [*frames[:4], reference.pack()], 100.0)]


def test_an_answer_that_is_given_up_holds_no_frame(scene: Scene) -> None:
    """Its slot is free again; any other answer is none of the slots' business."""
    reference, frames = with_slot(scene)
    given_up = scene.hands.given_up  # type: ignore[attr-defined]
    given_up([*frames[:4], b"x" * REFERENCE])
    given_up([*frames[:2], b"{}", b"", reference.pack()])
    given_up([*frames[:4], b""])
    assert not scene.bench.of(FreeSlot)
    given_up([*frames[:4], reference.pack()])
    assert scene.bench.of(FreeSlot) == [FreeSlot(b"token", reference.slot, 1)]


def test_slots_are_handed_freed_and_dropped_by_their_keeper(scene: Scene) -> None:
    """Whom nobody knows isn't told, and the core learns what couldn't be handed over."""
    slots = scene.bench.rig.slots
    assert slots.joined(b"alice")
    reference, _ = with_slot(scene)
    fd = os.memfd_create("slot")
    scene.performer.slots._descriptors[reference.slot] = fd
    assert slots.can_read(b"alice", reference)
    scene.perform(HandSlot(b"alice", reference.slot))
    assert not slots.can_read(b"alice", reference)
    scene.perform(FreeSlot(b"token", reference.slot, 1))
    scene.perform(DropSlot(reference.slot, (b"alice",)))
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
