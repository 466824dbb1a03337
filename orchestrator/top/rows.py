"""What `orch top` shows of a rig: a status in, lines out. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from orchestrator.cli.columns import NOTHING, Column, Line, lay_out
from orchestrator.cli.overview import COLUMNS, NEAR, about, cells_of
from orchestrator.cli.show import Cell, duration, safe

Worker = Mapping[str, Any]

BAR = 8
"""Characters of a bar."""
_EIGHTHS = " ▏▎▍▌▋▊▉█"

LEAST = {"RUNS": 14, "ALARM": 16, "FOR": 16, "LEASE": 16}
"""Characters of columns that tell more than those which go for them where room is short."""

_TITLES = [column.title for column in COLUMNS]
_AT = _TITLES.index("RUNS") + 1
TABLE = tuple(
    replace(column, least=max(column.least, LEAST.get(column.title, 0)))
    for column in (
        *COLUMNS[:_AT],
        Column("OF LIMIT", 2.5, least=BAR),
        Column("ALARM", 2.2, least=8, most=30),
        Column("LEASE", 2.7, least=8, most=40),
        *COLUMNS[_AT:],
    )
)
"""The columns of `orch status`, and what only a live view is for."""

_WORST = ("FAILED", "STALLED", "BACKOFF", "STOPPING", "STARTING", "WAITING", "STOPPED", "READY")


def _share(worker: Worker) -> float:
    """How much of its limit the operation has had that has had most; -1 for none."""
    shares = [
        each["seconds"] / each["limit"] if each["limit"] else 0.0
        for each in worker.get("running", ())
    ]
    return max(shares, default=-1.0)


def _age(worker: Worker) -> float:
    error = worker.get("last_error")
    return float("inf") if error is None else float(error["age"])


class Order(NamedTuple):
    """A way to sort workers.

    Attributes:
        title: The column that is sorted by; empty for the config's order.
        key: What is compared, the first to be shown being the least.
    """

    title: str
    key: Callable[[Worker], Any]


ORDERS = (
    Order("", lambda worker: 0),
    Order("WORKER", lambda worker: worker["name"]),
    Order("STATE", lambda worker: (not _alarms(worker), _rank(worker["state"]))),
    Order("OF LIMIT", lambda worker: -_share(worker)),
    Order("QUEUE", lambda worker: -worker["queue"]),
    Order("LAST ERROR", _age),
    Order("RESTARTS", lambda worker: -worker["restarts"]),
    Order("CPU", lambda worker: -(worker["cpu"] or 0)),
    Order("MEMORY", lambda worker: -(worker["memory"] or 0)),
)
"""Each in the direction in which what matters is first."""


def _rank(state: str) -> int:
    return _WORST.index(state) if state in _WORST else 0


def _alarms(worker: Worker) -> list[Mapping[str, Any]]:
    return [each for each in worker.get("alarms", ()) if each["raised"]]


def chosen(found: Mapping[str, Any], order: Order, *, back: bool, text: str) -> list[Worker]:
    """The workers that are shown, in order.

    Args:
        found: The rig's status.
        order: How they are sorted.
        back: The other way round.
        text: Words that each must have, in its name, state, operations, callers, alarms or
            lease.
    """
    words = text.casefold().split()
    shown = [each for each in found["workers"] if all(word in _words(each) for word in words)]
    shown.sort(key=order.key)
    return shown[::-1] if back else shown


def _words(worker: Worker) -> str:
    operations = [*worker.get("running", ()), *worker.get("waiting", ())]
    parts = [worker["name"], worker["state"]]
    parts += [f"{each['member']} {each['client']}" for each in operations]
    parts += [f"alarm {each['member']}" for each in _alarms(worker)]
    if lease := worker.get("lease"):
        parts.append(f"leased {lease['who']} {lease['why']}")
    return " ".join(parts).casefold()


def table(workers: Sequence[Worker], width: int, order: Order, *, back: bool) -> list[Line]:
    """The workers as lines, the headings first, one line each."""
    mark = "▲" if back else "▼"
    columns = [
        Column(f"{each.title}{mark}", each.rank, each.right, each.least, each.most)
        if each.title == order.title
        else each
        for each in TABLE
    ]
    lines, _ = lay_out(columns, [_cells(worker) for worker in workers], width)
    return lines


def _cells(worker: Worker) -> list[Cell]:
    cells = cells_of(dict(worker))
    if _alarms(worker):
        cells[0] = (worker["name"], "bold red")  # also where there is no room for what it is
    return [*cells[:_AT], bar(worker), _alarm(worker), _lease(worker), *cells[_AT:]]


def _alarm(worker: Worker) -> Cell:
    raised = _alarms(worker)
    if raised:
        more = f" +{len(raised) - 1}" if len(raised) > 1 else ""
        value = raised[0]["value"]
        told = "" if raised[0]["state"] == "stale" or value is None else f" {value:g}"
        return safe(f"{raised[0]['member']}{told}{more}"), "bold red"
    unknown = [each for each in worker.get("alarms", ()) if each["state"] == "stale"]
    return (safe(f"{unknown[0]['member']} not known"), "yellow") if unknown else (NOTHING, "")


def _lease(worker: Worker) -> Cell:
    """Until when somebody has the worker, who, and how many wait; why stands in its details."""
    lease = worker.get("lease")
    if not lease:
        return NOTHING, ""
    more = f" +{len(lease['waiting'])}" if lease["waiting"] else ""
    return safe(f"{duration(max(0.0, lease['left']))}{more} {lease['who']}"), "yellow"


def bar(worker: Worker, length: int = BAR) -> Cell:
    """How much of its limit an operation has had, of several the one that has had most."""
    share = _share(worker)
    if share < 0:
        return NOTHING, ""
    full, part = divmod(round(min(share, 1.0) * length * 8), 8)
    text = _EIGHTHS[8] * full + (_EIGHTHS[part] if part else "")
    style = "red" if share > 1 else "yellow" if share > NEAR else "green"
    return text.ljust(length, "·"), style


def details(worker: Worker | None) -> list[Line]:
    """What is to be said of one worker in full."""
    if worker is None:
        return []
    lines = list(about(dict(worker), set()))
    return lines or [[(worker["name"], "bold"), (f": {worker['state']}", "")]]


def request_of(worker: Worker) -> str | None:
    """The request that keys are about: what runs longest, else what waits, else what failed."""
    running = sorted(worker.get("running", ()), key=lambda each: -each["seconds"])
    for each in (*running, *worker.get("waiting", ())):
        return str(each["request"])
    error = worker.get("last_error") or {}
    return error.get("request")


def breaks(worker: Worker) -> str:
    """What of a worker's would be broken off if it ended now; empty if nothing."""
    running = [str(each["member"]) for each in worker.get("running", ())]
    parts = [f"it runs {', '.join(running)}"] if running else []
    if worker["queue"]:
        parts.append(f"{worker['queue']} wait")
    return " and ".join(parts)


def old(age: float) -> str:
    """How old what is shown is, if that is to be told."""
    return f"as it was {duration(age)} ago"
