"""Which writes a worker's next life is to have again."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.core.children import ChildSpec
from orchestrator.core.effects import Launch
from orchestrator.core.kept import MOST_KEPT, Write
from tests.core.kit import Sent, reply_frames
from tests.core.rig_kit import Bench
from transports.references import ARGUMENTS, SLOTTED, Reference


@pytest.fixture
def bench() -> Bench:
    """A worker whose exposure and gain are kept."""
    bench = Bench(ChildSpec("a"), restore={"a": ("gain", "exposure")})
    bench.start("a")
    return bench


def write(
    bench: Bench, id_: str, member: str, value: bytes, kind: str = "REPLY", **more: Any
) -> None:
    """Have a client write, and the worker answer."""
    operation = more.pop("operation", "writeproperty")
    bench.ask(id_, "a", member, payload=value, operation=operation, **more)
    (sent,) = bench.of(Sent)
    answer = reply_frames(sent.header, None, kind)
    bench.link(sent.lane, [sent.number.to_bytes(8, "big"), *answer])


def kept(bench: Bench) -> dict[str, Any]:
    return {name: each.payload for name, each in bench.rig.broker.peers["a"].kept.writes().items()}


def test_the_last_acknowledged_write_of_each(bench: Bench) -> None:
    """In the order of the configuration, whatever the order of the writes; nothing else is."""
    write(bench, "1", "exposure", b"0.1")
    write(bench, "2", "exposure", b"0.2")
    write(bench, "3", "gain", b"7")
    write(bench, "4", "other", b"9")
    assert list(kept(bench).items()) == [("gain", b"7"), ("exposure", b"0.2")]
    found = bench.rig.broker.peers["a"].kept.writes()["gain"]
    assert isinstance(found, Write)
    assert b'"3"' in found.header


def test_what_was_refused_by_the_driver_is_not(bench: Bench) -> None:
    write(bench, "1", "gain", b"7")
    write(bench, "2", "gain", b"-1", kind="EXCEPTION")
    write(bench, "3", "gain", b"null", operation="readproperty")
    assert kept(bench) == {"gain": b"7"}


def test_nor_what_nobody_was_told_of(bench: Bench) -> None:
    """Its worker died, so that nobody knows."""
    bench.ask("1", "a", "gain", payload=b"7", operation="writeproperty")
    bench.exit("a")
    assert kept(bench) == {}


def test_a_large_value_is_not_kept_and_the_one_before_is_out_of_date(bench: Bench) -> None:
    write(bench, "1", "gain", b"7")
    write(bench, "2", "gain", b"1" * (MOST_KEPT + 1))
    assert kept(bench) == {}
    bench.take()
    assert [fact.text for fact in bench.facts if "too large" in fact.text]


def test_a_value_in_shared_memory_is_not_kept() -> None:
    """Only large ones are there, and by the next life something else."""
    bench = Bench(ChildSpec("a"), restore={"a": ("gain",)}, shared_memory=1000)
    bench.start("a")
    assert bench.rig.slots.joined(b"alice" + ARGUMENTS)
    number = bench.rig.slots.offered(b"alice" + ARGUMENTS, 100)
    raw = Reference(number, 1, 100).pack()
    write(bench, "1", "gain", b"7", raw=raw, preencodedPayloadContentType=SLOTTED)
    assert kept(bench) == {}
    assert bench.rig.slots.status()["held"] == 0


def test_the_next_lives_have_it_until_it_is_forgotten(bench: Bench) -> None:
    write(bench, "1", "gain", b"7")
    bench.exit("a")
    bench.to_deadline()
    assert kept(bench) == {"gain": b"7"}
    bench.come_up("a")
    bench.order("stop", "a")
    bench.exit("a")
    bench.order("start", "a")
    assert kept(bench) == {"gain": b"7"}
    bench.come_up("a")
    bench.take()
    bench.rig.order("restart", ["a"], bench.now, fresh=True)
    assert kept(bench) == {}
    bench.exit("a")
    assert len(bench.of(Launch)) == 1
