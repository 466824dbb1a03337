"""Follows a rig's log and sends what it has of requests, each one once it is complete.

What a collector that is away can't take waits in the log: nothing is read on meanwhile. How far it
has come is in a file beside the log, so that the next one goes on there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from orchestrator.gateway.otlp import Collector, Spans
from orchestrator.gateway.spans import Joiner, Told
from orchestrator.logs.read.lookup import Cursor, Query
from orchestrator.logs.read.query import Logs
from orchestrator.words import counted

PACE = 0.5
"""Seconds between two looks at the log."""
AGAIN = 5.0
"""Seconds until what a collector didn't take is sent again."""
TIMEOUT = 10.0
"""Seconds for a batch."""
BRIEF = 1.0
"""Seconds for one at the end, or while the collector is away: the rig's end isn't held up."""
AT_ONCE = 5000
"""Records that are read at a time."""
BATCH = 500
"""Requests of a batch."""
PLACE = "traces-sent"
"""The file that has how far it has come."""

Wait = Callable[[float], bool]
"""Waits that many seconds; True if it is to end."""


class Sending:
    """Sends a rig's traces.

    Args:
        rig: Its id.
        folder: Its log's folder.
        to: Address of the collector.
        wait: Waits, and tells when it is to end.
        say: Tells people something.
        on_damage: Is told of each file of the log that can't be read.
    """

    def __init__(
        self,
        rig: str,
        folder: Path,
        to: str,
        *,
        wait: Wait,
        say: Callable[[str], None],
        on_damage: Callable[[Path, str], None],
    ) -> None:
        self._logs = Logs(folder, on_damage)
        self._folder = folder
        self._to = to
        self._wait = wait
        self._say = say
        self._spans = Spans(rig)
        self._collector = Collector(to, TIMEOUT, BRIEF)
        self._joiner = Joiner()
        self._is_away = self._is_forgetful = False
        self._at = self._place()

    def run(self) -> None:
        """Send until it is to end."""
        over = False
        while not over:
            is_behind = self._read()
            told = self._joiner.due(time.monotonic())
            over = not self._send_all(told) or self._wait(0.0 if is_behind else PACE)
        if self._is_away:
            return  # what waits is in the log, for the next one
        self._read()
        last = self._joiner.due(time.monotonic(), all_of_them=True)
        batches = (last[at : at + BATCH] for at in range(0, len(last), BATCH))
        if all(self._send(each, brief=True) for each in batches):
            self._keep()

    def _read(self) -> bool:
        """Read on; whether there is more."""
        end, now, count = self._logs.end(), time.monotonic(), 0
        if end <= self._at:
            return False
        query = Query(after=self._at, upto=end, spans=True)
        for entry in self._logs.read(query, limit=AT_ONCE):
            count += 1
            self._joiner.take(entry, now)
            self._at = Cursor.parse(entry.cursor)
        if count < AT_ONCE:
            self._at = end
        return count == AT_ONCE

    def _send_all(self, told: list[Told]) -> bool:
        """Send requests, however long it takes; False if it is to end before they are sent."""
        for at in range(0, len(told), BATCH):
            while not self._send(told[at : at + BATCH]):
                if self._wait(AGAIN):
                    return False
        if told:
            self._keep()
        return True

    def _send(self, told: list[Told], *, brief: bool = False) -> bool:
        """Send a batch; whether that is done, be it that the collector will never take it."""
        if self._collector.send(self._spans.of(told), brief=brief or self._is_away):
            if self._is_away:
                self._say(f"{self._to} takes traces again; what waited is sent")
            self._is_away = False
            return True
        if self._collector.refused:
            what = counted(len(told), "request")
            self._say(f"{self._to} refused the traces of {what}: {self._collector.reason}")
            return True
        if not self._is_away:
            self._say(f"traces can't be sent to {self._to}, they wait: {self._collector.reason}")
        self._is_away = True
        return False

    def _place(self) -> Cursor:
        """Where to begin: where the last one was, else with the rig's last run."""
        try:
            return Cursor.parse((self._folder / PLACE).read_text().strip())
        except FileNotFoundError:
            pass  # nothing was sent yet
        except ValueError as error:
            self._say(f"{self._folder / PLACE}: {error}; the last run is sent again")
        try:
            run = self._logs.run_number(0)
        except ValueError:  # there is none
            return Cursor(0, 0)
        for entry in self._logs.read(Query(run=run, spans=True), limit=1):
            first = Cursor.parse(entry.cursor)
            return Cursor(first.segment, first.seq - 1)
        return self._logs.end()

    def _keep(self) -> None:
        new = self._folder / f"{PLACE}.new"
        try:
            new.write_text(f"{self._joiner.place(self._at)}\n")
            os.replace(new, self._folder / PLACE)
        except OSError as error:
            if not self._is_forgetful:
                told = "traces that were sent may be sent again"
                self._say(f"{self._folder / PLACE} can't be written, {told}: {error.strerror}")
            self._is_forgetful = True
