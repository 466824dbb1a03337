"""What the page asks beside Things, on a rig without processes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.gateway.gateway_kit import FakeLink, serving


@pytest.fixture
def link(tmp_path: Path) -> FakeLink:
    return FakeLink(tmp_path)


@pytest.fixture
def client(link: FakeLink) -> Iterator[TestClient]:
    with serving(link) as client:
        yield client


def post(client: TestClient, path: str, given: Any = None) -> Any:
    headers = {"content-type": "application/json"}
    return client.post(path, content=json.dumps(given), headers=headers)


def test_what_is_told_of_the_rig(client: TestClient) -> None:
    assert client.get("/api/about").json() == {"control": True}
    assert client.get("/api/status").json()["rig"] == "lab"
    assert client.get("/api/workers/stage/stacks").json() == {"stacks": "Thread 1"}
    assert client.get("/api/trends/stage").json() == {}


def test_workers_are_started_and_stopped_one_by_one(client: TestClient, link: FakeLink) -> None:
    assert post(client, "/api/workers/stage/restart").json() == {"state": "READY"}
    assert link.stage.asked == [("restart", (["stage"],), {})]
    answer = post(client, "/api/workers/stage/destroy")
    assert (answer.status_code, len(link.stage.asked)) == (404, 1)
    assert client.get("/api/workers/stage/restart").status_code == 405


@pytest.mark.parametrize("path", ["/api/workers/other/stacks", "/api/trends/other"])
def test_a_worker_that_there_is_not_is_told(client: TestClient, link: FakeLink, path: str) -> None:
    assert client.get(path).status_code == 404
    assert post(client, "/api/workers/other/restart").status_code == 404
    assert link.stage.asked == []


@pytest.mark.parametrize(("given", "restart"), [(None, False), ({"restart": True}, True)])
def test_requests_are_cancelled(
    client: TestClient, link: FakeLink, given: Any, restart: bool
) -> None:
    post(client, "/api/requests/7/cancel", given)
    assert link.stage.asked == [("cancel", ("7",), {"restart": restart})]


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("", 200),
        ("level=warning&log-worker=stage&since=today&grep=x", 200),
        ("level=loud", 400),
        ("since=someday", 400),
        ("grep=(", 400),
        ("last=0", 400),
        ("last=many", 400),
    ],
)
def test_logs_are_asked_for_as_in_the_command(client: TestClient, asked: str, status: int) -> None:
    answer = client.get(f"/api/logs?{asked}")
    assert answer.status_code == status
    if status == 200:
        assert answer.json() == []


def test_logs_that_are_kept_elsewhere(client: TestClient, link: FakeLink, tmp_path: Path) -> None:
    assert client.get("/api/traces/7").status_code == 404
    tmp_path.rmdir()
    answer = client.get("/api/logs")
    assert (answer.status_code, answer.json()["title"]) == (404, "NothingThere")
    assert client.get("/api/stream?logs=1").status_code == 404
