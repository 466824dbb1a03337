"""What an operation gave, as an HTTP answer: JSON, or an array as numbers or as a picture."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import wraps
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from orchestrator.client.aio_streams import AsyncStream
from orchestrator.client.json_form import shape
from orchestrator.gateway.guard import TooLarge
from orchestrator.gateway.json_bodies import encoded
from orchestrator.gateway.pictures import is_picture, png
from orchestrator.gateway.problems import Problem, problem_of, response_of
from transports.exceptions import DONE
from transports.serializers import JSON, NPY, encode_array, is_array

MOST_NUMBERS = 1_000_000
"""Numbers of an array that is written as JSON; larger ones go as NPY or PNG."""
PNG = "image/png"
JSON_LINES = "application/jsonl"

Handler = Callable[[Request], Awaitable[Response]]


def told(handler: Handler) -> Handler:
    """A handler whose errors are answers."""

    @wraps(handler)
    async def telling(request: Request) -> Response:
        try:
            return await handler(request)
        except TooLarge as error:
            return response_of(Problem(413, "ContentTooLarge", str(error)))
        except Exception as error:  # noqa: BLE001  whatever a driver raises is told
            return response_of(problem_of(error))

    return telling


async def answer(
    value: Any, request: Request, headers: Mapping[str, str] | None = None
) -> Response:
    """A value as the client wants it.

    Args:
        value: What an operation gave.
        request: Says by `Accept` what it takes: JSON, and arrays as `application/x-npy` or
            `image/png`.
        headers: Further headers.
    """
    if isinstance(value, AsyncStream):
        return StreamingResponse(_lines(value), headers=headers, media_type=JSON_LINES)
    if is_array(value):
        accept = request.headers.get("accept", "")
        kind = _kind_of(value, accept)
        if kind == PNG:
            about = {**(headers or {}), "x-array": f"{value.dtype} {shape(value)}"}
            return Response(await asyncio.to_thread(png, value), 200, about, PNG)
        if kind == NPY:
            return Response(bytes(encode_array(value)), 200, headers, NPY)
        if not kind:
            return response_of(Problem(406, "NotAcceptable", _too_picky(value, accept), DONE))
    body = await asyncio.to_thread(lambda: encoded(value))
    return Response(body, 200, headers, JSON)


def _kind_of(array: Any, accept: str) -> str:
    """What an array is sent as: what is wanted most of what it can be; empty for none of it."""
    wanted = _wanted(accept)
    best, most = "", 0.0
    for kind in _possible(array):
        wish = max((wanted[each] for each in _MEANT_BY[kind] if each in wanted), default=0.0)
        if wish > most:
            best, most = kind, wish
    return best


def _possible(array: Any) -> list[str]:
    """What an array can be sent as, the first where several are wanted alike."""
    pictured = [PNG] if is_picture(array) else []
    return [*pictured, NPY, *([JSON] if array.size <= MOST_NUMBERS else [])]


_MEANT_BY = {PNG: (PNG, "image/*"), NPY: (NPY,), JSON: (JSON, "application/*", "*/*")}
"""By which words of `Accept` each is meant: who takes anything gets JSON."""


def _wanted(accept: str) -> dict[str, float]:
    """How much each kind is wanted that `Accept` names: RFC 9110, section 12.5.1."""
    found: dict[str, float] = {}
    for each in accept.split(","):
        kind, *parameters = (part.strip().lower() for part in each.split(";"))
        weight = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        try:
            found[kind] = float(weight)
        except ValueError:  # it means something else
            found[kind] = 1.0
    return found if accept.strip() else {"*/*": 1.0}


def _too_picky(array: Any, accept: str) -> str:
    *others, last = _possible(array)
    kinds = f"{', '.join(others)} or {last}" if others else last
    if any(each in _wanted(accept) for each in _MEANT_BY[JSON]):
        return f"an array of {shape(array)} is too much for JSON: accept {kinds}"
    return f"an array of {shape(array)} is none of what Accept takes ({accept:.80}): accept {kinds}"


async def _lines(stream: AsyncStream[Any]) -> AsyncIterator[bytes]:
    """The items of a generator, each a line of JSON; an error is the last one."""
    async with stream:
        try:
            async for item in stream:
                yield encoded(item) + b"\n"
        except Exception as error:  # noqa: BLE001  whatever a driver raises is told
            yield bytes(response_of(problem_of(error)).body) + b"\n"
