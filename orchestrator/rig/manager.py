"""The rig as a worker: what commands and clients ask of the rig itself.

An object of the supervisor, served over INPROC under the rig's id like any driver.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import msgspec
import psutil

from orchestrator.config.changes import has_changed
from orchestrator.config.loader import RigConfig
from orchestrator.core.orders import Verb
from orchestrator.rig.applier import Applier
from transports.levels import AUDIT
from workers.driver.markers import action
from workers.output import records

log = logging.getLogger("orchestrator")

LONGEST = 1000
"""Characters of a text that a client has recorded."""
ORDERS = dict.fromkeys(("start", "stop", "restart", "apply", "cancel"), 300.0)
"""Seconds that what workers are told to do may take for a client that waits."""
USAGE_LASTS = 3.0
"""Seconds for which a process's CPU and memory are told as they were at the last look at it: to ask
the system for them costs as much as all else that is told of its worker, several times over."""
ANSWER_WITHIN = 10.0
"""Seconds in which the supervisor's loop must take up a question."""


class Supervised(msgspec.Struct, frozen=True):
    """What the rig's worker needs of the supervisor.

    Attributes:
        ask: Calls a function in the supervisor's thread, where the others may be called.
        snapshot: The rig's state.
        operations: What came of all operations, by worker and member.
        order: Starts, stops or restarts workers, afresh or not; the future has their states once
            settled.
        cancel: Withdraws a request or ends it, by a restart too if that is given; the future tells
            what came of it.
        shut_down: Stops the rig.
        config: What the rig runs by now.
        applier: Has it run by another config.
        stacks: Has a worker write its stacks; the future has them.
        set_level: Sets the level of a worker's records, or of the rig's own.
    """

    ask: Callable[[Callable[[], Any]], Future[Any]]
    snapshot: Callable[[], dict[str, Any]]
    operations: Callable[[], dict[str, Any]]
    order: Callable[[Verb, list[str], bool], Future[dict[str, str]]]
    cancel: Callable[[str, bool], Future[dict[str, Any]]]
    shut_down: Callable[[], None]
    set_level: Callable[[str, str], None]
    stacks: Callable[[str], Future[str]]
    config: Callable[[], RigConfig]
    applier: Applier


class RigControl:
    """The rig: its workers' states, and starting and stopping them.

    Changes of states are its event `worker-state`, which the supervisor's loop publishes.
    """

    def __init__(self, supervised: Supervised) -> None:
        self._supervised = supervised
        self._looks: dict[tuple[str, int], _Look] = {}  # by worker and incarnation
        self._looks_there: dict[tuple[str, int], tuple[float, float, float]] = {}

    @action(concurrent=True)
    def status(self) -> dict[str, Any]:
        """The rig and its workers: states, processes, queues.

        Returns:
            `{"rig": id, "workers": [{name, state, pid, incarnation, restarts, queue, in_flight,
            uptime (seconds), cpu (percent of one core), memory (bytes; both up to 3 s old),
            reason, settled (whether it is up, has ended, or is tried again without end), revision
            (of what is told of its members, counted within a run of the rig), running (what it is
            at: member, client, who (`user@host:program`), peer (process or address, as the kernel
            tells), request, seconds, limit in seconds), lease (number, who, why, seconds that it
            holds and that are left, waiting: who and why), leased (whether its config demands
            one), alarms (member, state: ok, pending, raised or stale, raised, value, age and
            seconds, limits, reason), sick (what its probes failed of)}]}` and more of the rig;
            `counts` tells how many requests were answered, refused or timed out, and what was
            dropped, `config_changed` whether its file says something else by now, `helpers`
            whether its helper processes run or are stopped, `logs` how many records are `written`,
            by level, how many are `lost`, and how many `unwritten` because their folder can't be
            written.
        """
        snapshot: dict[str, Any] = self._ask(self._supervised.snapshot)
        config = self._supervised.config()
        snapshot["config_changed"] = has_changed(config.file, config.digest)
        lives = set()
        for worker in snapshot["workers"]:
            life = worker["name"], worker["incarnation"]
            lives.add(life)
            used = worker.pop("used")
            if worker.pop("own"):
                worker.update(self._usage(life, worker["pid"]))
            else:
                worker.update(self._usage_there(life, used, worker["uptime"] or 0.0))
        for ended in self._looks.keys() - lives:
            self._looks.pop(ended, None)
        for ended in self._looks_there.keys() - lives:
            self._looks_there.pop(ended, None)
        return snapshot

    @action(concurrent=True)
    def operations(self) -> dict[str, Any]:
        """What came of all operations since the rig was started, for metrics.

        Returns:
            By worker and member: `{"done", "raised", "refused" (they didn't fit the member),
            "expired" (they never started), "overran", "lost" (with their worker's life), "seconds"
            (that they took in all), "took" (pairs: seconds, and how many took no longer)}`.
        """
        found: dict[str, Any] = self._ask(self._supervised.operations)
        return found

    @action(concurrent=True)
    def start(self, names: list[str]) -> dict[str, str]:
        """Start workers; returns their states once each is READY, FAILED, or to be tried again."""
        return self._order("start", names)

    @action(concurrent=True)
    def stop(self, names: list[str]) -> dict[str, str]:
        """Stop workers; returns their states once each has ended."""
        return self._order("stop", names)

    @action(concurrent=True)
    def restart(self, names: list[str], fresh: bool = False) -> dict[str, str]:
        """Restart workers; returns their states as `start` does.

        Args:
            names: The workers.
            fresh: Whether they begin without the last values of what `restore` names.

        By the config as it was read or applied last; a log record tells if it has changed since.
        """
        config = self._supervised.config()
        if has_changed(config.file, config.digest):
            log.warning("%s has changed since it was read: orch apply reads it", config.file)
        return self._order("restart", names, fresh)

    @action(concurrent=True)
    def plan(self, file: str) -> dict[str, Any]:
        """What applying a config would do; nothing is changed.

        Args:
            file: The config, on the rig's machine.

        Returns:
            `{"changes": [{worker, what (add, remove, restart, or limits: no restart), because (the
            keys)}], "rig": [keys of the rig that change], "fixed": [those that can't]}`.
        """
        return self._supervised.applier.plan(file)

    @action(concurrent=True)
    def apply(self, file: str, rollback: bool = False) -> dict[str, Any]:
        """Have the rig go by a config; returns when all that it changes have settled.

        Args:
            file: The config, on the rig's machine. One that can't be used changes nothing.
            rollback: Whether to go back when a worker fails that is new or was restarted.

        Returns:
            As `plan`, with `states` by worker, `failed` (why, by worker) and `rolled_back`.
        """
        return self._supervised.applier.apply(file, rollback=rollback)

    @action(concurrent=True)
    def cancel(self, request: str, restart: bool = False) -> dict[str, Any]:
        """Withdraw a request that hasn't started; end one that has, as its worker's config says.

        Args:
            request: Its id, as records and errors name it, or a future's `request_id`.
            restart: Whether its worker is restarted if nothing else ends it.

        Returns:
            `{"verdict": …, "worker": …, "member": …, "steps": […]}`: `withdrawn`, which its client
            is told too, so that it never starts; `ended`, after the last of the steps that were
            taken, or by itself if none was; `runs`, and goes on in spite of them; `unknown`: there
            is no such one, or it has ended.
        """
        done: Future[dict[str, Any]] = self._ask(lambda: self._supervised.cancel(request, restart))
        return done.result()

    @action(concurrent=True)
    def log_level(self, name: str, level: str) -> None:
        """Set the lowest level of a worker's records, now and for its next lives.

        Args:
            name: A worker; the rig's id for the supervisor and the workers inside it.
            level: debug, info, warning, error or critical. At debug the rig tells each
                request's life.
        """
        self._ask(lambda: self._supervised.set_level(name, level))

    @action(concurrent=True)
    def stacks(self, name: str) -> str:
        """All stacks of a worker's process, as they are now, whatever it does.

        Args:
            name: A worker; of one that is a thread of the supervisor, that thread's stack.
        """
        found: Future[str] = self._ask(lambda: self._supervised.stacks(name))
        return found.result()

    @action(concurrent=True)
    def note(self, worker: str, member: str, outcome: str, fields: dict[str, Any]) -> None:
        """Record what a gateway did for somebody, among the records of who asked for what.

        Args:
            worker: Whose operation it was; the rig's id for none.
            member: What it was.
            outcome: What came of it.
            fields: Further facts; texts and numbers.
        """
        told = {key: each[:LONGEST] if type(each) is str else each for key, each in fields.items()}
        records.write_about(worker, AUDIT, outcome[:LONGEST], {**told, "member": member or None})

    @action(concurrent=True)
    def down(self) -> None:
        """Stop the whole rig; returns before that begins."""
        self._ask(self._supervised.shut_down)

    def _ask(self, question: Callable[[], Any]) -> Any:
        return self._supervised.ask(question).result(ANSWER_WITHIN)

    def _order(self, verb: Verb, names: list[str], fresh: bool = False) -> dict[str, str]:
        if isinstance(names, str):
            names = [names]
        done: Future[dict[str, str]] = self._ask(lambda: self._supervised.order(verb, names, fresh))
        return done.result()

    def _usage_there(
        self, life: tuple[str, int], used: tuple[float, int] | None, uptime: float
    ) -> dict[str, float | int | None]:
        """The same of a process on another host, as it was told: CPU seconds and bytes."""
        if used is None:
            return {"cpu": None, "memory": None}
        now, (seconds, memory) = time.time(), used
        before, since, cpu = self._looks_there.get(life, (0.0, now - uptime, -1.0))
        if cpu < 0 or not 0 <= now - since < USAGE_LASTS:
            cpu = round(100 * (seconds - before) / max(now - since, 1e-3), 1)
            self._looks_there[life] = seconds, now, cpu
        return {"cpu": cpu, "memory": memory}

    def _usage(self, life: tuple[str, int], pid: int) -> dict[str, float | int | None]:
        """CPU since the last look, or since its start at the first, and memory of a process."""
        nothing: dict[str, float | int | None] = {"cpu": None, "memory": None}
        look, now = self._looks.get(life), time.time()
        if look is not None and look.process.pid == pid and 0 <= now - look.at < USAGE_LASTS:
            return {"cpu": look.cpu, "memory": look.memory}
        try:
            if look is None or look.process.pid != pid:
                process = psutil.Process(pid)
                look = _Look(process, 0.0, process.create_time())
            with look.process.oneshot():
                times = look.process.cpu_times()
                memory = look.process.memory_info().rss
        except (psutil.Error, OSError):  # it has ended, or there is no descriptor to look with
            return nothing
        used = times.user + times.system
        look.cpu = round(100 * (used - look.used) / max(now - look.at, 1e-3), 1)
        look.memory, look.used, look.at = memory, used, now
        self._looks[life] = look
        return {"cpu": look.cpu, "memory": look.memory}


class _Look(msgspec.Struct):
    """At a worker's process: its CPU seconds then, and when that was; what was told of it."""

    process: psutil.Process
    used: float
    at: float
    cpu: float = 0.0
    memory: int = 0
