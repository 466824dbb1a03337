"""The dashboard of docs/grafana.json asks for what /metrics has, by the labels that it has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.gateway.gateway_kit import STATUS, WORKER, FakeLink, serving

DASHBOARD: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "docs" / "grafana.json").read_text()
)
METRIC = re.compile(r"\b(orch_\w+)(?:\{([^}]*)\})?")


@pytest.fixture
def exposed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """The labels of each metric, by its name."""
    monkeypatch.setitem(STATUS, "workers", [{**WORKER, "cpu": 1.0}])
    with serving(FakeLink(tmp_path), exports=["position"]) as client:
        text = client.get("/metrics").text
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def asked() -> Iterator[tuple[str, str]]:
    """Each expression, and how its series are called."""
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield target["expr"], target["legendFormat"]


def unknown(expression: str, legend: str, exposed: dict[str, set[str]]) -> list[str]:
    """What an expression and its legend name that there isn't."""
    wrong, labels = [], set[str]()
    for name, matchers in METRIC.findall(expression):
        labels |= exposed.get(name, set())
        wrong += [] if name in exposed else [name]
        named = re.findall(r"(\w+)\s*=", matchers)
        wrong += [f"{name}{{{each}}}" for each in named if each not in exposed.get(name, set())]
    kept = labels
    for each in re.findall(r"\bby \(([^)]*)\)", expression):
        kept = {label.strip() for label in each.split(",")}
        wrong += [f"by ({label})" for label in kept - labels]
    if "histogram_quantile" in expression:
        kept = kept - {"le"}
    wrong += [f"{{{{{each}}}}}" for each in re.findall(r"{{(\w+)}}", legend) if each not in kept]
    return wrong


def test_each_metric_and_label_is_exposed(exposed: dict[str, set[str]]) -> None:
    expressions = list(asked())
    assert len(expressions) > 15
    assert all(METRIC.search(expression) for expression, _ in expressions)
    wrong = {expression: unknown(expression, legend, exposed) for expression, legend in expressions}
    assert {expression: what for expression, what in wrong.items() if what} == {}


def test_so_is_what_its_variables_ask_for(exposed: dict[str, set[str]]) -> None:
    variables = DASHBOARD["templating"]["list"]
    queries = [each["definition"] for each in variables if "definition" in each]
    (found,) = (re.fullmatch(r"label_values\((\w+), (\w+)\)", query) for query in queries)
    assert found is not None
    assert found[2] in exposed[found[1]]


@pytest.mark.parametrize(
    ("expression", "legend", "expected"),
    [
        ("orch_no_such", "", ["orch_no_such"]),
        ('orch_worker_queue{member="a"}', "", ["orch_worker_queue{member}"]),
        ("sum by (level) (orch_worker_queue)", "", ["by (level)"]),
        ("sum by (worker) (orch_worker_state)", "{{state}}", ["{{state}}"]),
    ],
)
def test_one_that_is_not_is_seen(
    exposed: dict[str, set[str]], expression: str, legend: str, expected: list[str]
) -> None:
    assert unknown(expression, legend, exposed) == expected
