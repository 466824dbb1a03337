"""Composition root: a rig from its config, run until it is told to stop."""

from __future__ import annotations

import os
import secrets
import signal
import time
from concurrent.futures import Future
from typing import Any

import zmq

from orchestrator.config.loader import RigConfig
from orchestrator.core import effects
from orchestrator.core.admission import Caps
from orchestrator.logs.collect.handle import LogCollector
from orchestrator.rig import describing, specs
from orchestrator.rig.alarm_commands import AlarmCommands
from orchestrator.rig.applier import Applier
from orchestrator.rig.audit import Audit
from orchestrator.rig.backlog import Backlog
from orchestrator.rig.descriptors import SLOTS, connection_cap, raise_limit, worker_cap
from orchestrator.rig.desk import Desk
from orchestrator.rig.door import Door
from orchestrator.rig.event_relay import EventRelay
from orchestrator.rig.guardian import Guardian
from orchestrator.rig.helpers import Helpers
from orchestrator.rig.hosts import Hosts
from orchestrator.rig.keeper import FileKeeper
from orchestrator.rig.launchers.forkserver import ForkServer
from orchestrator.rig.looks import Looks
from orchestrator.rig.loop import Loop
from orchestrator.rig.mailbox import Mailbox
from orchestrator.rig.manager import ORDERS, RigControl, Supervised
from orchestrator.rig.openness import warnings_of
from orchestrator.rig.performer import Performer
from orchestrator.rig.processes import Processes
from orchestrator.rig.recipes import Recipes
from orchestrator.rig.restored import kept_of
from orchestrator.rig.saves import ConfigSaves, apply_saved
from orchestrator.rig.service import ServiceManager
from orchestrator.rig.sockets import Sockets
from orchestrator.rig.state_events import StateEvents
from orchestrator.rig.status import announcement, operations, snapshot
from orchestrator.rig.strangers import Strangers
from orchestrator.rig.trace_sender import TraceSender
from orchestrator.rig.web_server import WebServer
from orchestrator.runtime.folder import RigFolder, RigState
from orchestrator.runtime.places import logs_folder
from orchestrator.version import version
from transports.headers import Limits
from transports.link import SetLevel
from transports.room import need_threads
from workers.output import levels, records
from workers.output.streams import install_thread_output

OWN_TASKS = 15
"""Processes and threads that a rig can't do without; a worker that lacks some has to wait."""
ONE_SIGNAL = 0.3
"""Seconds within which a signal counts once: terminals and wrappers may both deliver it."""


class Supervisor:
    """A running rig.

    Args:
        config: The rig's config.
        folder: Its runtime folder, locked.
        watch: Whether the config is applied whenever its file is saved.
    """

    def __init__(self, config: RigConfig, folder: RigFolder, *, watch: bool = False) -> None:
        self._config = config
        self._folder = folder
        self._started = time.time()
        cap = connection_cap(raise_limit(), len(config.workers))
        own = worker_cap(cap, len(config.workers))
        need_threads(OWN_TASKS, "a rig")
        self._logs = LogCollector.start(
            logs_folder(config.rig),
            rig=config.rig,
            level=config.logs.level,
            keep=config.logs.keep,
            keep_for=config.logs.keep_for,
            json_lines=config.logs.json_lines,
            config=str(config.file),
        )
        self._guardian = Guardian(self._logs.records, folder.ends.fileno())
        records.configure(
            self._logs.records, worker=config.rig, incarnation=0, level=config.logs.level
        )
        records.never_wait()
        self._context: zmq.Context[Any] = zmq.Context()
        self._context.set(zmq.MAX_SOCKETS, SLOTS)
        self._sockets = sockets = Sockets(self._context, config.rig, config.doors)
        self._mailbox = Mailbox()
        self._fork_server = ForkServer()
        self._hosts = Hosts(self._context, config, folder.path, sockets, self._logs, self.record)
        self._processes = Processes(
            self._context,
            self._logs,
            self._guardian,
            self._fork_server,
            deliver=self._mailbox.tell,
            unlaunched=self._unlaunched,
            elsewhere=self._hosts,
        )
        self._rig = specs.core_of(config, self._logs.run.id)
        backlog, broker = Backlog(sockets.front), self._rig.broker
        broker.ledger.watch(traces=config.logs.level == "debug", spans=bool(config.traces))
        self._strangers = Strangers(self._context, sockets, broker, backlog, cap, own)
        self._connections = connections = self._strangers.connections
        broker.ledger.who = connections.callers.who
        self._audit = Audit(self._rig, connections.callers)
        self._performer = Performer(self._rig, sockets, backlog, self._processes, connections, self)
        relay = EventRelay(
            sockets,
            connections,
            publishers=broker.publishers,
            formers=broker.formers,
            peers=broker.peers,
            tally=broker.ledger.tally,
            counts=broker.counts,
        )
        self._performer.begin(config.record, folder.path, relay)
        self._door = Door(self._context, broker.publishers, sockets.gate, self._hosts.keys)
        connections.turned_away = relay.turned_away
        self._states = StateEvents(config.rig, relay.publish)
        self._loop = Loop(
            rig=self._rig,
            sockets=sockets,
            processes=self._processes,
            mailbox=self._mailbox,
            backlog=backlog,
            relay=relay,
            connections=connections,
            perform=self._performer.perform,
            record=self.record,
            lanes=self._performer.lanes,
        )
        self._loop.watch(self._door.socket, self._door.answer)
        self._keeper = FileKeeper(self._loop, folder, sockets, self._performer.restore, self.record)
        self._looks = Looks(self._rig, self._processes, self._loop.call_later)
        self._helpers = Helpers(
            self._loop,
            self._mailbox,
            logs=self._logs,
            guardian=self._guardian,
            fork_server=self._fork_server,
            web=WebServer(config, self._loop, self.record),
            traces=TraceSender(config, self._loop, self.record),
            hosts=self._hosts,
            groups=self._processes.groups,
            record=self.record,
            heard=self._looks.heard,
        )
        self._service = ServiceManager(self._loop, os.environ, self.record)
        self._recipes = Recipes(self._loop, self._guardian, self._secured, self._hosts, self.record)
        self._alarm_commands = AlarmCommands(self._loop, self._guardian, self.record)
        self._desk = Desk(config, self._rig, sockets.gate, self._logs.hide)
        self._hosts.tell(self._looks.found, self._desk, lambda: self._desk.config)
        self._applier = Applier(self._desk, lambda question: self._mailbox.ask(question).result())
        self._saves = ConfigSaves(
            self._loop,
            self._mailbox.tell,
            config.file,
            lambda: apply_saved(self._desk.config),
            self.record,
        )
        self._watches, self._levels = watch, dict[str, str]()
        self._status, self._stopping_since = 0, 0.0

    @property
    def logs(self) -> LogCollector:
        """The collection of this rig's logs."""
        return self._logs

    # -- life -----------------------------------------------------------------------------

    def run(self) -> int:
        """Run the rig until a signal or a request ends it.

        Returns:
            The exit status: 0 when it stopped in good order, 128 + N when killed by a second
            signal N; that of a required worker that is FAILED.

        Raises:
            AddressError: An address of `listen:` is taken or can't be bound.
        """
        try:
            # From here on a signal means to stop in good order, which the loop sees to.
            with self._mailbox.signals(self._on_signal):
                self._helpers.start()
                config, folder = self._config, self._folder.sockets
                self._sockets.bind(config.listen, folder, Caps().message, config.events)
                self._performer.open(folder, self._loop)
                self._folder.write_state(
                    RigState(
                        rig=self._config.rig,
                        pid=os.getpid(),
                        config=str(self._config.file),
                        started=self._started,
                        version=version(),
                        addresses=self._sockets.addresses,
                        events=self._sockets.event_addresses,
                    )
                )
                self._serve()
        finally:
            self._close()
        return self._status or self._rig.status

    def _serve(self) -> None:
        rig = self._config.rig
        self.record("info", f"rig {rig} starts", specs.about(self._config))
        for text in warnings_of(self._sockets, self._config.allow_local_users):
            self.record("warning", text, {})
        self._rig.broker.add_worker(rig, Limits(5.0, 10.0), dict(ORDERS))
        control = RigControl(
            Supervised(
                ask=self._mailbox.ask,
                snapshot=self._snapshot,
                operations=lambda: operations(self._rig),
                order=self._desk.order,
                cancel=self._desk.cancel,
                shut_down=self._shut_down,
                set_level=self._set_level,
                stacks=self._stacks,
                config=lambda: self._desk.config,
                applier=self._applier,
            )
        )
        restore_output = install_thread_output()
        self._rig.expect(rig, 1, token := secrets.token_hex(16))
        thread = self._processes.host(specs.rig_spec(self._config, self._sockets, token), control)
        self._helpers.watch()
        self._keeper.start()
        if self._watches:
            self._saves.start()
        self._rig.order("start", self._config.start_order, time.monotonic())
        self._strangers.watch(self._loop)
        self._service.start()
        try:
            self._loop.run(lambda: self._rig.is_over)
        finally:
            self._end_control(thread)
            restore_output()

    def _end_control(self, thread: Any) -> None:
        """Answer whoever still waits, and end the rig's own worker."""
        now = time.monotonic()
        rig, broker = self._config.rig, self._rig.broker
        broker.ask_to_stop(rig, now, hold=False, reason=f"rig {rig!r} is stopping")
        self._loop.watch(thread.sentinel, lambda: None)
        self._loop.run(lambda: not thread.is_alive(), deadline=now + 2.0)
        self._loop.unwatch(thread.sentinel)
        thread.join(0)
        broker.lost(rig, time.monotonic(), reason=f"rig {rig!r} is down", holds=False)
        self._loop.flush(1.0)

    def _close(self) -> None:
        self._alarm_commands.close()
        self._processes.kill_all()  # none lives but after an error of our own
        self._performer.close()
        self._fork_server.close()
        self._helpers.close()
        self.record("info", f"rig {self._config.rig} is down", {})
        self._keeper.close()
        self._saves.close()
        self._service.close()
        self._mailbox.close()
        records.reset()
        self._guardian.close(5.0)  # it holds the stream of records too
        self._logs.close(3.0)
        self._processes.reap_orphans(own=())
        self._connections.close()
        self._door.close()
        self._performer.disconnect()
        # Last: a client that is disconnected drops the answers that it hasn't read yet.
        self._sockets.close()
        self._folder.release()

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGCHLD:
            self._helpers.look()
            own = self._helpers.pids | self._recipes.pids | self._alarm_commands.pids
            self._processes.reap_orphans(own)
            return
        name, now = signal.Signals(number).name, time.monotonic()
        if self._stopping_since and now - self._stopping_since < ONE_SIGNAL:
            return
        if self._stopping_since:
            self.record("warning", f"{name} again: killing all workers", {})
            self._status = 128 + number
            self._rig.kill(now)
        else:
            self._stopping_since = now
            self.record("info", f"{name}: stopping", {})
            self._shut_down()

    def _shut_down(self) -> None:
        self._rig.shut_down(time.monotonic())

    # -- what the core leaves to be done ---------------------------------------------------

    def launch(self, worker: str, incarnation: int) -> None:
        """Have an incarnation of a worker started.

        Raises:
            OSError: There are no file descriptors for it.
        """
        rig = self._desk.config
        config = rig.workers[worker]
        token = secrets.token_hex(16)
        self._rig.expect(worker, incarnation, token)
        level = self._levels.get(worker, self._config.logs.level)
        spec = specs.worker_spec(
            rig,
            config,
            self._sockets,
            incarnation=incarnation,
            token=token,
            level=level,
            kept=kept_of(self._rig.broker.peers[worker].kept.writes()),
        )
        self._processes.launch(config, spec)
        self._recipes.arm(rig, config, incarnation)

    def _unlaunched(self, worker: str, incarnation: int, error: OSError) -> None:
        self._recipes.disarm(worker)
        self._performer.unlaunched(worker, incarnation, error, time.monotonic())

    def secure(self, secure: effects.Secure) -> None:
        """Have a worker's device made safe."""
        self._recipes.follow(secure.worker, secure.incarnation)

    def _secured(self, worker: str, incarnation: int, failure: str, trace: str) -> None:
        self._rig.secured(worker, incarnation, failure, time.monotonic(), trace)

    def describe(self, request: effects.Describe) -> tuple[str, bytes]:
        """Message type and payload of the answer to a request for a Thing Description."""
        return describing.describe(request, self._rig, self._sockets, self._desk.config)

    def found(self, worker: str, incarnation: int, *, held: str) -> None:
        """Something keeps a worker from running Python code."""
        self._looks.found(worker, incarnation, held=held)

    def moved(self, change: effects.Moved) -> None:
        """Publish the change of a worker's state."""
        self._states.publish(change)
        self._service.status(*self._rig.serving, stopping=self._rig.is_closing)

    def alarmed(self, change: effects.Alarmed) -> None:
        """Publish the change of an alarm; run its command if it has begun."""
        self._states.alarmed(change)
        self._alarm_commands.alarmed(self._desk.config, change)

    def order_done(self, done: effects.OrderDone) -> None:
        """Tell whoever waits for an order; nobody does for the first start."""
        self._desk.done(done)

    def cancel_done(self, done: effects.CancelDone) -> None:
        """Tell whoever wants a request cancelled."""
        self._desk.cancelled(done)

    def rig_up(self, up: effects.RigUp) -> None:
        """Announce the rig."""
        self._service.up()
        took = time.time() - self._started
        web = self._helpers.web_address
        self.record(*announcement(self._config.rig, up, took, self._sockets, web))

    def asked(self, fact: effects.Fact, asked: effects.Asked, now: float) -> dict[str, Any]:
        """The fields of a record about an operation that was asked for."""
        return self._audit.fields(fact, asked, now)

    def record(self, level: str, text: str, fields: dict[str, Any]) -> None:
        """Write a record about the rig, or about the worker that the fields name."""
        rest = dict(fields)
        worker = rest.pop("worker", self._config.rig)
        if (child := self._rig.children.get(worker)) is not None:
            rest.setdefault("incarnation", child.incarnation)
        records.write_about(worker, level, text, rest)

    # -- what the rig's worker asks -------------------------------------------------------

    def _snapshot(self) -> dict[str, Any]:
        found = snapshot(
            self._desk.config,
            self._started,
            self._sockets,
            self._rig,
            self._processes,
            self._connections,
            self._hosts,
        )
        return {
            **found,
            "helpers": self._helpers.status(),
            "logs": {"folder": str(self._logs.folder), **self._logs.counts()},
            "web": self._helpers.web_address,
        }

    def _set_level(self, name: str, level: str) -> None:
        levels.level_number(level)
        rig = self._config.rig
        if name == rig:
            records.set_level(level)
            self._rig.broker.ledger.watch(traces=level == "debug")
            return
        self._desk.check_names([name])
        if self._desk.config.workers[name].transport == "inproc":
            raise ValueError(f"worker {name!r} is a thread and has the rig's level, that of {rig}")
        self._levels[name] = level
        self._rig.broker.tell(name, SetLevel(level))

    def _stacks(self, name: str) -> Future[str]:
        self._desk.check_names([name])
        return self._looks.ask(name)
