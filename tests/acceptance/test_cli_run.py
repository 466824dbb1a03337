"""`run`, `check`, `down`, and starting and stopping workers."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.cli_kit import CONFIG, DRIVERS, Terminal, environment, on_rig, orch
from tests.rigs import RunningRig, is_alive, running, wait_until

BROKEN_CONFIG = """
rig: be nch
listn: ipc
workers:
  dev: {driver: lab_drivers:Dev, afte: [x]}
"""
ONE_WORKER = """
rig: one
workers:
  dev: {driver: lab_drivers:Dev}
"""


@contextmanager
def taken_port() -> Iterator[int]:
    """A port of this machine that somebody listens at."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def files_under(folder: Path) -> list[Path]:
    """All files in a folder, if it is there."""
    return [path for path in folder.rglob("*") if not path.is_dir()]


# -- configs ------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["run"], ["run", "--detach"], ["check"]])
def test_all_that_is_wrong_with_a_config_is_told_at_once(folder: Path, command: list[str]) -> None:
    """One problem a line, each with its place; status 2; nothing was started."""
    (folder / "rig.yaml").write_text(BROKEN_CONFIG)
    done = orch(environment(folder), *command, "rig.yaml", cwd=folder)
    assert done.status == 2
    assert done.out == ""
    # `check` looks at the drivers too, and has something to note of one.
    *problems, summary = [line for line in done.err.splitlines() if ": note: " not in line]
    assert [line.partition(": ")[0] for line in problems] == [
        "rig.yaml:2:6",
        "rig.yaml:3:1",
        "rig.yaml:5:34",
    ]
    assert 'did you mean "listen"?' in problems[1]
    assert 'did you mean "after"?' in problems[2]
    assert summary.startswith("error: rig.yaml has 3 problems")
    assert not (folder / "run").exists()


def test_config_that_is_not_there(folder: Path) -> None:
    """Named like any other problem."""
    done = orch(environment(folder), "run", "rig.yml", cwd=folder)
    assert done.status == 2
    assert done.err.startswith("rig.yml: there is no such file")


def test_rig_option_is_refused_where_the_config_has_the_id(folder: Path) -> None:
    """Rather than ignored."""
    done = orch(environment(folder), "--rig", "x", "run", "rig.yaml")
    assert done.status == 2
    assert "the config has the rig's id" in done.err


def test_check_looks_at_drivers_too(folder: Path) -> None:
    """A class that isn't there is a problem; a good config is praised, its notes are on stderr."""
    config = folder / "rig.yaml"
    config.write_text(ONE_WORKER)
    done = orch(environment(folder), "check", str(config))
    assert done.status == 0
    assert done.err == (
        f'{config}:4:17: note: nothing closes "Dev"; if something should, name the method by'
        " stop_with\n"
    )
    assert done.out == f"{config}: rig one, 1 worker, nothing wrong\n"
    config.write_text(f"{ONE_WORKER}listen: ['tcp://127.0.0.1:5570']\n")
    done = orch(environment(folder), "check", str(config))
    assert done.out.splitlines()[1:] == [
        "listens at tcp://127.0.0.1:5570, events at tcp://127.0.0.1:5571"
    ]
    config.write_text(ONE_WORKER.replace(":Dev", ":Dve"))
    done = orch(environment(folder), "check", str(config))
    assert done.status == 2
    assert done.err.startswith(f"{config}:4:17: ")
    assert 'did you mean "Dev"?' in done.err


# -- foreground ---------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_stops_in_good_order_with_status_0(number: int) -> None:
    """By Ctrl-C and by SIGTERM; no socket, lock or state file stays."""
    with running(ONE_WORKER, {"lab_drivers": DRIVERS}) as rig:
        pid = json.loads(on_rig(rig, "status", "--json").out)["workers"][0]["pid"]
        assert rig.stop(number) == 0
        assert not is_alive(pid)
        assert files_under(rig.folder / "run") == []
        assert "Traceback" not in rig.text


def test_run_on_a_terminal_says_plainly_what_starts_and_fails(folder: Path) -> None:
    """With the failed driver's traceback and place; Ctrl-C there ends it with 0."""
    (folder / "rig.yaml").write_text(CONFIG)
    with Terminal(environment(folder), "run", "rig.yaml", cwd=folder) as terminal:
        terminal.read_until("rig bench is up: 2 of 3 workers ready")
        terminal.press("\x03")
        done = terminal.finish()
    assert done.status == 0
    assert re.search(r"info .*dev +ready", done.out)
    assert "RuntimeError: no such port: /dev/ttyUSB7" in done.out
    assert "rig.yaml:12:13" in done.out
    assert "rig bench is down" in done.out


def test_second_rig_of_an_id_is_status_4_and_names_the_first(rig: RunningRig) -> None:
    """In the foreground and in the background."""
    for more in ([], ["--detach"]):
        done = on_rig(rig, "run", str(rig.config), *more)
        assert done.status == 4
        assert done.err == (
            f"error: rig bench already runs with pid {rig.process.pid}; "
            "stop it with: orch down --rig bench\n"
        )


def test_taken_address_is_status_2_with_its_place(folder: Path) -> None:
    """Never another port."""
    with taken_port() as port:
        (folder / "rig.yaml").write_text(f'{ONE_WORKER}listen: [ipc, "tcp://127.0.0.1:{port}"]\n')
        done = orch(environment(folder), "run", "rig.yaml", cwd=folder)
    assert done.status == 2
    last = done.err.splitlines()[-1]
    assert last.startswith(f"error: rig.yaml:5:15: tcp://127.0.0.1:{port} can't be bound: ")
    assert files_under(folder / "run") == []


def test_runtime_folder_that_others_can_enter_is_status_4(folder: Path) -> None:
    """With the mend in the message."""
    (folder / "rig.yaml").write_text(ONE_WORKER)
    (folder / "run").mkdir()
    (folder / "run").chmod(0o777)
    done = orch(environment(folder), "run", "rig.yaml", cwd=folder)
    assert done.status == 4
    assert f"chmod 700 {folder / 'run'}" in done.err
    assert "Traceback" not in done.err


def test_folder_for_logs_that_can_not_be_made_is_status_4(folder: Path) -> None:
    """Whose it is, and how to have another one."""
    (folder / "rig.yaml").write_text(ONE_WORKER)
    (folder / "file").touch()
    environ = environment(folder, ORCH_STATE_DIR=str(folder / "file"))
    done = orch(environ, "run", "rig.yaml", cwd=folder)
    assert done.status == 4
    assert done.err.count("\n") == 1
    assert "/logs, for its logs, can't be used: Not a directory; set ORCH_STATE_DIR" in done.err


# -- background ---------------------------------------------------------------------------


def test_detached_rig_is_up_when_the_command_ends_and_down_when_down_ends(folder: Path) -> None:
    """Its summary tells where it is and why a worker failed; `down` waits for the end."""
    (folder / "rig.yaml").write_text(CONFIG)
    environ = environment(folder)
    done = orch(environ, "run", "--detach", "rig.yaml", cwd=folder)
    try:
        assert done.status == 4, done.err
        assert (
            done.err == "error: rig bench runs, but 1 of 3 workers is not ready: broken (FAILED)\n"
        )
        status = json.loads(orch(environ, "status", "--json").out)
        assert [worker["state"] for worker in status["workers"]] == ["READY", "READY", "FAILED"]
        assert f"rig bench runs: pid {status['pid']}, {status['addresses'][0]}" in done.out
        assert "broken: its driver couldn't be built: RuntimeError: no such port" in done.out
        assert "its output: orch logs --rig bench\n" in done.out
        wait_until(lambda: "rig bench is up" in orch(environ, "logs", "--rig", "bench").out)
    finally:
        down = orch(environ, "down", "--rig", "bench")
    assert (down.status, down.out) == (0, "rig bench is down\n")
    assert not is_alive(status["pid"])
    assert not any(is_alive(worker["pid"]) for worker in status["workers"] if worker["pid"])
    assert files_under(folder / "run") == []
    gone = orch(environ, "down")
    assert gone.status == 3
    assert gone.err == "error: no rig is running; start one with: orch run config.yaml\n"


def test_a_device_that_is_off_holds_up_no_detached_rig(folder: Path) -> None:
    """It is tried again and again: the command ends, and names it."""
    driver = "class Off:\n    def __init__(self):\n        raise OSError('is it switched on?')\n"
    (folder / "off.py").write_text(driver)
    text = CONFIG.replace("lab_drivers:Broken", "off:Off").replace(
        "retry_start: false", "after: []"
    )
    (folder / "rig.yaml").write_text(text)
    environ = environment(folder)
    done = orch(environ, "run", "--detach", "rig.yaml", cwd=folder)
    try:
        assert done.status == 4, done.err
        assert "1 of 3 workers is not ready: broken (" in done.err
        assert "not settled" not in done.err
        assert "broken: its driver couldn't be built: OSError: is it switched on?" in done.out
    finally:
        assert orch(environ, "down").status == 0


def test_no_wait_is_done_once_the_rig_answers(folder: Path) -> None:
    """However long a worker takes, and whatever becomes of it."""
    (folder / "rig.yaml").write_text(CONFIG.replace("lab_drivers:Broken", "slow:Slow"))
    (folder / "slow.py").write_text("import threading\nthreading.Event().wait(60)\n")
    environ = environment(folder)
    done = orch(environ, "run", "--detach", "--no-wait", "rig.yaml", cwd=folder)
    status = orch(environ, "status", "--json")
    down = orch(environ, "down")
    assert (done.status, down.status) == (0, 0), done.err
    workers = json.loads(status.out)["workers"]
    assert {w["name"]: w["state"] for w in workers}["broken"] == "STARTING"
    alone = orch(environ, "run", "--no-wait", "rig.yaml", cwd=folder)
    assert (alone.status, "goes with --detach" in alone.err) == (2, True)


def test_down_is_0_whenever_the_rig_went_down(folder: Path) -> None:
    """Also with no worker alive, when it is gone at once."""
    (folder / "rig.yaml").write_text('rig: nope\nworkers:\n  w: {driver: "nosuchmodule:X"}\n')
    environ = environment(folder)
    for _ in range(3):
        done = orch(environ, "run", "--detach", "rig.yaml", cwd=folder)
        down = orch(environ, "down")
        assert done.status == 4
        assert "1 of 1 workers is not ready: w (FAILED)" in done.err
        assert "nosuchmodule" in done.out
        assert (down.status, down.out) == (0, "rig nope is down\n"), down.err


def test_restart_says_what_it_does_not_read_anew() -> None:
    """The config once it has changed, and the code of a thread."""
    thread = "  thread: {driver: lab_drivers:Dev, transport: inproc}\n"
    config = CONFIG.replace("  busy:", f"{thread}  busy:")
    with running(config, {"lab_drivers": DRIVERS}) as rig:
        done = on_rig(rig, "restart", "dev")
        assert (done.status, done.err) == (0, "")
        done = on_rig(rig, "restart", "thread", "dev")
        assert done.status == 0
        assert done.err == (
            "thread is a thread of the supervisor, and its code isn't read anew:"
            " for that, orch down and orch run\n"
        )
        rig.config.write_text(f"{config}logs: {{level: debug}}\n")
        done = on_rig(rig, "restart", "dev")
        assert done.status == 0
        assert done.err == (
            f"{rig.config} has changed since it was read, and a restart doesn't read it:"
            f" for that, orch apply {rig.config}\n"
        )
        wait_until(lambda: "has changed since it was read" in rig.text)
        rig.config.write_text(config)
        assert on_rig(rig, "restart", "dev").err == ""


def test_detached_rig_that_does_not_come_up_shows_its_last_words(folder: Path) -> None:
    """And has the status that it would have in the foreground; its logs tell why, too."""
    with taken_port() as port:
        (folder / "rig.yaml").write_text(f'{ONE_WORKER}listen: ["tcp://127.0.0.1:{port}"]\n')
        done = orch(environment(folder), "run", "--detach", "rig.yaml", cwd=folder)
    told = orch(environment(folder), "logs", "-o", "cat", "-p", "error").out
    assert told.startswith(f"the rig can't be run: tcp://127.0.0.1:{port} can't be bound")
    assert done.status == 2
    assert done.out == ""
    assert done.err.startswith("error: rig one did not come up (exit status 2); it said:\n")
    assert f"rig.yaml:5:10: tcp://127.0.0.1:{port} can't be bound" in done.err


def test_detached_rig_outlives_the_terminal(folder: Path) -> None:
    """It is in a session of its own, and holds none of our pipes open."""
    config = str(folder / "rig.yaml")
    Path(config).write_text(ONE_WORKER)
    environ = environment(folder)
    starting = subprocess.run(
        [*(sys.executable, "-X", "dev"), *("-m", "orchestrator", "run", "--detach", config)],
        env=environ,
        capture_output=True,  # returns only when all who hold the pipes have closed them
        start_new_session=True,
        timeout=50,
    )
    try:
        assert starting.returncode == 0, starting.stderr
        assert starting.stderr == b""  # no ResourceWarning of the process that is left running
        pid = json.loads(orch(environ, "status", "--json").out)["pid"]
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        assert int(stat[3]) == pid  # the session
    finally:
        assert orch(environ, "down").status == 0


def test_several_rigs_have_to_be_told_apart(folder: Path) -> None:
    """Without --rig the message lists them."""
    environ = environment(folder)
    names = ["one", "two"]
    for name in names:
        (folder / f"{name}.yaml").write_text(ONE_WORKER.replace("rig: one", f"rig: {name}"))
    try:
        for name in names:
            assert orch(environ, "run", "--detach", str(folder / f"{name}.yaml")).status == 0
        done = orch(environ, "status")
        assert done.status == 3
        assert done.err == ("error: several rigs run: one, two; choose with --rig or $ORCH_RIG\n")
        assert orch(environ, "status", "--rig", "two").status == 0
    finally:
        for name in names:
            assert orch(environ, "down", "--rig", name).status == 0


def test_down_by_tcp_address_waits_too(folder: Path) -> None:
    """There is no process to watch then, only the address."""
    with taken_port() as port:
        pass
    (folder / "rig.yaml").write_text(f'{ONE_WORKER}listen: ["tcp://127.0.0.1:{port}"]\n')
    environ = environment(folder)
    assert orch(environ, "run", "--detach", str(folder / "rig.yaml")).status == 0
    pid = json.loads(orch(environ, "status", "--json").out)["pid"]
    done = orch(environ, "down", "--rig", f"tcp://127.0.0.1:{port}")
    assert (done.status, done.out) == (0, "rig one is down\n")
    wait_until(lambda: not is_alive(pid))


# -- workers ------------------------------------------------------------------------------


@pytest.mark.measured
def test_workers_are_stopped_started_and_restarted() -> None:
    """Each command ends when it is done, and prints the states."""
    with running(CONFIG, {"lab_drivers": DRIVERS}) as rig:
        done = on_rig(rig, "stop", "dev", "busy", "dev")
        assert done.status == 0, done.err
        rows = [line.split() for line in done.out.splitlines()]
        assert rows == [["WORKER", "STATE"], ["dev", "STOPPED"], ["busy", "STOPPED"]]
        refused = on_rig(rig, "get", "dev", "label")
        assert refused.status == 4
        assert "stopped" in refused.err

        assert on_rig(rig, "start", "dev").out.split()[-2:] == ["dev", "READY"]
        before = json.loads(on_rig(rig, "status", "--json").out)["workers"][0]
        assert on_rig(rig, "restart", "dev").out.split()[-2:] == ["dev", "READY"]
        after = json.loads(on_rig(rig, "status", "--json").out)["workers"][0]
        assert after["pid"] != before["pid"]
        assert after["incarnation"] == before["incarnation"] + 1

        failed = on_rig(rig, "restart", "dev", "broken")
        assert failed.status == 4
        assert failed.out.split()[-4:] == ["dev", "READY", "broken", "FAILED"]
        assert failed.err.startswith("error: broken: ")
        assert "no such port: /dev/ttyUSB7" in failed.err
