"""A rig at one look: what each worker is at, since when, for whom, and what went wrong last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from orchestrator.cli.columns import NOTHING, Column, Line, lay_out
from orchestrator.cli.show import Cell, duration, safe, size
from orchestrator.words import counted, one_line, tcp_pairs
from transports.client_ids import caller

STYLES = {
    "READY": "green",
    "WAITING": "cyan",
    "STARTING": "cyan",
    "STOPPING": "yellow",
    "STOPPED": "dim",
    "BACKOFF": "yellow",
    "STALLED": "magenta",
    "FAILED": "bold red",
}
SIMULATED = "SIMULATED"
"""Stands with the state of a worker that is no device's."""
LONG = 1.0
"""Seconds after which an operation is shown with who asked for it and how to end it."""
NEAR = 0.8
"""Of its limit, from where on it is marked."""
LONGEST_CALLER = 100
"""Characters of who asks; an id of a client of another make may have more."""
LONGEST_ERROR = 200
"""Characters of an error; its log has all of it."""

MOST_NAMED = 3
"""Alarms that are named at the top; all are told below."""

COLUMNS = (
    Column("WORKER", 0, least=20, most=32),
    Column("STATE", 1),
    Column("RUNS", 2, least=12, most=40),
    Column("FOR", 5, least=10, most=40),
    Column("QUEUE", 3, right=True),
    Column("P50", 6, right=True),
    Column("P99", 7, right=True),
    Column("LAST ERROR", 4, least=24),
    Column("UP", 8, right=True),
    Column("LIFE", 10, right=True),
    Column("RESTARTS", 9, right=True),
    Column("CPU", 11, right=True),
    Column("MEMORY", 12, right=True),
    Column("PID", 13, right=True),
)


def overview(found: dict[str, Any], width: int | None) -> list[Line]:
    """A rig's status as lines.

    Args:
        found: As `status` gives it.
        width: Characters of a line; None where nobody looks.
    """
    lines = [*head(found, width), [], *workers_of(found["workers"], width)]
    if told := list(below(found)):
        lines += [[], *told]
    return lines


def workers_of(workers: list[dict[str, Any]], width: int | None) -> list[Line]:
    """A table of workers; below it what they run for long, who waits, and why some failed."""
    lines, shown = lay_out(COLUMNS, [cells_of(worker) for worker in workers], width)
    told = [line for worker in workers for line in about(worker, shown)]
    return [*lines, *([[]] if told else []), *told]


def why(worker: dict[str, Any]) -> list[Line]:
    """What happened to a worker, in full."""
    head, *rest = str(worker["reason"]).splitlines() or [""]
    return [_of(worker, head), *([(f"  {safe(line)}", "")] for line in rest)]


def alarm_told(alarm: dict[str, Any]) -> Cell | None:
    """What is to be said of an alarm; None while all is well."""
    about = f"{alarm['member']}: {alarm['reason']}"
    lasting = "" if alarm["seconds"] is None else f", for {duration(alarm['seconds'])}"
    match alarm["state"]:
        case "raised":
            return f"ALARM {about}{lasting}", "bold red"
        case "pending":
            return f"{about}{lasting}, no alarm yet", "yellow"
        case "stale" if alarm["raised"]:
            return f"ALARM {about}; it isn't known whether it still holds", "bold red"
        case "stale":
            return f"alarm of {about}; its value isn't known", "yellow"
    return None


def unwritten(found: dict[str, Any]) -> str:
    """What a rig's log lacks because it can't be written; empty if nothing."""
    logs = found.get("logs", {})
    if not logs.get("unwritten"):
        return ""
    records = counted(logs["unwritten"], "record")
    return f"{logs['folder']} can't be written: {records} of the log wait or are lost"


def head(found: dict[str, Any], width: int | None) -> list[Line]:
    """The rig: its name, since when it is up, its config; in as many lines as that takes."""
    workers = found["workers"]
    ready = sum(worker["state"] == "READY" for worker in workers)
    raised = [
        f"{worker['name']}.{each['member']}"
        for worker in workers
        for each in worker.get("alarms", ())
        if each["raised"]
    ]
    changed = bool(found.get("config_changed"))
    parts: list[Cell] = [
        (f"rig {safe(str(found['rig']))}", "bold"),
        (f"up {duration(found.get('uptime'))}", ""),
        (f"{ready} of {len(workers)} ready", "green" if ready == len(workers) else "yellow"),
        *([(_alarms(raised), "bold red")] if raised else []),
        (
            f"config {safe(str(found.get('config', NOTHING)))}{' (changed since)' * changed}",
            "yellow" if changed else "",
        ),
    ]
    lines: list[Line] = [[]]
    for at, (text, style) in enumerate(parts):
        comma = "," if at < len(parts) - 1 else ""
        used = sum(len(each) for each, _ in lines[-1])
        if width is not None and used and used + len(text) + 2 > width:
            lines.append([])
        space = " " if lines[-1] else ""
        lines[-1] += [(space, ""), (text, style), (comma, "")]
    return lines


def _alarms(raised: list[str]) -> str:
    """Which values have alarms: what stands below may have no room on the screen."""
    names = ", ".join(raised[:MOST_NAMED])
    more = f" and {len(raised) - MOST_NAMED} more" if len(raised) > MOST_NAMED else ""
    return safe(f"{counted(len(raised), 'alarm')}: {names}{more}")


def below(found: dict[str, Any]) -> Iterator[Line]:
    """What else is to be known of the rig, where there is something."""
    for line in tcp_pairs(found.get("addresses", ()), found.get("events", ())):
        yield [(f"listens at {line}", "")]
    if found.get("web"):
        yield [(f"serves browsers at {found['web']}: orch web --address", "")]
    for helper in found.get("helpers", ()):
        if helper["state"] != "running":
            told = f"the {helper['name']}, pid {helper['pid']}, is {helper['state']}"
            yield [(told, "yellow")]
    if lost := unwritten(found):
        yield [(lost, "yellow")]
    if found.get("config_changed"):
        file = safe(str(found["config"]))
        yield [(f"{file} has changed since it was read: see orch plan {file}", "yellow")]


def cells_of(worker: dict[str, Any]) -> list[Cell]:
    """A worker's cells, one for each of `COLUMNS`."""
    state = worker["state"]
    latency = worker.get("latency") or {}
    error = worker.get("last_error")
    cpu = worker["cpu"]
    style = STYLES.get(state, "")
    return [
        (worker["name"], "bold"),
        (f"{state} {SIMULATED}", "magenta") if worker.get("simulated") else (state, style),
        _runs(worker),
        (_callers(worker.get("running", ())), ""),
        (str(worker["queue"]), "yellow" if worker["queue"] else ""),
        (_quick(latency.get("p50")), ""),
        (_quick(latency.get("p99")), ""),
        (NOTHING if error is None else _error(error), "red" if error else ""),
        (duration(worker["uptime"]), ""),
        (str(worker["incarnation"]), ""),
        (str(worker["restarts"]), "yellow" if worker["restarts"] else ""),
        (NOTHING if cpu is None else f"{cpu:.0f}%", ""),
        (size(worker["memory"]), _of_limit(worker["memory"], worker.get("memory_limit"))),
        (NOTHING if worker["pid"] is None else str(worker["pid"]), ""),
    ]


def _of_limit(used: float | None, limit: float | None) -> str:
    if used is None or limit is None or used <= NEAR * limit:
        return ""
    return "red" if used > limit else "yellow"


def _runs(worker: dict[str, Any]) -> Cell:
    """What it is at, of several what has run longest: `move 3.1s/5s`."""
    running = worker.get("running", ())
    if not running:
        return NOTHING, ""
    first = max(running, key=lambda each: each["seconds"])
    limit, seconds = first["limit"], first["seconds"]
    text = f"{safe(first['member'])} {duration(seconds)}"
    text += "" if limit is None else f"/{limit:g}s" if limit < 60 else f"/{duration(limit)}"
    more = f" +{len(running) - 1}" if len(running) > 1 else ""
    over = limit is not None and seconds > NEAR * limit
    return text + more, ("red" if seconds > limit else "yellow") if over else "cyan"


def _callers(running: Iterable[dict[str, Any]]) -> str:
    return " ".join(dict.fromkeys(_caller(each) for each in running)) or NOTHING


def _caller(operation: dict[str, Any]) -> str:
    # A rig of an earlier release tells the client's id alone.
    who = operation.get("who") or caller(str(operation["client"]))
    return safe(str(who))[:LONGEST_CALLER]


def _error(error: dict[str, Any]) -> str:
    member = f"{error['member']}: " if error["member"] else ""
    return safe(one_line(f"{duration(error['age'])} ago {member}{error['text']}", LONGEST_ERROR))


def _quick(seconds: float | None) -> str:
    """A time that may be short: `0.31ms`, `12ms`, `3.4s`."""
    if seconds is None:
        return NOTHING
    if seconds >= 0.9995:
        return duration(seconds)
    return f"{1000 * seconds:.2f}ms" if seconds < 0.00995 else f"{1000 * seconds:.0f}ms"


def about(worker: dict[str, Any], shown: set[str]) -> Iterator[Line]:
    """What there is no room for in a table that shows these columns."""
    for each in worker.get("running", ()):
        if each["seconds"] >= LONG:
            yield _of(worker, _long(each))
    if waiting := worker.get("waiting"):
        told = ", ".join(
            f"{each['member']} for {_caller(each)} ({duration(each['seconds'])})"
            for each in waiting
        )
        more = worker["queue"] - len(waiting)
        yield _of(worker, f"waiting: {told}{f', and {more} more' if more > 0 else ''}")
    error = worker.get("last_error")
    if error is not None and "LAST ERROR" not in shown:
        yield _of(worker, f"last error {_error(error)}")
    for alarm in worker.get("alarms", ()):
        if (cell := alarm_told(alarm)) is not None:
            text, style = cell
            yield [(worker["name"], "bold"), (": ", ""), (safe(text), style)]
    if worker.get("lease"):
        yield _of(worker, leased(worker["lease"]))
    elif worker.get("leased"):
        yield _of(worker, "nobody has its lease, and none has an effect on it without")
    if worker.get("sick"):
        yield _of(worker, worker["sick"])
    if worker.get("securing"):
        so_far = duration(worker["securing"])
        yield _of(worker, f"its device is being made safe by on_loss, {so_far} so far")
    if worker.get("unsafe"):
        yield _of(worker, f"on_loss failed, its device may not be safe: {worker['unsafe']}")
    if worker["reason"] and worker["state"] != "READY":
        yield from why(worker)


def _long(operation: dict[str, Any]) -> str:
    limit = operation["limit"]
    of = "no limit" if limit is None else f"{limit:g} s"
    return (
        f"runs {operation['member']} for {operation['seconds']:.1f} s of {of}, asked by"
        f" {_caller(operation)}; to end it: orch cancel {operation['request']}"
    )


def _of(worker: dict[str, Any], text: str) -> Line:
    return [(worker["name"], "bold"), (f": {safe(text)}", "")]


def leased(lease: dict[str, Any]) -> str:
    """A lease in words: who has it, why, for how long, and who waits."""
    why = f" ({lease['why']})" if lease["why"] else ""
    text = (
        f"leased to {lease['who']}{why} for {duration(lease['seconds'])},"
        f" {duration(max(0.0, lease['left']))} left"
    )
    waiting = ", ".join(each["who"] for each in lease["waiting"])
    return f"{text}; then {waiting}" if waiting else text
