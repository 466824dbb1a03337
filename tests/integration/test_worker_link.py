"""Worker processes against a bare ROUTER: what crosses the link, and what doesn't."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from tests.integration.link_kit import DRIVERS, Bench, Pipe, is_gone, status_of
from transports.headers import STREAM_BESIDE, read_event_id
from transports.link import CONTROL, LaneOpen, Ready, encode_control
from transports.serializers import NPY, encode_array
from workers.errors import EXIT_BOOT_FAILED, EXIT_TERMINATED
from workers.process import bootstrap
from workers.process.lifeline import terminate


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.end()


@pytest.fixture(scope="module")
def shared() -> Iterator[Bench]:
    """A worker for the tests that leave it as it was."""
    bench = Bench()
    bench.start(bench.make_spec("sample_drivers:Sample", event_base=100))
    bench.ready()
    bench.listen()
    yield bench
    bench.end()


# --- requests


def test_ready_carries_description_and_concurrent_members(bench: Bench):
    bench.start(bench.make_spec("sample_drivers:Sample", concurrent=["note"]))
    ready, description = bench.ready()
    beside = ("note", "open_gate", "open_gate_later", STREAM_BESIDE)
    assert ready == Ready(concurrent=beside, capacity=16, pid=ready.pid)
    assert ready.pid
    assert description["title"] == "Sample"
    assert description["properties"]["level"]["unit"] == "V"
    assert bench.lanes == {bench.lane("q"), bench.lane("c")}


def test_a_worker_without_concurrent_members_has_one_lane(bench: Bench):
    bench.start(bench.make_spec("sample_drivers:Tiny"))
    ready, _ = bench.ready()
    assert ready == Ready(concurrent=(), capacity=0, pid=ready.pid)
    assert bench.lanes == {bench.lane("q")}


def test_properties_and_actions(shared: Bench):
    answer = shared.read("note")
    assert answer.value == "first"
    assert (answer.header.receiverID, answer.header.senderID) == ("client", "bench")
    assert shared.call("add", 2, b=3).value == 5
    assert shared.call("ping").value is None


def test_an_image_crosses_as_npy(shared: Bench):
    answer = shared.call("image")
    assert answer.payload == b"null"
    assert answer.header.preencodedPayloadContentType == NPY
    rows, columns = np.ogrid[:1080, :1920]
    assert isinstance(answer.value, np.ndarray)
    assert answer.value.dtype == np.uint8
    assert (answer.value == (rows + columns) % 256).all()


def test_an_array_is_an_argument(shared: Bench):
    array = np.ones((1080, 1920), dtype=np.uint8)
    shared.send("invokeaction", "total", b"null", encode_array(array), raw_type=NPY)
    assert shared.answer().value == 1080 * 1920


def test_async_actions(shared: Bench):
    assert shared.call("later", 7).value == 7
    assert shared.call("fail_later").exception["message"] == "SystemExit: from a coroutine"


def test_an_exception_with_type_notes_and_traceback(shared: Bench):
    error = shared.call("fail").exception
    assert (error["type"], error["message"]) == ("ValueError", "out of range")
    assert error["notes"] == ["the range is 0 to 1"]
    assert error["outcome"] == "failed"
    text = "\n".join(error["traceback"])
    assert "sample_drivers.py" in text
    assert "/workers/" not in text


def test_system_exit_does_not_end_the_worker(shared: Bench):
    assert shared.call("leave").exception["message"] == "SystemExit: 3"
    assert shared.call("add", 1).value == 2


def test_requests_are_answered_in_order(shared: Bench):
    numbers = [shared.send("invokeaction", "add", b'{"a":%d}' % n) for n in range(50)]
    answers = [shared.answer() for _ in numbers]
    assert [answer.number for answer in answers] == numbers
    assert [answer.value for answer in answers] == list(range(1, 51))


def test_a_control_message_of_no_use_is_ignored(shared: Bench):
    shared.router.send_multipart([shared.lane(), CONTROL, encode_control(LaneOpen()), b"", b""])
    assert shared.call("add", 1).value == 2


def test_concurrent_members_run_beside_a_queued_one(shared: Bench):
    queued = shared.send("invokeaction", "wait_for_gate")
    behind = shared.send("invokeaction", "add", b'{"a":1}')
    beside = shared.send("invokeaction", "open_gate_later", lane="c")
    first, second, third = shared.answer(), shared.answer(), shared.answer()
    answers = {answer.number: answer.value for answer in (first, second, third)}
    assert answers == {queued: "opened", behind: 2, beside: "later"}


# --- events


def test_events_carry_their_sequence(shared: Bench):
    shared.call("emit", 3)
    events = [shared.event() for _ in range(3)]
    assert [(topic, value) for topic, value, _ in events] == [
        ("sample/moved", 0),
        ("sample/moved", 1),
        ("sample/moved", 2),
    ]
    first, *others = [read_event_id(message_id)[0] for _, _, message_id in events]
    assert first > 100
    assert others == [first + 1, first + 2]


def test_an_array_as_an_event(shared: Bench):
    shared.call("emit_image")
    _, value, _ = shared.event()
    assert value.shape == (1080, 1920)


def test_a_change_of_an_observable_property(shared: Bench):
    shared.write("level", 3)
    shared.read("level")
    shared.write("level", 4)
    assert [shared.event()[:2] for _ in range(2)] == [
        ("sample/level_change_event", 3),
        ("sample/level_change_event", 4),
    ]


# --- boot


@pytest.mark.parametrize(
    ("driver", "stage", "kind", "text"),
    [
        ("nowhere_at_all:X", "import", "ModuleNotFoundError", "No module named 'nowhere_at_all'"),
        (
            "sample_drivers:Sampel",
            "import",
            "SpecError",
            "driver 'sample_drivers:Sampel': sample_drivers has no 'Sampel'; "
            "did you mean 'Sample'?",
        ),
        (
            "leaves_at_import:X",
            "import",
            "RuntimeError",
            "SystemExit: no licence (leaves_at_import.py:3)",
        ),
        ("sample_drivers:FailsToBuild", "build", "OSError", "no such device"),
    ],
)
def test_a_boot_that_fails_is_reported(bench: Bench, driver: str, stage: str, kind: str, text: str):
    process = bench.start(bench.make_spec(driver))
    failed = bench.failed()
    assert failed.stage == stage
    assert (failed.exception["type"], failed.exception["message"]) == (kind, text)
    assert failed.exception["traceback"]
    assert "/workers/" not in "\n".join(failed.exception["traceback"])
    assert status_of(process) == EXIT_BOOT_FAILED


def test_a_boot_failure_names_the_place_in_the_configuration(bench: Bench, tmp_path: Path):
    bench.start(bench.make_spec("sample_drivers:FailsToBuild", cwd=str(tmp_path)))
    assert "lab.yaml:3:5: driver: sample_drivers:FailsToBuild" in bench.failed().exception["notes"]


def test_names_in_the_configuration_are_checked_against_the_driver(bench: Bench, tmp_path: Path):
    journal = tmp_path / "journal"
    spec = bench.make_spec(
        "sample_drivers:Sample", concurrent=["ad"], kwargs={"journal": str(journal)}
    )
    process = bench.start(spec)
    failed = bench.failed()
    assert failed.stage == "describe"
    assert failed.exception["message"] == (
        "lab.yaml:3:5: concurrent: 'ad' is no property or action of Sample; did you mean 'add'?"
    )
    assert status_of(process) == EXIT_BOOT_FAILED
    assert journal.read_text() == "closed\n"  # it was built, so it is closed


def test_a_missing_working_directory_is_a_failed_boot(bench: Bench, tmp_path: Path):
    process = bench.start(bench.make_spec("sample_drivers:Sample", cwd=str(tmp_path / "no")))
    assert bench.failed().exception["type"] == "FileNotFoundError"
    assert status_of(process) == EXIT_BOOT_FAILED


def test_arguments_environment_and_folders(bench: Bench, tmp_path: Path):
    spec = bench.make_spec(
        "sample_drivers:connected", args=[2.5], cwd=str(tmp_path), env={"SAMPLE": "yes"}
    )
    process = bench.start(spec)
    bench.ready()
    assert bench.read("level").value == 2.5
    where = bench.call("where").value
    assert where["cwd"] == str(tmp_path)
    assert where["env"] == "yes"
    assert where["path"] == DRIVERS
    assert where["stdin"] == ""
    assert where["pid"] == where["session"] == process.pid


# --- the end


@pytest.mark.parametrize(
    ("driver", "options", "written"),
    [
        ("Sample", {}, ["closed"]),
        ("Entered", {}, ["entered", "exited"]),
        ("Entered", {"stop_with": "close"}, ["closed"]),
    ],
)
def test_a_stop_closes_the_driver(
    bench: Bench, tmp_path: Path, driver: str, options: dict[str, Any], written: list[str]
):
    journal = tmp_path / "journal"
    spec = bench.make_spec(f"sample_drivers:{driver}", kwargs={"journal": str(journal)}, **options)
    process = bench.start(spec)
    bench.ready()
    bench.call("leave_thread")
    bench.stop()
    assert status_of(process) == 0
    assert journal.read_text().split() == written


def test_a_driver_that_is_lent_is_given_back(bench: Bench, tmp_path: Path):
    journal = tmp_path / "journal"
    spec = bench.make_spec("sample_drivers:borrowed", kwargs={"journal": str(journal)})
    process = bench.start(spec)
    bench.ready()
    assert bench.call("add", 1).value == 2
    bench.stop()
    assert status_of(process) == 0
    assert journal.read_text() == "returned"


def test_the_answer_before_a_stop_leaves(bench: Bench):
    process = bench.start(bench.spec)
    bench.ready()
    number = bench.send("invokeaction", "image")
    bench.stop()
    answer = bench.answer()
    assert (answer.number, answer.value.shape) == (number, (1080, 1920))
    assert status_of(process) == 0


def wait_for_line(path: Path, line: str) -> None:
    """Wait until a worker wrote a line to its journal."""
    deadline = time.monotonic() + 20
    while not path.exists() or line not in path.read_text().split():
        assert time.monotonic() < deadline, f"no {line!r} in {path}"
        threading.Event().wait(0.002)


@pytest.mark.parametrize(
    ("driver", "member"),
    [
        ("Sample", "wait_for_gate"),
        ("IgnoresStop", "wait_for_gate"),
        ("Sample", "wait_in_loop"),
    ],
)
def test_the_supervisors_signal_interrupts_the_driver_and_closes_it(
    bench: Bench, tmp_path: Path, driver: str, member: str
):
    journal = tmp_path / "journal"
    spec = bench.make_spec(f"sample_drivers:{driver}", kwargs={"journal": str(journal)})
    process = bench.start(spec)
    bench.ready()
    bench.send("invokeaction", member)
    wait_for_line(journal, "waiting")
    terminate(process.pid)
    assert status_of(process) == EXIT_TERMINATED
    assert journal.read_text().split() == ["waiting", "left", "closed"]


def test_the_supervisors_signal_ends_an_idle_worker_and_others_do_not(bench: Bench, tmp_path: Path):
    journal = tmp_path / "journal"
    spec = bench.make_spec("sample_drivers:Sample", kwargs={"journal": str(journal)})
    process = bench.start(spec)
    bench.ready()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGTERM, signal.SIGHUP):
        os.kill(process.pid, number)
        assert bench.call("add", 1).value == 2
    terminate(process.pid)
    assert status_of(process) == EXIT_TERMINATED
    assert journal.read_text() == "closed\n"


def test_the_supervisors_signal_interrupts_a_driver_that_hangs_while_it_closes(
    bench: Bench, tmp_path: Path
):
    journal = tmp_path / "journal"
    spec = bench.make_spec("sample_drivers:HangsAtClose", kwargs={"journal": str(journal)})
    process = bench.start(spec)
    bench.ready()
    bench.stop()
    wait_for_line(journal, "closing")
    terminate(process.pid)
    assert status_of(process) == EXIT_TERMINATED
    assert journal.read_text().split() == ["closing", "let_go"]


def test_the_end_of_the_supervisor_ends_worker_and_children(bench: Bench):
    process = bench.start(bench.spec)
    bench.ready()
    child = bench.call("start_child").value
    assert psutil.pid_exists(child)
    bench.alive.close()
    assert status_of(process) == -signal.SIGKILL
    assert is_gone(child)


@pytest.mark.skipif(not hasattr(os, "O_ASYNC"), reason="needs signals from pipes")
def test_the_end_of_the_supervisor_ends_a_worker_that_holds_the_interpreter_lock(
    bench: Bench, tmp_path: Path
):
    journal = tmp_path / "journal"
    spec = bench.make_spec("sample_drivers:Sample", kwargs={"journal": str(journal)})
    process = bench.start(spec)
    bench.ready()
    child = bench.call("start_child").value
    bench.send("invokeaction", "hold_the_lock")
    wait_for_line(journal, "holding")
    bench.alive.close()
    assert status_of(process) == -signal.SIGKILL
    assert is_gone(child)


# --- what it prints


def read_all(fd: int) -> str:
    with open(fd, closefd=False) as file:
        return file.read()


def test_output_goes_to_the_given_pipes(bench: Bench):
    out, out_end = bench.pipe()
    err, err_end = bench.pipe()
    process = bench.start(bench.spec, stdout=Pipe(out_end), stderr=Pipe(err_end))
    bench.close(out_end)
    bench.close(err_end)
    bench.ready()
    bench.call("say", "hello")
    bench.send("invokeaction", "crash")
    assert status_of(process) == -signal.SIGSEGV
    assert read_all(out) == "hello\n"
    errors = read_all(err)
    assert errors.startswith("HELLO\n")
    assert "Segmentation fault" in errors
    assert "in crash" in errors


def test_records_go_to_the_given_pipe(bench: Bench):
    reader, writer = bench.pipe()
    process = bench.start(bench.spec, records=Pipe(writer))
    bench.close(writer)
    bench.ready()
    bench.call("fail")
    bench.stop()
    assert status_of(process) == 0
    records = [json.loads(line) for line in read_all(reader).splitlines()]
    (record,) = [record for record in records if record["level"] == "warning"]
    assert (record["worker"], record["member"]) == ("sample", "fail")
    assert "out of range" in record["exception"]


# --- other ways to start


def test_a_forkserver_starts_workers(bench: Bench):
    process = bench.start(bench.spec, method="forkserver")
    bench.ready()
    assert bench.call("add", 1).value == 2
    bench.alive.close()
    assert is_gone(process.pid)


def test_an_interpreter_without_our_packages_starts_one(bench: Bench, tmp_path: Path):
    spec = bench.make_spec("sample_drivers:Sample", env={"SAMPLE": "yes"})
    process = bench.bootstrap(spec)
    bench.ready()
    where = bench.call("where").value
    assert where["executable"] == sys.executable
    assert where["session"] == process.pid
    assert (where["env"], where["path"], where["stdin"]) == ("yes", DRIVERS, "")
    bench.stop()
    assert status_of(process) == 0


def test_a_bootstrapped_worker_ends_with_its_supervisor(bench: Bench):
    process = bench.bootstrap(bench.spec)
    bench.ready()
    child = bench.call("start_child").value
    assert process.stdin is not None
    process.stdin.close()
    assert status_of(process) == -signal.SIGKILL
    assert is_gone(child)


def test_an_interpreter_that_lacks_a_package_says_so(bench: Bench):
    # -S: no site-packages, so neither zmq nor msgspec
    command = [sys.executable, "-S", *_script()]
    done = subprocess.run(command, input=b'{"spec": {}, "records": null}\n', capture_output=True)
    assert done.returncode == EXIT_BOOT_FAILED
    line = done.stderr.decode()
    assert line.count("\n") == 1
    assert line.startswith(f"orch: {sys.executable} (Python 3.")
    assert "it lacks zmq, msgspec, structlog" in line
    assert line.endswith("; install orch into it, as into the one that runs the rig\n")


def test_an_interpreter_that_is_too_old_says_so():
    code = "import bootstrap; bootstrap.OLDEST = (9, 8); bootstrap._check()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(bootstrap.__file__).parent,
        capture_output=True,
    )
    assert done.returncode == EXIT_BOOT_FAILED
    assert b"can't host a worker: it must be Python 9.8 or newer\n" in done.stderr


def _script() -> list[str]:
    return bootstrap.command(sys.executable)[1:]


def test_a_supervisor_that_goes_before_it_says_anything():
    done = subprocess.run(
        [sys.executable, *_script()], stdin=subprocess.DEVNULL, capture_output=True
    )
    assert done.returncode == EXIT_BOOT_FAILED
    assert b"the supervisor went away" in done.stderr


def test_the_bootstrap_knows_the_exit_status():
    assert bootstrap.EXIT_BOOT_FAILED == EXIT_BOOT_FAILED
