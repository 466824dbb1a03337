"""JSON over HTTP: what is sent is strict whatever a value holds, what comes in is read strictly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

from orchestrator.client.json_form import plain
from orchestrator.errors import ValueRefused
from transports.serializers import JSON

_encode = msgspec.json.Encoder().encode


def encoded(value: Any) -> bytes:
    """Any value as JSON; what JSON has no form for is as `json_form` says."""
    return written(plain(value))


def written(found: Any) -> bytes:
    """What `json_form.plain` gives, as JSON: for what is made plain once and sent to many."""
    try:
        return _encode(found)
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can write, but UTF-8 can't
        return json.dumps(found).encode()


def answer_json(
    value: Any, status: int = 200, headers: Mapping[str, str] | None = None, kind: str = JSON
) -> Response:
    """An answer with a value as JSON."""
    return Response(encoded(value), status, headers, kind)


def decoded(text: bytes) -> Any:
    """A body's value.

    Raises:
        ValueRefused: It is no JSON, or one of its objects has a key twice.
    """
    try:
        value = msgspec.json.decode(text)
        if b"{" in text:
            json.loads(text, object_pairs_hook=_once_each, parse_int=str)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueRefused(f"the body is no JSON: {error}") from None
    except RecursionError:
        raise ValueRefused("the body has lists within lists deeper than is taken") from None
    return value


def _once_each(pairs: list[tuple[str, Any]]) -> None:
    """See that no key is there twice: readers differ on which of two counts."""
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise ValueRefused(f"the body has {key!r:.80} twice in one object")
        seen.add(key)
