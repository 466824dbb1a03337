"""What an operation gave, as an HTTP answer: JSON, or an array as numbers or as a picture."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import wraps
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from orchestrator.client.aio_streams import AsyncStream
from orchestrator.client.json_form import plain, shape
from orchestrator.gateway.guard import TooLarge
from orchestrator.gateway.pictures import is_picture, png
from orchestrator.gateway.problems import Problem, problem_of, response_of
from transports.serializers import NPY, encode_array, is_array

MOST_NUMBERS = 1_000_000
"""Numbers of an array that is written as JSON; larger ones go as NPY or PNG."""
PNG = "image/png"
JSON_LINES = "application/jsonl"
encode = msgspec.json.Encoder().encode

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
    wanted = request.headers.get("accept", "")
    if isinstance(value, AsyncStream):
        return StreamingResponse(_lines(value), headers=headers, media_type=JSON_LINES)
    if PNG in wanted and is_picture(value):
        about = {**(headers or {}), "x-array": f"{value.dtype} {shape(value)}"}
        return Response(await asyncio.to_thread(png, value), 200, about, PNG)
    if NPY in wanted and is_array(value):
        return Response(bytes(encode_array(value)), 200, headers, NPY)
    if is_array(value) and value.size > MOST_NUMBERS:
        text = f"an array of {shape(value)} is too much for JSON: accept {NPY} or {PNG}"
        return response_of(Problem(406, "NotAcceptable", text, "done"))
    body = await asyncio.to_thread(lambda: encode(plain(value)))
    return Response(body, 200, headers, "application/json")


async def _lines(stream: AsyncStream[Any]) -> AsyncIterator[bytes]:
    """The items of a generator, each a line of JSON; an error is the last one."""
    async with stream:
        try:
            async for item in stream:
                yield encode(plain(item)) + b"\n"
        except Exception as error:  # noqa: BLE001  whatever a driver raises is told
            yield bytes(response_of(problem_of(error)).body) + b"\n"
