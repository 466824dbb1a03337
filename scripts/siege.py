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
        addresses: By socket: `front`, `publisher`, `back`, `collector`.
        seed: Of its choices.
    """

    def __init__(self, addresses: dict[str, list[str]], seed: int) -> None:
        self.random = random.Random(seed)
        self.context: zmq.Context[Any] = zmq.Context()
        self.addresses = addresses
        self.sockets: dict[str, zmq.Socket[Any]] = {}
        self.kinds: list[tuple[str, int, Callable[[], list[bytes]]]] = [
            ("front", zmq.DEALER, self.mutated),
            ("front", zmq.DEALER, self.random_frames),
            ("front", zmq.DEALER, self.odd_request),
            ("publisher", zmq.XSUB, self.subscription),
            ("back", zmq.DEALER, self.link_message),
            ("collector", zmq.XPUB, self.event),
        ]

    def run(self, count: int) -> int:
        """Send so many messages; how many were taken."""
        sent = 0
        while sent < count:
            where, kind, make = self.random.choice(self.kinds)
            stranger = self.plug(where, kind)
            for _ in range(self.random.choice((1, 20, 90, 300))):
                try:
                    stranger.send_multipart(make())
                except zmq.Again:  # cut off, or the rig doesn't read as fast
                    break
                sent += 1
            if self.random.random() < 0.3:
                self.unplug(where, kind)
            if self.random.random() < 0.01:
                sent += self.raw_bytes()
        for each in list(self.sockets.values()):
            each.close(0)
        self.context.term()
        return sent

    def plug(self, where: str, kind: int) -> zmq.Socket[Any]:
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

    def unplug(self, where: str, kind: int) -> None:
        self.sockets.pop(f"{where}{kind}").close()

    # each makes one message

    def header(self) -> dict[str, Any]:
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

    def mutated(self) -> list[bytes]:
        header = bytearray(json.dumps(self.header()).encode())
        for _ in range(self.random.choice((1, 3, 20))):
            header[self.random.randrange(len(header))] = self.random.randrange(256)
        frames = [b"", bytes(header), b'{"value": 1}', b""]
        if self.random.random() < 0.3:
            frames.insert(self.random.randrange(4), self.noise(100))
        if self.random.random() < 0.3:
            del frames[self.random.randrange(len(frames))]
        return frames

    def random_frames(self) -> list[bytes]:
        return [self.noise(200) for _ in range(self.random.choice((1, 2, 4, 5, 100)))]

    def odd_request(self) -> list[bytes]:
        header = self.header()
        odd: list[Any] = [None, "", "x" * 60_000, -1, [], {}, "__class__", "\ud800", 1e308, True]
        header[self.random.choice(list(header))] = self.random.choice(odd)
        text = json.dumps(header)
        if self.random.random() < 0.1:
            text = "[" * 30_000
        return [b"", text.encode("utf-8", "replace"), self.noise(50), self.noise(50)]

    def subscription(self) -> list[bytes]:
        topics = (b"a/said", b"", b"b/", b"x" * 900, b"orch-probe", self.noise(50))
        first = self.random.choice((b"", b"\0", b"\1", b"x")) + self.random.choice(topics)
        rest = [self.random.choice((b"\1t", b"\0a/said", b""))] * self.random.choice((0, 0, 1, 3))
        return [first, *rest]

    def link_message(self) -> list[bytes]:
        return [bytes(8), b'{"type":"ready"}', b"{}", b""][: self.random.randrange(1, 5)]

    def event(self) -> list[bytes]:
        topic = self.random.choice((b"a/said", b"b/said", b"", b"\xff"))
        return [topic, self.noise(32), b"{}", b"1", b""][: self.random.randrange(1, 6)]

    def noise(self, most: int) -> bytes:
        return self.random.randbytes(self.random.randrange(most))

    def raw_bytes(self) -> int:
        """Bytes that are no message of ZeroMQ at all, at a port."""
        address = self.random.choice([each for each in self.addresses["front"] if "tcp" in each])
        host, port = address.removeprefix("tcp://").rsplit(":", 1)
        greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(48)
        with socket.create_connection((host, int(port)), timeout=5) as raw:
            raw.sendall(self.random.choice((greeting, greeting + b"\x04\x19\x05READY", b"GET /")))
            raw.sendall(self.noise(1000))
        return 1


# -- the normal client ------------------------------------------------------------------------


class Normal:
    """Calls a worker all the while, and takes the time."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.waits: list[float] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with connect() as rig, rig.a.subscribe("said") as heard:
            value = 0
            while not self._stop.is_set():
                value += 1
                began = time.perf_counter()
                try:
                    if rig.a.say(value) != value:
                        self.errors.append(f"a wrong answer to {value}")
                    if heard.next(10).value != value:
                        self.errors.append(f"a wrong event for {value}")
                except (OrchError, TimeoutError, OSError) as error:
                    self.errors.append(f"{type(error).__name__}: {error}")
                self.waits.append(time.perf_counter() - began)
                self._stop.wait(0.002)

    def end(self) -> float:
        """Stop; the 99th percentile in seconds."""
        self._stop.set()
        self._thread.join()
        return sorted(self.waits)[int(0.99 * len(self.waits))] if self.waits else float("inf")


# -- the siege --------------------------------------------------------------------------------


def besiege(folder: str, process: Any, options: argparse.Namespace) -> int:
    """Run it against a rig that is up; prints the report."""
    run = next(Path(folder, "run").glob("*/state.json")).parent
    state = json.loads((run / "state.json").read_text())
    addresses = {
        "front": state["addresses"],
        "publisher": state["events"],
        "back": [f"ipc://{next(run.rglob('link.ipc'))}"],
        "collector": [f"ipc://{next(run.rglob('xsub.ipc'))}"],
    }
    quiet = Normal()
    time.sleep(3.0)  # it measures for so long
    before = quiet.end()
    client = Normal()
    supervisor = psutil.Process(process.pid)
    peak, sent, seed, began = 0, 0, options.seed, time.monotonic()
    strangers: list[subprocess.Popen[str]] = []
    while process.poll() is None:
        for each in [each for each in strangers if each.poll() is not None]:
            strangers.remove(each)
            output = each.communicate()[0]
            sent += int(output) if output.strip() else 0
        seconds = time.monotonic() - began
        is_over = sent >= options.messages if options.messages else seconds > options.seconds
        if is_over and not strangers:
            break
        if not is_over and len(strangers) < options.strangers:
            seed += 1
            arguments = ["--stranger", json.dumps(addresses), "--seed", str(seed)]
            strangers.append(
                subprocess.Popen(
                    ["nice", "-n", "19", sys.executable, __file__, *arguments],
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
        try:
            peak = max(peak, supervisor.memory_info().rss)
        except psutil.Error:
            break
        time.sleep(0.05)  # between two looks at the memory
    after = client.end()
    crashes = int(process.poll() is not None)
    counts: dict[str, int] = {}
    if not crashes:
        with connect() as rig:
            counts = rig.status()["counts"]
    counts.pop("answered", None)
    bound = max(RATIO * before, FLOOR)
    print(f"seed            {options.seed}")
    print(f"messages        {sent:,} in {time.monotonic() - began:.0f} s")
    print(f"crashes         {crashes}")
    print(f"faults          {counts.get('faults', 0)}")
    print(f"client          {len(client.waits):,} calls, {len(client.errors)} errors")
    print(f"client's p99    {1e3 * before:.1f} ms before, {1e3 * after:.1f} ms under siege")
    print(f"peak memory     {peak >> 20} MiB")
    print(f"the rig counts  {json.dumps(counts, sort_keys=True)}")
    for error in client.errors[:5]:
        print(f"  {error}")
    bad = crashes or counts.get("faults") or client.errors or not client.waits
    return int(bool(bad or peak > MEMORY << 20 or (after > bound and not options.no_p99)))


def main() -> int:
    """Besiege a rig of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="for how long (default 30)")
    parser.add_argument("--messages", type=int, help="how many messages, however long it takes")
    parser.add_argument("--strangers", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--no-p99", action="store_true", help="where others share the machine")
    parser.add_argument("--stranger", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stranger:
        print(Stranger(json.loads(options.stranger), options.seed).run(5000))
        return 0
    with tempfile.TemporaryDirectory(prefix="orch-siege-") as folder:
        Path(folder, "siege_driver.py").write_text(DRIVER)
        config = Path(folder, "siege.yaml")
        config.write_text(CONFIG.format(rig=f"siege{os.getpid()}"))
        os.environ.update(ORCH_RUNTIME_DIR=f"{folder}/run", ORCH_STATE_DIR=f"{folder}/state")
        command = [sys.executable, "-m", "orchestrator", "run", str(config)]
        with open(f"{folder}/stderr", "w+") as log:
            process = subprocess.Popen(command, stderr=log)
            try:
                wait_until_up(process)
                return besiege(folder, process, options)
            finally:
                if process.poll() not in (None, 0):
                    log.seek(0)
                    print(log.read()[-2000:])
                process.terminate()
                process.wait(30)


def wait_until_up(process: subprocess.Popen[bytes]) -> None:
    """Until its workers are READY."""
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OrchError), connect() as rig:  # there is none yet
            if all(each["state"] == "READY" for each in rig.status()["workers"]):
                return
        time.sleep(0.05)  # nothing of it can be waited on before it is up
    raise SystemExit("the rig didn't come up")


if __name__ == "__main__":
    sys.exit(main())
