"""The collector: a process that reads what all workers print and record, and stores it.

It reads pipes whose bytes the kernel keeps when their writer dies, and lives in a session of its
own, so that Ctrl-C, which ends the others, leaves it to see their end. It ends when its
supervisor says so or is gone, after the streams have ended or a deadline is over.
"""

from __future__ import annotations

import os
import select
import selectors
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Sequence

from orchestrator.logs.collect import control
from orchestrator.logs.collect.dumps import Repeats
from orchestrator.logs.collect.news import NewsOut
from orchestrator.logs.collect.options import parse
from orchestrator.logs.collect.reader import StreamReader
from orchestrator.logs.collect.screen import Screen
from orchestrator.logs.show.display import Display, wants_colour
from orchestrator.logs.store.chain import Keep
from orchestrator.logs.store.json_lines import read_json
from orchestrator.logs.store.records import Record, masked
from orchestrator.logs.store.segments import Run
from orchestrator.logs.store.shared import Shared
from orchestrator.logs.store.store import Store
from orchestrator.words import counted
from transports.levels import AUDIT_LOGGER, LEVELS, SPAN_LOGGER
from workers.output.request_marks import mark_begin
from workers.stop_signals import STOP_SIGNALS, take_up

CHUNK = 64 * 1024
"""Bytes read from a stream in one turn: no stream can keep the others waiting."""

ORPHAN_GRACE = 5.0
"""Seconds to go on reading after the supervisor died without a word."""
GUARDIAN_GRACE = 600.0
"""The same while the rig's guardian, who holds the stream of its records, makes devices safe."""

HOST_LOGGER = "workers"
"""The logger of what runs a driver."""
LAST_LINES = 20
"""Lines of a worker that are kept for its death."""
PAUSE = 0.004
"""Seconds of rest after a turn that brought little. A reader that isn't waiting needn't be woken,
and that is most of what a write costs its writer."""

LULL = 0.015
"""The same after a turn that brought no line: marks of requests alone, thousands a second. The
supervisor is heard meanwhile."""

_LITTLE = CHUNK // 2
_FINAL_READS = 64  # chunks still taken from a stream that has not ended by the deadline
_LAST_WORDS = 0.5  # seconds for store and screen to end, when no time is left


class Collector:
    """Reads streams in fair turns; each turn's records go to the store and the screen.

    Args:
        supervisor: Socket that brings streams; owned from here on.
        store: Where records go.
        screen: Where people look.
        level: The lowest level of a record that is shown; output lines always are, and the store
            gets everything.
        rig: Name on the collector's own records.
        shared: What outlives this collector.
        json_lines: Whether printed lines that are JSON are read as records.
    """

    def __init__(
        self,
        supervisor: socket.socket,
        *,
        store: Store,
        screen: Screen,
        level: str,
        rig: str,
        shared: Shared,
        json_lines: bool = True,
    ) -> None:
        self._shared = shared
        self._json_lines = json_lines
        self._supervisor = supervisor
        self._store = store
        self._screen = screen
        self._weight = LEVELS[level]
        self._rig = rig
        self._selector = selectors.DefaultSelector()
        self._readers: dict[StreamReader, int] = {}
        self._waiting: set[StreamReader] = set()  # for more to come, or for a moment to pass
        self._repeats = Repeats()
        self._messages = b""
        self._news = NewsOut(supervisor)
        self._fds: list[int] = []
        self._deadline: float | None = None
        self._ending = "stopped"
        self._is_orphan = False
        self._records: list[Record] = []
        self._tails: dict[tuple[str, int], deque[str]] = {}
        self._hidden: tuple[str, ...] = ()
        supervisor.setblocking(False)
        self._selector.register(supervisor, selectors.EVENT_READ)
        self._rest = select.poll()  # by which the supervisor is heard in a lull
        self._rest.register(supervisor, select.POLLIN)

    def run(self) -> None:
        """Collect until the supervisor is gone or said so, and the streams have ended."""
        while not self._done():
            if self._store.is_behind:
                self._store.wait_for_room(PAUSE)
            size = 0
            ready = self._selector.select(self._timeout())
            self._shared.turn()
            for key, _ in ready:
                if key.data is None:
                    self._read_messages()
                elif key.data in self._readers:  # a message may just have ended it
                    size += self._read(key.data)
            self._take_due()
            is_lull = not self._records
            self._hand_over(size)
            if 0 < size < _LITTLE:  # a reader that sleeps at each line makes each write dear
                if is_lull:
                    self._rest.poll(LULL * 1000)
                else:
                    time.sleep(PAUSE)
        for reader in sorted(self._readers, key=lambda reader: reader.source):
            self._give_up(reader)
        self._hand_over(0)
        self._end()
        self._selector.close()

    def _end(self) -> None:
        assert self._deadline is not None
        store = self._store
        left = max(self._deadline - time.monotonic(), _LAST_WORDS)
        if not store.close(left, self._ending) or store.dropped:
            what = counted(store.dropped, "record")
            lost = f"{what} could not be kept: {store.folder} can't be written"
            self._screen.show([own_record(self._rig, "error", lost)])
        self._screen.close(_LAST_WORDS)

    def note(self, level: str, event: str) -> None:
        """Add a record of the collector itself."""
        self._records.append(own_record(self._rig, level, event))

    def _done(self) -> bool:
        return self._deadline is not None and (
            not self._readers or time.monotonic() >= self._deadline
        )

    def _timeout(self) -> float | None:
        times = [] if self._deadline is None else [self._deadline - time.monotonic()]
        if self._waiting:
            times.append(min(reader.due or 0.0 for reader in self._waiting) - time.monotonic())
        return max(min(times), 0.0) if times else None

    def _take_due(self) -> None:
        """Take what streams have held back until now."""
        now = time.time()
        for reader in list(self._waiting):
            self._records += reader.take_due(now)
            self._note_due(reader)

    def _note_due(self, reader: StreamReader) -> None:
        if reader.due is None:
            self._waiting.discard(reader)
        else:
            self._waiting.add(reader)

    # --- streams

    def _read(self, reader: StreamReader) -> int:
        """Take one chunk; gives its size, 0 when there is nothing more for now."""
        try:
            data = os.read(reader.fd, CHUNK)
        except BlockingIOError:
            return 0
        if not data:
            self._end_stream(reader)
        else:
            self._shared.reading(data.count(b"\n"))
            marked = reader.last_mark
            self._records += reader.feed(data, time.time())
            self._note_due(reader)
            if reader.last_mark is not marked:
                self._shared.keep_mark(self._readers[reader], reader.last_mark)
        return len(data)

    def _end_stream(self, reader: StreamReader) -> None:
        self._records += reader.end(time.time())
        self._waiting.discard(reader)
        del self._readers[reader]
        self._selector.unregister(reader.fd)
        os.close(reader.fd)
        if self._is_orphan and reader.source.shared:
            self._close_by(time.monotonic() + ORPHAN_GRACE)

    def _give_up(self, reader: StreamReader) -> None:
        """Leave a stream that somebody still holds open, with what it brought so far."""
        for _ in range(_FINAL_READS):
            if not self._read(reader):
                break
        if reader in self._readers:
            self._end_stream(reader)

    # --- messages of the supervisor

    def _read_messages(self) -> None:
        try:
            data, fds, _, _ = socket.recv_fds(self._supervisor, control.MAX_MESSAGE, 16)
        except BlockingIOError:
            return
        except OSError:
            data, fds = b"", []  # a dead supervisor, told in another way
        self._fds += fds
        if not data:
            self._selector.unregister(self._supervisor)
            self._rest.unregister(self._supervisor)
            self._supervisor.close()
            if self._deadline is None:
                self._ending = "its supervisor died"
            guarded = any(reader.source.shared for reader in self._readers)
            self._close_by(time.monotonic() + (GUARDIAN_GRACE if guarded else ORPHAN_GRACE))
            self._is_orphan = True
            return
        self._news.has_read()
        *lines, self._messages = (self._messages + data).split(b"\n")
        for line in lines:
            message = control.decode(line)
            if isinstance(message, control.Close):
                self._close_by(message.deadline)
                self._end_own_output()
            elif isinstance(message, control.Hide):
                self._hidden = tuple(dict.fromkeys((*self._hidden, message.text)))
            elif isinstance(message, control.Ended):
                self._keep_last_lines(message)
            elif self._fds:
                self._collect(self._fds.pop(0), message)
            else:
                # A descriptor comes with the first byte of its message, or not at all.
                source = message.source
                what = f"{source.stream} of {source.worker} {source.incarnation}"
                self.note("error", f"{what} is not collected: too many open files")

    def _collect(self, fd: int, message: control.Collect) -> None:
        os.set_blocking(fd, False)
        begin = None if message.stream == "record" else mark_begin(fd)
        # Where this collector takes over, the request that runs was marked for the last one.
        last_mark = self._shared.last_mark(message.slot)
        reader = StreamReader(fd, message.source, begin, last_mark)
        self._readers[reader] = message.slot
        self._selector.register(fd, selectors.EVENT_READ, reader)

    def _keep_last_lines(self, message: control.Ended) -> None:
        """Put what an incarnation wrote last beside how it died."""
        key = message.worker, message.incarnation
        if message.how is None:
            self._tails.pop(key, None)
            return
        for reader in [each for each in self._readers if each.source[:2] == key]:
            # It is dead: what it wrote is in the pipes, and will be read without waiting.
            for _ in range(_FINAL_READS):
                if not self._read(reader):
                    break
            self._records += reader.take_due(time.time(), all_of_it=True)
        self._hand_over(0)
        lines = self._tails.pop(key, ())
        self._news.last_lines(*key, lines)
        record = Record(
            time.time(),
            "error",
            *key,
            "record",
            f"{message.how}; its last lines are",
            logger="logs",
            exception="\n".join(lines) or None,
        )
        # Not shown: a screen has just seen these lines.
        self._store.add([record], 0)

    def _end_own_output(self) -> None:
        """The supervisor prints no more here. Children of its may hold the streams open."""
        for reader in list(self._readers):
            if reader.source.incarnation == 0 and reader.source.stream != "record":
                self._give_up(reader)

    def _close_by(self, deadline: float) -> None:
        if self._deadline is None or deadline < self._deadline:
            self._deadline = deadline

    def _hand_over(self, size: int) -> None:
        """Give the turn's records to store and screen."""
        records, self._records = self._records, []
        if self._json_lines:
            records = [read_json(record) for record in records]
        if self._hidden:
            records = [masked(record, self._hidden) for record in records]
        self._news.stacks(records)
        if not records:
            self._shared.handed_over()
            return
        records = [self._repeats.fold(record) for record in records]
        for record in records:
            if record.incarnation and _is_its_own(record):
                key = record.worker, record.incarnation
                tail = self._tails.get(key)
                if tail is None:
                    tail = self._tails[key] = deque(maxlen=LAST_LINES)
                tail.append(record.event)
        if not self._screen.is_gone:
            weight = self._weight
            self._screen.show([r for r in records if r.stream != "record" or r.weight >= weight])
        self._store.add(records, size)
        self._shared.handed_over()


def _is_its_own(record: Record) -> bool:
    """Whether a worker's driver said it, or its host why it can't go on: not what the rig says of
    the worker, records of its requests, or what the host notes beside, errors of calls too."""
    if record.logger == HOST_LOGGER:
        return record.weight >= LEVELS["error"]
    return record.logger not in ("", AUDIT_LOGGER, SPAN_LOGGER)


def own_record(rig: str, level: str, event: str) -> Record:
    """A record of the collector itself."""
    return Record(time.time(), level, rig, 0, "record", event, logger="logs")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the collector; its arguments are the supervisor's business.

    Returns:
        The exit status, 0.
    """
    options = parse(arguments)
    # The supervisor ends this process, by their socket. A signal that was meant for all processes
    # of the rig must not silence those that are still to end.
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    take_up()
    _raise_file_limit()
    rig = options.rig
    shared = Shared(options.shared)
    display = Display(colour=wants_colour(sys.stderr, os.environ))
    screen = Screen(
        2,
        display.render,
        lambda dropped: own_record(
            rig,
            "warning",
            f"dropped {counted(dropped, 'line')} here, where nobody read them: see orch logs",
        ),
    )
    store = Store(
        options.folder,
        Run(
            number=0,
            id=options.run,
            started=options.started,
            pid=options.pid,
            config=options.config,
            version=options.release,
        ),
        rig=rig,
        keep=Keep(options.keep, options.keep_for),
        tell=lambda level, text: screen.show([own_record(rig, level, text)]),
        shared=shared,
    )
    collector = Collector(
        socket.socket(fileno=options.control),
        store=store,
        screen=screen,
        level=options.level,
        rig=rig,
        shared=shared,
        json_lines=not options.plain_lines,
    )
    if options.after:
        lost = store.dropped
        also = f", with {lost} records in hand" if lost else ""
        what = f"log collector started again: the last one {options.after}{also}"
        collector.note("warning", what)
    collector.run()
    return 0


def _raise_file_limit() -> None:
    """Allow as many open files as the system lets us: there are three a worker."""
    try:
        import resource
    except ImportError:  # not a POSIX system
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
