"""Things over HTTP, as the W3C's Web of Things has it: read, write, invoke, observe, subscribe."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orchestrator.durations import parse_timeout
from orchestrator.errors import NameRefused, NoRoom, OrchError, ValueRefused
from orchestrator.gateway.answers import answer, told
from orchestrator.gateway.description import openapi, with_forms
from orchestrator.gateway.guard import READING
from orchestrator.gateway.json_bodies import answer_json, decoded
from orchestrator.gateway.link import Link
from orchestrator.gateway.problems import Problem, problem_of, response_of
from orchestrator.gateway.sources import Sources
from orchestrator.gateway.streams import Streams
from orchestrator.gateway.topics import Outlet
from orchestrator.words import did_you_mean

MOST_AT_ONCE = 64
"""Operations that wait or run at a time."""


class Things:
    """The routes of all workers.

    Args:
        link: The rig.
        sources: What can be watched.
        streams: The streams that are open.
    """

    def __init__(self, link: Link, sources: Sources, streams: Streams) -> None:
        self._link = link
        self._sources = sources
        self._streams = streams
        self._at_once = 0

    def routes(self) -> list[Route]:
        """The routes."""
        one = "/things/{worker}"
        return [
            Route("/things", told(self.catalogue)),
            Route("/openapi.json", told(self.openapi)),
            Route(one, told(self.describe)),
            Route(f"{one}/properties/{{member:path}}", told(self.property), methods=["GET", "PUT"]),
            Route(f"{one}/actions/{{member:path}}", told(self.invoke), methods=["POST"]),
            Route(f"{one}/events/{{member:path}}", told(self.subscribe)),
            Route(f"{one}/changes/{{member:path}}", told(self.subscribe)),
            Route(f"{one}/newest/{{member:path}}", told(self.newest)),
        ]

    async def catalogue(self, request: Request) -> Response:
        """The Thing Descriptions of all workers that tell theirs now."""
        base = str(request.base_url)
        return answer_json([with_forms(each, base) for each in await self._described()])

    async def openapi(self, request: Request) -> Response:
        """The same for programs that know OpenAPI."""
        return answer_json(openapi(await self._described(), str(request.base_url)))

    async def _described(self) -> list[dict[str, Any]]:
        workers = await self._link.workers()
        found = await asyncio.gather(*(each.describe() for each in workers), return_exceptions=True)
        for error in found:
            if isinstance(error, BaseException) and not isinstance(error, OrchError):
                raise error
        return [each for each in found if isinstance(each, dict)]

    async def describe(self, request: Request) -> Response:
        """A worker's Thing Description."""
        worker = await self._link.worker(request.path_params["worker"])
        thing = await worker.describe(refresh="refresh" in request.query_params)
        return answer_json(with_forms(thing, str(request.base_url)))

    async def property(self, request: Request) -> Response:
        """Read a property, or write it."""
        return await (self.write if request.method == "PUT" else self.read)(request)

    async def read(self, request: Request) -> Response:
        """Read a property; who asks for it while it is being read gets that answer."""
        name, member = _names(request)
        worker = await self._link.worker(name)
        if "cached" in request.query_params:
            found = await worker.cached(member)
            headers = {"age": f"{found.age:.0f}"}
            return await answer(found.value, request, headers)
        timeouts = _timeouts(request)

        async def ask() -> Any:
            async with self._room():
                return await worker.read(member, **timeouts)

        value = await self._link.once((name, member, *timeouts.items()), ask)
        return await answer(value, request)

    async def write(self, request: Request) -> Response:
        """Write a property."""
        name, member = _names(request)
        text = await request.body()
        if not text.strip():  # to write nothing isn't to write null
            raise ValueRefused("the body is empty; send a JSON value")
        value = decoded(text)
        worker = await self._link.worker(name)
        try:
            async with self._room():
                await worker.write(member, value, **_timeouts(request))
        except NameRefused as error:
            thing = await worker.describe()
            if not thing.get("properties", {}).get(member, {}).get("readOnly"):
                raise
            return response_of(replace(problem_of(error), status=405, allow=", ".join(READING)))
        return Response(status_code=204)

    async def invoke(self, request: Request) -> Response:
        """Call an action: an object has its arguments by name, a list by place."""
        name, member = _names(request)
        given = await body_of(request)
        worker = await self._link.worker(name)
        args, kwargs = _arguments(given)
        async with self._room():
            value = await worker.call(member, *args, **_timeouts(request), **kwargs)
        return await answer(value, request)

    async def subscribe(self, request: Request) -> Response:
        """An event, or a property's changes, as server-sent events."""
        name, member = _names(request)
        worker = await self._link.worker(name)
        thing = await worker.describe()
        is_change = "/changes/" in request.url.path
        known = thing.get("properties" if is_change else "events", {})
        if member not in known or (is_change and not known[member].get("observable")):
            kind = "observable property" if is_change else "event"
            return response_of(Problem(404, "NameRefused", f"{name} has no {kind} {member!r}"))
        outlet, topic = Outlet(), self._sources.event(name, member)

        def join() -> Callable[[], None]:
            topic.join(outlet, one_by_one=True)
            return lambda: topic.leave(outlet)

        return self._streams.answer(outlet, join)

    async def newest(self, request: Request) -> Response:
        """The newest event that was seen while somebody watched: what a picture is fetched by."""
        name, member = _names(request)
        event = self._sources.newest.get((name, member))
        if event is None:
            text = f"no event {member!r} of {name} has come while it was watched"
            return response_of(Problem(404, "NothingThere", text))
        return await answer(event.value, request, {"x-sequence": str(event.sequence)})

    @asynccontextmanager
    async def _room(self) -> AsyncIterator[None]:
        """Count an operation while it waits and runs. Raises NoRoom if there are too many."""
        if self._at_once >= MOST_AT_ONCE:
            raise NoRoom(f"{MOST_AT_ONCE} operations of this server wait or run")
        self._at_once += 1
        try:
            yield
        finally:
            self._at_once -= 1


_TIMEOUTS = ("invocation_timeout", "execution_timeout")


def _names(request: Request) -> tuple[str, str]:
    """The worker and the member that a path names."""
    return request.path_params["worker"], request.path_params["member"]


def _timeouts(request: Request) -> dict[str, Any]:
    """The timeouts that a query gives, in seconds. Raises ValueRefused."""
    found: dict[str, Any] = {}
    if unknown := sorted(request.query_params.keys() - {*_TIMEOUTS, "cached"}):
        told = f"{unknown[0]} is no parameter of this{did_you_mean(unknown[0], _TIMEOUTS)}"
        raise ValueRefused(told)
    for name in _TIMEOUTS:
        if (given := request.query_params.get(name)) is not None:
            try:
                found[name] = parse_timeout(None if given == "none" else given)
            except ValueError as error:
                raise ValueRefused(f"{name}: {error}") from None
    return found


async def body_of(request: Request) -> Any:
    """The JSON that was sent; None if nothing was. Raises ValueRefused, TooLarge."""
    text = await request.body()
    return decoded(text) if text.strip() else None


def _arguments(given: Any) -> tuple[list[Any], dict[str, Any]]:
    """Arguments by place and by name. Raises ValueRefused."""
    if given is None:
        return [], {}
    if isinstance(given, dict):
        return [], given
    if isinstance(given, list):
        return given, {}
    raise ValueRefused("arguments are an object, by name, or a list, by place")
