"""How workers are described to HTTP clients: Thing Descriptions with forms, and OpenAPI."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from orchestrator.gateway.problems import MEDIA_TYPE
from transports.serializers import JSON

SSE = "text/event-stream"
_SECURITY = {"token": {"scheme": "bearer", "in": "header", "format": "opaque"}}
_PROBLEM = {
    "description": "What it failed of; `outcome` tells what was done.",
    "content": {MEDIA_TYPE: {"schema": {"type": "object"}}},
}


def with_forms(thing: Mapping[str, Any], base: str) -> dict[str, Any]:
    """A Thing Description whose forms are those of this server.

    Args:
        thing: As the worker gives it.
        base: The server's address, with a slash at its end.
    """
    worker = str(thing["id"])
    return {
        **thing,
        "base": base,
        "securityDefinitions": _SECURITY,
        "security": "token",
        "properties": {
            name: {**each, "forms": _of_property(worker, name, each)}
            for name, each in thing.get("properties", {}).items()
        },
        "actions": {
            name: {**each, "forms": [_form("invokeaction", path(worker, "actions", name))]}
            for name, each in thing.get("actions", {}).items()
        },
        "events": {
            name: {**each, "forms": [_stream("subscribeevent", path(worker, "events", name))]}
            for name, each in thing.get("events", {}).items()
        },
    }


def path(worker: str, kind: str, member: str) -> str:
    """The path of a member, without a slash at its begin."""
    return f"things/{quote(worker, safe='')}/{kind}/{quote(member, safe='')}"


def _of_property(worker: str, name: str, described: Mapping[str, Any]) -> list[dict[str, Any]]:
    here = path(worker, "properties", name)
    forms = []
    if not described.get("writeOnly"):
        forms.append({**_form("readproperty", here), "htv:methodName": "GET"})
    if not described.get("readOnly"):
        forms.append({**_form("writeproperty", here), "htv:methodName": "PUT"})
    if described.get("observable"):
        forms.append(_stream("observeproperty", path(worker, "changes", name)))
    return forms


def _form(op: str, href: str) -> dict[str, Any]:
    return {"op": op, "href": href, "contentType": JSON}


def _stream(op: str, href: str) -> dict[str, Any]:
    return {"op": op, "href": href, "contentType": SSE, "subprotocol": "sse"}


def openapi(things: Iterable[Mapping[str, Any]], base: str) -> dict[str, Any]:
    """An OpenAPI description of workers.

    Args:
        things: Their Thing Descriptions.
        base: The server's address.
    """
    paths: dict[str, Any] = {}
    for thing in things:
        worker = str(thing["id"])
        for name, each in thing.get("properties", {}).items():
            here = paths.setdefault(f"/{path(worker, 'properties', name)}", {})
            if not each.get("writeOnly"):
                here["get"] = _operation(worker, each, _gives(each))
            if not each.get("readOnly"):
                body = _takes(_schema(each))
                here["put"] = {**_operation(worker, each, _NOTHING), "requestBody": body}
        for name, each in thing.get("actions", {}).items():
            body = _takes(each.get("input", {"type": "object"}))
            operation = _operation(worker, each, _gives(each.get("output", {})))
            paths[f"/{path(worker, 'actions', name)}"] = {
                "post": {**operation, "requestBody": body}
            }
        for name, each in thing.get("events", {}).items():
            streamed = {"description": "A stream.", "content": {SSE: {}}}
            paths[f"/{path(worker, 'events', name)}"] = {"get": _operation(worker, each, streamed)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "orch", "version": "1"},
        "servers": [{"url": base.rstrip("/")}],
        "security": [{"token": []}],
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "paths": paths,
    }


_NOTHING = {"description": "Done."}


def _operation(
    worker: str, described: Mapping[str, Any], done: Mapping[str, Any]
) -> dict[str, Any]:
    code = "204" if done is _NOTHING else "200"
    text = str(described.get("description", ""))
    return {
        "tags": [worker],
        "summary": text.partition("\n")[0],
        "description": text,
        "responses": {code: done, "default": _PROBLEM},
    }


def _schema(described: Mapping[str, Any]) -> dict[str, Any]:
    """A data schema without what only Thing Descriptions have."""
    return {
        key: value
        for key, value in described.items()
        if key not in ("forms", "observable") and not key.startswith("orch:")
    }


def _gives(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": "Its value.", "content": {JSON: {"schema": _schema(schema)}}}


def _takes(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"content": {JSON: {"schema": _schema(schema)}}}
