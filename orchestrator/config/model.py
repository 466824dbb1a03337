"""A rig's config as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from orchestrator.config.access import Granted
from orchestrator.config.alarms import Alarm
from orchestrator.config.doors import Door
from orchestrator.config.event_calls import EventCall
from orchestrator.config.hosts import HostConfig, Placement
from orchestrator.config.problems import Place, Problem
from orchestrator.config.values import Step
from orchestrator.durations import Intensity
from transports.levels import Level

__all__ = ["LogsConfig", "RigConfig", "WebConfig", "WorkerConfig"]


@dataclass(frozen=True)
class WorkerConfig:
    """One worker, the rig's defaults included. Two are equal when they would run alike.

    Attributes:
        name: the worker's id.
        driver: ``package.module:Class`` or ``:factory``; after the colon it may be dotted.
        args: positional arguments of the driver, values that JSON can carry.
        kwargs: keyword arguments of the driver, values that JSON can carry.
        transport: ``ipc`` is a process of its own, ``inproc`` a thread of the supervisor.
        env: variables to add to the environment; empty for inproc.
        cwd: the worker's folder, absolute; the config's folder by default, and for inproc.
        python: the interpreter, absolute and with its symlinks kept (they make virtual
            environments); None for the supervisor's own.
        after: workers that are ready before this one starts, and that stop after it.
        concurrent: members that may run beside the queued ones.
        invocation_timeout: seconds from a request's arrival to its start; None for no limit.
        execution_timeout: seconds from a request's start to its end; None for no limit.
        timeouts: execution timeouts of single members, in seconds; None for no limit.
        poll: seconds between two reads of properties that are polled, by name.
        alarms: when there are alarms about properties that are polled, by name.
        events: how the driver tells events by a function that it is given, by name.
        idempotent: members that may be done twice, so that clients may try them again also when it
            isn't known whether they were done.
        audit: whether each request is recorded: who asked, with what, what came of it.
        leased: whether nothing has an effect on it without a lease.
        verify: the property that is read after an outcome of a member that nobody knows, by member.
        restart: when it is started again: ``permanent`` always, ``transient`` after a crash,
            ``temporary`` never.
        max_restarts: how many restarts in what time are borne.
        backoff: seconds of the pause before the first restart after a crash, and at most.
        required: whether the rig ends when it is FAILED.
        retry_failed: seconds after which it is tried anew once it is FAILED; None for never.
        on_execution_timeout: whether an overdue operation is only reported, is cancelled too, or
            ends the worker.
        cancel_with: what ends an operation that has started: actions of the driver, and
            ``interrupt``, in order.
        cancel: the same for single members.
        cancel_grace: seconds that each of these may take.
        limits: what its process may use of the machine: `memory` (bytes), `nofile`, `nice`, `cpus`;
            None for inproc, and when nothing is said.
        probe: how it is probed while it is idle: `member`, `every` and `timeout` (seconds),
            `failures`; None if it isn't.
        on_sick: what is done about one whose probes fail.
        on_loss: how its device is made safe once it has ended: `driver`, `args`, `kwargs`, `calls`
            (each a method, its arguments and keyword arguments), `timeout` (seconds) of all; None
            if nothing is done, and for inproc.
        stall_timeout: seconds that it may be STALLED before `on_stall` ends it.
        on_stall: whether a worker that is STALLED is only reported, or restarted after its time.
        start_timeout: seconds that a start may take; None for no limit.
        stop_timeout: seconds that closing may take before a signal insists.
        retry_start: whether a driver whose constructor raises is tried again, without end.
        open_with: the driver's method that opens it once it is built, with its positional and its
            keyword arguments; None when none is called.
        on_start: what is done once it is open, before it is READY: members, their arguments, and
            whether each is a property that is written.
        restore: properties whose last acknowledged writes its next life repeats.
        stop_with: the driver's method that closes it; None for the first usual one it has.
        simulate: the driver's twin, written as the driver is; None if it has none.
        host: the machine on which it runs, by its name in the config; None for the rig's own. On
            another one `cwd` and `python` are paths there, as they were written.
        place: where the driver's value stands.
        places: where the worker's own keys stand: ``args``, ``args.0`` (entries of lists),
            ``kwargs.axes`` (keys of mappings). What comes from the defaults isn't in it.
        spellings: how values of ``args`` and ``kwargs`` are written that lost something by being
            read, such as ``01823456`` for 1823456; by the keys of `places`.
        simulated: whether its twin runs: see `simulation.simulated`.
    """

    name: str
    driver: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    transport: Literal["ipc", "inproc"]
    env: dict[str, str]
    cwd: Path
    python: Path | None
    after: tuple[str, ...]
    concurrent: tuple[str, ...]
    invocation_timeout: float | None
    execution_timeout: float | None
    timeouts: dict[str, float | None]
    poll: dict[str, float]
    alarms: dict[str, Alarm]
    events: dict[str, EventCall]
    idempotent: tuple[str, ...]
    audit: bool
    leased: bool
    verify: dict[str, str]
    restart: Literal["permanent", "transient", "temporary"]
    max_restarts: Intensity
    backoff: tuple[float, float]
    required: bool
    retry_failed: float | None
    on_execution_timeout: Literal["report", "cancel", "restart"]
    cancel_with: tuple[str, ...]
    cancel: dict[str, tuple[str, ...]]
    cancel_grace: float
    limits: dict[str, Any] | None
    probe: dict[str, Any] | None
    on_sick: Literal["report", "reopen", "restart"]
    on_loss: dict[str, Any] | None
    stall_timeout: float
    on_stall: Literal["report", "restart"]
    start_timeout: float | None
    stop_timeout: float
    retry_start: bool
    open_with: tuple[str, list[Any], dict[str, Any]] | None
    on_start: tuple[Step, ...]
    restore: tuple[str, ...]
    stop_with: str | None
    simulate: str | None
    host: str | None
    place: Place = field(compare=False)
    places: dict[str, Place] = field(compare=False, repr=False)
    spellings: dict[str, str] = field(compare=False, repr=False)
    simulated: bool = False

    @property
    def means(self) -> set[str]:
        """All that ends operations that have started."""
        return {*self.cancel_with, *(name for each in self.cancel.values() for name in each)}


@dataclass(frozen=True)
class LogsConfig:
    """What is logged and for how long it is kept.

    Attributes:
        level: records below it are dropped.
        keep: bytes; the oldest records go when there are more.
        keep_for: seconds; older records go. None for no limit.
        json_lines: whether printed lines that are JSON are read as records.
    """

    level: Level = "info"
    keep: int = 1 << 30
    keep_for: float | None = 30 * 86_400.0
    json_lines: bool = True


@dataclass(frozen=True)
class WebConfig:
    """The web server that is run with the rig.

    Attributes:
        listen: ``http://host:port``; None for none.
        control: whether it lets write, call, start, stop and cancel too.
        hosts: further names that it goes by.
        export: polled properties among its metrics, by name or ``worker.name``.
    """

    listen: str | None = None
    control: bool = False
    hosts: tuple[str, ...] = ()
    export: tuple[str, ...] = ()


@dataclass(frozen=True)
class RigConfig:
    """A rig.

    Attributes:
        rig: the rig's id.
        listen: addresses for clients: ``ipc``, ``ipc:///path``, ``hololinked`` or
            ``tcp://host:port``, as they were written.
        events: where events are published for one of these, if that was written too.
        doors: what holds for who comes by one of these, if anything was said of it.
        allow_local_users: whether it is meant that every user of the machine reaches its tcp
            addresses on loopback.
        access: who may do what, by the names of keys and users; None while everybody may all.
        strategy: who is restarted with a worker that died: nobody, those after it, or all.
        shared_memory: bytes for large frames that both sides map; 0 for none.
        workers: by name, in the order of the file.
        logs: what is logged.
        web: the web server that is run with it.
        traces: where traces are sent by OTLP over HTTP; None for nowhere.
        hosts: other machines on which workers may run, by name.
        placement: how these are found and lost.
        file: the config, absolute.
        folder: the config's folder, absolute; drivers in it can be imported.
        notes: what is no problem, but probably not what was meant.
        hidden: what is masked wherever the rig tells something: what references stand for.
        places: where what needs an extra stands: ``web`` (its address), ``traces``; and each member
            and limit of ``access``, as ``access.NAME.allow.0``.
        digest: of the file's text, for `changes.has_changed`.
        record: the file in which all operations are recorded; None if they aren't.
        replay: the recording by which the workers answer; None for drivers.
        simulation: the workers whose twins run; empty for all that have one, None for no twins.
        start_order: all workers, each after those in its ``after``, else as in the file.
    """

    rig: str
    listen: tuple[str, ...]
    events: dict[str, str]
    doors: dict[str, Door]
    access: dict[str, Granted] | None
    workers: dict[str, WorkerConfig]
    allow_local_users: bool
    strategy: Literal["one_for_one", "rest_for_one", "one_for_all"]
    shared_memory: int
    logs: LogsConfig
    web: WebConfig
    traces: str | None
    hosts: dict[str, HostConfig]
    placement: Placement
    file: Path
    folder: Path
    start_order: tuple[str, ...]
    notes: tuple[Problem, ...] = field(compare=False, repr=False)
    hidden: tuple[str, ...] = field(compare=False, repr=False)
    places: dict[str, Place] = field(compare=False, repr=False)
    digest: str = field(compare=False, repr=False)
    simulation: tuple[str, ...] | None = field(default=None, compare=False)
    record: Path | None = field(default=None, compare=False)
    replay: Path | None = field(default=None, compare=False)
