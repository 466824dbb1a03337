"""What a run comes to: counts, latencies, and the table that shows them."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from faults.checker import SECOND, Journals, faults_by_kind, unsettled, violations
from faults.journal import Line

STATES = ("idle", "queued", "claimed", "in flight", "replying")
LIGHT = ("b", "spare")
"""Workers that start as quickly as they can: forked, with nothing to be made safe."""
AFTER = 0.1
"""Seconds after a death in which others' round trips count as during it."""
SHOWN = 20
"""Violations that are printed."""


def percentile(values: Iterable[float], percent: float) -> float | None:
    """Of values, None if there are none."""
    found = sorted(values)
    return found[min(len(found) - 1, int(percent / 100 * len(found)))] if found else None


def latencies(journals: Journals) -> dict[str, list[float]]:
    """Seconds by what took them."""
    found: dict[str, list[float]] = defaultdict(list)
    deaths = [hit for hit in journals.hits if _is_death(hit)]
    for death in deaths:
        at = death["at"]
        for each in journals.hit_by(death):
            is_hit = each.state(at) == "in flight" and each.told and each.told[0]["at"] > at
            if is_hit and "died" in each.told[0]["error"]:
                found["death to answer, in flight"].append((each.told[0]["at"] - at) / SECOND)
    found["death to READY, light worker"] = _revivals(journals, deaths)
    holds = _holds(journals)
    for each in journals.operations.values():
        if each.began is None or not each.told or "ExecutionTimeout" not in each.told[0]["error"]:
            continue
        due = each.began + int(each.asked["run"] * SECOND)
        late = (each.told[0]["at"] - due) / SECOND
        beside = any(
            begin <= due <= end and worker != each.asked["worker"] for begin, end, worker in holds
        )
        if each.asked["how"].startswith("hold the lock"):
            found["timeout to answer, interpreter held by it"].append(late)
        elif beside:
            found["timeout to answer, another's interpreter held"].append(late)
        else:
            found["timeout to answer"].append(late)
    during, without = _round_trips(journals, [death["at"] for death in deaths])
    found["round trip of others, without deaths"] = without
    found["round trip of others, within 0.1 s of a death"] = during
    return found


def _is_death(hit: Line) -> bool:
    return hit["what"] == "dies" or hit["kind"] in ("SIGKILL", "SIGSEGV", "SIGKILL while stopped")


def _revivals(journals: Journals, deaths: list[Line]) -> list[float]:
    ready: dict[str, list[int]] = defaultdict(list)
    for line in journals.faults:
        if line["what"] == "state" and line["state"] == "READY" and line["was"] == "STARTING":
            ready[line["worker"]].append(line["at"])
    found = []
    killed = [death for death in deaths if death["worker"] in LIGHT]
    for death in killed:
        times = ready[death["worker"]]
        place = bisect_right(times, death["at"])
        if place < len(times):
            found.append((times[place] - death["at"]) / SECOND)
    return found


def _holds(journals: Journals) -> list[tuple[int, int, str]]:
    """When interpreters were held, by whom."""
    return [
        (each.began, each.ended or each.began + SECOND, each.asked["worker"])
        for each in journals.operations.values()
        if each.began is not None and each.asked["how"].startswith("hold the lock")
    ]


def _round_trips(journals: Journals, deaths: list[int]) -> tuple[list[float], list[float]]:
    """Seconds of the steady client's: about deaths, and else."""
    during: list[float] = []
    without: list[float] = []
    for each in journals.by_worker["steady"]:
        if each.answer != "done":
            continue
        asked, told = each.asked["at"], each.told[0]["at"]
        place = bisect_left(deaths, asked - int(AFTER * SECOND))
        is_near = place < len(deaths) and deaths[place] <= told
        (during if is_near else without).append((told - asked) / SECOND)
    return during, without


def sum_up(journals: Journals, margin: float, more: dict[str, Any]) -> dict[str, Any]:
    """All figures of a run, as plain values.

    Args:
        journals: What was written down.
        margin: Seconds, see `violations`.
        more: What is known besides.
    """
    operations = journals.operations.values()
    states: Counter[str] = Counter()
    for hit in journals.hits:
        states.update(journals.states_hit(hit))
    kinds = faults_by_kind(journals)
    broken = violations(journals, margin)
    return {
        **more,
        "operations": len(operations),
        "begun": sum(bool(each.begun) for each in operations),
        "faults": sum(kinds.values()),
        "faults by kind": dict(kinds.most_common()),
        "faults by state": {state: states[state] for state in STATES},
        "answers": dict(Counter(each.answer or "none" for each in operations).most_common()),
        "clients killed": len(journals.killed),
        "unsettled": unsettled(journals),
        "violations": broken,
        "margin": margin,
        "latencies": {
            what: {
                "count": len(seconds),
                **{f"p{p}": percentile(seconds, p) for p in (50, 99)},
            }
            for what, seconds in latencies(journals).items()
        },
    }


def table(found: dict[str, Any]) -> str:
    """The same, to be read."""
    rows = [
        ("seed", str(found["seed"])),
        ("seconds", f"{found['seconds']:.0f}"),
        ("operations", f"{found['operations']:,}, of which {found['begun']:,} began"),
        ("faults", f"{found['faults']:,}"),
        *((f"  {kind}", f"{count:,}") for kind, count in found["faults by kind"].items()),
        ("faults by what they hit", ""),
        *((f"  {state}", f"{count:,}") for state, count in found["faults by state"].items()),
        ("answers", ""),
        *((f"  {answer}", f"{count:,}") for answer, count in found["answers"].items()),
        ("unsettled", str(found["unsettled"])),
        ("violations", str(len(found["violations"]))),
        ("seconds (p50, p99)", ""),
        *(
            (f"  {what}", f"{each['p50']:.4f}  {each['p99']:.4f}  of {each['count']:,}")
            for what, each in found["latencies"].items()
            if each["count"]
        ),
        ("the rig's peak", f"{found['memory'] >> 20} MiB, {found['descriptors']} descriptors"),
        ("CPU of all", f"{found['cpu']:.0f} s"),
    ]
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:{width}}  {value}".rstrip() for name, value in rows]
    return "\n".join([*lines, *(f"! {each}" for each in found["violations"][:SHOWN])])


def as_json(found: dict[str, Any]) -> str:
    """The same for programs."""
    return json.dumps(found, indent=2)
