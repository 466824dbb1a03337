"""Requests as spans: ids, times, parents, outcomes, and the records that belong to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from orchestrator.gateway.otlp import Collector, Spans
from orchestrator.gateway.spans import Found, Told
from tests.gateway.otlp_receiver import Receiver, receiving, values
from tests.gateway.test_spans import answered, driver, entry

REQUEST = "2e5cacba-d764-4e02-82cf-0000000003e7"
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SECOND = 1_000_000_000


def told(
    outcome: str = "done", request: str = REQUEST, *, late: bool = False, **fields: Any
) -> Told:
    """One that waited 1 s and took 2, until the time 1000."""
    given = {"outcome": outcome, "waited": 1.0, "seconds": 2.0, "who": "ada", "life": 3}
    given |= {"operation": "invokeaction", "parent": "", **fields}
    found = Found()
    return Told(answered(request=request, member="move", fields=given), found, late)


def made(*all_: Told) -> dict[str, ReadableSpan]:
    return {span.name: span for span in Spans("lab").of(all_)}


def test_a_request_is_a_span_with_its_workers_time_in_it() -> None:
    spans = made(told())
    root, worker = spans["stage.move"], spans["stage.move worker"]
    assert (root.start_time, root.end_time) == (997 * SECOND, 1000 * SECOND)
    assert (worker.start_time, worker.end_time) == (998 * SECOND, 1000 * SECOND)
    assert root.kind is SpanKind.SERVER
    assert root.parent is None
    assert f"{root.context.trace_id:032x}" == REQUEST.replace("-", "")
    assert worker.parent is not None
    assert worker.parent.span_id == root.context.span_id
    assert root.attributes is not None
    assert dict(root.attributes) == {
        "rpc.system": "orch",
        "rpc.service": "stage",
        "rpc.method": "move",
        "orch.rig": "lab",
        "orch.request": REQUEST,
        "orch.operation": "invokeaction",
        "orch.outcome": "done",
        "orch.who": "ada",
        "orch.waited": 1.0,
        "orch.seconds": 2.0,
        "orch.life": 3,
    }
    assert root.status.status_code is StatusCode.UNSET
    assert root.resource.attributes["service.name"] == "lab"


def test_the_drivers_time_is_within_its_workers() -> None:
    each = told()
    each.found.drivers.append(driver(time=999.5))
    spans = made(each)
    span = spans["stage.move driver"]
    assert (span.start_time, span.end_time) == (998.5 * SECOND, 999.5 * SECOND)
    assert span.parent is not None
    assert span.parent.span_id == spans["stage.move worker"].context.span_id


def test_the_clients_span_is_its_parent() -> None:
    spans = made(told(parent=PARENT))
    root = spans["stage.move"]
    assert root.parent is not None
    assert f"{root.parent.span_id:016x}" == "00f067aa0ba902b7"
    assert root.parent.is_remote
    assert {f"{span.context.trace_id:032x}" for span in spans.values()} == {
        "4bf92f3577b34da6a3ce929d0e0e4736"
    }


@pytest.mark.parametrize(
    ("state", "kept"),
    [("vendor=1,other=2", {"vendor": "1", "other": "2"}), ("not one", {}), (None, {}), (7, {})],
)
def test_what_tracing_systems_keep_with_a_span_is_in_all_of_a_request_s(
    state: object, kept: dict[str, str]
) -> None:
    each = told(parent=PARENT, state=state)
    each.found.drivers.append(driver(time=999.5))
    spans = made(each)
    assert len(spans) == 3
    assert [dict(span.context.trace_state) for span in spans.values()] == [kept] * 3


def test_what_the_client_samples_out_is_no_span() -> None:
    assert made(told(parent=f"{PARENT[:-1]}0")) == {}


@pytest.mark.parametrize(
    "parent",
    [
        *("", "x", None, PARENT.upper(), f"ff{PARENT[2:]}", PARENT[:-3]),
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01",
    ],
)
def test_a_parent_that_is_none_begins_a_trace(parent: object) -> None:
    assert made(told(parent=parent))["stage.move"].parent is None


def test_a_parent_of_a_later_version_is_one() -> None:
    assert made(told(parent=f"01{PARENT[2:]}-more"))["stage.move"].parent is not None


def test_an_id_that_is_no_uuid_has_a_trace_of_its_own() -> None:
    first, second = (made(told(request=id_))["stage.move"] for id_ in ("1", "2"))
    assert first.context.trace_id != second.context.trace_id


def test_who_sends_it_twice_sends_the_same_span() -> None:
    one, other = ({name: span.context for name, span in made(told()).items()} for _ in range(2))
    assert {n: (c.trace_id, c.span_id) for n, c in one.items()} == {
        n: (c.trace_id, c.span_id) for n, c in other.items()
    }


@pytest.mark.parametrize(
    ("outcome", "reason", "kind"),
    [
        ("failed", "ValueError: x is too far", "ValueError"),
        ("unknown", "its execution timeout has passed", "unknown"),
        ("not started", "it is stopped", "not started"),
    ],
)
def test_an_error_is_told_with_its_outcome(outcome: str, reason: str, kind: str) -> None:
    spans = made(told(outcome, reason=reason))
    root = spans["stage.move"]
    assert root.status.status_code is StatusCode.ERROR
    assert root.status.description == reason
    assert root.attributes is not None
    assert root.attributes["error.type"] == kind
    assert ("stage.move worker" in spans) is (outcome != "not started")


def test_its_records_are_events() -> None:
    each = told()
    each.found.records += [
        entry("exposing", time=998.25, stream="stdout"),
        entry(
            "it raised",
            time=999.0,
            level="warning",
            logger="cam",
            raised="OSError: gone",
            exception="Traceback\nOSError: gone",
        ),
        entry("arrived", time=997.0, incarnation=0),
    ]
    each.found.left_out = 4
    root = made(each)["stage.move"]
    printed, raised, arrived = root.events
    assert (printed.name, printed.timestamp) == ("log", 998.25 * SECOND)
    assert dict(printed.attributes or {}) == {
        "orch.level": "info",
        "orch.text": "exposing",
        "orch.stream": "stdout",
        "orch.from": "stage[1]",
    }
    assert raised.name == "exception"
    found = dict(raised.attributes or {})
    assert (found["exception.type"], found["exception.message"]) == ("OSError", "gone")
    assert found["exception.stacktrace"] == "Traceback\nOSError: gone"
    assert found["orch.logger"] == "cam"
    assert (arrived.attributes or {})["orch.from"] == "rig"
    assert (root.attributes or {})["orch.records_left_out"] == 4


def test_what_comes_late_is_the_drivers_span_alone_where_it_belongs() -> None:
    first = made(told("unknown"))
    late = told("unknown", late=True)
    late.found.drivers.append(driver(time=1009.0))
    (span,) = made(late).values()
    assert span.name == "stage.move driver"
    assert span.parent is not None
    assert span.parent.span_id == first["stage.move worker"].context.span_id


def test_the_environment_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    assert made(told()) == {}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def test_they_arrive_as_otlp(receiver: Receiver) -> None:
    each = told("failed", reason="ValueError: x", parent=PARENT)
    each.found.records.append(entry("exposing"))
    assert Collector(receiver.url, 5.0, 1.0).send(Spans("lab").of([each]))
    assert receiver.paths == ["/v1/traces"]
    assert receiver.resource["service.name"] == "lab"
    (root,) = receiver.named("stage.move")
    assert root.trace_id.hex() == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert root.parent_span_id.hex() == "00f067aa0ba902b7"
    assert values(root.attributes)["orch.outcome"] == "failed"
    assert (root.status.code, root.status.message) == (2, "ValueError: x")
    assert values(root.events[0].attributes)["orch.text"] == "exposing"


def test_of_none_nothing_is_sent(receiver: Receiver) -> None:
    assert Collector(receiver.url, 5.0, 1.0).send([])
    assert receiver.paths == []


@pytest.mark.parametrize(("status", "refused"), [(400, True), (404, False), (401, False)])
def test_whether_it_is_of_use_to_send_them_again(
    receiver: Receiver, status: int, refused: bool
) -> None:
    receiver.status = status
    collector = Collector(receiver.url, 5.0, 1.0)
    assert not collector.send(Spans("lab").of([told()]))
    assert collector.refused is refused
    assert collector.reason.startswith(f"it answered {status} ")


@pytest.mark.parametrize("brief", [False, True])
def test_one_that_is_away_is_told(brief: bool) -> None:
    with receiving() as receiver:
        url = receiver.url
    collector = Collector(url, 0.2, 0.1)
    assert not collector.send(Spans("lab").of([told()]), brief=brief)
    assert not collector.refused
    assert "Failed to export" in collector.reason
