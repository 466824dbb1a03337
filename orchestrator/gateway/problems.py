"""Errors as HTTP has them: a status, and a JSON body that tells what came of the operation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.client.answers import raised_in
from orchestrator.errors import (
    ArgumentsRefused,
    ArgumentUnsendable,
    Cancelled,
    DriverError,
    ExecutionTimeout,
    InvocationTimeout,
    KeyRefused,
    Leased,
    NameRefused,
    NoRoom,
    NotAllowed,
    NothingThere,
    NotStarted,
    OtherLife,
    OutcomeUnknown,
    RigNotReachable,
    ValueRefused,
    WorkerUnavailable,
)
from orchestrator.gateway.json_bodies import answer_json
from orchestrator.gateway.outcomes import outcome_of
from transports.exceptions import FAILED, NOT_STARTED

MEDIA_TYPE = "application/problem+json"
STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (NameRefused, 404),
    (NothingThere, 404),
    (ArgumentsRefused, 400),
    (ValueRefused, 400),
    (ArgumentUnsendable, 400),
    (NotAllowed, 403),
    (NoRoom, 503),
    (RigNotReachable, 503),
    (KeyRefused, 503),
    (Cancelled, 409),
    (Leased, 409),
    (OtherLife, 409),
    (WorkerUnavailable, 409),
    (InvocationTimeout, 504),
    (ExecutionTimeout, 504),
    (OutcomeUnknown, 502),
    (NotStarted, 400),
)
"""The status of an error; the first that it is an instance of counts, and 500 for all others."""
RAISED = "raised"
"""The outcome where the driver raised: of HTTP's own words, `failed` says less."""
RETRY_AFTER = "1"
"""Seconds after which what is full, or away, is worth another try."""
LONGEST = 10_000
"""Characters of an error's text."""


@dataclass(frozen=True)
class Problem:
    """What a request came to that can't be answered as asked.

    Attributes:
        status: HTTP's status.
        kind: The error's class, or HTTP's word for it.
        text: In words, with the mend.
        outcome: What was done: `not started`, `unknown`, `done`, or `raised` by the driver.
        more: Further facts: `request`, `worker`, `member`, `traceback`.
        allow: With 405, the methods that are taken there.
    """

    status: int
    kind: str
    text: str
    outcome: str = NOT_STARTED
    more: dict[str, Any] | None = None
    allow: str = ""


def problem_of(error: Exception) -> Problem:
    """What an operation raised."""
    status = next((code for kind, code in STATUSES if isinstance(error, kind)), 500)
    where, lines = raised_in(error)
    facts = ("request_id", "worker", "member")
    more = {name.partition("_")[0]: where.get(name, getattr(error, name, None)) for name in facts}
    more["traceback"] = "\n".join(lines) or None
    if isinstance(error, DriverError):
        kind, text = error.type, error.message
    else:
        kind, text = type(error).__name__, str(error)
    known = {key: value for key, value in more.items() if value is not None}
    outcome = outcome_of(error)
    return Problem(status, kind, text[:LONGEST], RAISED if outcome == FAILED else outcome, known)


def response_of(problem: Problem) -> Response:
    """The answer that tells a problem."""
    body = {
        "title": problem.kind,
        "status": problem.status,
        "detail": problem.text,
        "outcome": problem.outcome,
        **(problem.more or {}),
    }
    # Which of these go with a status: RFC 9110, sections 15.5 and 15.6.
    headers = {
        401: {"www-authenticate": 'Bearer realm="orch"'},
        405: {"allow": problem.allow},
        503: {"retry-after": RETRY_AFTER},
    }.get(problem.status)
    return answer_json(body, problem.status, headers, MEDIA_TYPE)


async def of_no_route(request: Request, error: Exception) -> Response:
    """The answer where no route takes a path, or none its method."""
    assert isinstance(error, HTTPException)
    what = f"{request.method} {request.url.path}"
    if error.status_code == 405:
        allow = (error.headers or {}).get("Allow", "")
        told = f"{what:.200} isn't served; this takes {allow}"
        return response_of(Problem(405, "MethodNotAllowed", told, allow=allow))
    return response_of(Problem(error.status_code, error.detail, f"{what:.200} isn't served"))


async def answer_problem(problem: Problem, scope: Any, receive: Any, send: Any) -> None:
    """Send the answer that tells a problem."""
    await response_of(problem)(scope, receive, send)
