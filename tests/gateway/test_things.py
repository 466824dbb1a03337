"""The Web of Things' HTTP, on a rig without processes."""

from __future__ import annotations

import asyncio
import io
import json
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from orchestrator.client.answers import error_from_response
from orchestrator.errors import RigNotReachable
from orchestrator.gateway import things
from orchestrator.gateway.pictures import is_picture, png
from tests.gateway.gateway_kit import BASE, THING, FakeLink, serving
from transports.headers import ERROR


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


def test_to_write_nothing_isnt_to_write_null(client: TestClient, link: FakeLink) -> None:
    headers = {"content-type": "application/json"}
    for body in ("", " \n"):
        answer = client.put("/things/stage/properties/position", content=body, headers=headers)
        told = answer.json()
        assert (answer.status_code, told["outcome"]) == (400, "not started")
        assert told["detail"] == "the body is empty; send a JSON value"
    assert link.stage.asked == []
    sent = client.put("/things/stage/properties/position", content="null", headers=headers)
    assert (sent.status_code, link.stage.values["position"]) == (204, None)


@pytest.mark.parametrize("body", ['{"x": 1, "x": 2}', '[{"a": {"x": 1e999, "x": 1}}]'])
def test_of_a_key_that_is_there_twice_none_wins(
    client: TestClient, link: FakeLink, body: str
) -> None:
    headers = {"content-type": "application/json"}
    answer = client.post("/things/stage/actions/move", content=body, headers=headers)
    assert (answer.status_code, answer.json()["title"]) == (400, "ValueRefused")
    if "e999" not in body:
        assert "'x' twice" in answer.json()["detail"]
    assert link.stage.asked == []
    large = f'{{"x": {"7" * 5000}, "y": {{"x": 1}}}}'
    assert invoke_text(client, large).status_code in (200, 400)  # as its numbers are taken


def invoke_text(client: TestClient, body: str) -> Any:
    headers = {"content-type": "application/json"}
    return client.post("/things/stage/actions/move", content=body, headers=headers)


def test_where_a_builtin_was_raised_is_told_too(client: TestClient, link: FakeLink) -> None:
    """As of an exception of a class of the driver's own; each line of the traceback is one."""
    lines = ["Traceback (most recent call last):", '  File "stage.py", line 7, in move', "boom"]
    for kind, bases in (("ValueError", ["ValueError"]), ("Jammed", ["Exception"])):
        report = {"type": kind, "name": kind, "bases": bases, "message": "boom"}
        body = {"exception": {**report, "fields": {"args": []}, "traceback": lines}}
        where = {"request_id": "7", "worker": "stage", "member": "move"}
        link.stage.fault = error_from_response(ERROR, body, **where)
        answer = invoke(client, "move").json()
        assert answer["title"] == kind
        facts = {key: answer[key] for key in ("request", "worker", "member", "outcome")}
        assert facts == {"request": "7", "worker": "stage", "member": "move", "outcome": "raised"}
        assert answer["traceback"] == "\n".join(lines)


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
    assert "too much for JSON: accept image/png or application/x-npy" in much.json()["detail"]
    assert invoke(client, "huge", accept="image/png").status_code == 200


@pytest.mark.parametrize(
    ("action", "accept", "kind"),
    [
        ("row", "", "application/json"),
        ("row", "*/*", "application/json"),
        ("row", "application/*", "application/json"),
        ("row", "text/html, */*;q=0.8", "application/json"),
        ("row", "image/png", ""),
        ("row", "text/html", ""),
        ("row", "application/json;q=0", ""),
        ("row", "image/png, application/json", "application/json"),
        ("row", "application/json, application/x-npy;q=0.5", "application/json"),
        ("row", "application/json;q=0.5, application/x-npy", "application/x-npy"),
        ("image", "image/*", "image/png"),
        ("image", "application/json, image/png;q=0.5", "application/json"),
        ("image", "text/html", ""),
        ("huge", "text/html", ""),
        ("huge", "application/json", ""),
        ("huge", "application/json, application/x-npy;q=0.5", "application/x-npy"),
        ("huge", "application/json, image/png;q=odd", "image/png"),
    ],
)
def test_arrays_of_all_sizes_are_what_is_wanted_and_possible(
    client: TestClient, action: str, accept: str, kind: str
) -> None:
    answer = invoke(client, action, accept=accept)
    if kind:
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    else:
        assert (answer.status_code, answer.json()["outcome"]) == (406, "done")
        assert "application/x-npy" in answer.json()["detail"]


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


def test_a_description_that_json_has_no_form_for_takes_no_others_away(
    client: TestClient, link: FakeLink
) -> None:
    odd = {"type": "number", "default": math.inf, "maximum": math.nan}
    link.stage.thing = {**THING, "properties": {"gain": odd, "name": {"title": "\ud800"}}}
    for path in ("/things/stage", "/things", "/openapi.json"):
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert '"default": "Infinity"' in answer.text
    assert client.get("/things/stage").json()["properties"]["gain"]["maximum"] == "NaN"


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
