"""What operators look at: status, snapshots, rigs, completion; and secrets, which nobody sees."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from ruamel.yaml import YAML

import orch
from orchestrator.errors import NameRefused
from tests.acceptance.cli_kit import Terminal, on_rig, on_terminal
from tests.acceptance.cli_kit import orch as run_orch
from tests.rigs import RunningRig, running, wait_until

CANARY = "canary-4711-abcdef"
DRIVERS = '''
import logging, os, threading

class Dev:
    def __init__(self, token: str = ""):
        self._token = token
        self.label: str = "plain"
        print("printed", token)
        logging.getLogger("dev").warning("logged %s", token)

    @property
    def position(self) -> float:
        """Where it stands."""
        return 1.5

    @property
    def lost(self) -> float:
        raise OSError("no answer")

    def wait_for(self, path: str) -> None:
        """Until there is such a file."""
        while not os.path.exists(path):
            threading.Event().wait(0.01)

    def log_in(self, user: str, password: str) -> str:
        return user

    def length(self) -> int:
        return len(self._token)

    def leak(self):
        raise ValueError(f"refused {self._token}")

    def close(self):
        pass

class Bad:
    def __init__(self, token):
        raise RuntimeError(f"no login with {token}")
'''
CONFIG = """
rig: views
defaults: {timeouts: {wait_for: 60s}}
workers:
  dev: {driver: "views_drivers:Dev", kwargs: {token: "${file:token}"}, audit: true}
  busy: {driver: "views_drivers:Dev", invocation_timeout: 300ms}
  bad: {driver: "views_drivers:Bad", args: ["${file:token}"], retry_start: false}
"""


@pytest.fixture(scope="module")
def rig() -> Iterator[RunningRig]:
    """A rig of which one worker is FAILED."""
    with running(CONFIG, {"views_drivers": DRIVERS}, texts={"token": f"{CANARY}\n"}) as rig:
        yield rig


@pytest.fixture
def at_work(rig: RunningRig, tmp_path: Path) -> Iterator[RunningRig]:
    """`busy` runs an operation, and a read waits behind it."""
    done = tmp_path / "done"
    with rig.connected() as client:
        futures = [client["busy"].submit("wait_for", str(done))]
        futures.append(client["busy"].submit("length", invocation_timeout=60))
        wait_until(lambda: json.loads(on_rig(rig, "status", "--json").out)["workers"][1]["queue"])
        try:
            yield rig
        finally:
            done.touch()
            for each in futures:
                each.result(30)


def test_status_tells_what_runs_for_whom_and_who_waits(at_work: RunningRig) -> None:
    """Status 4, as one isn't READY."""
    done = on_rig(at_work, "status")
    assert done.status == 4, done.err
    head, _, titles, dev, busy, bad = done.out.splitlines()[:6]
    assert head.startswith("rig views, up ")
    assert f"2 of 3 ready, config {at_work.config}" in head
    assert titles.split()[:5] == ["WORKER", "STATE", "RUNS", "FOR", "QUEUE"]
    assert dev.split()[:4] == ["dev", "READY", "-", "-"]
    assert busy.split()[:3] == ["busy", "READY", "wait_for"]
    assert f"{getpass.getuser()}@" in busy
    assert "FAILED" in bad
    assert "busy: waiting: length for " in done.out


def test_status_has_it_all_in_json(at_work: RunningRig) -> None:
    found = json.loads(on_rig(at_work, "status", "--json").out)
    _, busy, bad = found["workers"]
    (runs,), (waits,) = busy["running"], busy["waiting"]
    assert (runs["member"], runs["limit"]) == ("wait_for", 60.0)
    assert (waits["member"], waits["limit"]) == ("length", 60.0)
    assert runs["client"].startswith(f"{getpass.getuser()}@")
    assert waits["seconds"] >= 0
    assert bad["last_error"]["text"].endswith("RuntimeError: no login with ****")
    assert found["config_changed"] is False


def test_who_did_what_is_recorded_where_it_is_asked_for(rig: RunningRig) -> None:
    """On ipc the user and the process are the kernel's word; secrets are masked."""
    user = getpass.getuser()
    on_rig(rig, "call", "dev", "log_in", "ada", "open sesame")
    on_rig(rig, "set", "dev", "label", f"a {CANARY}")
    on_rig(rig, "set", "dev", "label", "plain")  # as others expect it
    on_rig(rig, "call", "dev", "leak")
    on_rig(rig, "call", "busy", "length")

    def audited() -> list[dict[str, Any]]:
        done = on_rig(rig, "logs", "--audit", "-o", "json", "-w", "dev")
        found = [json.loads(line) for line in done.out.splitlines()]
        assert "sesame" not in done.out
        return [each for each in found if each["member"] in ("log_in", "label", "leak")]

    wait_until(lambda: len(audited()) == 4)
    log_in, label, _, leak = audited()
    assert (log_in["event"], log_in["fields"]["arguments"]) == ("done", "'ada', ****")
    assert (label["event"], label["fields"]["arguments"]) == ("done", "'a ****'")
    assert (leak["event"], leak["fields"]["reason"]) == ("failed", "ValueError: refused ****")
    assert log_in["fields"]["who"].startswith(f"{user}@")
    assert log_in["fields"]["who"].endswith(":orch")
    assert re.fullmatch(r"pid \d+", log_in["fields"]["peer"])
    assert "busy" not in on_rig(rig, "logs", "--audit").out
    with rig.connected() as client:
        assert [each.member for each in client.logs(audit=True, member="leak")] == ["leak"]
    trace = on_rig(rig, "trace", leak["request"]).out
    assert f"who={user}@" in trace


def test_latencies_and_the_last_error_are_told(rig: RunningRig) -> None:
    """Also when others went well since."""
    assert on_rig(rig, "get", "dev", "lost").status == 1
    assert on_rig(rig, "call", "dev", "length").out == f"{len(CANARY)}\n"
    dev = json.loads(on_rig(rig, "status", "--json").out)["workers"][0]
    assert dev["latency"]["count"] >= 2
    assert 0 < dev["latency"]["p50"] <= dev["latency"]["p99"] < 60
    error = dev["last_error"]
    assert (error["text"], error["member"]) == ("OSError: no answer", "lost")
    assert 0 <= error["age"] < 60


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_no_line_of_the_table_is_wider_than_the_terminal(rig: RunningRig, columns: int) -> None:
    shown = on_terminal({**rig.environ, "NO_COLOR": "1"}, "status", columns=columns)
    assert shown.status == 4
    lines = shown.out.splitlines()
    begin = next(at for at, line in enumerate(lines) if line.startswith("WORKER"))
    assert max(map(len, lines[begin : begin + 4])) <= columns


def test_status_follows_until_it_is_interrupted(rig: RunningRig) -> None:
    """On the whole screen; what changes is shown at once."""
    with Terminal(rig.environ, "status", "-f", "--every", "1h") as terminal:
        terminal.read_until("2 of 3 ready")
        assert "\x1b[?1049h" in terminal.shown  # the other screen
        assert on_rig(rig, "stop", "dev").status == 0
        terminal.read_until("1 of 3 ready")
        assert on_rig(rig, "start", "dev").status == 0
        terminal.press("\x03")
        assert terminal.finish().status == 130
    assert "\x1b[?1049l" in terminal.shown


def test_status_follows_on_a_pipe_one_below_the_other(rig: RunningRig) -> None:
    done = on_rig(rig, "status", "-f", "-n", "2", "--every", "100ms")
    assert (done.status, done.out.count("rig views, up ")) == (4, 2)
    done = on_rig(rig, "status", "-f", "-n", "2", "--every", "100ms", "--json")
    assert [json.loads(line)["rig"] for line in done.out.splitlines()] == ["views", "views"]


def test_get_without_a_property_reads_all(rig: RunningRig) -> None:
    done = on_rig(rig, "get", "dev")
    assert json.loads(done.out) == {"position": 1.5, "label": "plain"}
    assert (done.status, done.err) == (1, "dev.lost can't be read: OSError: no answer\n")
    shown = on_terminal(rig.environ, "get", "dev")
    assert "PROPERTY" in shown.out
    assert "no answer" in shown.out
    assert on_rig(rig, "get", "bad").status == 4
    assert on_rig(rig, "get", "devv").status == 2


def test_snapshot_reads_all_of_all(rig: RunningRig) -> None:
    """With what couldn't be read and why; as YAML it is the same."""
    done = on_rig(rig, "snapshot")
    assert done.status == 1
    found = json.loads(done.out)
    assert list(found["workers"]) == ["dev", "busy", "bad"]
    dev, _, bad = found["workers"].values()
    assert dev["values"] == {"position": 1.5, "label": "plain"}
    assert dev["unread"] == {"lost": "OSError: no answer"}
    assert (bad["values"], bad["state"], "is FAILED" in bad["error"]) == ({}, "FAILED", True)
    assert "bad can't be read: worker 'bad' is FAILED" in done.err
    text = on_rig(rig, "snapshot", "dev", "--yaml").out
    assert YAML(typ="safe").load(text)["workers"] == {"dev": dev}
    assert on_rig(rig, "snapshot", "devv").status == 2


def test_snapshot_from_python(rig: RunningRig) -> None:
    """For asyncio too; values are as they are."""
    with rig.connected() as client:
        found = client.snapshot("dev", execution_timeout=5)
        assert found["workers"]["dev"]["values"]["position"] == 1.5
        assert found.unread == {"dev.lost": "OSError: no answer"}
        assert orch.snapshot(client)["workers"].keys() == {"dev", "busy", "bad"}
        with pytest.raises(NameRefused):
            client.snapshot("devv")
        address = client.address

    async def take() -> dict[str, object]:
        async with orch.aconnect(address) as other:
            return dict(await other.snapshot("busy"))

    assert asyncio.run(take())["rig"] == "views"


def test_of_a_busy_worker_it_is_asked_once(at_work: RunningRig) -> None:
    """Not for each of its properties: they would all have to wait."""
    done = on_rig(at_work, "snapshot", "busy")
    assert done.status == 1
    busy = json.loads(done.out)["workers"]["busy"]
    assert busy["values"] == {}
    assert set(busy["unread"]) == {"position", "lost", "label"}
    (why,) = set(busy["unread"].values())
    assert "busy.position did not start" in why or "busy.label did not start" in why


def test_rigs_lists_what_runs(rig: RunningRig) -> None:
    (found,) = json.loads(on_rig(rig, "rigs", "--json").out)
    assert (found["rig"], found["pid"]) == ("views", rig.process.pid)
    assert (found["ready"], found["workers"]) == (2, 3)
    titles, row = on_rig(rig, "rigs").out.splitlines()
    assert titles.split() == ["RIG", "PID", "UP", "READY", "ADDRESS", "CONFIG"]
    assert "2 of 3" in row


def test_rigs_says_that_none_runs(folder: Path) -> None:
    environ = {**os.environ, "ORCH_RUNTIME_DIR": str(folder / "run")}
    done = run_orch(environ, "rigs")
    assert (done.status, done.out) == (0, "")
    assert done.err.startswith("no rig is running")


def test_wrong_arguments_are_a_usage_error_at_once(at_work: RunningRig) -> None:
    """With the signature, also while the worker has no time."""
    done = on_rig(at_work, "call", "busy", "wait_for")
    assert done.status == 2
    told = "error: busy.wait_for(path: str) -> None: missing a required argument: 'path'"
    assert done.err.splitlines()[0] == told
    assert "too many positional" in on_rig(at_work, "call", "busy", "length", "1").err
    done = on_rig(at_work, "call", "busy", "wait_for", "x", "-k", "y=1")
    assert "unexpected keyword argument 'y'" in done.err


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        (["call", ""], ["dev", "busy", "bad"]),
        (["call", "dev", "le"], ["length", "leak"]),
        (["get", "dev", "p"], ["position"]),
        (["restart", "b"], ["busy", "bad"]),
        (["--rig", ""], ["views"]),
        (["get", "bad", ""], []),
        (["get", "nobody", ""], []),
    ],
)
def test_shells_complete(rig: RunningRig, typed: list[str], completed: list[str]) -> None:
    environ = {**rig.environ, "_ORCH_COMPLETE": "bash_complete"}
    environ |= {"COMP_WORDS": " ".join(["orch", *typed]), "COMP_CWORD": str(len(typed))}
    done = run_orch(environ)
    assert [line.partition(",")[2] for line in done.out.split()] == completed, done.err


def test_nothing_is_completed_where_nobody_answers(folder: Path) -> None:
    environ = {**os.environ, "ORCH_RUNTIME_DIR": str(folder / "run")}
    environ |= {"_ORCH_COMPLETE": "bash_complete", "COMP_WORDS": "orch call ", "COMP_CWORD": "2"}
    done = run_orch(environ)
    assert (done.out.strip(), done.err) == ("", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_what_a_shell_evaluates(rig: RunningRig, shell: str) -> None:
    done = on_rig(rig, "completion", shell)
    assert (done.status, f"_ORCH_COMPLETE={shell}_complete" in done.out) == (0, True)


def test_what_a_reference_stands_for_is_seen_nowhere(rig: RunningRig, tmp_path: Path) -> None:
    """Neither in logs, whatever drivers do with it, nor in status, plans and reports."""
    assert on_rig(rig, "call", "dev", "length").out == f"{len(CANARY)}\n"
    assert on_rig(rig, "call", "dev", "leak").status == 1
    with rig.connected() as client:
        os.kill(client.status()["workers"][0]["pid"], 9)
        wait_until(lambda: client.status()["workers"][0]["state"] == "READY")

    def logged() -> str:
        return on_rig(rig, "logs", "-o", "json").out

    wait_until(lambda: logged().count("printed ****") >= 2)
    told = logged()
    assert "logged ****" in told
    report = tmp_path / "report.zip"
    assert on_rig(rig, "postmortem", "-o", str(report)).status == 0
    with ZipFile(report) as archive:
        told += "".join(archive.read(name).decode() for name in archive.namelist())
    for command in (["status", "--json"], ["check", str(rig.config)], ["describe", "--json"]):
        done = on_rig(rig, *command)
        told += done.out + done.err
    told += rig.text + "".join(
        each.read_bytes().decode("latin-1")
        for place in (rig.environ["ORCH_STATE_DIR"], rig.environ["ORCH_RUNTIME_DIR"])
        for each in Path(place).rglob("*")
        if each.is_file()
    )
    assert CANARY not in told
    assert "no login with ****" in told
