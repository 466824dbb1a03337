"""A rig for language agents, by the Model Context Protocol."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import mcp_types as types
from mcp.server import Server, ServerRequestContext
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError

from orchestrator.access.value_limits import VALUE, Denied, Limits, check
from orchestrator.client.identity import who
from orchestrator.errors import OrchError
from orchestrator.gateway.mcp_calls import RUNNING, Calls, Handle, failure
from orchestrator.gateway.mcp_logs import log_lines
from orchestrator.gateway.mcp_tools import Tool, tools_of
from orchestrator.version import version
from orchestrator.words import one_line, without_secrets
from transports.exceptions import DONE, NOT_STARTED, UNKNOWN

log = logging.getLogger("orchestrator.mcp")

T = TypeVar("T")

MOST_THREADS = 64
"""Requests of agents that are waited for at a time."""
MOST_RECORDS = 500
"""Records of the log that are given at once."""
LONGEST_ANSWER = 50_000
"""Characters of an answer; of what is longer the beginning is given."""
LONGEST_NOTED = 300
"""Characters of an agent's arguments that are recorded."""
STATUS, LOGS, THINGS = "orch://status", "orch://logs", "orch://workers/"
WAIT = {"type": "number", "minimum": 0, "maximum": 300, "description": "Seconds to wait for it."}
OWN: dict[str, tuple[str, dict[str, Any]]] = {
    "status": ("The rig's workers: their states, what they run and for whom, their errors.", {}),
    "logs": (
        "The last records of the rig's log, the newest last.",
        {
            "worker": {"type": "string"},
            "level": {"enum": ["debug", "info", "warning", "error", "critical"]},
            "since": {"type": "string", "description": 'Such as "10 min ago" or "today 08:00".'},
            "grep": {"type": "string", "description": "A regular expression."},
            "request": {"type": "string", "description": "Of one request, by its id."},
            "last": {"type": "integer", "minimum": 1, "maximum": MOST_RECORDS, "default": 50},
        },
    ),
    "request": (
        "What came of an operation that was still running; it is named by its request's id.",
        {"request": {"type": "string"}, "wait": WAIT},
    ),
    "cancel": (
        "Withdraw an operation that hasn't started, or end it as the rig's config says.",
        {"request": {"type": "string"}},
    ),
}
INSTRUCTIONS = """\
The devices of rig {rig}. Each operation tells its outcome: done; failed (the driver raised);
not started (nothing was done, it is safe to try again); unknown (it may have been done: look at the
device before trying again); running (ask by the tool request, or end it by cancel).
Properties can be read. {may}
Each use of a tool is recorded in the rig's log."""


class Gateway:
    """Answers agents.

    Args:
        calls: Does what they ask.
        rules: What they may do.
        wait: Seconds after which an operation that goes on is given as a handle.
    """

    def __init__(self, calls: Calls, rules: Mapping[str, Limits], wait: float) -> None:
        self._calls = calls
        self._rules = rules
        self._wait = wait
        self._pool = ThreadPoolExecutor(MOST_THREADS, "orch-mcp")
        self._own: dict[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]] = {
            "status": self._status,
            "logs": self._logs,
            "request": self._request,
            "cancel": self._cancel,
        }

    def server(self) -> Server[Any]:
        """The protocol's server, for any transport."""
        named = ", ".join(self._rules)
        may = f"Allowed beyond that: {named}." if named else "Nothing can be written or called."
        return Server(
            f"orch-{self._calls.rig}",
            version=version(),
            instructions=INSTRUCTIONS.format(rig=self._calls.rig, may=may),
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
            on_list_resources=self._list_resources,
            on_read_resource=self._read_resource,
        )

    async def _in_thread(self, function: Callable[..., T], *args: Any) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, functools.partial(function, *args))

    async def serve_stdio(self) -> None:
        """Serve one agent on stdin and stdout until it closes these."""
        server = self.server()
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())

    # -- tools ----------------------------------------------------------------------------

    async def _list_tools(self, ctx: Any, params: Any) -> types.ListToolsResult:
        found = [_own_tool(name) for name in OWN]
        found += [_tool(each) for each in (await self._tools()).values()]
        return types.ListToolsResult(tools=found)

    async def _tools(self) -> dict[str, Tool]:
        """By what workers say of themselves by now: they come and go, and what they offer."""
        things = await self._in_thread(self._calls.things)
        if not any(name.startswith(f"{self._calls.rig}.") for name in self._rules):
            things.pop(self._calls.rig, None)  # whose state is told by the tool status
        return tools_of(things, self._rules)

    async def _call_tool(
        self, ctx: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        began, arguments = time.monotonic(), dict(params.arguments or {})
        tool: Tool | None = None
        try:
            if (own := self._own.get(params.name)) is not None:
                found = await own(arguments)
            else:
                tool = (await self._tools()).get(params.name)
                found = await self._use(tool, params.name, arguments)
        except OrchError as error:
            found = failure(error)
        except Denied as error:
            found = {"outcome": NOT_STARTED, "error": str(error)}
        except Exception as error:
            log.exception("a fault of the gateway, in %s", params.name)
            text = f"a fault of the gateway: {type(error).__name__}: {error}"
            found = {"outcome": UNKNOWN, "error": text}
        await self._note(_agent(ctx), params.name, tool, arguments, found, time.monotonic() - began)
        return _result(found)

    async def _use(self, tool: Tool | None, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if tool is None:
            raise Denied(f"there is no tool {name!r}: it isn't allowed, or its worker isn't up")
        if unknown := set(arguments) - set(tool.schema["properties"]):
            raise Denied(f"{name} takes no {', '.join(sorted(unknown))}")
        if lacking := [each for each in tool.schema.get("required", ()) if each not in arguments]:
            raise Denied(f"{name} needs {', '.join(lacking)}")
        calls, worker = self._calls, tool.worker
        if tool.does == "read":
            all_ = tool.schema["properties"]["properties"]["items"]["enum"]
            names = arguments.get("properties") or all_
            if not isinstance(names, list):
                raise Denied(f"properties are a list of names, not {names!r:.80}")
            if unread := [each for each in names if each not in all_]:
                raise Denied(f"{worker} has no property {', '.join(map(str, unread))}")
            return await self._in_thread(calls.read, worker, names)
        if tool.does == "event":
            wait = _seconds(arguments, 5.0, most=60.0)
            if (event := arguments["event"]) not in tool.schema["properties"]["event"]["enum"]:
                raise Denied(f"{worker} has no event {event!r:.80}")
            return await self._in_thread(calls.event, worker, event, wait)
        check(tool.limits, arguments)  # before anything is sent
        if tool.does == "write":
            value = arguments[VALUE]
            handle = await self._in_thread(calls.write, worker, tool.member, value)
        else:
            handle = await self._in_thread(calls.call, worker, tool.member, arguments)
        return await self._outcome(handle, self._wait)

    async def _outcome(self, handle: Handle, wait: float) -> dict[str, Any]:
        try:
            return await self._in_thread(self._calls.outcome, handle, wait)
        except asyncio.CancelledError:  # the agent wants it no more
            handle.future.cancel()
            raise

    # -- the gateway's own tools ----------------------------------------------------------

    async def _status(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return await self._in_thread(self._calls.status)

    async def _logs(self, arguments: dict[str, Any]) -> dict[str, Any]:
        asked = {key: arguments[key] for key in OWN["logs"][1] if key in arguments}
        last = asked.pop("last", 50)
        if type(last) is not int or not 1 <= last <= MOST_RECORDS:
            raise Denied(f"last is a number of records from 1 to {MOST_RECORDS}, not {last!r:.80}")
        try:
            found = await self._in_thread(log_lines, self._calls.rig, last, asked)
        except (ValueError, TypeError) as error:  # a level, time or expression that is none
            raise Denied(str(error)) from error
        return {"records": found}

    async def _request(self, arguments: dict[str, Any]) -> dict[str, Any]:
        wait = _seconds(arguments, 0.0, most=300.0)
        return await self._outcome(self._handle(arguments), wait)

    async def _cancel(self, arguments: dict[str, Any]) -> dict[str, Any]:
        handle = self._handle(arguments)
        found = await self._in_thread(self._calls.cancel, handle)
        return {**found, "operation": await self._outcome(handle, 1.0)}

    def _handle(self, arguments: dict[str, Any]) -> Handle:
        request = str(arguments.get("request", ""))
        handle = self._calls.handle(request)
        if handle is None:
            raise Denied(f"no operation of this server has the request {request!r:.80}")
        return handle

    # -- resources ------------------------------------------------------------------------

    async def _list_resources(self, ctx: Any, params: Any) -> types.ListResourcesResult:
        things = await self._in_thread(self._calls.things)
        found = [
            types.Resource(name="status", uri=STATUS, mime_type="application/json"),
            types.Resource(name="logs", uri=LOGS, mime_type="text/plain"),
        ]
        found += [
            types.Resource(name=name, uri=f"{THINGS}{name}", mime_type="application/td+json")
            for name in things
        ]
        return types.ListResourcesResult(resources=found)

    async def _read_resource(
        self, ctx: Any, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        uri, kind = str(params.uri), "application/json"
        if uri == STATUS:
            text = _json(await self._status({}))
        elif uri == LOGS:
            found = await self._in_thread(log_lines, self._calls.rig, 200, {})
            text, kind = "".join(found), "text/plain"
        else:
            thing = None
            if uri.startswith(THINGS):
                thing = await self._in_thread(self._calls.thing, uri[len(THINGS) :])
            if thing is None:
                raise MCPError(types.INVALID_PARAMS, f"there is no resource {uri!r:.80}")
            text = _json(thing)
        contents = [types.TextResourceContents(uri=uri, mime_type=kind, text=text)]
        return types.ReadResourceResult(contents=list(contents))

    # -- records --------------------------------------------------------------------------

    async def _note(
        self,
        agent: str,
        name: str,
        tool: Tool | None,
        arguments: dict[str, Any],
        found: dict[str, Any],
        seconds: float,
    ) -> None:
        """Have it recorded who did what with which outcome; without the rig, said here."""
        outcome = str(found.get("outcome", DONE))
        fields: dict[str, Any] = {"who": who(), "agent": agent, "tool": name, "outcome": outcome}
        fields["seconds"] = round(seconds, 3)
        if arguments:
            fields["arguments"] = one_line(json.dumps(without_secrets(arguments)), LONGEST_NOTED)
        fields |= {key: one_line(str(found[key])) for key in ("request", "error") if key in found}
        worker, member = (tool.worker, tool.member) if tool else (self._calls.rig, "")
        try:
            await self._in_thread(self._calls.note, worker, member, outcome, fields)
        except OrchError as error:
            log.warning("not recorded, as %s: %s", error, fields)


def _seconds(arguments: dict[str, Any], usual: float, *, most: float) -> float:
    """How long to wait. Raises Denied if it isn't a number of seconds."""
    given = arguments.get("wait", usual)
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not 0 <= given <= most:
        raise Denied(f"wait is a number of seconds from 0 to {most:g}, not {given!r:.80}")
    return float(given)


def _agent(ctx: ServerRequestContext[Any]) -> str:
    params = ctx.session.client_params
    if params is None:
        return "an agent without a name"
    info = params.client_info
    return one_line(f"{info.name} {info.version}", 80)


def _own_tool(name: str) -> types.Tool:
    text, properties = OWN[name]
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if "request" in properties and name != "logs":
        schema["required"] = ["request"]
    hints = types.ToolAnnotations(read_only_hint=name != "cancel", open_world_hint=False)
    return types.Tool(name=name, description=text, input_schema=schema, annotations=hints)


def _tool(tool: Tool) -> types.Tool:
    looks = tool.does in ("read", "event")
    hints = types.ToolAnnotations(
        read_only_hint=looks,
        destructive_hint=not looks,
        idempotent_hint=tool.repeatable,
        open_world_hint=False,
    )
    return types.Tool(
        name=tool.name,
        description=tool.description,
        input_schema=tool.schema,
        annotations=hints,
    )


def _result(found: dict[str, Any]) -> types.CallToolResult:
    text = _json(found)
    is_error = found.get("outcome", DONE) not in (DONE, RUNNING)
    if len(text) <= LONGEST_ANSWER:
        content = [types.TextContent(type="text", text=text)]
        return types.CallToolResult(
            content=list(content), structured_content=found, is_error=is_error
        )
    cut = f"{text[:LONGEST_ANSWER]}… ({len(text):,} characters; this is their beginning)"
    content = [types.TextContent(type="text", text=cut)]
    brief = {key: found[key] for key in ("outcome", "request", "seconds") if key in found}
    return types.CallToolResult(
        content=list(content), structured_content={**brief, "cut": len(text)}, is_error=is_error
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
