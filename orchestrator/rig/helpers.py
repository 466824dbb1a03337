"""The rig's helper processes are watched: log collector, guardian, fork server, and more.

The death of one is told, and another takes its place at once; it costs no worker anything. One
that somebody has stopped is told too, and woken.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from orchestrator.logs.collect.control import News
from orchestrator.logs.collect.handle import LogCollector
from orchestrator.rig.guardian import Guardian
from orchestrator.rig.hosts import Hosts
from orchestrator.rig.launchers.forkserver import ForkServer
from orchestrator.rig.loop import Loop
from orchestrator.rig.mailbox import Mailbox
from orchestrator.rig.trace_sender import TraceSender
from orchestrator.rig.web_server import WebServer

REVIVE_AFTER = 5.0
"""Seconds until a helper that couldn't be restarted is tried again."""
WAKE_AFTER = 1.0
"""Seconds until a helper that was stopped is woken: long before anybody has to wait for it."""
LOGS, GUARDIAN, FORK_SERVER = "log collector", "guardian", "fork server"
WEB, TRACES = "web server", "sender of traces"


class Helpers:
    """Keeps the rig's helper processes running.

    Args:
        loop: Watches them.
        mailbox: Brings news of the fork server, whose start doesn't hold up the loop.
        logs: The log collector; it tells of its deaths itself.
        guardian: Ends what a killed supervisor leaves behind.
        fork_server: Starts workers.
        web: Serves browsers, if the config wants that; it restarts itself.
        traces: Sends traces, likewise.
        hosts: Keeps agents running on other hosts, likewise.
        groups: The process groups that the guardian watches over.
        record: Writes a record: level, text, fields.
        heard: Is told what the log collector tells of workers.
    """

    def __init__(
        self,
        loop: Loop,
        mailbox: Mailbox,
        *,
        logs: LogCollector,
        guardian: Guardian,
        fork_server: ForkServer,
        web: WebServer,
        traces: TraceSender,
        hosts: Hosts,
        groups: Callable[[], list[int]],
        record: Callable[[str, str, dict[str, Any]], None],
        heard: Callable[[News], None],
    ) -> None:
        self._loop = loop
        self._mailbox = mailbox
        self._logs = logs
        self._guardian = guardian
        self._fork_server = fork_server
        self._web = web
        self._traces = traces
        self._hosts = hosts
        self._sidecars = {WEB: web.process, TRACES: traces.process}
        self._groups = groups
        self._record = record
        self._heard = heard
        self._stopped: set[int] = set()

    @property
    def _processes(self) -> dict[str, int]:
        found = {LOGS: self._logs.pid, GUARDIAN: self._guardian.pid}
        others = {name: each.pid for name, each in self._sidecars.items()}
        others = {FORK_SERVER: self._fork_server.pid, **others}
        return found | {name: pid for name, pid in others.items() if pid is not None}

    @property
    def pids(self) -> set[int]:
        """Their processes, for which somebody waits."""
        return set(self._processes.values()) | self._hosts.pids

    @property
    def web_address(self) -> str | None:
        """Where browsers are served; None if they aren't."""
        return self._web.address or None

    def status(self) -> list[dict[str, Any]]:
        """The helpers: `name`, `pid`, and `state`, which is `running`, `stopped` or `away`."""
        away = [name for name, each in self._sidecars.items() if each.is_away]
        return [
            {"name": name, "pid": pid, "state": "stopped" if pid in self._stopped else "running"}
            for name, pid in self._processes.items()
        ] + [{"name": name, "pid": None, "state": "away"} for name in away]

    def look(self) -> None:
        """Take note of helpers that were stopped or go on: SIGCHLD tells both."""
        processes = self._processes
        self._stopped &= set(processes.values())
        for name, pid in processes.items():
            changed = None
            with suppress(ChildProcessError):  # it has just ended, which its sentinel tells
                changed = os.waitid(os.P_PID, pid, os.WSTOPPED | os.WCONTINUED | os.WNOHANG)
            if changed is None:
                continue
            if changed.si_code == os.CLD_CONTINUED:
                self._stopped.discard(pid)
                self._record("info", f"the {name} goes on", {"pid": pid})
            elif pid not in self._stopped:
                self._stopped.add(pid)
                how = signal.Signals(changed.si_status).name
                text = f"somebody has stopped the {name} by {how}; it is woken in {WAKE_AFTER:g} s"
                self._record("warning", text, {"pid": pid})
                self._loop.call_later(WAKE_AFTER, self._wake)

    def _wake(self) -> None:
        self.look()
        for pid in self._stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def start(self) -> None:
        """Start the fork server, so that it imports while the rig is being set up.

        Raises:
            AddressError: The web server's address can't be had, traces can't be sent, or other
                hosts can't come in.
        """
        self._traces.check()
        self._web.bind()
        self._hosts.bind()
        self._start_fork_server()

    def _start_fork_server(self) -> None:
        self._fork_server.start(self._fork_server_started)

    def watch(self) -> None:
        """Watch those that were started with the rig, from now on."""
        self._loop.watch(self._logs.sentinel, self._hear_logs)
        self._loop.watch(self._guardian.sentinel, self._guardian_died)
        for each in self._sidecars.values():
            each.start()
        self._hosts.start(self._loop)

    def close(self) -> None:
        """End those that nobody else ends."""
        self._hosts.close()
        self._web.close()
        self._traces.process.close()

    def _hear_logs(self) -> None:
        news = self._logs.news()
        if news is None:
            self._revive_logs()
            return
        for each in news:
            self._heard(each)

    def _revive_logs(self) -> None:
        self._loop.unwatch(self._logs.sentinel)
        try:
            self._logs.restart()
        except OSError:
            # Out of processes or files: requests come first; tried again after a while.
            self._loop.call_later(REVIVE_AFTER, self._revive_logs)
            return
        self._loop.watch(self._logs.sentinel, self._hear_logs)

    def _guardian_died(self) -> None:
        self._loop.unwatch(self._guardian.sentinel)
        self._record("warning", "the guardian process died; another one is started", {})
        self._revive_guardian()

    def _revive_guardian(self) -> None:
        try:
            self._guardian.restart(self._groups())
        except OSError as error:
            self._record("error", f"no guardian process can be started: {error}", {})
            self._loop.call_later(REVIVE_AFTER, self._revive_guardian)
            return
        self._loop.watch(self._guardian.sentinel, self._guardian_died)

    def _fork_server_died(self) -> None:
        self._loop.unwatch(self._fork_server.sentinel)
        status = self._fork_server.returncode
        if status is not None and status >= 0:  # of itself, so the next one may do so too
            text = f"the fork server ended with status {status}; another one is started"
            self._record("error", f"{text} in {REVIVE_AFTER:g} s", {})
            self._loop.call_later(REVIVE_AFTER, self._start_fork_server)
            return
        how = "was given up while it started a worker" if self._fork_server.is_given_up else "died"
        self._record("warning", f"the fork server {how}; another one is started", {})
        self._start_fork_server()

    def _fork_server_started(self, error: OSError | None) -> None:
        """In the thread of the fork server's launches."""
        self._mailbox.tell(lambda: self._after_start(error))

    def _after_start(self, error: OSError | None) -> None:
        if error is None:
            self._loop.watch(self._fork_server.sentinel, self._fork_server_died)
            return
        self._record("error", f"no fork server can be started: {error}", {})
        self._loop.call_later(REVIVE_AFTER, self._start_fork_server)
