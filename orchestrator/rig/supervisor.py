"""Composition root: a rig from its config, run until it is told to stop."""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import zmq

from orchestrator import __version__
from orchestrator.config.loader import RigConfig, WorkerConfig
from orchestrator.core.admission import Caps, unknown_worker
from orchestrator.core.broker import Broker
from orchestrator.core.children import SERVING, Plan, Status
from orchestrator.core.effects import Describe
from orchestrator.core.supervision import Supervision
from orchestrator.logs.collect.handle import LogCollector
from orchestrator.rig.loop import Loop
from orchestrator.rig.manager import RigControl, Supervised
from orchestrator.rig.processes import Guardian, Processes
from orchestrator.rig.sockets import Ports
from orchestrator.rig.status import snapshot
from orchestrator.runtime.folder import RigFolder, RigState, logs_folder
from transports.endpoints import parse_endpoint
from transports.errors import SerializationError
from transports.exceptions import exception_payload
from transports.headers import ERROR, EVENTS_PER_LIFE, REPLY, Limits
from transports.serializers import decode, encode
from workers.driver.thing_description import thing_description
from workers.output import records
from workers.output.streams import install_thread_output
from workers.spec import WorkerSpec

ORDER_TIMEOUT = 300.0
"""Seconds that starting, stopping or restarting workers may take for a client that waits."""
ONE_SIGNAL = 0.3
"""Seconds within which a signal counts once: terminals and wrappers may both deliver it."""
REVIVE_AFTER = 5.0
"""Seconds until a log collector that couldn't be restarted is tried again."""
SETTLED = SERVING | {Status.FAILED, Status.STOPPED}


class Supervisor:
    """A running rig.

    Args:
        config: The rig's config.
        folder: Its runtime folder, locked.
    """

    def __init__(self, config: RigConfig, folder: RigFolder) -> None:
        self._config = config
        self._folder = folder
        self._started = time.time()
        self._guardian = Guardian()
        self._logs = LogCollector.start(
            logs_folder(config.rig),
            rig=config.rig,
            level=config.logs.level,
            keep=config.logs.keep,
            keep_for=config.logs.keep_for,
            config=str(config.file),
        )
        records.configure(
            self._logs.records, worker=config.rig, incarnation=0, level=config.logs.level
        )
        self._context: zmq.Context[Any] = zmq.Context()
        self._ports = Ports(self._context, config.rig)
        self._processes = Processes(self._context, self._logs, self._guardian)
        self._broker = Broker(config.rig, Caps())
        self._broker.traces = config.logs.level == "debug"
        self._supervision = Supervision([_plan(each) for each in config.workers.values()])
        self._loop = Loop(
            ports=self._ports,
            broker=self._broker,
            supervision=self._supervision,
            processes=self._processes,
            launch=self._launch,
            describe=self._describe,
            record=self._record,
            after_turn=self._after_turn,
        )
        self._orders: list[tuple[Callable[[], bool], list[str], Future[dict[str, str]]]] = []
        self._levels: dict[str, str] = {}
        self._announced = False
        self._status = 0
        self._stopping_since = 0.0

    # -- life -----------------------------------------------------------------------------

    def run(self) -> int:
        """Run the rig until a signal or a request ends it.

        Returns:
            The exit status: 0 when it stopped in good order, 128 + N when killed by a second
            signal N.

        Raises:
            AddressError: An address of `listen:` is taken or can't be bound.
        """
        try:
            self._processes.warm_up()
            self._ports.bind(self._config.listen, self._folder.sockets, Caps().message)
            self._folder.write_state(
                RigState(
                    rig=self._config.rig,
                    pid=os.getpid(),
                    config=str(self._config.file),
                    started=self._started,
                    version=__version__,
                    addresses=self._ports.addresses,
                    events=self._ports.event_addresses,
                )
            )
            self._serve()
        finally:
            self._close()
        return self._status

    def _serve(self) -> None:
        rig = self._config.rig
        self._record("info", f"rig {rig} starts", {"config": str(self._config.file)})
        for address in self._ports.addresses:
            if not parse_endpoint(address).is_local:
                text = f"{address} can be reached from the network, without authentication"
                self._record("warning", text, {})
        for worker in self._config.workers.values():
            limits = Limits(worker.invocation_timeout, worker.execution_timeout)
            self._broker.add_worker(worker.name, limits, dict(worker.timeouts))
        orders = dict.fromkeys(("start", "stop", "restart"), ORDER_TIMEOUT)
        self._broker.add_worker(rig, Limits(5.0, 10.0), dict(orders))
        control = RigControl(
            Supervised(
                ask=self._loop.ask,
                snapshot=self._snapshot,
                order=self._order,
                shut_down=self._shut_down,
                set_level=self._set_level,
            )
        )
        restore_output = install_thread_output()
        token = secrets.token_hex(16)
        self._broker.expect(rig, 1, token)
        thread = self._processes.host(self._spec_of_rig(token), control)
        self._loop.watch(self._logs.sentinel, self._revive_logs)
        self._supervision.start(self._config.start_order, time.monotonic())
        try:
            with self._loop.signals(self._on_signal):
                self._loop.run(self._is_over)
        finally:
            self._end_control(thread)
            restore_output()

    def _is_over(self) -> bool:
        return self._supervision.closing and self._supervision.all_down

    def _end_control(self, thread: Any) -> None:
        """Answer whoever still waits, and end the rig's own worker."""
        now = time.monotonic()
        self._settle_orders()
        rig = self._config.rig
        self._broker.ask_to_stop(rig, now, hold=False, reason=f"rig {rig!r} is stopping")
        self._loop.watch(thread.sentinel, lambda: None)
        self._loop.run(lambda: not thread.is_alive(), deadline=now + 2.0)
        self._loop.unwatch(thread.sentinel)
        thread.join(0)
        self._broker.lost(rig, time.monotonic(), reason=f"rig {rig!r} is down", holds=False)
        self._loop.flush(1.0)

    def _close(self) -> None:
        self._processes.kill_all()  # none lives but after an error of our own
        self._record("info", f"rig {self._config.rig} is down", {})
        self._loop.close()
        records.reset()
        self._logs.close(3.0)
        self._guardian.close(5.0)
        # Last: a client that is disconnected drops the answers that it hasn't read yet.
        self._ports.close()
        self._folder.release()

    def _on_signal(self, number: int) -> None:
        name, now = signal.Signals(number).name, time.monotonic()
        if self._stopping_since and now - self._stopping_since < ONE_SIGNAL:
            return
        if self._stopping_since:
            self._record("warning", f"{name} again: killing all workers", {})
            self._status = 128 + number
            self._supervision.kill(now)
        else:
            self._stopping_since = now
            self._record("info", f"{name}: stopping", {})
            self._shut_down()

    def _shut_down(self) -> None:
        for name in self._config.workers:
            self._broker.refuse(name, f"rig {self._config.rig!r} is stopping")
        self._supervision.shut_down(time.monotonic())

    def _revive_logs(self) -> None:
        self._loop.unwatch(self._logs.sentinel)
        try:
            self._logs.restart()
        except OSError:
            # Out of processes or files: requests come first; tried again after a while.
            self._loop.call_later(REVIVE_AFTER, self._revive_logs)
            return
        self._loop.watch(self._logs.sentinel, self._revive_logs)

    # -- workers --------------------------------------------------------------------------

    def _launch(self, name: str, incarnation: int) -> None:
        config = self._config.workers[name]
        token = secrets.token_hex(16)
        self._broker.expect(name, incarnation, token)
        self._processes.launch(config, self._spec(config, incarnation, token))

    def _spec(self, config: WorkerConfig, incarnation: int, token: str) -> WorkerSpec:
        inproc = config.transport == "inproc"
        ports = self._ports
        return WorkerSpec(
            rig=self._config.rig,
            worker=config.name,
            incarnation=incarnation,
            driver=config.driver,
            args=list(config.args),
            kwargs=dict(config.kwargs),
            concurrent=list(config.concurrent),
            timeouts=[name for name in config.timeouts if f"timeouts.{name}" in config.places],
            stop_with=config.stop_with,
            link=ports.inproc_link if inproc else ports.link,
            events=ports.inproc_events if inproc else ports.events,
            token=token,
            folder=str(self._config.folder),
            cwd=str(config.cwd),
            env=dict(config.env),
            log_level=self._levels.get(config.name, self._config.logs.level),
            supervisor_pid=os.getpid(),
            event_base=(incarnation - 1) * EVENTS_PER_LIFE,
            place=str(config.place),
            event_addresses=list(ports.event_addresses),
            request_addresses=list(ports.addresses),
        )

    def _spec_of_rig(self, token: str) -> WorkerSpec:
        return WorkerSpec(
            rig=self._config.rig,
            worker=self._config.rig,
            incarnation=1,
            driver="",
            link=self._ports.inproc_link,
            events=self._ports.inproc_events,
            token=token,
            folder=str(self._config.folder),
            cwd=str(self._config.folder),
            log_level=self._config.logs.level,
            supervisor_pid=os.getpid(),
            event_addresses=list(self._ports.event_addresses),
            request_addresses=list(self._ports.addresses),
        )

    def _describe(self, request: Describe) -> tuple[str, bytes]:
        try:
            asked = decode(bytes(request.payload), request.content_type) or {}
            if not isinstance(asked, dict):
                raise TypeError("get_thing_description takes keyword arguments")
            described = thing_description(
                self._broker.peers[request.worker].description or {},
                rig=self._config.rig,
                worker=request.worker,
                protocol=asked.get("protocol"),
                request_addresses=self._ports.addresses,
                event_addresses=self._ports.event_addresses,
                skip_names=asked.get("skip_names") or (),
            )
        except (SerializationError, TypeError, ValueError) as error:
            return ERROR, exception_payload(error)
        return REPLY, bytes(encode(described))

    # -- what the rig's worker asks -------------------------------------------------------

    def _snapshot(self) -> dict[str, Any]:
        return snapshot(
            self._config,
            self._started,
            self._ports,
            self._broker,
            self._supervision,
            self._processes,
        )

    def _order(self, verb: str, names: list[str]) -> Future[dict[str, str]]:
        lives = self._supervision.lives
        self._check_names(names)
        if self._supervision.closing:
            raise ConnectionRefusedError(f"rig {self._config.rig!r} is stopping")
        now = time.monotonic()
        old = {name: lives[name].incarnation for name in names}
        up = {name for name in names if self._processes.pid(name) is not None}
        getattr(self._supervision, verb)(names, now)

        def is_done() -> bool:
            return all(
                lives[name].status in SETTLED
                and (
                    verb != "restart"
                    or name not in up
                    or lives[name].incarnation > old[name]
                    or lives[name].status not in SERVING
                )
                for name in names
            )

        future: Future[dict[str, str]] = Future()
        self._orders.append((is_done, names, future))
        return future

    def _set_level(self, name: str, level: str) -> None:
        records.level_number(level)
        if name == self._config.rig:
            records.set_level(level)
            self._broker.traces = level == "debug"
            return
        self._check_names([name])
        if self._config.workers[name].transport == "inproc":
            raise ValueError(
                f"worker {name!r} is a thread and has the rig's level: set that of "
                f"{self._config.rig!r}"
            )
        self._levels[name] = level
        self._broker.set_level(name, level)

    def _check_names(self, names: list[str]) -> None:
        for name in names:
            if name not in self._supervision.lives:
                known = self._supervision.lives
                raise KeyError(str(unknown_worker(self._config.rig, name, known)))

    def _after_turn(self, now: float) -> None:
        if self._orders:
            self._settle_orders()
        if not self._announced:
            self._announce(now)

    def _settle_orders(self) -> None:
        lives = self._supervision.lives
        for order in list(self._orders):
            is_done, names, future = order
            if is_done():
                self._orders.remove(order)
                future.set_result({name: str(lives[name].status) for name in names})

    def _announce(self, now: float) -> None:
        lives = self._supervision.lives.values()
        if self._supervision.closing or not all(life.settled for life in lives):
            return
        self._announced = True
        ready = sum(life.status in SERVING for life in lives)
        failed = [life.plan.name for life in lives if life.status is Status.FAILED]
        text = f"rig {self._config.rig} is up: {ready} of {len(lives)} workers ready"
        fields: dict[str, Any] = {
            "seconds": round(time.time() - self._started, 3),
            "address": self._ports.addresses[0],
        }
        if failed:
            fields["failed"] = ", ".join(failed)
        self._record("warning" if failed else "info", text, fields)

    def _record(self, level: str, text: str, fields: dict[str, Any]) -> None:
        rest = dict(fields)
        worker = rest.pop("worker", self._config.rig)
        if (life := self._supervision.lives.get(worker)) is not None:
            rest.setdefault("incarnation", life.incarnation)
        records.write_about(worker, level, text, rest)


def _plan(config: WorkerConfig) -> Plan:
    return Plan(
        name=config.name,
        after=tuple(config.after),
        restart=config.restart,
        intensity=config.max_restarts.count,
        period=config.max_restarts.period,
        restart_on_overrun=config.on_execution_timeout == "restart",
        place=str(config.place),
    )
