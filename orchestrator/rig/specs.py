"""From a config to what the core and the workers are told."""

from __future__ import annotations

from dataclasses import fields
from random import Random
from typing import Any

import msgspec

from orchestrator.config import alarms as config_alarms
from orchestrator.config.cancels import stops_of
from orchestrator.config.loader import RigConfig, WorkerConfig
from orchestrator.core import plan
from orchestrator.core.access import Access, Grant, Role
from orchestrator.core.admission import Caps
from orchestrator.core.alarms import Alarm
from orchestrator.core.changeover import Settings
from orchestrator.core.children import ChildSpec
from orchestrator.core.health import Probe
from orchestrator.core.means import Means
from orchestrator.core.rig import Rig
from orchestrator.logs.collect.handle import STUCK
from orchestrator.rig.arguments import by_name
from orchestrator.rig.gate import own_users
from orchestrator.rig.sockets import Sockets
from transports import headers
from transports.exceptions import INTERRUPT
from transports.headers import EVENTS_PER_LIFE
from workers.spec import Call, EventCall, Kept, Limits, Step, WorkerSpec


def planned(config: RigConfig) -> plan.Config:
    """A config as plans see it."""
    rig = _by_key(config)
    rig["listen"] = (rig["listen"], rig.pop("doors"))  # under the key that it is written in
    return plan.Config(
        rig={key: rig[key] for key in rig if key not in ("rig", "workers", "file", "start_order")},
        workers={name: _by_key(worker) for name, worker in config.workers.items()},
        order=config.start_order,
    )


def _by_key(config: RigConfig | WorkerConfig) -> dict[str, Any]:
    return {each.name: getattr(config, each.name) for each in fields(config) if each.compare}


def settings(config: WorkerConfig) -> Settings:
    """What the core is told of a worker."""
    probe = config.probe
    return Settings(
        spec=child_spec(config),
        limits=headers.Limits(config.invocation_timeout, config.execution_timeout),
        timeouts=config.timeouts,
        restore=config.restore,
        probe=None if probe is None else Probe(**probe, on_sick=config.on_sick),
        means=Means(
            usual=config.cancel_with,
            by_member=config.cancel,
            grace=config.cancel_grace,
            on_timeout=config.on_execution_timeout == "cancel",
        ),
        verify=config.verify,
        audit=config.audit,
        leased=config.leased,
        alarms={
            member: _alarm(each, config.poll[member], config.name)
            for member, each in config.alarms.items()
        },
    )


def _alarm(alarm: config_alarms.Alarm, interval: float, worker: str) -> Alarm:
    return Alarm(
        above=alarm.above,
        below=alarm.below,
        lasting=alarm.lasting,
        least=alarm.least,
        most=alarm.most,
        stale=alarm.stale_after(interval),
        level=alarm.level,
        secures=alarm.secured(worker),
    )


def access_of(config: RigConfig) -> Access | None:
    """Who may do what; None while everybody may all."""
    if config.access is None and not any(door.role for door in config.doors.values()):
        return None
    others = Role.ADMIN if config.access is None else Role.NONE
    grants = {
        name: Grant(
            role=Role[each.role.upper()],
            reads=frozenset(each.read),
            allows=frozenset(each.allow),
            limits=each.limits,
        )
        for name, each in (config.access or {}).items()
    }
    return Access(config.rig, grants, own_users(), by_name, others)


def about(config: RigConfig) -> dict[str, str]:
    """What the log tells of a config that a rig is started by."""
    twins = ", ".join(worker.name for worker in config.workers.values() if worker.simulated)
    return {"config": str(config.file), **({"SIMULATED": twins} if twins else {})}


def core_of(config: RigConfig, run: str) -> Rig:
    """The core of a rig, before anything is started.

    Args:
        config: Its config.
        run: Tells this run of it from others.
    """
    workers = {name: settings(each) for name, each in config.workers.items()}
    return Rig(
        config.rig,
        [each.spec for each in workers.values()],
        limits={name: each.limits for name, each in workers.items()},
        timeouts={name: dict(each.timeouts) for name, each in workers.items()},
        restore={name: each.restore for name, each in workers.items()},
        probes={name: each.probe for name, each in workers.items() if each.probe},
        means={name: each.means for name, each in workers.items()},
        verify={name: each.verify for name, each in workers.items()},
        alarms={name: each.alarms for name, each in workers.items()},
        audited=[name for name, each in workers.items() if each.audit],
        leased=[name for name, each in workers.items() if each.leased],
        caps=Caps(),
        unblock_again=2 * STUCK,
        strategy=config.strategy,
        chance=Random().random,
        run=run,
        shared_memory=config.shared_memory,
    )


def child_spec(config: WorkerConfig) -> ChildSpec:
    """What the core is told of a worker's life."""
    return ChildSpec(
        name=config.name,
        after=tuple(config.after),
        restart=config.restart,
        intensity=config.max_restarts.count,
        period=config.max_restarts.period,
        backoff=config.backoff,
        required=config.required,
        retry_failed=config.retry_failed,
        restart_on_overrun=config.on_execution_timeout == "restart",
        stall_limit=config.stall_timeout if config.on_stall == "restart" else None,
        start_timeout=config.start_timeout,
        stop_timeout=config.stop_timeout,
        retry_start=config.retry_start,
        secures=config.on_loss is not None,
        thread=config.transport == "inproc",
        place=str(config.place),
    )


def worker_spec(
    rig: RigConfig,
    config: WorkerConfig,
    sockets: Sockets,
    *,
    incarnation: int,
    token: str,
    level: str,
    kept: list[Kept],
) -> WorkerSpec:
    """What an incarnation is told at its start.

    Args:
        rig: The rig's config.
        config: The worker's.
        sockets: Where it connects, and where the rig listens.
        incarnation: Number of its life.
        token: Its secret.
        level: The lowest level of its records.
        kept: Writes of earlier lives that it repeats.
    """
    inproc = config.transport == "inproc"
    return WorkerSpec(
        rig=rig.rig,
        worker=config.name,
        incarnation=incarnation,
        driver=config.driver,
        args=list(config.args),
        kwargs=dict(config.kwargs),
        concurrent=list(config.concurrent),
        stops=sorted(stops_of(tuple(config.means))),
        interrupts=INTERRUPT in config.means,
        timeouts=[name for name in config.timeouts if f"timeouts.{name}" in config.places],
        on_start=[Step(*step) for step in config.on_start],
        restore=list(config.restore),
        kept=kept,
        limits=msgspec.convert(config.limits or {}, Limits),
        poll=dict(config.poll),
        declared={name: _declared(*how) for name, how in config.events.items()},
        open_with=config.open_with,
        stop_with=config.stop_with,
        link=sockets.inproc_link if inproc else sockets.link,
        events=sockets.inproc_events if inproc else sockets.events,
        token=token,
        slots=sockets.slots,
        lanes="" if inproc else sockets.lanes,
        folder=str(rig.folder),
        cwd=str(config.cwd),
        env=dict(config.env),
        log_level=level,
        spans=rig.traces is not None,
        event_base=(incarnation - 1) * EVENTS_PER_LIFE,
        place=str(config.place),
        event_addresses=list(sockets.event_addresses),
        request_addresses=list(sockets.addresses),
    )


def rig_spec(rig: RigConfig, sockets: Sockets, token: str) -> WorkerSpec:
    """The same for the rig's own worker."""
    return WorkerSpec(
        rig=rig.rig,
        worker=rig.rig,
        incarnation=1,
        driver="",
        link=sockets.inproc_link,
        events=sockets.inproc_events,
        token=token,
        folder=str(rig.folder),
        cwd=str(rig.folder),
        log_level=rig.logs.level,
        event_addresses=list(sockets.event_addresses),
        request_addresses=list(sockets.addresses),
    )


_Call = tuple[str, list[Any], dict[str, Any]]


def _declared(call: _Call, value: str | int | None, end: _Call | None) -> EventCall:
    return EventCall(Call(*call), value, None if end is None else Call(*end))
