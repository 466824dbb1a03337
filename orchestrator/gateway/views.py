"""What the page asks beside Things: status, logs, traces, stacks, and starting and stopping."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orchestrator.errors import NothingThere, ValueRefused
from orchestrator.gateway.answers import told
from orchestrator.gateway.json_bodies import answer_json, written
from orchestrator.gateway.link import Link
from orchestrator.gateway.sources import Sources
from orchestrator.gateway.streams import Streams
from orchestrator.gateway.things import body_of
from orchestrator.gateway.topics import Outlet
from orchestrator.logs.read.api import LogView, select
from orchestrator.logs.read.lookup import Entry
from orchestrator.logs.read.query import Logs
from orchestrator.logs.show.trace import AmbiguousRequest, find_trace, where
from transports.serializers import JSON

LOG, LOGS_END = "log", "log-end"
SHOWN_FIRST = 200
"""Records before the present ones that a page begins with."""
MOST_RECORDS = 5000
"""Records of one answer."""
VERBS = ("start", "stop", "restart")


class Views:
    """The routes of the page.

    Args:
        link: The rig.
        sources: What can be watched.
        streams: The streams that are open.
        control: Whether anything may be changed; the page hides what can't be done.
    """

    def __init__(self, link: Link, sources: Sources, streams: Streams, *, control: bool) -> None:
        self._link = link
        self._sources = sources
        self._streams = streams
        self._control = control

    def routes(self) -> list[Route]:
        """The routes."""
        return [
            Route("/api/about", told(self.about)),
            Route("/api/status", told(self.status)),
            Route("/api/stream", told(self.stream)),
            Route("/api/trends/{worker}", told(self.trends)),
            Route("/api/logs", told(self.logs)),
            Route("/api/traces/{request}", told(self.trace)),
            Route("/api/workers/{worker}/stacks", told(self.stacks)),
            Route("/api/workers/{worker}/{verb}", told(self.order), methods=["POST"]),
            Route("/api/requests/{request}/cancel", told(self.cancel), methods=["POST"]),
        ]

    async def about(self, request: Request) -> Response:
        """What this server lets do."""
        return answer_json({"control": self._control})

    async def status(self, request: Request) -> Response:
        """The rig's status, as `orch status --json` has it."""
        return answer_json(await self._link.status())

    async def stream(self, request: Request) -> Response:
        """All that one page watches, as one stream: browsers open few to one server.

        The rig's status always; of `worker` what it polls, and the events and changes named by
        `event`; with `logs` the records, filtered as `/api/logs` does.
        """
        asked = request.query_params
        outlet = Outlet()
        topics = [self._sources.status()]
        if worker := asked.get("worker"):
            topics.append(self._sources.values(worker))
            topics += [self._sources.event(worker, name) for name in asked.getlist("event")]
        view = await self._records(asked, follow=True) if "logs" in asked else None

        def join() -> Callable[[], None]:
            for topic in topics:
                topic.join(outlet)
            follower = None if view is None else asyncio.ensure_future(_follow(view, outlet))

            def leave() -> None:
                for topic in topics:
                    topic.leave(outlet)
                if follower is not None:
                    follower.cancel()

            return leave

        return self._streams.answer(outlet, join)

    async def trends(self, request: Request) -> Response:
        """Times and values of what a worker polls, as far as somebody has watched it."""
        worker = request.path_params["worker"]
        await self._link.worker(worker)
        kept = self._sources.trends.items()
        return answer_json({name: list(values) for (of, name), values in kept if of == worker})

    async def logs(self, request: Request) -> Response:
        """Records: by `worker`, `level`, `since`, `until`, `grep`, `request`, `member`, `last`."""
        view = await self._records(request.query_params, follow=False)
        found = await asyncio.to_thread(lambda: list(view))
        body = await asyncio.to_thread(lambda: written([_fields(entry) for entry in found]))
        return Response(body, media_type=JSON)

    async def _records(self, asked: QueryParams, *, follow: bool) -> LogView:
        names = ("level", "since", "until", "grep", "request", "member")
        given: dict[str, Any] = {name: asked[name] for name in names if asked.get(name)}
        if workers := asked.getlist("log-worker"):
            given["worker"] = workers
        try:
            said = asked.get("last", str(SHOWN_FIRST))
            last = int(said) if said.isdecimal() else 0
            if not 0 < last <= MOST_RECORDS:
                raise ValueError(f"last is 1 to {MOST_RECORDS}, not {said!r:.40}")
            return select(await self._link.logs(), **given, last=last, follow=follow)
        except FileNotFoundError as error:
            raise NothingThere(str(error)) from None
        except ValueError as error:
            raise ValueRefused(str(error)) from None

    async def trace(self, request: Request) -> Response:
        """One request's life: its records in order of time."""
        wanted = request.path_params["request"]
        logs = Logs(await self._link.logs())
        try:
            found = await asyncio.to_thread(find_trace, logs, wanted)
        except AmbiguousRequest as error:
            raise ValueRefused(str(error)) from None
        if found is None:
            raise NothingThere(
                f"there is no record of request {wanted}; one that prints and logs nothing leaves"
                " records at level debug only"
            )
        steps = [{**_fields(entry), "where": where(entry)} for entry in found.entries]
        return answer_json({"request": found.request, "whole": found.has_life, "steps": steps})

    async def stacks(self, request: Request) -> Response:
        """Where all threads of a worker are now."""
        worker = request.path_params["worker"]
        await self._link.worker(worker)
        own = await self._link.own()

        async def ask() -> Any:
            return await own.call("stacks", worker)

        return answer_json({"stacks": await self._link.once(("stacks", worker), ask)})

    async def order(self, request: Request) -> Response:
        """Start, stop or restart a worker; the answer comes once it has settled."""
        worker, verb = request.path_params["worker"], request.path_params["verb"]
        if verb not in VERBS:
            raise NothingThere(f"a worker can be told to {', '.join(VERBS)}, not {verb!r:.60}")
        await self._link.worker(worker)
        states = await (await self._link.own()).call(verb, [worker])
        return answer_json({"state": states[worker]})

    async def cancel(self, request: Request) -> Response:
        """Withdraw a request, or end it; by a restart of its worker with `{"restart": true}`."""
        given = await body_of(request) or {}
        restart = isinstance(given, dict) and given.get("restart") is True
        wanted = request.path_params["request"]
        return answer_json(await (await self._link.own()).call("cancel", wanted, restart=restart))


def _fields(entry: Entry) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(entry)
    return fields


async def _follow(view: LogView, outlet: Outlet) -> None:
    async for entry in view:
        outlet.append(LOG, _fields(entry))
    outlet.append(LOGS_END, None)
