"""Drivers, clients and signals that do their worst to a real rig."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
import zmq

from orchestrator import errors
from tests.rigs import RunningRig, is_alive, running, wait_until
from transports.headers import INVALID_MESSAGE, execution_context
from transports.hololinked.messages import RequestMessage, ResponseMessage

NASTY = """
import ctypes, os, signal, subprocess, sys, threading
import numpy

class Nasty:
    level: float = 1.0

    def add(self, a, b=2):
        return a + b

    def leave(self):
        raise SystemExit(3)

    def interrupt(self):
        raise KeyboardInterrupt

    def spew(self, size: int):
        sys.stdout.write(("x" * 99 + "\\n") * (size // 100))
        return size

    def child(self, own_session: bool = False) -> int:
        return subprocess.Popen(["sleep", "300"], start_new_session=own_session).pid

    def forever(self):
        threading.Event().wait()

    def hold_gil(self, seconds: float):
        ctypes.PyDLL(None).usleep(int(seconds * 1e6))

    def kill(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def crash(self):
        ctypes.string_at(0)

    def thing(self):
        return object()

    def frame(self):
        return (numpy.arange(1080 * 1920) % 251).astype("u1").reshape(1080, 1920)

    def say(self, text: str):
        print(text)
        return text

    def pid(self) -> int:
        return os.getpid()

    _secret = 5

class Broken:
    def __init__(self):
        raise RuntimeError("no device")
"""

CONFIG = """
rig: nasty
workers:
  one: {driver: "nasty:Nasty", max_restarts: 50 in 1min}
  two: {driver: "nasty:Nasty", max_restarts: 50 in 1min}
  own: {driver: "nasty:Nasty", env: {FLAVOUR: mint}}
  thread: {driver: "nasty:Nasty", transport: inproc}
  broken: {driver: "nasty:Broken", retry_start: false}
"""


@pytest.fixture(scope="module")
def rig() -> Iterator[RunningRig]:
    with running(CONFIG, {"nasty": NASTY}) as rig:
        yield rig


def test_a_driver_that_does_not_build_fails_alone(rig: RunningRig) -> None:
    """Its worker is FAILED with the reason, its traceback is in the log, the rest runs."""
    with rig.connected() as client:
        states = {each["name"]: each for each in client.status()["workers"]}
        assert states["broken"]["state"] == "FAILED"
        assert "no device" in states["broken"]["reason"]
        assert client.one.add(1) == 3
        with pytest.raises(errors.WorkerUnavailable, match="no device"):
            client["broken"].call("anything")
    assert "in __init__" in rig.text


def test_arguments_that_do_not_fit_raise_the_call_s_own_error(rig: RunningRig) -> None:
    """TypeError with the signature; the driver wasn't called."""
    with (
        rig.connected() as client,
        pytest.raises(TypeError, match=r"^one\.add\(a, b=2\): missing a required.*'a'"),
    ):
        client.one.add()


@pytest.mark.parametrize("worker", ["one", "own", "thread"])
@pytest.mark.parametrize("action", ["leave", "interrupt"])
def test_system_exit_in_a_driver_is_an_error_like_any_other(
    rig: RunningRig, worker: str, action: str
) -> None:
    """The client isn't ended by it, nor is the worker."""
    with rig.connected() as client:
        with pytest.raises(RuntimeError):
            client[worker].call(action)
        assert client[worker].call("add", 1) == 3


def test_a_result_that_cannot_be_encoded_is_an_error(rig: RunningRig) -> None:
    """TypeError names the type and says that the operation was done."""
    with rig.connected() as client, pytest.raises(TypeError, match=r"done.*object"):
        client.one.thing()


def test_an_argument_that_cannot_be_encoded_is_never_sent(rig: RunningRig) -> None:
    with rig.connected() as client, pytest.raises(TypeError):
        client.one.add(object())


def test_an_array_arrives_as_an_array(rig: RunningRig) -> None:
    expected = (np.arange(1080 * 1920) % 251).astype("u1").reshape(1080, 1920)
    with rig.connected() as client:
        frame = client.one.frame()
        assert isinstance(frame, np.ndarray)
        assert frame.dtype == np.uint8
        np.testing.assert_array_equal(frame, expected)


def test_a_megabyte_of_output_blocks_nothing(rig: RunningRig) -> None:
    with rig.connected() as client:
        assert client.one.spew(1_000_000) == 1_000_000
        assert client.one.say("after the flood") == "after the flood"
        # in the log: what the console can't take as fast is left out there, and said to be
        wait_until(lambda: list(client.logs(grep="after the flood")))


def test_names_that_are_private_or_unknown_are_refused_before_anything_is_sent(
    rig: RunningRig,
) -> None:
    with rig.connected() as client:
        for name in ("_secret", "_ipython_display_", "nothing"):
            with pytest.raises(AttributeError):
                getattr(client.one, name)
        with pytest.raises(AttributeError, match="one"):
            _ = client.onne


def test_a_held_interpreter_lock_holds_no_deadline(rig: RunningRig) -> None:
    """The answer comes by its timeout while the driver holds the GIL for longer."""
    with rig.connected() as client:
        began = time.monotonic()
        with pytest.raises(errors.ExecutionTimeout) as caught:
            client["one"].call("hold_gil", 4.0, execution_timeout=0.4)
        assert time.monotonic() - began < 3.5  # it is held for longer
        assert isinstance(caught.value, TimeoutError)
        # queued behind it: never started, and said so
        with pytest.raises(errors.InvocationTimeout):
            client["one"].call("add", 1, invocation_timeout=0.2)
        assert client["one"].call("add", 1, invocation_timeout=10) == 3


@pytest.mark.parametrize("worker", ["one", "own"])
@pytest.mark.parametrize(("action", "name"), [("kill", "SIGKILL"), ("crash", "SIGSEGV")])
def test_death_in_a_request_is_told_and_mended(
    rig: RunningRig, worker: str, action: str, name: str
) -> None:
    """The outcome is unknown, the next call is served by the next incarnation."""
    with rig.connected() as client:
        before = client[worker].call("pid")
        with pytest.raises(errors.WorkerDied, match=name) as caught:
            client[worker].call(action)
        assert isinstance(caught.value, (errors.OutcomeUnknown, ConnectionError))
        assert client[worker].call("pid") != before


def test_what_is_queued_waits_for_the_next_incarnation(rig: RunningRig) -> None:
    with rig.connected() as client:
        worker = client["two"]
        doomed = worker.submit("kill")
        waiting = [worker.submit("add", number) for number in range(20)]
        with pytest.raises(errors.WorkerDied):
            doomed.result(20)
        assert [future.result(20) for future in waiting] == [2 + n for n in range(20)]


@pytest.mark.parametrize("own_session", [False, True])
def test_a_dead_worker_s_children_are_ended(rig: RunningRig, own_session: bool) -> None:
    """Also one that made itself a session of its own."""
    with rig.connected() as client:
        child = client["two"].call("child", own_session=own_session)
        assert is_alive(child)
        with pytest.raises(errors.WorkerDied):
            client["two"].call("kill")
    wait_until(lambda: not is_alive(child))


def test_clients_at_once(rig: RunningRig) -> None:
    """Two hundred connections, each served."""
    results: list[int] = []

    def use(number: int) -> None:
        with contextlib.ExitStack() as stack:
            client = stack.enter_context(rig.connected(address))
            results.append(client["two"].call("add", number, invocation_timeout=30))

    address = (
        next(iter(json.loads(state.read_text())["addresses"]))
        if (state := rig.folder / "run" / "nasty" / "state.json")
        else ""
    )
    threads = [threading.Thread(target=use, args=(number,)) for number in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(40)
    assert sorted(results) == [number + 2 for number in range(200)]


def test_a_killed_client_disturbs_nobody(rig: RunningRig) -> None:
    code = (
        "import sys; from orchestrator import connect\n"
        "rig = connect()\n"
        "futures = [rig['two'].submit('add', n) for n in range(500)]\n"
        "print('sent', flush=True)\n"
        "futures[-1].result(); import time; time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=rig.environ, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"sent\n"
    process.kill()
    process.wait()
    process.stdout.close()
    with rig.connected() as client:
        assert client["two"].call("add", 1) == 3


# -- frames of strangers ----------------------------------------------------------------------


class Stranger:
    """A raw DEALER at the rig's front."""

    def __init__(self, rig: RunningRig) -> None:
        self.id = f"stranger-{uuid4()}"
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.setsockopt_string(zmq.IDENTITY, self.id)
        state = json.loads((rig.folder / "run" / "nasty" / "state.json").read_text())
        self.socket.connect(state["addresses"][0])

    def ask(self, frames: list[bytes]) -> ResponseMessage:
        """Send frames and return the answer."""
        self.socket.send_multipart(frames)
        assert self.socket.poll(10_000), "no answer"
        return ResponseMessage([self.id.encode(), *self.socket.recv_multipart()])

    def request(self, **fields: object) -> list[bytes]:
        """The frames of a good request, with header fields replaced or added."""
        message = RequestMessage.craft_from_arguments(
            "nasty", self.id, "two", "add", "invokeaction"
        )
        header = json.loads(bytes(message.byte_array[2])) | fields
        return [b"", json.dumps(header).encode(), b'{"a": 1}', b""]

    def close(self) -> None:
        self.socket.close()
        self.context.term()


@pytest.fixture
def stranger(rig: RunningRig) -> Iterator[Stranger]:
    stranger = Stranger(rig)
    yield stranger
    # whatever was sent: others, and this very peer, are still served
    assert stranger.ask(stranger.request()).payload.deserialize() == 3
    stranger.close()


def refusal(response: ResponseMessage) -> dict[str, object]:
    """The exception of an INVALID_MESSAGE."""
    assert response.type == INVALID_MESSAGE
    exception: dict[str, object] = response.payload.deserialize()["exception"]
    assert exception["outcome"] == "not started"
    assert exception["traceback"]
    return exception


def test_wrong_frame_count(stranger: Stranger) -> None:
    good = stranger.request()
    assert "4" in str(refusal(stranger.ask(good[:-1]))["message"])
    assert "6" in str(refusal(stranger.ask([*good, b""]))["message"])
    assert "5001" in str(refusal(stranger.ask([b"x"] * 5_000))["message"])


def test_unreadable_header(stranger: Stranger) -> None:
    for header in (b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"messageType": 5}'):
        refusal(stranger.ask([b"", header, b"null", b""]))


def test_extra_header_field(stranger: Stranger) -> None:
    """Ignored: a newer client may know more."""
    frames = stranger.request(surplus=1)
    answer = stranger.ask(frames)
    assert answer.type == "REPLY"
    assert answer.id == json.loads(frames[1])["messageID"]


def test_header_of_a_megabyte(stranger: Stranger) -> None:
    frames = stranger.request(objekt="x" * 1_000_000)
    assert "bytes" in str(refusal(stranger.ask(frames))["message"])


def test_exit_is_refused(stranger: Stranger) -> None:
    assert refusal(stranger.ask(stranger.request(messageType="EXIT")))["type"] == "PermissionError"


@pytest.mark.parametrize("value", ["soon", [1], True, {"s": 1}])
def test_timeout_that_is_no_number(stranger: Stranger, value: object) -> None:
    context = execution_context() | {"execution_timeout": value}
    answer = stranger.ask(stranger.request(serverExecutionContext=context))
    assert "execution_timeout" in str(refusal(answer)["message"])


def test_unknown_worker_gets_the_nearest_name(stranger: Stranger) -> None:
    exception = refusal(stranger.ask(stranger.request(thingID="tow")))
    assert exception["type"] == "KeyError"
    assert "two" in str(exception["message"])


@pytest.mark.parametrize("name", ["__class__", "_secret", "nothing", "a.b", "", "add "])
def test_member_that_is_not_offered(stranger: Stranger, name: str) -> None:
    answer = stranger.ask(stranger.request(objekt=name))
    assert answer.type == "EXCEPTION"
    assert answer.payload.deserialize()["exception"]["type"] == "KeyError"


def test_unknown_content_type(stranger: Stranger) -> None:
    answer = stranger.ask(stranger.request(payloadContentType="application/x-unheard"))
    assert answer.type == "EXCEPTION"
    assert answer.payload.deserialize()["exception"]["type"] == "ValueError"


def test_pickle_never_runs(stranger: Stranger, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    frames = stranger.request(payloadContentType="application/x-pickle")
    frames[2] = f"cposix\nsystem\n(S'touch {canary}'\ntR.".encode()
    assert stranger.ask(frames).type == "EXCEPTION"
    assert not canary.exists()


# -- the rig's own end ------------------------------------------------------------------------


def descendants(rig: RunningRig) -> list[int]:
    """Pids of what the rig started: they carry its folder in their environment or arguments."""
    mark = str(rig.folder).encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if mark in (entry / "environ").read_bytes() and is_alive(int(entry.name)):
                found.append(int(entry.name))
    return found


SMALL = """
rig: small
workers:
  one: {driver: "nasty:Nasty"}
  two: {driver: "nasty:Nasty", after: [one]}
  own: {driver: "nasty:Nasty", env: {FLAVOUR: mint}}
"""


@pytest.mark.measured
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_a_rig(signum: int) -> None:
    """Not its workers, not theirs, not while one holds the GIL or hangs, not after SIGKILL."""
    with running(SMALL, {"nasty": NASTY}) as rig:
        with rig.connected() as client:
            for worker in ("one", "own"):
                client[worker].call("child")
                client[worker].call("child", own_session=True)
            client["two"].oneway("forever")
            client["own"].oneway("hold_gil", 30.0)
            wait_until(lambda: all(w["in_flight"] for w in client.status()["workers"][1:]))
        status = rig.stop(signum)
        assert status == (-signum if signum == signal.SIGKILL else 0)
        wait_until(lambda: not descendants(rig))
        if signum != signal.SIGKILL:
            assert not list((rig.folder / "run").glob("small*"))


def test_a_second_signal_kills() -> None:
    with running(SMALL, {"nasty": NASTY}) as rig:
        with rig.connected() as client:
            client["two"].oneway("forever")
            wait_until(lambda: client.status()["workers"][1]["in_flight"])
        rig.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "stopping" in rig.text)
        began = time.monotonic()
        while rig.process.poll() is None:
            rig.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                rig.process.wait(0.4)
            assert time.monotonic() - began < 10
        assert rig.process.returncode == 128 + signal.SIGTERM
        wait_until(lambda: not descendants(rig))


def test_a_second_rig_of_the_same_id_is_refused_with_the_pid_of_the_first() -> None:
    with running(SMALL, {"nasty": NASTY}) as rig:
        done = rig.orch("run", str(rig.config))
        assert done.returncode == 4
        assert str(rig.process.pid) in done.stderr
        with rig.connected() as client:
            assert client.one.add(1) == 3


def test_a_dead_rig_s_files_are_no_obstacle() -> None:
    with running(SMALL, {"nasty": NASTY}) as rig:
        rig.stop(signal.SIGKILL)
        wait_until(lambda: not descendants(rig))
        assert (rig.folder / "run" / "small" / "state.json").exists()
        rig.start()
        rig.wait_settled()
        with rig.connected() as client:
            assert client.one.add(1) == 3


def test_a_busy_tcp_port_is_an_error_and_never_another_port() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        config = SMALL.replace("rig: small", f'rig: small\nlisten: ["tcp://127.0.0.1:{port}"]')
        with running(config, {"nasty": NASTY}, settle=False) as rig:
            assert rig.process.wait(20) == 2
            assert str(port) in rig.text
            assert "Traceback" not in rig.text
            wait_until(lambda: not descendants(rig))


def test_workers_start_in_order_and_stop_in_reverse() -> None:
    with running(SMALL, {"nasty": NASTY}) as rig:
        rig.stop(signal.SIGINT)
        text = [line.split() for line in rig.text.splitlines()]
        ready = [words[2] for words in text if "ready" in words[3:4]]
        stopped = [words[2] for words in text if "stopped" in words[3:4]]
        assert ready.index("one") < ready.index("two")
        assert stopped.index("two") < stopped.index("one")


@pytest.mark.parametrize(
    ("restart", "action", "state"),
    [
        ("permanent", "kill", "READY"),
        ("transient", "kill", "READY"),
        ("temporary", "kill", "FAILED"),
    ],
)
def test_restart_policies(restart: str, action: str, state: str) -> None:
    config = f'rig: policy\nworkers:\n  one: {{driver: "nasty:Nasty", restart: {restart}}}\n'
    with running(config, {"nasty": NASTY}) as rig, rig.connected() as client:
        with pytest.raises(errors.WorkerDied):
            client["one"].call(action)
        rig.wait_state("one", state)


def test_a_worker_that_keeps_dying_is_given_up() -> None:
    config = (
        'rig: weak\nworkers:\n  one: {driver: "nasty:Nasty", max_restarts: 2 in 1min}\n'
        '  two: {driver: "nasty:Nasty"}\n'
    )
    with running(config, {"nasty": NASTY}) as rig, rig.connected() as client:
        for _ in range(3):
            with pytest.raises(errors.WorkerDied):
                client["one"].call("kill")
        status = rig.wait_state("one", "FAILED")
        assert "2 restarts" in status["reason"]
        with pytest.raises(errors.WorkerUnavailable):
            client["one"].call("add", 1)
        assert client.two.add(1) == 3
        assert rig.orch("start", "one").returncode == 0
        assert client["one"].call("add", 1) == 3


def test_an_overrun_can_restart_its_worker() -> None:
    """One that overruns again and again is given up, as one that crashes is."""
    config = (
        'rig: strict\nworkers:\n  one: {driver: "nasty:Nasty", on_execution_timeout: restart, '
        "max_restarts: 2 in 1min}\n"
    )
    with running(config, {"nasty": NASTY}) as rig, rig.connected() as client:
        for _ in range(2):
            before = client["one"].call("pid")
            with pytest.raises(errors.ExecutionTimeout):
                client["one"].call("forever", execution_timeout=0.2)
            assert client["one"].call("pid", invocation_timeout=20) != before
        with pytest.raises(errors.ExecutionTimeout):
            client["one"].call("forever", execution_timeout=0.2)
        assert "overran" in rig.wait_state("one", "FAILED")["reason"]


def test_a_stall_is_shown_until_it_ends() -> None:
    with running(SMALL, {"nasty": NASTY}) as rig, rig.connected() as client:
        pid = client["one"].call("pid")
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(errors.InvocationTimeout):
                client["one"].call("pid", execution_timeout=0.2, invocation_timeout=0.4)
            assert "pid was not begun within" in rig.wait_state("one", "STALLED")["reason"]
            assert "STALLED" in rig.orch("status").stdout
        finally:
            os.kill(pid, signal.SIGCONT)
        rig.wait_state("one", "READY")
        assert client["one"].call("pid") == pid


def test_a_timeout_for_nothing_is_warned_of() -> None:
    """With the place and the nearest name; one among the defaults may be meant for others."""
    config = (
        "rig: typo\ndefaults: {timeouts: {expose: 120s}}\n"
        'workers:\n  one: {driver: "nasty:Nasty", timeouts: {froever: 9s}}\n'
    )
    with running(config, {"nasty": NASTY}) as rig:
        warning = wait_until(lambda: [line for line in rig.text.splitlines() if "froever" in line])
        assert "timeouts: 'froever' is no property or action of Nasty" in warning[0]
        assert "forever" in warning[0]
        assert "rig.yaml:4" in warning[0]
        assert "expose" not in rig.text
