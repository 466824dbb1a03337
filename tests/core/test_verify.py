"""Reads that follow an outcome which nobody knows."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from orchestrator.core.changeover import Settings
from orchestrator.core.children import ChildSpec
from orchestrator.core.effects import Fact
from orchestrator.core.own_ids import is_own
from orchestrator.core.plan import Change, Plan
from orchestrator.core.verify import MOST_DOUBTS, TIMEOUT_OF_READ, VERIFIER
from tests.core.kit import Answer, Sent, reply_frames
from tests.core.rig_kit import Bench
from transports.headers import execution_context

DESCRIBED = {"title": "Stage", "properties": {"position": {"unit": "mm"}}}


def bench_of(**reads: str) -> Bench:
    """A worker that is ready; `position` is read after an unknown outcome of `move`."""
    bench = Bench(ChildSpec("a"), verify={"a": reads or {"move": "position"}})
    bench.start("a")
    bench.rig.broker.peers["a"].description = DESCRIBED
    return bench


def die(bench: Bench, id_: str = "1", member: str = "move") -> None:
    """The worker dies while an operation runs, and comes back."""
    bench.ask(id_, member=member)
    bench.exit("a")
    bench.to_deadline()
    bench.open("a")
    bench.take()


def ready(bench: Bench) -> list[Sent]:
    """Its next life is ready; what that is sent."""
    bench.control("a2.q", {"type": "ready", "concurrent": (), "capacity": 0}, _json(DESCRIBED))
    return bench.of(Sent)


def doubtful(id_: str, member: str = "move") -> Any:
    """A request of which nobody knows what became of it."""
    return SimpleNamespace(worker="a", member=member, message_id=id_, client=b"alice")


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def reply(bench: Bench, sent: Sent, payload: Any = 12.5, kind: str = "REPLY") -> list[Fact]:
    """Its worker answers a read; what is told of it."""
    frames = reply_frames(sent.header, payload, kind)
    bench.link(sent.lane, [sent.number.to_bytes(8, "big"), *frames])
    return reach(bench)


def reach(bench: Bench) -> list[Fact]:
    (told,) = bench.of(Answer)
    assert told.client.encode() == VERIFIER
    before = len(bench.facts)
    frames = [VERIFIER, b"", _json(told.header), told.payload, told.raw]
    bench.rig.answered(frames, bench.now)
    bench.take()
    return bench.facts[before:]


def test_after_a_death_it_is_read_as_soon_as_the_worker_is_back() -> None:
    bench = bench_of()
    die(bench)
    (sent,) = ready(bench)
    assert (sent.header["objekt"], sent.header["operation"]) == ("position", "readproperty")
    (fact,) = reply(bench, sent)
    assert fact.text == "outcome of move unknown; position read 12.5 mm"
    assert fact.fields == {"worker": "a", "member": "move", "request": "1", "read": "position"}


def test_it_is_read_once() -> None:
    bench = bench_of()
    die(bench)
    (sent,) = ready(bench)
    reply(bench, sent)
    bench.at(bench.now + 100.0)
    assert bench.of(Sent) == []


def test_after_a_timeout_it_is_read_when_the_operation_has_ended() -> None:
    """Not before, and who waits goes first."""
    bench = bench_of()
    bench.ask("1", context=execution_context(None, 1.0, False))
    bench.ask("2")
    (first,) = bench.of(Sent)
    bench.at(bench.now + 1.0)
    bench.reply(first)
    (second,) = bench.of(Sent)
    assert second.header["messageID"] == "2"
    bench.reply(second)
    (sent,) = bench.of(Sent)
    assert sent.header["objekt"] == "position"


def test_what_has_an_outcome_is_not_verified() -> None:
    bench = bench_of()
    bench.ask("1")
    (sent,) = bench.of(Sent)
    bench.reply(sent)
    assert bench.of(Sent) == []
    die(bench, "2", member="other")
    assert ready(bench) == []


def test_one_read_tells_of_all_that_it_is_for() -> None:
    bench = bench_of(move="position", home="position", fire="power")
    die(bench)
    for id_, member in (("2", "home"), ("3", "fire"), ("4", "other")):
        bench.rig.verifier.uncertain(doubtful(id_, member))
    (sent,) = ready(bench)
    frames = reply_frames(sent.header, 1)
    bench.link(sent.lane, [sent.number.to_bytes(8, "big"), *frames])
    answer, other = bench.take()
    assert (sent.header["objekt"], other.header["objekt"]) == ("position", "power")
    before = len(bench.facts)
    told = [VERIFIER, b"", _json(answer.header), answer.payload, answer.raw]
    bench.rig.answered(told, bench.now)
    bench.take()
    assert [fact.fields["request"] for fact in bench.facts[before:]] == ["1", "2"]


def test_a_read_that_fails_is_told() -> None:
    bench = bench_of()
    die(bench)
    (sent,) = ready(bench)
    error = {"exception": {"type": "OSError", "message": "no device"}}
    (fact,) = reply(bench, sent, error, "EXCEPTION")
    assert fact.text == "outcome of move unknown; position couldn't be read: OSError: no device"


def test_one_that_takes_too_long_is_not_verified_itself() -> None:
    bench = bench_of(move="position", position="position")
    die(bench)
    (sent,) = ready(bench)
    bench.at(bench.now + TIMEOUT_OF_READ)
    facts = reach(bench)
    assert facts[-1].text.endswith(
        f"position couldn't be read: no answer within {TIMEOUT_OF_READ:g} s"
    )
    bench.link(sent.lane, [sent.number.to_bytes(8, "big"), *reply_frames(sent.header, 1)])
    assert bench.of(Sent) == []


def test_only_so_many_wait() -> None:
    bench = bench_of()
    for number in range(MOST_DOUBTS + 2):
        bench.rig.verifier.uncertain(doubtful(str(number)))
    bench.take()
    dropped = [fact for fact in bench.facts if fact.text.startswith("outcome of move unknown; no")]
    assert [fact.fields["request"] for fact in dropped] == ["0", "1"]


def test_a_changed_config_holds_at_once() -> None:
    bench = bench_of()
    die(bench)
    plan = Plan(changes=[Change("a", "limits", ("verify",))])
    wanted = {"a": Settings(ChildSpec("a"), verify={"home": "position"})}
    bench.rig.change(plan, wanted, "one_for_one", bench.now)
    bench.take()
    assert ready(bench) == []


def test_nobody_is_left_of_a_worker_that_is_removed() -> None:
    bench = bench_of()
    die(bench)
    bench.rig.change(Plan(changes=[Change("a", "remove")]), {}, "one_for_one", bench.now)
    bench.exit("a")
    bench.take()
    bench.rig.order("start", [], bench.now)
    assert "a" not in bench.rig.broker.peers


def test_no_client_on_a_socket_is_taken_for_the_cores_own() -> None:
    for identity in (b"verify", b"alice", b"", b"a\0"):
        assert not is_own(identity)
    assert is_own(VERIFIER)
