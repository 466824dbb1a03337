"""Metrics as Prometheus reads them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from orchestrator.core.vitals import Sums
from orchestrator.errors import RigNotReachable
from orchestrator.gateway.metrics import OUTCOMES
from tests.gateway.gateway_kit import THING, FakeLink, serving
from transports import terms


def scraped(link: FakeLink, *exports: str) -> dict[Any, float]:
    with serving(link, exports=exports) as client:
        text = client.get("/metrics").text
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_workers_operations_and_losses_are_told(tmp_path: Path) -> None:
    found = scraped(FakeLink(tmp_path))
    labels = {
        tuple(sorted(name[1:])): value
        for name, value in found.items()
        if name[0] == "orch_requests_total"
    }
    assert labels == {
        ("done", "move", "stage"): 3,
        ("move", "raised", "stage"): 1,
        ("expired", "move", "stage"): 2,
    }
    told = {(name[0], *sorted(name[1:])): value for name, value in found.items()}
    assert told["orch_up",] == 1
    assert told["orch_log_records_unwritten",] == 6
    assert told["orch_log_records_lost_total",] == 3
    assert told["orch_log_records_total", "info"] == 9
    assert told["orch_log_records_total", "error"] == 2
    assert told["orch_events_total", "answered"] == 5
    assert told["orch_helper_running", "guardian"] == 0
    assert told["orch_worker_state", "READY", "stage"] == 1
    assert told["orch_worker_state", "READY", "away"] == 0
    assert told["orch_worker_state", "FAILED", "away"] == 1
    assert told["orch_worker_restarts_total", "stage"] == 4
    assert told["orch_alarm", "position", "stage"] == 1
    assert told["orch_alarm_state", "position", "stage", "stale"] == 1
    assert told["orch_alarm_state", "ok", "position", "stage"] == 0
    assert told["orch_worker_unsafe", "stage"] == 0
    assert told["orch_worker_longest_seconds", "stage"] == 2.5
    assert told["orch_worker_recent_seconds", "0.5", "stage"] == 0.25
    assert told["orch_request_seconds_count", "move", "stage"] == 4
    assert told["orch_request_seconds_sum", "move", "stage"] == 8.5
    buckets = {key[1:]: n for key, n in told.items() if key[0] == "orch_request_seconds_bucket"}
    assert buckets == {
        ("0.5", "move", "stage"): 1,
        ("2.5", "move", "stage"): 3,
        ("+Inf", "move", "stage"): 4,
    }
    assert ("orch_worker_cpu_percent", "stage") not in told


@pytest.mark.parametrize("name", ["position", "stage.position"])
def test_polled_values_are_told_on_request(tmp_path: Path, name: str) -> None:
    link = FakeLink(tmp_path)
    told = {(key[0], *sorted(key[1:])): value for key, value in scraped(link, name).items()}
    assert told["orch_value", "position", "stage"] == 1.5
    assert told["orch_value_read_seconds", "position", "stage"] == 100
    assert not any(key[0] == "orch_value" for key in scraped(link, "away.position", "serial"))


@pytest.mark.parametrize(
    ("odd", "told"),
    [(math.nan, math.nan), (math.inf, math.inf), (10**400, math.inf), (-(10**400), -math.inf)],
    ids=["nan", "inf", "large", "-large"],
)
def test_a_value_that_no_float_holds_takes_no_metric_away(
    tmp_path: Path, odd: Any, told: float
) -> None:
    link = FakeLink(tmp_path)
    link.stage.values["position"] = odd
    found = scraped(link, "position")
    (value,) = [value for key, value in found.items() if key[0] == "orch_value"]
    assert repr(value) == repr(told)
    assert found["orch_up",] == 1


def test_a_value_that_was_never_read_is_none(tmp_path: Path) -> None:
    link = FakeLink(tmp_path)
    del link.stage.values["position"]
    assert not any(key[0] == "orch_value" for key in scraped(link, "position"))


def test_one_that_was_never_read_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = FakeLink(tmp_path)
    monkeypatch.setitem(THING["properties"], "level", {"type": "number", terms.POLL: 0.5})
    del link.stage.values["position"]
    link.stage.values["level"] = 3.0
    told = scraped(link, "position", "level")
    assert [value for key, value in told.items() if key[0] == "orch_value"] == [3.0]


def test_a_rig_that_is_away_is_down(tmp_path: Path) -> None:
    link = FakeLink(tmp_path)
    link.away = RigNotReachable("rig lab is not running")
    assert scraped(link) == {("orch_up",): 0}


def test_each_outcome_that_is_counted_is_told() -> None:
    assert {*OUTCOMES, "seconds", "took"} == set(Sums.__slots__)
