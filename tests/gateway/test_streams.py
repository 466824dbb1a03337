"""What is watched: told to all, the newest first, one by one where that is asked for."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.client.cached import Cached
from orchestrator.client.events import Event
from orchestrator.errors import RigNotReachable
from orchestrator.gateway import sources as looks
from orchestrator.gateway import streams as of_streams
from orchestrator.gateway.answers import answer
from orchestrator.gateway.sources import Sources
from orchestrator.gateway.streams import Streams, encoded
from orchestrator.gateway.things import Things
from orchestrator.gateway.topics import GAP, Outlet, Tell, Topic
from orchestrator.gateway.views import Views
from tests.gateway.gateway_kit import FakeLink

SOON = 20.0


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(SOON):
            await test()

    asyncio.run(bounded())


async def taken(outlet: Outlet, count: int) -> list[tuple[str, Any]]:
    found = [await outlet.next(SOON) for _ in range(count)]
    return [each for each in found if each is not None]


async def until(outlet: Outlet, subject: str) -> Any:
    """What is told of a subject next."""
    while True:
        found = await outlet.next(SOON)
        if found is not None and found[0] == subject and found[1] is not None:
            return found[1]


def test_only_the_newest_of_a_subject_waits() -> None:
    async def test() -> None:
        outlet = Outlet()
        for number in range(3):
            outlet.put("status", number)
        outlet.put("values", 7)
        assert await taken(outlet, 2) == [("status", 2), ("values", 7)]
        assert await outlet.next(0.0) is None

    run(test)


def test_what_comes_one_by_one_is_bounded_and_the_gap_told() -> None:
    async def test() -> None:
        outlet = Outlet(room=2)
        for number in range(5):
            outlet.append("log", number)
        assert await taken(outlet, 3) == [(GAP, 3), ("log", 3), ("log", 4)]
        outlet.append("log", 5)
        assert await taken(outlet, 1) == [("log", 5)]

    run(test)


def test_a_source_runs_while_somebody_watches() -> None:
    async def test() -> None:
        running: list[asyncio.Event] = []

        async def source(tell: Tell) -> None:
            running.append(asyncio.Event())
            tell("a", len(running))
            try:
                await asyncio.Event().wait()
            finally:
                running[-1].set()

        topic = Topic(source)
        first, second = Outlet(), Outlet()
        topic.join(first)
        assert await taken(first, 1) == [("a", 1)]
        topic.join(second)  # is told what is known
        assert await taken(second, 1) == [("a", 1)]
        topic.leave(first)
        topic.leave(first)
        assert topic.is_watched
        topic.leave(second)
        await running[0].wait()
        topic.join(first, one_by_one=True)
        assert await taken(first, 1) == [("a", 2)]
        topic.leave(first)

    run(test)


def test_status_is_looked_at_again_and_again_and_after_the_rig_was_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "AGAIN", 0.001)

    async def test() -> None:
        link, outlet = FakeLink(tmp_path), Outlet()
        topic = Sources(link).status()
        topic.join(outlet)
        assert (await until(outlet, "status"))["rig"] == "lab"
        assert (await until(outlet, "status"))["time"] > 0
        link.away = RigNotReachable("rig lab is not running")
        assert "not running" in (await until(outlet, "lost"))["text"]
        assert link.drops
        link.away = None
        await until(outlet, "status")
        topic.leave(outlet)

    run(test)


def test_polled_values_have_trends_with_gaps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "AGAIN", 0.001)
    monkeypatch.setattr(looks, "PACE", 0.001)

    async def test() -> None:
        link, outlet = FakeLink(tmp_path), Outlet()
        sources = Sources(link)
        topic = sources.values("stage")
        topic.join(outlet)
        told = await until(outlet, "values")
        assert told["position"]["value"] == 1.5
        link.away = RigNotReachable("away")
        while "value" in (await until(outlet, "values"))["position"]:
            continue
        link.away = None
        del link.stage.values["position"]  # it can't be read
        while "never read" not in (await until(outlet, "values"))["position"]["error"]:
            continue
        link.stage.values["position"] = "a text has no trend"
        while "value" not in (await until(outlet, "values"))["position"]:
            continue
        topic.leave(outlet)
        (kept,) = sources.trends.values()
        assert [value for _, value in kept] == [1.5, None]

    run(test)


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf, 10**400])
def test_what_no_line_can_be_drawn_to_is_a_gap_of_a_trend(tmp_path: Path, odd: Any) -> None:
    """The page has the trends as JSON, and its value as text."""
    link = FakeLink(tmp_path)
    at = iter((1.0, 2.0, 3.0))

    async def cached(name: str) -> Cached:
        return Cached(link.stage.values[name], next(at))

    link.stage.cached = cached  # type: ignore[method-assign]

    async def test() -> None:
        views = Views(link, sources := Sources(link), Streams(), control=False)
        for value in (1.5, odd, 2.5):
            link.stage.values["position"] = value
            told = await sources._cached("stage", "position")
            assert b"event: values\n" in encoded("values", {"position": told})
        answer = await views.trends(request("trends", "position"))
        kept = msgspec.json.decode(answer.body)
        assert kept == {"position": [[1.0, 1.5], [2.0, None], [3.0, 2.5]]}

    run(test)


def test_events_are_told_and_the_newest_is_kept_to_be_fetched(tmp_path: Path) -> None:
    async def test() -> None:
        link, streams = FakeLink(tmp_path), Streams()
        sources = Sources(link)
        things = Things(link, sources, streams)
        frame = np.zeros((16, 16), np.uint8)
        link.stage.events.waiting.put_nowait(Event(frame, 1.0, 3, "moved"))
        response = await things.subscribe(request("events", "moved"))
        body = response.body_iterator  # type: ignore[attr-defined]
        assert await anext(body) == b"retry: 1000\n\n"
        name, data = (await anext(body)).decode().strip().split("\n")
        assert name == "event: event:moved"
        told = msgspec.json.decode(data.removeprefix("data: "))
        assert (told["value"], told["picture"]) == ("uint8 array 16x16", True)
        newest = await things.newest(request("newest", "moved", accept="image/png"))
        assert (newest.headers["x-sequence"], newest.body[:4]) == ("3", b"\x89PNG")
        streams.end()
        assert [part async for part in body] == []
        assert not sources.event("stage", "moved").is_watched

    run(test)


def test_streams_are_bounded_and_give_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_streams, "MOST_STREAMS", 1)
    monkeypatch.setattr(of_streams, "SIGN_OF_LIFE", 0.001)

    async def test() -> None:
        streams, left = Streams(), []
        response = streams.answer(Outlet(), lambda: lambda: left.append(1))
        body = response.body_iterator  # type: ignore[attr-defined]
        assert [await anext(body), await anext(body)] == [b"retry: 1000\n\n", b": still here\n\n"]
        assert streams.answer(Outlet(), lambda: lambda: None).status_code == 503
        await body.aclose()
        assert left == [1]
        assert streams.answer(Outlet(), lambda: lambda: None).status_code == 200

    run(test)


def request(kind: str, member: str, **headers: str) -> Request:
    """A request for a member of the worker."""
    scope = {
        "type": "http",
        "method": "GET",
        "path": f"/things/stage/{kind}/{member}",
        "root_path": "",
        "query_string": b"",
        "server": ("127.0.0.1", 8080),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "path_params": {"worker": "stage", "member": member},
    }
    return Request(scope)


def test_items_of_a_generator_are_lines_and_its_error_is_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Items:
        """As an AsyncStream."""

        async def __aenter__(self) -> Items:
            return self

        async def __aexit__(self, *exc: object) -> None:
            return None

        async def __aiter__(self) -> Any:
            yield 1
            yield [2]
            raise ValueError("no more")

    monkeypatch.setattr("orchestrator.gateway.answers.AsyncStream", Items)

    async def test() -> None:
        response: Response = await answer(Items(), request("actions", "scan"))
        lines = [each async for each in response.body_iterator]  # type: ignore[attr-defined]
        assert lines[:2] == [b"1\n", b"[2]\n"]
        assert msgspec.json.decode(lines[2])["outcome"] == "raised"

    run(test)
