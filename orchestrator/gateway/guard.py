"""Who may ask the web server what: token, host, origin, media type and size, before any route.

A browser sends what other pages tell it to, with its cookies, and resolves names as their owners
like. So a request counts only with the token, to a name that this server goes by, from a page of
its own, and as JSON, which no form of another page can send.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from orchestrator.gateway.problems import Problem, answer_problem

Scope = Any
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MOST_BODY = 1 << 20
"""Bytes of a request's body."""
READING = ("GET", "HEAD")
"""Methods that change nothing."""
CHANGING = ("POST", "PUT")
"""Those that some route takes beside; to all others the answer is which it does."""
SAME = ("same-origin", "none")
"""What a browser says of a request that a page of ours, or its user, has made."""
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""What a page of ours may load, and that no other page shows it in a frame."""
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]
_NO_TOKEN = Problem(
    401,
    "Unauthorized",
    "this needs the token: open the address that `orch web` printed, or send"
    " `Authorization: Bearer TOKEN`",
)


@dataclass(frozen=True)
class Rules:
    """What is let in.

    Attributes:
        token: Who knows it is let in.
        hosts: What the server is called, each with its port unless it is 80.
        control: Whether anything may be changed.
        cookie: Name of the cookie with the token; browsers share cookies between ports.
    """

    token: str
    hosts: frozenset[str]
    control: bool
    cookie: str = "orch"


def guarded(app: App, rules: Rules) -> App:
    """An app that sees only requests that are let in; its answers get the headers of ours."""

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)  # lifespan; no route takes WebSockets
            return
        headers = {key: value.decode("latin-1") for key, value in scope["headers"]}
        sending = _with_headers(send)
        problem = _wrong(scope, headers, rules)
        if problem is None and _login(scope, rules):
            await _enter(sending, rules)
            return
        problem = problem or _unwelcome(scope, headers, rules)
        if problem is not None:
            await answer_problem(problem, scope, receive, sending)
            return
        await app(scope, _bounded(receive), sending)

    return guard


def _wrong(scope: Scope, headers: dict[bytes, str], rules: Rules) -> Problem | None:
    """What is wrong with where a request goes and comes from."""
    host = headers.get(b"host", "").lower()
    if host not in rules.hosts:
        known = ", ".join(sorted(rules.hosts))
        return Problem(
            421, "MisdirectedRequest", f"this server is {known}; --host lets other names in"
        )
    origin = headers.get(b"origin")
    if origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}"):
        return Problem(403, "Forbidden", "a page of another server can't ask this one")
    site = headers.get(b"sec-fetch-site", "none")
    if site not in SAME and not (scope["method"] in READING and scope["path"] == "/"):
        return Problem(403, "Forbidden", "a page of another server can't ask this one")
    return None


def _login(scope: Scope, rules: Rules) -> bool:
    """Whether it is the first visit, by an address with the token in it."""
    if scope["path"] != "/" or scope["method"] != "GET":
        return False
    given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
    return _is_token(given, rules)


def _unwelcome(scope: Scope, headers: dict[bytes, str], rules: Rules) -> Problem | None:
    """Why a request that goes to this server is not let in."""
    if not _has_token(headers, rules):
        return _NO_TOKEN
    if scope["method"] not in CHANGING:
        return None
    if not rules.control:
        return Problem(403, "ReadOnly", "this server only shows; --control lets it do more")
    if headers.get(b"content-type", "").partition(";")[0].strip().lower() != "application/json":
        return Problem(
            415,
            "UnsupportedMediaType",
            "this needs the header `Content-Type: application/json`, and JSON as the body, which"
            " may be empty where an action takes no arguments",
        )
    length = headers.get(b"content-length", "0")
    if not length.isdigit() or int(length) > MOST_BODY:
        return Problem(413, "ContentTooLarge", f"a body has {MOST_BODY} bytes at most")
    return None


def _has_token(headers: dict[bytes, str], rules: Rules) -> bool:
    scheme, _, given = headers.get(b"authorization", "").partition(" ")
    if scheme.lower() == "bearer" and _is_token(given.strip(), rules):
        return True
    try:
        cookie = SimpleCookie(headers.get(b"cookie", "")).get(rules.cookie)
    except CookieError:
        return False
    return cookie is not None and _is_token(cookie.value, rules)


def _is_token(given: str, rules: Rules) -> bool:
    return secrets.compare_digest(given.encode(), rules.token.encode())


async def _enter(send: Send, rules: Rules) -> None:
    """Give the browser the token as a cookie, and have it forget the address that has it."""
    cookie = f"{rules.cookie}={rules.token}; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000"
    headers = [(b"location", b"/"), (b"set-cookie", cookie.encode()), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 303, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _with_headers(send: Send) -> Send:
    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            own = {key.lower() for key, _ in message["headers"]}
            more = [each for each in HEADERS if each[0] not in own]
            message = {**message, "headers": [*message["headers"], *more]}
        await send(message)

    return sending


class TooLarge(Exception):
    """A body that didn't say its size has more than is taken."""


def _bounded(receive: Receive) -> Receive:
    taken = 0

    async def receiving() -> Any:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MOST_BODY:
            raise TooLarge(f"a body has {MOST_BODY} bytes at most")
        return message

    return receiving
