"""Messages come once and in order, whatever becomes of connections between."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.hosts.channel import Channel

SIDES = st.sampled_from("ab")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("tell"), SIDES),
        st.tuples(st.just("arrive"), SIDES),
        st.tuples(st.just("ask"), SIDES),
        st.just(("break", "")),
    ),
    max_size=60,
)


class World:
    """Two sides, and a connection that keeps order until it breaks."""

    def __init__(self) -> None:
        self.channels = {"a": Channel(), "b": Channel()}
        self.under_way: dict[str, list[tuple[str, object]]] = {"a": [], "b": []}  # by receiver
        self.told: dict[str, list[bytes]] = {"a": [], "b": []}  # by sender
        self.came: dict[str, list[bytes]] = {"a": [], "b": []}  # by receiver
        self.asked = 0

    def other(self, side: str) -> str:
        return "b" if side == "a" else "a"

    def tell(self, side: str) -> None:
        text = b"%d" % len(self.told[side])
        self.told[side].append(text)
        frames = self.channels[side].tell(text, b"data" + text)
        self.under_way[self.other(side)].append(("frames", frames))

    def ask(self, side: str) -> None:
        """A question, whose answer comes behind all that the other side has sent."""
        self.asked += 1
        self.channels[side].asked(self.asked)
        self._put(side, "question")

    def _put(self, side: str, kind: str, number: int | None = None) -> None:
        frames = self.channels[side].say(b"%d" % (number or self.asked))
        self.under_way[self.other(side)].append((kind, frames))

    def arrive(self, side: str) -> None:
        if not self.under_way[side]:
            return
        kind, frames = self.under_way[side].pop(0)
        taken = self.channels[side].take(frames)  # type: ignore[arg-type]
        if kind == "frames":
            if taken is not None:
                assert taken[1] == b"data" + taken[0]
                self.came[side].append(taken[0])
            return
        assert taken is not None
        if kind == "question":
            self._put(side, "answer", int(taken[0]))
        else:
            for again in self.channels[side].answered(int(taken[0])):
                self.under_way[self.other(side)].append(("frames", again))

    def lose(self) -> None:
        for waiting in self.under_way.values():
            waiting.clear()

    def settle(self) -> None:
        for _ in range(3):  # one that finds the loss, one whose answer shows what came
            for side in "ab":
                self.ask(side)
            while any(self.under_way.values()):
                for side in "ab":
                    self.arrive(side)


@given(STEPS)
def test_each_message_comes_once_and_in_order(steps: list[tuple[str, str]]) -> None:
    world = World()
    for what, side in steps:
        if what == "break":
            world.lose()
        else:
            getattr(world, what)(side)
        for receiver in "ab":
            sent, came = world.told[world.other(receiver)], world.came[receiver]
            assert came == sent[: len(came)]
    world.settle()
    for side in "ab":
        assert world.came[world.other(side)] == world.told[side]
        assert world.channels[side].held == 0


def test_nothing_is_sent_twice_while_nothing_breaks() -> None:
    ours, theirs = Channel(), Channel()
    frames = [ours.tell(b"%d" % number) for number in range(3)]
    ours.asked(1)
    assert theirs.take(frames[0]) == (b"0", b"")
    assert ours.held == 3
    for each in frames[1:]:
        theirs.take(each)
    ours.take(theirs.say(b""))
    assert (ours.answered(1), ours.held) == ([], 0)
    assert ours.answered(7) == []


@pytest.mark.parametrize(
    "frames",
    [
        [b"x", b"0", b"", b""],
        [b"1", b"-1", b"", b""],
        [b"0", b"5", b"", b""],
        [b"9" * 40, b"0", b"", b""],
    ],
)
def test_what_is_no_message_is_refused(frames: list[bytes]) -> None:
    with pytest.raises(ValueError, match=r"number|taken"):
        Channel().take(frames)
