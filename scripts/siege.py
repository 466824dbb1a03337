"""A rig under siege: mutated and malformed messages at all its sockets, beside a normal client.

Strangers are processes of their own, at the lowest priority. Reported are the messages that they
sent, what the rig counts of them, and what the normal client saw. Exit status: 0 if the rig lives,
that client had no error, and memory and p99 are within their bounds; else 1.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import zmq

from orchestrator import connect
from orchestrator.errors import OrchError
from transports.lane import CLIENTS_FILE, GREETING, PACKET, WORKERS_FILE

CONFIG = """\
rig: {rig}
listen: [ipc, "tcp://127.0.0.1:*"]
workers:
  a: {{driver: "siege_driver:Plain"}}
  b: {{driver: "siege_driver:Plain"}}
"""
DRIVER = """\
from workers import Event

class Plain:
    said = Event()

    def say(self, value: int) -> int:
        self.said.emit(value)
        return value
"""
LANES = {Path(each).stem for each in (CLIENTS_FILE, WORKERS_FILE)}
MEMORY = 150
"""MiB that the rig's process may come to."""
RATIO = 3.0
"""How many times as long the slowest hundredth of calls may take as without strangers."""
FLOOR = 0.02
"""Seconds below which they aren't compared: a turn of the scheduler."""


# -- strangers --------------------------------------------------------------------------------


class Stranger:
    """Sends one kind of rubbish after the other to the addresses that it is given.

    Args:
        addresses: By socket: `front`, `publisher`, `back`; events' has a door for workers. And
            the paths of `lanes`, if there are any.
        seed: Of its choices.
    """

    def __init__(self, addresses: dict[str, list[str]], seed: int) -> None:
        self.random = random.Random(seed)
        self.context: zmq.Context[Any] = zmq.Context()
        self.addresses = addresses
        self.sockets: dict[str, zmq.Socket[Any]] = {}
        self.kinds: list[tuple[str, int, Callable[[], list[bytes]]]] = [
            ("front", zmq.DEALER, self._mutated),
            ("front", zmq.DEALER, self._random_frames),
            ("front", zmq.DEALER, self._odd_request),
            ("publisher", zmq.XSUB, self._subscription),
            ("back", zmq.DEALER, self._link_message),
        ]

    def keep_only(self, names: list[str]) -> None:
        """Send only these kinds: names of the methods below."""
        self.kinds = [each for each in self.kinds if each[2].__name__.strip("_") in names]

    def run(self, count: int) -> int:
        """Send so many messages; how many were taken."""
        sent = 0
        while sent < count:
            where, kind, make = self.random.choice(self.kinds)
            stranger = self._plug(where, kind)
            for _ in range(self.random.choice((1, 20, 90, 300))):
                try:
                    stranger.send_multipart(make())
                except zmq.Again:  # cut off, or the rig doesn't read as fast
                    break
                sent += 1
            if self.random.random() < 0.3:
                self._unplug(where, kind)
            if self.random.random() < 0.01:
                sent += self._raw_bytes()
            if self.random.random() < 0.1 and self.addresses.get("lanes"):
                sent += self._packets()
        for each in list(self.sockets.values()):
            each.close(0)
        self.context.term()
        return sent

    def _plug(self, where: str, kind: int) -> zmq.Socket[Any]:
        name = f"{where}{kind}"
        if name not in self.sockets:
            made: zmq.Socket[Any] = self.context.socket(kind)
            made.linger = 200
            made.sndtimeo = 200
            made.setsockopt(zmq.IMMEDIATE, 1)
            if kind == zmq.DEALER and self.random.random() < 0.3:
                made.setsockopt(zmq.IDENTITY, self.random.choice((b"one", b"two", b"x" * 255)))
            made.connect(self.random.choice(self.addresses[where]))
            self.sockets[name] = made
        return self.sockets[name]

    def _unplug(self, where: str, kind: int) -> None:
        self.sockets.pop(f"{where}{kind}").close()

    # each makes one message

    def _header(self) -> dict[str, Any]:
        return {
            "messageType": "OPERATION",
            "messageID": str(self.random.getrandbits(64)),
            "senderID": "stranger",
            "receiverID": "siege",
            "serverExecutionContext": None,
            "thingID": "b",
            "objekt": "say",
            "operation": "invokeaction",
        }

    def _mutated(self) -> list[bytes]:
        header = bytearray(json.dumps(self._header()).encode())
        for _ in range(self.random.choice((1, 3, 20))):
            header[self.random.randrange(len(header))] = self.random.randrange(256)
        frames = [b"", bytes(header), b'{"value": 1}', b""]
        if self.random.random() < 0.3:
            frames.insert(self.random.randrange(4), self._noise(100))
        if self.random.random() < 0.3:
            del frames[self.random.randrange(len(frames))]
        return frames

    def _random_frames(self) -> list[bytes]:
        return [self._noise(200) for _ in range(self.random.choice((1, 2, 4, 5, 100)))]

    def _odd_request(self) -> list[bytes]:
        header = self._header()
        odd: list[Any] = [None, "", "x" * 60_000, -1, [], {}, "__class__", "\ud800", 1e308, True]
        header[self.random.choice(list(header))] = self.random.choice(odd)
        text = json.dumps(header)
        if self.random.random() < 0.1:
            text = "[" * 30_000
        return [b"", text.encode("utf-8", "replace"), self._noise(50), self._noise(50)]

    def _subscription(self) -> list[bytes]:
        topics = (b"a/said", b"", b"b/", b"x" * 900, b"orch-probe", self._noise(50))
        first = self.random.choice((b"", b"\0", b"\1", b"x")) + self.random.choice(topics)
        rest = [self.random.choice((b"\1t", b"\0a/said", b""))] * self.random.choice((0, 0, 1, 3))
        return [first, *rest]

    def _link_message(self) -> list[bytes]:
        return [bytes(8), b'{"type":"ready"}', b"{}", b""][: self.random.randrange(1, 5)]

    def _packets(self) -> int:
        """Packets on a lane: none, half a message, one of somebody else's, or noise."""
        dice = self.random
        sent = 0
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as lane:
            lane.settimeout(0.2)
            try:
                lane.connect(dice.choice(self.addresses["lanes"]))
                identity = dice.choice((b"one", b"\0rig", b"x" * 300, b"", self._noise(40)))
                lane.send(dice.choice((GREETING + identity, GREETING + identity, self._noise(90))))
                for _ in range(dice.choice((0, 1, 5, 200))):
                    lengths = [dice.choice((0, 2, 90, 2**32 - 1)) for _ in range(4)]
                    head = struct.pack("=4I", *lengths)
                    frames = [self._mutated()[1], b"{}", b""]
                    right = struct.pack("=4I", 0, *map(len, frames)) + b"".join(frames)
                    begun = struct.pack("=4I", 0, 1 << 24, 0, 0) + bytes(PACKET - 16)
                    lane.send(dice.choice((right, right, head, begun, self._noise(500), b"\0")))
                    sent += 1
            except OSError:  # cut off, or the rig doesn't read as fast
                return sent
        return sent

    def _noise(self, most: int) -> bytes:
        return self.random.randbytes(self.random.randrange(most))

    def _raw_bytes(self) -> int:
        """Bytes that are no message of ZeroMQ at all, at a port."""
        address = self.random.choice([each for each in self.addresses["front"] if "tcp" in each])
        host, port = address.removeprefix("tcp://").rsplit(":", 1)
        greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(48)
        try:
            raw = socket.create_connection((host, int(port)), timeout=5)
        except ConnectionRefusedError:
            return 0  # the clients' socket is being made anew
        with raw:
            raw.sendall(self.random.choice((greeting, greeting + b"\x04\x19\x05READY", b"GET /")))
            raw.sendall(self._noise(1000))
        return 1


# -- the normal client ------------------------------------------------------------------------


class Normal:
    """Calls a worker of a rig while it is entered, and takes the time."""

    def __init__(self, rig: str) -> None:
        self._rig = rig
        self.errors: list[str] = []
        self.waits: list[float] = []
        self.others = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Normal:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with connect(self._rig) as rig, rig.a.subscribe("said") as heard:
            value = 0
            while not self._stop.is_set():
                value += 1
                began = time.perf_counter()
                try:
                    if rig.a.say(value) != value:
                        self.errors.append(f"a wrong answer to {value}")
                    # Some mutation of a stranger's request is a right one to this worker.
                    while heard.next(10).value != value:
                        self.others += 1
                except (OrchError, TimeoutError, OSError) as error:
                    self.errors.append(f"{type(error).__name__}: {error}")
                self.waits.append(time.perf_counter() - began)
                self._stop.wait(0.002)

    @property
    def p99(self) -> float:
        """The 99th percentile in seconds."""
        return sorted(self.waits)[int(0.99 * len(self.waits))] if self.waits else float("inf")


# -- the siege --------------------------------------------------------------------------------


class RunningRig:
    """A rig of its own, in its own folders, that is up.

    Attributes:
        name: Its id.
        process: Its supervisor.
        addresses: Of its sockets, for strangers.
    """

    def __init__(self, folder: str, name: str) -> None:
        self.name = name
        self._config = Path(folder, f"{name}.yaml")
        self._config.write_text(CONFIG.format(rig=name))
        self._run = Path(folder, "run", name)

    def __enter__(self) -> RunningRig:
        command = [sys.executable, "-m", "orchestrator", "run", str(self._config)]
        self._log = self._config.with_suffix(".log").open("w+")
        self.process = subprocess.Popen(command, stderr=self._log)
        self._wait_until_up()
        state = json.loads((self._run / "state.json").read_text())
        self.addresses = {
            "front": state["addresses"],
            "publisher": state["events"],
            "back": [f"ipc://{next(self._run.rglob('link.ipc'))}"],
            "lanes": [str(each) for each in self._run.rglob("*.sock") if each.stem in LANES],
        }
        return self

    def __exit__(self, *exc: object) -> None:
        if self.process.poll() not in (None, 0):
            self._log.seek(0)
            print(self._log.read()[-2000:])
        self.process.terminate()
        self.process.wait(30)
        self._log.close()

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + 30
        while self.process.poll() is None and time.monotonic() < deadline:
            # there may be none yet
            with contextlib.suppress(OrchError), connect(self.name) as rig:
                if all(each["state"] == "READY" for each in rig.status()["workers"]):
                    return
            time.sleep(0.05)  # nothing of it can be waited on before it is up
        raise SystemExit("the rig didn't come up")


class Siege:
    """Strangers at a rig.

    Attributes:
        sent: Messages that they have sent.
        peak: Bytes that the rig's process came to.
    """

    def __init__(self, rig: RunningRig, options: argparse.Namespace) -> None:
        self.sent = 0
        self.peak = 0
        self._rig = rig
        self._options = options
        self._seed = options.seed
        self._strangers: list[subprocess.Popen[str]] = []

    def go_on(self, is_over: Callable[[], bool]) -> None:
        """Besiege until it is over, or the rig has died."""
        supervisor = psutil.Process(self._rig.process.pid)
        while self._rig.process.poll() is None:
            for each in [each for each in self._strangers if each.poll() is not None]:
                self._strangers.remove(each)
                self.sent += int(each.communicate()[0] or 0)
            if is_over():
                if not self._strangers:
                    return
            elif len(self._strangers) < self._options.strangers:
                self._strangers.append(self._stranger())
            with contextlib.suppress(psutil.Error):
                self.peak = max(self.peak, supervisor.memory_info().rss)
            time.sleep(0.05)  # between two looks at the memory

    def _stranger(self) -> subprocess.Popen[str]:
        self._seed += 1
        arguments = ["--stranger", json.dumps(self._rig.addresses), "--seed", str(self._seed)]
        if self._options.only:
            arguments += ["--only", *self._options.only]
        command = ["nice", "-n", "19", sys.executable, __file__, *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def report(folder: str, options: argparse.Namespace) -> int:
    """Besiege, print what came of it, and judge it."""
    with RunningRig(folder, f"siege{os.getpid()}") as rig:
        # Strangers take their share of the machine, whichever rig they besiege.
        with Normal(rig.name) as client, RunningRig(folder, f"decoy{os.getpid()}") as decoy:
            end = time.monotonic() + min(options.seconds / 3, 20.0)
            Siege(decoy, options).go_on(lambda: time.monotonic() > end)
        before = client.p99
        siege, began = Siege(rig, options), time.monotonic()
        with Normal(rig.name) as client:
            if options.messages:
                siege.go_on(lambda: siege.sent >= options.messages)
            else:
                siege.go_on(lambda: time.monotonic() - began > options.seconds)
        seconds, after = time.monotonic() - began, client.p99
        has_crashed = rig.process.poll() is not None
        counts: dict[str, int] = {}
        if not has_crashed:
            with connect(rig.name) as connected:
                counts = connected.status()["counts"]
    counts.pop("answered", None)
    print(f"seed            {options.seed}")
    print(f"messages        {siege.sent:,} in {seconds:.0f} s")
    print(f"crashes         {int(has_crashed)}")
    print(f"faults          {counts.get('faults', 0)}")
    print(
        f"client          {len(client.waits):,} calls, {len(client.errors)} errors, "
        f"{client.others} others' events"
    )
    print(f"client's p99    {1e3 * after:.1f} ms; {1e3 * before:.1f} ms while another is besieged")
    print(f"peak memory     {siege.peak >> 20} MiB")
    print(f"the rig counts  {json.dumps(counts, sort_keys=True)}")
    for error in client.errors[:5]:
        print(f"  {error}")
    is_slow = after > max(RATIO * before, FLOOR) and not options.no_p99
    bad = has_crashed or counts.get("faults") or client.errors or not client.waits
    return int(bool(bad or is_slow or siege.peak > MEMORY << 20))


def main() -> int:
    """Besiege a rig of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="for how long (default 30)")
    parser.add_argument("--messages", type=int, help="how many messages, however long it takes")
    parser.add_argument("--strangers", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--only", nargs="+", metavar="KIND", help="such as mutated or event")
    parser.add_argument("--no-p99", action="store_true", help="where others share the machine")
    parser.add_argument("--stranger", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stranger:
        stranger = Stranger(json.loads(options.stranger), options.seed)
        if options.only:
            stranger.keep_only(options.only)
        print(stranger.run(5000))
        return 0
    with tempfile.TemporaryDirectory(prefix="orch-siege-") as folder:
        Path(folder, "siege_driver.py").write_text(DRIVER)
        os.environ.update(ORCH_RUNTIME_DIR=f"{folder}/run", ORCH_STATE_DIR=f"{folder}/state")
        return report(folder, options)


if __name__ == "__main__":
    sys.exit(main())
