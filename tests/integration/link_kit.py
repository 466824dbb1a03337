"""Real workers against a bare ROUTER that plays the broker."""

from __future__ import annotations

import json
import multiprocessing
import os
import select
import shutil
import subprocess
import sys
import tempfile
from multiprocessing import reduction
from pathlib import Path
from typing import Any
from uuid import uuid4

import zmq
from zmq.auth.thread import ThreadAuthenticator

from tests.joined import joined
from transports.headers import (
    OPERATION,
    RequestHeader,
    ResponseHeader,
    decode_event_header,
    decode_response_header,
    encode_header,
)
from transports.link import (
    CONTROL,
    PRESENCE,
    Failed,
    LaneOpen,
    Ready,
    Stop,
    decode_control,
    encode_control,
)
from transports.serializers import JSON, TEXT, Buffer, decode
from workers.process import bootstrap, child
from workers.spec import WorkerSpec

DRIVERS = str(Path(__file__).parent / "drivers")
PATIENCE = 20_000  # ms; nothing waits that long unless it hangs


class Answer:
    """A response, decoded."""

    def __init__(self, number: int, frames: list[bytes]) -> None:
        self.number = number
        self.header: ResponseHeader = decode_response_header(frames[0])
        self.type = self.header.messageType
        self.payload = frames[1]
        self.raw = frames[2]

    @property
    def value(self) -> Any:
        header = self.header
        return joined(
            self.payload,
            header.payloadContentType,
            self.raw,
            header.preencodedPayloadContentType,
        )

    @property
    def exception(self) -> dict[str, Any]:
        assert self.type == "EXCEPTION", self.value
        body: dict[str, Any] = decode(self.payload)["exception"]
        return body


class Pipe:
    """The write end of a pipe, in a form that crosses to a new process."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __reduce__(self) -> Any:
        return _rebuild, (reduction.DupFd(self._fd),)

    def fileno(self) -> int:
        return self._fd


def _rebuild(duplicate: Any) -> Pipe:
    return Pipe(duplicate.detach())


class Bench:
    """One worker at a time, its link and its events."""

    def __init__(self) -> None:
        # not tmp_path: a unix socket's path has 107 bytes at most
        self.folder = Path(tempfile.mkdtemp(prefix="orch"))
        self.context: zmq.Context[Any] = zmq.Context()
        self.router = self.context.socket(zmq.ROUTER)
        self.router.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self.router.bind(f"ipc://{self.folder}/l")
        self.router.bind(f"inproc://{self.folder}/l")
        self.door = ThreadAuthenticator(self.context)
        self.door.start()
        self.events = self.context.socket(zmq.XSUB)
        self.events.setsockopt(zmq.PLAIN_SERVER, 1)
        self.events.bind(f"ipc://{self.folder}/x")
        self.events.bind(f"inproc://{self.folder}/x")
        for topic in (b"sample/", PRESENCE):  # the form of hololinked's clients
            self.events.send(b"\x01" + topic)
        for socket in (self.router, self.events):
            socket.setsockopt(zmq.RCVTIMEO, PATIENCE)
            socket.setsockopt(zmq.LINGER, 0)
        self.processes: list[Any] = []
        self.files: list[int] = []
        self.lanes: set[bytes] = set()
        self.number = 0
        self.spec = self.make_spec("sample_drivers:Sample")

    def make_spec(self, driver: str, *, scheme: str = "ipc", **fields: Any) -> WorkerSpec:
        values: dict[str, Any] = {
            "rig": "bench",
            "worker": "sample",
            "driver": driver,
            "link": f"{scheme}://{self.folder}/l",
            "events": f"{scheme}://{self.folder}/x",
            "token": uuid4().hex,
            "folder": DRIVERS,
            "place": "lab.yaml:3:5",
            "request_addresses": ["ipc:///run/front"],
            "event_addresses": ["ipc:///run/events"],
        }
        self.spec = WorkerSpec(**values | fields)
        self.door.configure_plain(passwords={self.spec.worker: self.spec.token})
        return self.spec

    # --- starting

    def pipe(self) -> tuple[int, int]:
        reader, writer = os.pipe()
        self.files += [reader, writer]
        return reader, writer

    def close(self, fd: int) -> None:
        self.files.remove(fd)
        os.close(fd)

    def start(self, spec: WorkerSpec, method: str = "spawn", **pipes: Any) -> Any:
        """Start a worker process; `self.alive` is the write end of its sign of life."""
        context = multiprocessing.get_context(method)
        alive, keep = context.Pipe(duplex=False)
        self.alive = keep
        process = context.Process(
            target=child.main,
            args=(
                spec.to_dict(),
                alive,
                pipes.get("stdout"),
                pipes.get("stderr"),
                pipes.get("records"),
            ),
        )
        process.start()
        alive.close()
        self.processes.append(process)
        return process

    def bootstrap(
        self, spec: WorkerSpec, python: str = sys.executable, **options: Any
    ) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            bootstrap.command(python), stdin=subprocess.PIPE, cwd="/", **options
        )
        assert process.stdin is not None
        process.stdin.write(bootstrap.start_line(spec.to_dict(), None))
        process.stdin.flush()
        self.processes.append(process)
        return process

    # --- the link

    def receive(self) -> tuple[bytes, list[bytes]]:
        # Before a worker is ready it waits for our subscriptions, which leave as we look there.
        zmq.zmq_poll([(self.router, zmq.POLLIN), (self.events, zmq.POLLIN)], PATIENCE)
        lane, *frames = self.router.recv_multipart()
        assert len(frames) == 4
        return lane, frames

    def control(self) -> LaneOpen | Ready | Failed | Stop:
        lane, frames = self.receive()
        assert frames[0] == CONTROL
        self.last = frames
        found = decode_control(frames[1])
        if isinstance(found, LaneOpen):
            self.lanes.add(lane)
        return found

    def ready(self) -> tuple[Ready, dict[str, Any]]:
        """Wait for READY, and for all lanes that it promises."""
        ready = None
        while ready is None or len(self.lanes) < 1 + bool(ready.capacity):
            found = self.control()
            assert not isinstance(found, Failed), found
            if isinstance(found, Ready):
                ready, description = found, json.loads(self.last[2])
        return ready, description

    def failed(self) -> Failed:
        """Wait for the report of a failed boot."""
        assert isinstance(self.control(), LaneOpen)
        found = self.control()
        assert isinstance(found, Failed)
        return found

    def lane(self, name: str = "q") -> bytes:
        return f"{self.spec.token}.{name}".encode()

    def send(
        self,
        operation: str,
        member: str | None,
        payload: Buffer = b"null",
        raw: Buffer = b"",
        *,
        lane: str = "q",
        raw_type: str = TEXT,
        payload_type: str = JSON,
        context: dict[str, Any] | None = None,
    ) -> int:
        self.number += 1
        header = RequestHeader(
            messageType=OPERATION,
            messageID=str(uuid4()),
            senderID="client",
            receiverID="bench",
            thingID="sample",
            objekt=member,
            operation=operation,
            payloadContentType=payload_type,
            preencodedPayloadContentType=raw_type,
            thingExecutionContext=context,
        )
        self.router.send_multipart(
            [self.lane(lane), self.number.to_bytes(8, "big"), encode_header(header), payload, raw]
        )
        return self.number

    def answer(self) -> Answer:
        _, frames = self.receive()
        assert frames[0] != CONTROL
        return Answer(int.from_bytes(frames[0], "big"), frames[1:])

    def call(self, member: str, *args: Any, **kwargs: Any) -> Answer:
        """Invoke an action on the queued lane and wait for its answer."""
        if args:
            kwargs["__args__"] = list(args)
        number = self.send("invokeaction", member, json.dumps(kwargs).encode())
        answer = self.answer()
        assert answer.number == number
        return answer

    def read(self, member: str) -> Answer:
        self.send("readproperty", member)
        return self.answer()

    def write(self, member: str, value: Any) -> Answer:
        self.send("writeproperty", member, json.dumps(value).encode())
        return self.answer()

    def stop(self) -> None:
        self.router.send_multipart([self.lane(), CONTROL, encode_control(Stop()), b"", b""])

    def listen(self) -> None:
        """Make sure that the worker's events arrive here: a subscription takes its time."""
        while not self.events.poll(5):
            self.call("emit", 1)
        self.write("level", -273)
        while self.event()[0] != "sample/level_change_event":
            pass

    def event(self) -> tuple[str, Any, str]:
        """Topic, value and message id of the next event."""
        topic, token, header, payload, raw = self.events.recv_multipart()
        assert token == self.spec.token.encode(), "by it the rig knows whose event this is"
        decoded = decode_event_header(header)
        assert decoded.eventID == topic.decode()
        assert decoded.senderID == "bench/event-publisher"
        value = joined(
            payload, decoded.payloadContentType, raw, decoded.preencodedPayloadContentType
        )
        return topic.decode(), value, decoded.messageID

    # --- the end

    def end(self) -> None:
        for process in self.processes:
            if isinstance(process, subprocess.Popen):
                process.kill()
                process.wait()
                for stream in (process.stdin, process.stdout, process.stderr):
                    if stream is not None:
                        stream.close()
            else:
                process.kill()
                process.join()
                process.close()
        for fd in self.files:
            os.close(fd)
        self.router.close()
        self.events.close()
        self.door.stop()
        self.context.term()
        shutil.rmtree(self.folder)


def status_of(process: Any, timeout: float = PATIENCE / 1000) -> int:
    """The status with which a process ends; negative for a signal."""
    if isinstance(process, subprocess.Popen):
        return process.wait(timeout)
    process.join(timeout)
    status: int | None = process.exitcode
    assert status is not None, "still runs"
    return status


def is_gone(pid: int) -> bool:
    """Whether a process, which need not be a child, ends in time."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([fd], [], [], PATIENCE / 1000)[0])
    finally:
        os.close(fd)
