"""A changed config for a running rig: what it would do, and doing it.

Called from any thread but the loop's, which is asked for what only it may do.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import msgspec

from orchestrator.config.loader import ConfigError, RigConfig, load
from orchestrator.core.plan import ADD, REMOVE, RESTART, Plan

log = logging.getLogger("orchestrator")

MARKS = {ADD: "+", REMOVE: "-"}
FAILED = ("FAILED", "BACKOFF")
"""States in which a worker that was to start in a new form has failed, for now or for good."""


class Changed(msgspec.Struct, frozen=True):
    """A plan that is being carried out.

    Attributes:
        plan: What is done.
        before: By what the rig ran until then.
        states: The states of those that were started, restarted or removed, once settled.
    """

    plan: Plan
    before: RigConfig
    states: Future[dict[str, str]]


class Changeable(Protocol):
    """What the supervisor does for this, in its loop's thread."""

    def plan(self, wanted: RigConfig) -> Plan:
        """What a config would change."""

    def change(self, wanted: RigConfig) -> Changed:
        """Go by another config.

        Raises:
            ValueError: It can't be gone by while the rig runs.
            ConnectionRefusedError: The rig is stopping.
        """

    def reasons(self, names: list[str]) -> dict[str, str]:
        """Why these workers are where they are."""


class Applier:
    """Makes plans and applies them, one at a time.

    Args:
        rig: Whose config changes.
        ask: Has a function called in the loop's thread, and gives its result.
    """

    def __init__(self, rig: Changeable, ask: Callable[[Callable[[], Any]], Any]) -> None:
        self._rig = rig
        self._ask = ask
        self._one_at_a_time = Lock()

    def plan(self, file: str) -> dict[str, Any]:
        """What applying a file would do.

        Raises:
            ValueError: The file can't be used; with all that is wrong with it.
        """
        wanted = read_config(file)
        found: Plan = self._ask(lambda: self._rig.plan(wanted))
        return shown(found)

    def apply(self, file: str, *, rollback: bool) -> dict[str, Any]:
        """Have the rig go by a file.

        Args:
            file: The config.
            rollback: Whether the rig is to go back to the config that it went by until then when a
                worker that is new or was restarted fails.

        Returns:
            The plan; `states` of those that were started, restarted or removed; by `failed` name
            why some aren't up; whether all was `rolled_back`.

        Raises:
            ValueError: The file can't be used or applied; the rig is as it was.
            BlockingIOError: Another one is being applied.
        """
        if not self._one_at_a_time.acquire(blocking=False):
            raise BlockingIOError("another config is being applied; try again when it is done")
        try:
            return self._apply(read_config(file), rollback=rollback)
        finally:
            self._one_at_a_time.release()

    def _apply(self, wanted: RigConfig, *, rollback: bool) -> dict[str, Any]:
        changed: Changed = self._ask(lambda: self._rig.change(wanted))
        found = changed.plan
        log.info("%s is applied: %s", wanted.file, in_words(found))
        states = changed.states.result()
        names = [name for name in found.names(ADD, RESTART) if states.get(name) in FAILED]
        failed: dict[str, str] = self._ask(lambda: self._rig.reasons(names)) if names else {}
        rolls_back = bool(failed) and rollback
        if rolls_back:
            log.warning("%s failed in the new form: all goes back", ", ".join(failed))
            back: Changed = self._ask(lambda: self._rig.change(changed.before))
            states = back.states.result()
        return {**shown(found), "states": states, "failed": failed, "rolled_back": rolls_back}


def read_config(file: str) -> RigConfig:
    """A config, for a rig that runs already.

    Raises:
        ValueError: It can't be used; with all that is wrong with it.
    """
    try:
        return load(Path(file))
    except ConfigError as error:
        raise ValueError(f"nothing was changed, the config can't be used:\n{error}") from error


def shown(plan: Plan) -> dict[str, Any]:
    """A plan as plain values."""
    found: dict[str, Any] = msgspec.to_builtins(plan)
    return found


def in_words(plan: Plan) -> str:
    """A plan in one line."""
    told = [
        f"{MARKS.get(each.what, '~')} {each.worker}"
        + (f" ({each.what}: {', '.join(each.because)})" if each.because else "")
        for each in plan.changes
    ]
    return ", ".join((*told, *plan.rig)) or "nothing differs"
