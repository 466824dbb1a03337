"""What came of each request, told for OpenTelemetry: with the client's span, at its answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.core.effects import Fact
from orchestrator.core.own_client import OWN, request_frames
from orchestrator.core.request import LONGEST_PARENT, LONGEST_STATE
from orchestrator.core.requests import Ledger
from tests.core.kit import RIG, Bench, request
from transports.headers import CACHED, TRACE_PARENT, TRACE_STATE
from transports.levels import AUDIT, SPAN

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def up() -> Bench:
    bench = Bench()
    bench.add("stage")
    bench.bring_up("stage")
    bench.broker.ledger.watch(spans=True)
    return bench


def spans(bench: Bench) -> list[Fact]:
    return [fact for fact in bench.facts if fact.level == SPAN]


def ask(bench: Bench, id_: str, parent: Any, **more: Any) -> None:
    frames = request(id_, "stage", "move")
    header = json.loads(bytes(frames[2]))
    header["thingExecutionContext"] = {"fetchExecutionLogs": False, TRACE_PARENT: parent, **more}
    frames[2] = json.dumps(header).encode()
    bench.broker.receive_client(frames, bench.now)
    bench.collect()


def test_one_that_is_answered_is_told_once_with_who_asked_and_the_clients_span(up: Bench) -> None:
    ask(up, "1", PARENT)
    assert spans(up) == []
    up.now += 2
    up.reply(up.sent[0])
    (fact,) = spans(up)
    assert fact.text == "done"
    assert fact.fields == {
        "worker": "stage",
        "member": "move",
        "request": "1",
        "who": "alice",
        "life": 1,
        "operation": "invokeaction",
        "outcome": "done",
        "parent": PARENT,
    }
    assert fact.asked is not None
    assert (fact.asked.arrived, fact.asked.started) == (100.0, 100.0)


@pytest.mark.parametrize("parent", [None, 7, ["a"], "0" * (LONGEST_PARENT + 1)])
def test_what_is_no_span_is_none(up: Bench, parent: Any) -> None:
    ask(up, "1", parent)
    up.reply(up.sent[0])
    assert spans(up)[0].fields["parent"] == ""


def test_what_tracing_systems_keep_with_a_span_is_passed_on(up: Bench) -> None:
    """As it is; what is no text or too long is left out, and the span isn't."""
    given: list[Any] = ["vendor=1,other=2", "x" * LONGEST_STATE, "x" * (LONGEST_STATE + 1), 7]
    for number, state in enumerate(given):
        ask(up, str(number), PARENT, **{TRACE_STATE: state})
        up.reply(up.sent[-1])
    told = [fact.fields for fact in spans(up)]
    assert [each.get("state") for each in told] == [*given[:2], None, None]
    assert {each["parent"] for each in told} == {PARENT}


def test_without_a_span_there_is_nothing_to_keep_with_it(up: Bench) -> None:
    ask(up, "1", None, **{TRACE_STATE: "vendor=1"})
    up.reply(up.sent[0])
    assert "state" not in spans(up)[0].fields


def test_each_way_to_end_is_told(up: Bench) -> None:
    up.ask("late", context={"execution_timeout": 1})
    up.ask("waits", context={"invokation_timeout": 1})
    up.at(101)
    up.lose()
    up.broker.refuse("stage", "it is stopped")
    up.ask("refused")
    told = {fact.fields["request"]: (fact.text, fact.fields["reason"]) for fact in spans(up)}
    assert told == {
        "late": ("unknown", "its execution timeout has passed"),
        "waits": ("not started", "its invokation timeout has passed"),
        "refused": ("not started", "it is stopped"),
    }


def test_looks_of_the_rig_itself_and_at_it_are_not(up: Bench) -> None:
    up.broker.receive_client(request_frames(OWN + b"probe", RIG, "stage", "x", "1", 5, 5), up.now)
    up.collect()
    up.reply(up.sent[-1])
    up.add(RIG)
    up.bring_up(RIG)
    for member in ("status", "stop"):
        up.ask(member, worker=RIG, member=member)
        up.reply(up.sent[-1])
    assert [fact.fields["request"] for fact in spans(up)] == ["stop"]


def test_to_ask_for_a_value_that_was_polled_is_none(up: Bench) -> None:
    """It asks no device, and whoever watches does so each second."""
    up.ask("1", member=CACHED)
    up.reply(up.sent[-1])
    assert up.facts == []


def test_spans_and_audits_are_switched_apart(up: Bench) -> None:
    ledger = up.broker.ledger
    up.ask("1")
    up.reply(up.sent[-1])
    assert [fact.level for fact in up.facts] == [SPAN]
    ledger.watch(audited=["stage"])
    up.ask("2")
    up.reply(up.sent[-1])
    assert [fact.level for fact in up.facts[1:]] == [SPAN, AUDIT]
    ledger.watch(spans=False)
    assert ledger.tells
    ledger.watch(audited=())
    assert not ledger.tells
    assert not ledger.is_watched


def test_without_spans_no_request_goes_there(up: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    up.broker.ledger.watch(spans=False)
    monkeypatch.setattr(Ledger, "came_of", lambda *_: pytest.fail("it was asked"))
    monkeypatch.setattr(Ledger, "note_reply", lambda *_: pytest.fail("it was asked"))
    up.ask("1")
    up.reply(up.sent[-1])
    up.ask("2", context={"execution_timeout": 1})
    up.at(102)
    up.lose()
    assert spans(up) == []
