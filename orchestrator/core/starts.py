"""Starts that take long or fail for now: when it is told, when it is tried again, in what words.

Pure: seconds are monotonic.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.core.children import Child
from orchestrator.core.states import Status

SLOW = 5.0
"""Seconds after which a start is told to take long."""
SLOW_AGAIN = 30.0
"""Seconds after which it is told again, and again."""
RETRY_FIRST = 1.0
RETRY_MOST = 30.0
"""Seconds between a start that failed for now and the next one: the first time, and at most."""
_NO_ERRORS = ("SystemExit", "KeyboardInterrupt", "GeneratorExit")
_STAGES = {
    "import": "couldn't be imported",
    "arguments": "couldn't be built",
    "build": "couldn't be built",
    "limits": "couldn't be limited",
    "open": "couldn't be opened",
    "on_start": "couldn't do what on_start lists",
    "restore": "couldn't be given its last values (orch restart --fresh forgets them)",
}


def retry_delay(failures: int) -> float:
    """Seconds until the next start after so many that failed for now, one after the other."""
    return doubled(RETRY_FIRST, failures, RETRY_MOST)


def doubled(first: float, times: int, most: float) -> float:
    """A pause that doubles each time, from `first` to at most `most`; `times` counts from 1."""
    return min(first * 2.0 ** min(times - 1, 16), most)  # a float has no room for thousands


def failed_build(stage: str, exception: dict[str, Any]) -> tuple[str, bool]:
    """A report that a driver couldn't be built.

    Args:
        stage: What was being done; see `workers.errors.BootError`.
        exception: Type, message and traceback, as on the wire.

    Returns:
        It in words, and whether it may go better another time: a device may be off, but a module
        that isn't there won't come.
    """
    kind, message = exception.get("type", "Exception"), str(exception.get("message", ""))
    left = kind == "RuntimeError" and message.startswith(_NO_ERRORS)
    # as a client would get what is no Exception, with the type before it
    text = message if left else f"{kind}: {message}"
    told = f"its driver {_STAGES.get(stage, 'is unusable')}: {text}"
    return told, stage in ("build", "open", "on_start", "restore")


def may_be_retried(child: Child) -> bool:
    """Whether a driver whose constructor raised is built again by and by."""
    return child.spec.retry_start and child.spec.restart != "temporary"


def next_look(child: Child, now: float) -> float:
    """When a start that isn't over is to be looked at again."""
    marks = (SLOW, SLOW_AGAIN * (1 + round(now - child.launched, 3) // SLOW_AGAIN))
    look = min(each for each in marks if child.launched + each > now)
    timeout = child.spec.start_timeout
    return child.launched + (look if timeout is None else min(look, timeout))


def is_overdue(child: Child, now: float) -> bool:
    """Whether a start has had all the time that it may take."""
    timeout = child.spec.start_timeout
    return timeout is not None and child.launched + timeout <= now


def overdue(child: Child) -> str:
    """An overdue start in words."""
    return f"didn't start within {child.spec.start_timeout:g} s{_doing(child)}"


def still_starting(child: Child, children: Mapping[str, Child], now: float) -> str:
    """A start that takes long, in words, with those that wait for it."""
    waiting = [
        each.spec.name
        for each in children.values()
        if each.status is Status.WAITING and child.spec.name in each.spec.after
    ]
    text = f"still starting, {now - child.launched:.0f} s{_doing(child)}"
    if waiting:
        text += f"; {', '.join(waiting)} wait{'s'[: len(waiting) == 1]} for it"
    return text


def _doing(child: Child) -> str:
    """What its start is at, once that was told."""
    return f" in {child.doing}" if child.doing and child.status is Status.STARTING else ""


def is_late(child: Child, children: Mapping[str, Child]) -> bool:
    """Whether it can't be told when a worker that isn't up will be."""
    if child.status is Status.STARTING:
        return child.slow or child.failures > 0
    if child.status is Status.WAITING:
        return child.failures > 0 or any(
            is_late(each, children) for each in _before(child, children)
        )
    return child.status is Status.BACKOFF


def late(children: Mapping[str, Child]) -> list[Child]:
    """The workers of which that holds."""
    return [child for child in children.values() if is_late(child, children)]


def why(child: Child, children: Mapping[str, Child], now: float) -> str:
    """Why a worker is where it is, if that isn't plain, and what comes next; empty else."""
    if child.status is Status.BACKOFF and child.deadline is not None:
        return f"{child.reason}; next start in {max(child.deadline - now, 0.0):.1f} s"
    if child.status is Status.STALLED:
        return stalled(child)
    if child.status is Status.STARTING and not child.unstarted:
        if child.slow:
            return still_starting(child, children, now)
        return "; ".join(filter(None, (_doing(child).strip(), child.reason)))
    if child.status is Status.FAILED and child.deadline is not None:
        return f"{child.reason}; tried again in {max(child.deadline - now, 0.0):.0f} s"
    if child.status is not Status.WAITING:
        return child.reason
    before = [
        f"{each.spec.name} ({each.status}{_doing(each)})" for each in _before(child, children)
    ]
    return f"waits for {', '.join(before)}" if before else child.reason


def stalled(child: Child) -> str:
    """Why a worker is STALLED, with what was found of it."""
    found = " ".join(filter(None, (child.held, child.where)))
    return f"{child.reason}: {found}" if found else child.reason


def standing(child: Child, children: Mapping[str, Child], now: float) -> str:
    """A worker's state for whoever asks for it: since when, why, and what comes next."""
    text = f"worker {child.spec.name!r} is {child.status} for {now - child.since:.1f} s"
    reason = why(child, children, now)
    return f"{text}: {reason}" if reason else text


def _before(child: Child, children: Mapping[str, Child]) -> Iterable[Child]:
    return (each for each in map(children.__getitem__, child.spec.after) if not each.settled)
