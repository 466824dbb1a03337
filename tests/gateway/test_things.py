"""The Web of Things' HTTP, on a rig without processes."""

from __future__ import annotations

import asyncio
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from orchestrator.errors import RigNotReachable
from orchestrator.gateway import things
from orchestrator.gateway.pictures import is_picture, png
from tests.gateway.gateway_kit import BASE, FakeLink, serving


@pytest.fixture
def link(tmp_path: Path) -> FakeLink:
    return FakeLink(tmp_path)


@pytest.fixture
def client(link: FakeLink) -> Iterator[TestClient]:
    with serving(link) as client:
        yield client


def invoke(client: TestClient, action: str, given: Any = None, **headers: str) -> Any:
    path = f"/things/stage/actions/{action}"
    content = "" if given is None else json.dumps(given)
    return client.post(
        path, content=content, headers={"content-type": "application/json", **headers}
    )


def test_reading_and_writing(client: TestClient, link: FakeLink) -> None:
    assert client.get("/things/stage/properties/position").json() == 1.5
    path = "/things/stage/properties/outputs%5B'a%2Fb'%5D"
    assert client.put(path, json=[4]).status_code == 204
    assert client.get(f"{path}?execution_timeout=250ms&invocation_timeout=none").json() == [4]
    timeouts = {"invocation_timeout": None, "execution_timeout": 0.25}
    assert link.stage.asked[-1] == ("read", "outputs['a/b']", timeouts)


def test_what_is_read_only_takes_no_put(client: TestClient) -> None:
    """Which is told as HTTP has it, with what it takes; what isn't there isn't found."""
    answer = client.put("/things/stage/properties/serial", json="A2")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    assert answer.json()["detail"] == "stage.serial is read-only"
    assert client.put("/things/stage/properties/none", json=1).status_code == 404


def test_what_was_polled_last_has_an_age(client: TestClient, link: FakeLink) -> None:
    answer = client.get("/things/stage/properties/position?cached")
    assert answer.json() == 1.5
    assert int(answer.headers["age"]) > 1e9
    assert link.stage.reads == 0


@pytest.mark.parametrize(
    ("given", "args", "kwargs"),
    [(None, (), {}), ([1, "a"], (1, "a"), {}), ({"x": 2}, (), {"x": 2})],
)
def test_arguments_by_place_and_by_name(
    client: TestClient, link: FakeLink, given: Any, args: Any, kwargs: Any
) -> None:
    assert invoke(client, "move", given).status_code == 200
    assert link.stage.asked == [("move", args, kwargs)]


@pytest.mark.parametrize("body", ["{", "5", '"x"', "[1", b"\xff", "[" * 100_000])
def test_what_are_no_arguments_is_refused(client: TestClient, link: FakeLink, body: Any) -> None:
    headers = {"content-type": "application/json"}
    answer = client.post("/things/stage/actions/move", content=body, headers=headers)
    assert (answer.status_code, answer.json()["title"]) == (400, "ValueRefused")
    assert link.stage.asked == []


@pytest.mark.parametrize(
    ("action", "status", "outcome", "kind"),
    [
        ("late", 504, "unknown", "ExecutionTimeout"),
        ("dead", 409, "not started", "WorkerUnavailable"),
        ("raises", 500, "raised", "ValueError"),
    ],
)
def test_errors_tell_what_was_done(
    client: TestClient, action: str, status: int, outcome: str, kind: str
) -> None:
    answer = invoke(client, action)
    body = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, body["outcome"], body["title"]) == (status, outcome, kind)
    if action == "late":
        assert (body["request"], body["member"]) == ("7", "late")


def test_what_isnt_there(client: TestClient, link: FakeLink) -> None:
    for path in (
        "/things/nobody",
        "/things/stage/properties/nothing",
        "/things/stage/properties/nothing?cached",
        "/things/stage/events/nothing",
        "/things/stage/changes/serial",
        "/things/stage/newest/moved",
    ):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["status"]) == (404, 404), path
    typo = client.get("/things/stage/properties/position?exection_timeout=1").json()
    assert 'did you mean "execution_timeout"?' in typo["detail"]
    bad = client.get("/things/stage/properties/position?execution_timeout=soon")
    assert bad.status_code == 400
    link.away = RigNotReachable("rig lab is not running")
    answer = client.get("/things/stage")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_an_array_goes_as_numbers_npy_or_a_picture(client: TestClient) -> None:
    assert np.shape(invoke(client, "image").json()) == (16, 16)
    raw = invoke(client, "image", accept="application/x-npy").content
    assert np.load(io.BytesIO(raw)).shape == (16, 16)
    shown = invoke(client, "image", accept="application/json, image/png")
    assert (shown.headers["content-type"], shown.headers["x-array"]) == ("image/png", "uint8 16x16")
    much = invoke(client, "huge")
    assert (much.status_code, much.json()["outcome"]) == (406, "done")
    assert invoke(client, "huge", accept="image/png").status_code == 200


def test_pictures_are_made_small_and_scaled() -> None:
    wide = np.linspace(-3.0, 5.0, 20 * 40).reshape(20, 40)
    wide[0, 0] = np.nan
    data = png(wide, most=20)
    at = data.index(b"IHDR") + 4
    assert [int.from_bytes(data[at + 4 * n :][:4], "big") for n in range(2)] == [20, 10]
    length = int.from_bytes(data[data.index(b"IDAT") - 4 :][:4], "big")
    rows = zlib.decompress(data[data.index(b"IDAT") + 4 :][:length])
    pixels = np.frombuffer(rows, np.uint8).reshape(10, 21)[:, 1:]
    assert (pixels.min(), pixels.max(), pixels[5, 10]) == (0, 255, 140)
    colours = np.zeros((9, 9, 3), np.uint8)
    assert b"\x08\x02\x00\x00\x00" in png(colours)
    assert [is_picture(each) for each in (colours, np.zeros((9, 9, 2)), np.zeros(9), 5)] == [
        *(True, False, False, False)
    ]


def test_descriptions_have_forms_that_lead_here(client: TestClient) -> None:
    thing = client.get("/things/stage").json()
    assert (thing["base"], thing["security"]) == (f"{BASE}/", "token")
    ops = {
        name: {form["op"]: form["href"] for form in each["forms"]}
        for kind in ("properties", "actions", "events")
        for name, each in thing[kind].items()
    }
    assert ops["position"]["observeproperty"] == "things/stage/changes/position"
    assert ops["outputs['a/b']"]["readproperty"].endswith("outputs%5B%27a%2Fb%27%5D")
    assert set(ops["serial"]) == {"readproperty"}
    assert set(ops["key"]) == {"writeproperty"}
    assert ops["move"] == {"invokeaction": "things/stage/actions/move"}
    assert client.get("/things").json() == [thing]
    for hrefs in (ops["position"]["readproperty"], ops["outputs['a/b']"]["readproperty"]):
        assert client.get(f"/{hrefs}").status_code == 200


def test_openapi_names_each_operation(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths["/things/stage/properties/position"]) == {"get", "put"}
    assert set(paths["/things/stage/properties/key"]) == {"put"}
    move = paths["/things/stage/actions/move"]["post"]
    assert move["summary"] == "Go there."
    schema = move["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema == {"type": "number"}
    assert "get" in paths["/things/stage/events/moved"]


def test_one_read_at_a_time_is_for_all_who_ask(tmp_path: Path) -> None:
    async def test() -> None:
        link, gate, asked = FakeLink(tmp_path), asyncio.Event(), []

        async def ask() -> int:
            asked.append(1)
            number = len(asked)
            await gate.wait()
            return number

        waiting = [asyncio.ensure_future(link.once("position", ask)) for _ in range(3)]
        other = asyncio.ensure_future(link.once("speed", ask))
        await asyncio.sleep(0)  # all of them have asked
        waiting[0].cancel()  # who gives up takes the answer from nobody
        gate.set()
        assert [await each for each in (*waiting[1:], other)] == [1, 1, 2]
        assert await link.once("position", ask) == 3

    asyncio.run(test())


def test_operations_are_bounded(
    client: TestClient, link: FakeLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(things, "MOST_AT_ONCE", 0)
    answer = invoke(client, "move")
    assert (answer.status_code, answer.json()["title"]) == (503, "NoRoom")
    assert link.stage.asked == []
