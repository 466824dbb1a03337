"""Leases by themselves: rules one by one, and against a model that is written another way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from orchestrator.core.admission import Refusal
from orchestrator.core.leases import (
    LONGEST,
    MOST_WAITING,
    Lease,
    Leases,
    NoLease,
    Wish,
    check_seconds,
    told,
)

ADA = "ada@lab:x"


def wish(client: str, worker: str = "stage", *, key: str = "k", seconds: float = 10.0) -> Wish:
    return Wish(worker, client.encode(), key, f"{client}@lab:x", "work", seconds)


def granted(leases: Leases, client: str, now: float = 0.0, worker: str = "stage") -> Lease:
    found = leases.ask(wish(client, worker), now)
    assert isinstance(found, Lease)
    return found


def test_only_the_number_of_the_lease_that_holds_passes() -> None:
    """Neither no number, nor an older one, nor one that wasn't given yet has an effect."""
    leases = Leases()
    assert leases.refusal("stage", 0, ADA, 0.0) == ""
    first = granted(leases, "ada")
    assert leases.refusal("stage", first.number, ADA, 0.0) == ""
    assert "leased to ada@lab:x (work)" in leases.refusal("stage", 0, ADA, 0.0)
    leases.give_back("stage", first.number, first.wish.who, 1.0)
    assert "lease 1 of stage ended 1.0 s ago" in leases.refusal("stage", first.number, ADA, 2.0)
    second = granted(leases, "bob", 3.0)
    assert second.number > first.number
    late = leases.refusal("stage", first.number, ADA, 4.0)
    assert "lease 1 of stage ended" in late
    assert "leased to bob@lab:x" in late
    assert leases.refusal("stage", second.number + 1, ADA, 4.0)


def test_how_a_lease_has_ended_is_known_by_its_number() -> None:
    """Whether its time was over, or it ended otherwise, or it is another one."""
    leases = Leases()
    first = granted(leases, "ada")
    leases.expire(10.0)
    assert leases.ended["stage"].is_over(first.number)
    assert not leases.ended["stage"].is_over(first.number + 1)
    second = granted(leases, "ada", 11.0)
    leases.break_("stage", "broken by root: fire", 12.0)
    assert not leases.ended["stage"].is_over(second.number)


def test_the_floor_rises_when_a_lease_ends() -> None:
    """A worker is told a number above that of the lease that ended, at once."""
    leases = Leases()
    first = granted(leases, "ada")
    assert leases.floor("stage") == first.number
    leases.give_back("stage", first.number, first.wish.who, 1.0)
    assert leases.floor("stage") == first.number + 1
    assert granted(leases, "bob").number == first.number + 1


def test_numbers_rise_over_all_workers() -> None:
    """A number is of one lease, whatever the worker."""
    leases = Leases()
    leases.number = 41
    assert granted(leases, "ada", worker="stage").number == 42
    assert granted(leases, "ada", worker="camera").number == 43
    assert leases.refusal("camera", 42, ADA, 0.0)


def test_a_number_is_of_no_use_to_others() -> None:
    """Status shows it to all; another program of its owner may use it, nobody else may."""
    leases = Leases()
    number = granted(leases, "ada").number
    assert leases.refusal("stage", number, "ada@lab:child.py", 0.0) == ""
    assert "lease 1 isn't bob@lab's; stage is leased to ada" in leases.refusal(
        "stage", number, "bob@lab:x", 0.0
    )
    assert leases.refusal("stage", number, "ada@elsewhere:x", 0.0)
    with pytest.raises(NoLease, match="isn't bob@lab's"):
        leases.renew("stage", number, "bob@lab:x", 5.0, 0.0)
    with pytest.raises(NoLease, match="isn't bob@lab's"):
        leases.give_back("stage", number, "bob@lab:x", 0.0)


def test_who_waits_is_told_the_place_and_keeps_it() -> None:
    """First come, first served; asking again is no second wish."""
    leases = Leases()
    first = granted(leases, "ada")
    assert [leases.ask(wish(each), 0.0) for each in ("bob", "cy", "bob")] == [1, 2, 1]
    leases.give_back("stage", first.number, first.wish.who, 1.0)
    assert leases.held["stage"].wish.client == b"bob"
    assert leases.held["stage"].until == 11.0
    assert leases.ask(wish("bob"), 2.0) is leases.held["stage"]
    assert leases.ask(wish("cy"), 2.0) == 1


def test_a_connection_has_a_lease_once() -> None:
    """Another wish of its own would wait for itself without end."""
    leases = Leases()
    granted(leases, "ada")
    with pytest.raises(NoLease, match="has the lease of stage already"):
        leases.ask(wish("ada", key="other"), 0.0)


def test_too_many_dont_wait() -> None:
    """What waits is bounded."""
    leases = Leases()
    granted(leases, "ada")
    for number in range(MOST_WAITING):
        leases.ask(wish(f"c{number}"), 0.0)
    with pytest.raises(NoLease, match="wait for stage already"):
        leases.ask(wish("late"), 0.0)


def test_it_ends_at_its_time_unless_it_is_renewed() -> None:
    """Not before, and a renewal counts from when it comes."""
    leases = Leases()
    lease = granted(leases, "ada")
    assert leases.next_deadline == 10.0
    leases.renew("stage", lease.number, lease.wish.who, 10.0, 6.0)
    assert leases.expire(15.9) == []
    assert leases.expire(16.0) == [lease]
    assert leases.next_deadline is None
    with pytest.raises(NoLease, match="its time was over"):
        leases.renew("stage", lease.number, lease.wish.who, 10.0, 17.0)


def test_who_leaves_has_nothing_and_waits_for_nothing() -> None:
    """Of no worker; whoever is next has it."""
    leases = Leases()
    granted(leases, "ada")
    granted(leases, "ada", worker="camera")
    granted(leases, "bob", worker="laser")
    leases.ask(wish("bob"), 0.0)
    leases.ask(wish("ada", "laser"), 0.0)
    assert {each.wish.worker for each in leases.left(b"ada", 1.0)} == {"stage", "camera"}
    assert leases.held["stage"].wish.client == b"bob"
    assert leases.waiting("laser") == []


def test_giving_up_gives_back_what_was_granted_meanwhile() -> None:
    """The grant and the end of waiting may pass each other."""
    leases = Leases()
    lease = granted(leases, "ada")
    leases.ask(wish("bob"), 0.0)
    leases.ask(wish("cy"), 0.0)
    leases.give_up("stage", b"cy", "k", 0.0)
    assert [each.client for each in leases.waiting("stage")] == [b"bob"]
    leases.give_back("stage", lease.number, lease.wish.who, 1.0)
    leases.give_up("stage", b"bob", "k", 2.0)
    assert leases.held == {}


def test_breaking_says_why() -> None:
    """Its owner hears of it; where there is none, whoever breaks it does."""
    leases = Leases()
    lease = granted(leases, "ada")
    assert leases.break_("stage", "broken by root: fire", 5.0) is lease
    assert "broken by root: fire" in leases.refusal("stage", lease.number, ADA, 6.0)
    with pytest.raises(NoLease, match="nobody has a lease of stage"):
        leases.break_("stage", "again", 7.0)


@pytest.mark.parametrize("seconds", [0.0, -1.0, LONGEST + 1, float("nan"), float("inf")])
def test_a_time_that_is_none(seconds: float) -> None:
    """A lease has an end."""
    with pytest.raises(Refusal, match=r"a lease holds for .* at most 604800 s") as caught:
        check_seconds(seconds)
    assert caught.value.type == "ValueError"  # no waiting mends it, as it may a BlockingIOError


def test_in_words() -> None:
    """Who, why, since when, until when."""
    lease = Lease(3, wish("ada"), 10.0, 70.0)
    text = "leased to ada@lab:x (work) for 5.0 s by now, until it is given back or in 55.0 s"
    assert told(lease, 15.0) == text


CLIENTS = ["ada", "bob", "cy", "di"]
WORKERS = ["stage", "camera"]


class Machine(RuleBasedStateMachine):
    """Against a model that knows only a list of who came, and a log of who had what number."""

    @initialize(number=st.integers(0, 50))
    def begin(self, number: int) -> None:
        """A rig, maybe not its first run."""
        self.leases = Leases()
        self.leases.number = number
        self.now = 0.0
        self.highest = number
        self.lines: dict[str, list[list[Any]]] = {each: [] for each in WORKERS}
        self.over: set[tuple[str, int]] = set()

    def _advance(self, worker: str) -> None:
        """The first in line has it, under a new number."""
        line = self.lines[worker]
        if line and line[0][2] == 0:
            self.highest += 1
            line[0][2] = self.highest
            line[0][3] = self.now + line[0][1]

    def _drop(self, worker: str, keep: Any) -> None:
        for each in self.lines[worker]:
            if not keep(each) and each[2]:
                self.over.add((worker, each[2]))
        self.lines[worker] = [each for each in self.lines[worker] if keep(each)]
        self._advance(worker)

    @rule(client=st.sampled_from(CLIENTS), worker=st.sampled_from(WORKERS), s=st.integers(1, 9))
    def ask(self, client: str, worker: str, s: int) -> None:
        """Somebody wants it."""
        line = self.lines[worker]
        if client not in [each[0] for each in line]:
            line.append([client, s, 0, 0.0])
            self._advance(worker)
        place = [each[0] for each in line].index(client)
        found = self.leases.ask(wish(client, worker, seconds=s), self.now)
        assert (found.number if isinstance(found, Lease) else -found) == (line[0][2] or 0) * (
            place == 0
        ) - place

    @rule(client=st.sampled_from(CLIENTS))
    def leave(self, client: str) -> None:
        """A connection ends."""
        self.leases.left(client.encode(), self.now)
        lines = self.lines  # what he has is given on in the order in which he got it
        for worker in sorted(lines, key=lambda each: lines[each][0][2] if lines[each] else 0):
            self._drop(worker, lambda each: each[0] != client)

    @rule(client=st.sampled_from(CLIENTS), worker=st.sampled_from(WORKERS), ago=st.integers(0, 3))
    def give_back(self, client: str, worker: str, ago: int) -> None:
        """Somebody gives back a lease: the newest number, or one from before; his or another's."""
        number = max(1, self.highest - ago)
        line = self.lines[worker]
        holds = bool(line) and line[0][2] == number and line[0][0] == client
        try:
            self.leases.give_back(worker, number, f"{client}@lab:y", self.now)
        except NoLease:
            assert not holds
            return
        assert holds
        self._drop(worker, lambda each: each[2] != number)

    @rule(
        client=st.sampled_from(CLIENTS),
        worker=st.sampled_from(WORKERS),
        ago=st.integers(0, 3),
        s=st.integers(1, 9),
    )
    def renew(self, client: str, worker: str, ago: int, s: int) -> None:
        """Somebody renews."""
        number = max(1, self.highest - ago)
        line = self.lines[worker]
        holds = bool(line) and line[0][2] == number and line[0][0] == client
        try:
            self.leases.renew(worker, number, f"{client}@lab:y", s, self.now)
        except NoLease:
            assert not holds
            return
        assert holds
        self.lines[worker][0][3] = self.now + s

    @rule(worker=st.sampled_from(WORKERS))
    def break_(self, worker: str) -> None:
        """An admin ends it."""
        try:
            self.leases.break_(worker, "fire", self.now)
        except NoLease:
            assert not self.lines[worker]
            return
        number = self.lines[worker][0][2]
        self._drop(worker, lambda each: each[2] != number)

    @rule(s=st.integers(1, 6))
    def wait(self, s: int) -> None:
        """Time passes; what is due happens when it is."""
        until = self.now + s
        while (due := self.leases.next_deadline) is not None and due <= until:
            self.now = due
            over = {each.wish.worker for each in self.leases.expire(due)}
            assert over, "a deadline without anything due would spin"
            mine = {w for w in WORKERS if self.lines[w] and self.lines[w][0][3] <= due}
            assert over == mine
            for worker in sorted(over, key=list(over).index):
                number = self.lines[worker][0][2]
                self.over.add((worker, number))
                self.lines[worker].pop(0)
            # who of two workers is served first isn't promised: numbers are taken over
            for worker in WORKERS:
                line = self.lines[worker]
                if line and line[0][2] == 0:
                    line[0][2] = self.leases.held[worker].number
                    line[0][3] = due + line[0][1]
                    assert line[0][2] > self.highest
            self.highest = max([self.highest, *(ln[0][2] for ln in self.lines.values() if ln)])
        self.now = until

    @invariant()
    def one_owner_in_order(self) -> None:
        """Who has it is the first of those who came, and nobody else."""
        for worker in WORKERS:
            line = self.lines[worker]
            held = self.leases.held.get(worker)
            assert (held is None) == (not line)
            if held is not None:
                assert (held.wish.client.decode(), held.number, held.until) == (
                    line[0][0],
                    line[0][2],
                    line[0][3],
                )
            assert [each.client.decode() for each in self.leases.waiting(worker)] == [
                each[0] for each in line[1:]
            ]

    @invariant()
    def who_was_cut_off_never_acts(self) -> None:
        """No number that has ended passes again, at the rig or by the floor at a worker."""
        assert self.leases.number == self.highest
        for worker, number in self.over:
            assert self.leases.refusal(worker, number, "ada@lab:x", self.now)
            assert number < self.leases.floor(worker)


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
