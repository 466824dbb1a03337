"""A rig with a web server of its own: over real sockets, and after either of them was away."""

from __future__ import annotations

import json
import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.rigs import RunningRig, is_alive, running, wait_until

pytestmark = pytest.mark.measured

CONFIG = """
rig: web
listen: ["http://127.0.0.1:0"]
web: {control: true, export: [position]}
workers:
  stage:
    driver: workers.devices.stage:SimulatedStage
    kwargs: {speed: 1000.0}
    poll: {position: 50ms}
"""


@pytest.fixture(scope="module")
def rig() -> Iterator[RunningRig]:
    with running(CONFIG) as rig:
        yield rig


@pytest.fixture(scope="module")
def client(rig: RunningRig) -> Iterator[httpx2.Client]:
    """A browser, as far as it has been let in."""
    url = rig.orch("web", "--address").stdout.strip()
    with httpx2.Client(base_url=url.partition("?")[0], timeout=30) as client:
        answer = wait_until(lambda: client.get(url))
        assert answer.status_code == 303
        yield client


def events(client: httpx2.Client, path: str) -> Iterator[tuple[str, Any]]:
    with client.stream("GET", path) as response:
        name = ""
        for line in response.iter_lines():
            kind, _, text = line.partition(": ")
            if kind == "event":
                name = text
            elif kind == "data":
                yield name, json.loads(text)


def web_server(rig: RunningRig) -> dict[str, Any]:
    helpers = json.loads(rig.orch("status", "--json").stdout)["helpers"]
    (found,) = [each for each in helpers if each["name"] == "web server"]
    return dict(found)


def test_a_browser_reads_calls_and_watches(client: httpx2.Client) -> None:
    assert client.get("/").headers["content-type"].startswith("text/html")
    assert client.get("/static/app.js").status_code == 200
    assert client.get("/things/stage").json()["base"] == str(client.base_url)
    seen: dict[str, Any] = {}
    for name, told in events(client, "/api/stream?worker=stage&event=moved&logs=1"):
        seen[name] = told
        if name == "event:moved" and {"status", "values", "log"} <= set(seen):
            break
        if name == "status":  # until the subscription is live, nobody hears of a move
            answer = client.post("/things/stage/actions/move", json={"x": 7})
            assert answer.json() == 7.0
    assert seen["status"]["workers"][0]["state"] == "READY"
    assert seen["values"]["position"]["value"] in (0.0, 7.0)
    assert seen["event:moved"]["value"] == 7.0


def test_a_failed_call_is_in_logs_trace_and_metrics(client: httpx2.Client) -> None:
    answer = client.post("/things/stage/actions/move", json={"x": 501})
    assert answer.json()["title"] == "ValueError"

    def recorded() -> dict[str, Any] | None:
        found = client.get("/api/logs", params={"level": "warning", "member": "move"}).json()
        told = [each for each in found if "x=501" in each.get("exception", "")]
        return told[-1] if told else None

    record = wait_until(recorded)
    trace = client.get(f"/api/traces/{record['request']}").json()
    assert any(step["where"] == "stage[1]" for step in trace["steps"])
    text = client.get("/metrics").text
    assert 'orch_requests_total{member="move",outcome="raised",worker="stage"}' in text
    assert 'orch_value{property="position",worker="stage"}' in text


def test_its_token_is_this_users_alone(rig: RunningRig, client: httpx2.Client) -> None:
    (token,) = (rig.folder / "run" / "web-tokens").iterdir()
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert token.read_text().strip() not in rig.orch("logs").stdout


def test_workers_are_restarted_and_looked_into(client: httpx2.Client) -> None:
    answer = client.post("/api/workers/stage/restart", json={})
    assert answer.json() == {"state": "READY"}
    stacks = "/api/workers/stage/stacks"  # which a busy machine may not have in time
    assert wait_until(lambda: "Thread" in client.get(stacks).json().get("stacks", ""))
    missing = client.post("/api/workers/nobody/restart", json={})
    assert missing.json()["title"] == "NameRefused"


def test_one_that_is_killed_is_started_again_at_the_same_address(
    rig: RunningRig, client: httpx2.Client
) -> None:
    before = web_server(rig)["pid"]
    os.kill(before, signal.SIGKILL)
    with httpx2.Client(base_url=client.base_url, cookies=client.cookies, timeout=30) as again:
        answer = again.get("/api/status")  # waits until somebody accepts it
    assert answer.json()["rig"] == "web"
    after = web_server(rig)
    assert (after["state"], after["pid"] != before) == ("running", True)
    assert (
        "the web server died, with status -9"
        in wait_until(
            lambda: [line for line in rig.text.splitlines() if "web server died" in line]
        )[0]
    )


def test_it_ends_with_its_rig() -> None:
    with running(CONFIG.replace("rig: web", "rig: web2")) as rig:
        pid = web_server(rig)["pid"]
        os.kill(rig.process.pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(pid))
        assert not Path(f"/proc/{pid}/exe").exists()
