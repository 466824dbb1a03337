"""Who is let in, and who isn't."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.gateway.gateway_kit import TOKEN, FakeLink, serving

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with serving(FakeLink(tmp_path_factory.mktemp("logs"))) as client:
        yield client


def without_token(client: TestClient, path: str, **headers: str) -> int:
    return client.get(path, headers={"authorization": "", **headers}).status_code


@pytest.mark.parametrize(
    "path", ["/", "/static/app.js", "/api/status", "/things", "/openapi.json", "/nothing"]
)
def test_nothing_is_served_without_the_token(client: TestClient, path: str) -> None:
    assert without_token(client, path) == 401
    assert without_token(client, path, authorization="Bearer another") == 401
    assert without_token(client, path, cookie="orch=another") == 401


def test_the_token_is_taken_as_a_header_and_as_a_cookie(client: TestClient) -> None:
    assert without_token(client, "/api/status", authorization=f"bearer {TOKEN}") == 200
    assert without_token(client, "/api/status", cookie=f"a=b; orch={TOKEN}") == 200


def test_an_address_with_the_token_gives_a_cookie_that_only_this_server_gets(
    client: TestClient,
) -> None:
    answer = client.get(f"/?token={TOKEN}", headers={"authorization": ""})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"orch={TOKEN};")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    client.cookies.clear()
    assert without_token(client, "/?token=another") == 401
    assert without_token(client, f"/api/status?token={TOKEN}") == 401


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:81", ""])
def test_another_host_is_refused_before_all_else(client: TestClient, host: str) -> None:
    assert client.get("/api/status", headers={"host": host}).status_code == 421
    assert client.get(f"/?token={TOKEN}", headers={"host": host}).status_code == 421


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://127.0.0.1:8080"}, 200),
        ({"origin": "https://127.0.0.1:8080"}, 200),
        ({"origin": "http://127.0.0.1:9090"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
    ],
)
def test_pages_of_other_servers_are_refused(
    client: TestClient, headers: dict[str, str], status: int
) -> None:
    assert client.get("/api/status", headers=headers).status_code == status


def test_a_link_from_elsewhere_leads_to_the_page_alone(client: TestClient) -> None:
    elsewhere = {"sec-fetch-site": "cross-site"}
    assert client.get("/", headers=elsewhere).status_code == 200
    assert client.post("/", headers={**elsewhere, **JSON}).status_code == 403


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_what_is_sent_is_json_alone(client: TestClient, kind: str) -> None:
    answer = client.post("/things/stage/actions/move", content="{}", headers={"content-type": kind})
    assert answer.status_code == 415
    told = answer.json()["detail"]
    assert "the header `Content-Type: application/json`" in told
    assert "may be empty where an action takes no arguments" in told


def test_a_body_is_bounded_whether_it_tells_its_size_or_not(client: TestClient) -> None:
    path, much = "/things/stage/actions/move", b" " * (1 << 20) + b"{}"
    assert client.post(path, content=much, headers=JSON).status_code == 413
    parts = (much[at : at + 65536] for at in range(0, len(much), 65536))
    answer = client.post(path, content=parts, headers=JSON)
    assert (answer.status_code, answer.json()["outcome"]) == (413, "not started")


def test_without_control_nothing_is_changed(tmp_path: Path) -> None:
    link = FakeLink(tmp_path)
    with serving(link, control=False) as client:
        assert client.get("/api/about").json() == {"control": False}
        for method, path in [
            ("PUT", "/things/stage/properties/position"),
            ("POST", "/things/stage/actions/move"),
            ("POST", "/api/workers/stage/restart"),
            ("POST", "/api/requests/1/cancel"),
        ]:
            answer = client.request(method, path, content="1", headers=JSON)
            assert (answer.status_code, answer.json()["title"]) == (403, "ReadOnly")
        assert client.get("/things/stage/properties/position").json() == 1.5
    assert [asked[0] for asked in link.stage.asked] == ["read"]


def test_each_answer_tells_browsers_what_not_to_do(client: TestClient) -> None:
    for answer in (client.get("/"), client.get("/nothing"), client.get("/", headers={"host": "x"})):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/things/stage/properties/position", "GET, HEAD, PUT"),
        ("POST", "/things/stage/properties/position", "GET, HEAD, PUT"),
        ("PATCH", "/things/stage/properties/position", "GET, HEAD, PUT"),
        ("OPTIONS", "/things/stage/properties/position", "GET, HEAD, PUT"),
        ("GET", "/things/stage/actions/move", "POST"),
        ("DELETE", "/things/stage", "GET, HEAD"),
        ("POST", "/metrics", "GET, HEAD"),
        ("BREW", "/things", "GET, HEAD"),
    ],
)
def test_a_method_that_is_not_taken_is_answered_with_those_that_are(
    client: TestClient, method: str, path: str, allow: str
) -> None:
    answer = client.request(method, path, headers=JSON)
    assert answer.status_code == 405
    assert ", ".join(sorted(answer.headers["allow"].split(", "))) == allow
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title"] == "MethodNotAllowed"
    assert f"{method} {path} isn't served; this takes" in answer.json()["detail"]


def test_a_path_that_there_is_not_is_told_as_a_problem(client: TestClient) -> None:
    for path in ("/nothing", "/static/nothing", "/things/stage/nothing"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["title"]) == (404, "Not Found")


def test_who_has_no_token_is_told_how_to_send_it(client: TestClient) -> None:
    answer = client.get("/things", headers={"authorization": ""})
    assert answer.headers["www-authenticate"] == 'Bearer realm="orch"'
