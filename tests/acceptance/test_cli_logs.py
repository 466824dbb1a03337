"""`logs`, `trace` and `postmortem`, on stores that a rig has left and on one that is running."""

from __future__ import annotations

import json
import re
import select
import signal
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.logs.store.records import Record
from tests.acceptance.cli_kit import Done, Terminal, begin, environment, on_terminal, orch
from tests.logs.log_kit import NOW, chain, fill, record, run
from tests.rigs import RunningRig, running

TALKER = '''
import ctypes, os, signal, structlog
log = structlog.get_logger("talker")

class Talker:
    """Says things."""

    def say(self, text: str) -> None:
        print(text)
        log.info("said", text=text)

    def die(self) -> None:
        print("last words")
        os.kill(os.getpid(), signal.SIGKILL)
'''
CONFIG = """
rig: bench
workers:
  talker: {driver: "talking:Talker"}
"""


def made(number: int) -> Record:
    """Records a minute apart, of two workers."""
    return record(
        f"line {number}",
        NOW + 60 * number,
        worker="stage" if number % 2 else "camera",
        level="warning" if number % 5 == 0 else "info",
        request=f"1f3a9c2d-0000-4000-8000-{number // 2:012x}",
        member="move",
    )


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a user who ran rig `bench` twice, with ten records each."""
    folder = tmp_path_factory.mktemp("user")
    store = folder / "state" / "bench" / "logs"
    store.mkdir(parents=True)
    fill(store, [made(number) for number in range(10)], "1f")
    fill(store, [made(number) for number in range(10, 20)], "2e")
    return environment(folder, TZ="UTC")


def logs(environ: dict[str, str], *arguments: str) -> list[int]:
    """Numbers of the records that `orch logs` shows."""
    done = orch(environ, "logs", *arguments)
    assert done.status == 0, done.err
    return [int(line.split()[1]) for line in done.out.splitlines() if line.startswith("line")]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", range(20)),
        ("-w stage", range(1, 20, 2)),
        ("-w stage -w camera -n 3", range(17, 20)),
        ("stage -n 2 -w camera", (18, 19)),
        ("stage -n 2", (17, 19)),
        ("-e -n 2", (18, 19)),
        ("-e", range(20)),
        ("-n", range(10, 20)),
        ("-p warning", (0, 5, 10, 15)),
        ("-p info..info -n 2", (18, 19)),
        ("-S 2023-11-14T22:30", range(17, 20)),
        ("-S 2023-11-14T22:20 -U 2023-11-14T22:22:30", range(7, 10)),
        ("-g LINE.1[0-3]", ()),
        ("-g line.1[0-3]", range(10, 14)),
        ("-r 1f3a9c2d-0000-4000-8000-000000000003", (6, 7)),
        ("-r 1f3a9c2d…000003", (6, 7)),
        ("-m move -n 1", (19,)),
        ("-m stop", ()),
        ("-b", range(10, 20)),
        ("-b -1", range(10)),
        ("-b 1 -n 1", (9,)),
        ("--reverse -n 3", (19, 18, 17)),
        ("--after-cursor 1.17", range(17, 20)),
    ],
)
def test_each_option_chooses_its_records(
    left: dict[str, str], arguments: str, expected: range
) -> None:
    """Alone and together."""
    assert logs(left, "-o", "cat", *arguments.split()) == list(expected)


def test_styles(left: dict[str, str]) -> None:
    """One record is one line, but in full."""
    short = orch(left, "logs", "-n", "2").out
    assert re.fullmatch(
        r"(2023-11-14 \d\d:\d\d:\d\d\.000 info +(stage|camera) +\[move 1f3a9c2d…000009\] "
        r"line 1[89]\n){2}",
        short,
    )
    found = [json.loads(line) for line in orch(left, "logs", "-o", "json").out.splitlines()]
    assert [each["event"] for each in found] == [f"line {number}" for number in range(20)]
    assert {each["run"] for each in found} == {1, 2}
    assert "    request=1f3a9c2d-0000" in orch(left, "logs", "-o", "full", "-n", "1").out


def test_how_many_there_are_and_how_they_look(left: dict[str, str]) -> None:
    """All that needs a process of its own each time in one test."""
    assert orch(left, "logs", "--count").out == "20\n"
    assert orch(left, "logs", "--count", "camera", "-p", "warning", "-b").out == "1\n"
    (line,) = orch(left, "logs", "-n", "1", "-p", "warning", "-o", "short-iso").out.splitlines()
    assert line.startswith("2023-11-14T22:28:20.000+0000 warning ")
    (line,) = orch(left, "logs", "-n", "1", "-p", "warning", "--color", "always").out.splitlines()
    assert "\x1b[33mwarning \x1b[0m" in line
    assert "\x1b" not in orch(left, "logs", "-n", "1", "--color", "never").out
    done = orch(left, "logs", "-f", "--count")
    assert (done.status, done.err) == (2, "error: --follow and --count exclude each other\n")


def test_a_cursor_goes_on_where_one_has_stopped(left: dict[str, str]) -> None:
    """Also when nothing has come since."""
    shown = orch(left, "logs", "-n", "1", "--show-cursor").out
    cursor = shown.splitlines()[-1].removeprefix("-- cursor: ")
    done = orch(left, "logs", "--after-cursor", cursor)
    assert (done.status, done.out, done.err) == (0, "", "no records\n")


def test_runs(left: dict[str, str]) -> None:
    """With numbers for -b."""
    lines = orch(left, "logs", "--list-runs").out.splitlines()
    assert [line.split()[:4] for line in lines[1:]] == [
        ["-1", "1", "2023-11-14", "22:13:20"],
        ["0", "2", "2023-11-14", "22:13:20"],
    ]
    assert all("stopped" in line for line in lines[1:])
    found = [
        json.loads(line)
        for line in orch(left, "logs", "--list-runs", "-o", "json").out.splitlines()
    ]
    assert [(each["last"], each["number"], each["ending"]) for each in found] == [
        (-1, 1, "stopped"),
        (0, 2, "stopped"),
    ]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["-S", "soon"], '"soon" is not a time; write'),
        (["-U", "25:00"], "is not a time"),
        (["-S", "now", "-U", "today"], "--since is later than --until"),
        (["-g", "("], "is not a regular expression"),
        (["-p", "loud"], '"loud" is not a level'),
        (["-b", "7"], "there is no run 7"),
        (["-b", "x"], "'x' is not a run"),
        (["-n", "-3"], "not a number of records"),
        (["-o", "xml"], "'xml' is not one of"),
        (["--after-cursor", "x"], "is no cursor"),
        (["--vacuum-size", "x"], "is not a size"),
        (["--vacuum-time", "x"], "is not a duration"),
        (["-f", "--reverse"], "exclude each other"),
        (["-f", "--list-runs"], "exclude each other"),
        (["-f", "-U", "now"], "nothing can follow: --until is in the past"),
        (["--rig", "tcp://host:1"], "name it instead of its address"),
        (["--rig", "../x"], "is not a rig's name"),
    ],
)
def test_what_can_not_be_meant_is_refused(
    left: dict[str, str], arguments: list[str], text: str
) -> None:
    """With status 2, and what is wrong."""
    done = orch(left, "logs", *arguments)
    assert done.status == 2
    assert done.out == ""
    assert text in done.err


def test_a_rig_that_never_ran_has_status_3(left: dict[str, str], tmp_path: Path) -> None:
    """And the ones that did are named."""
    done = orch(environment(tmp_path), "logs")
    assert done.status == 3
    assert "no rig has run yet" in done.err
    done = orch(left, "logs", "--rig", "bensh")
    assert done.status == 3
    assert "rig bensh has no logs: it has never run; there are logs of bench; did you" in done.err


def test_a_worker_that_is_none_is_refused(left: dict[str, str], tmp_path: Path) -> None:
    """With the one that was meant; one that has said nothing so far is no mistake."""
    for more in ([], ["-f"]):
        done = orch(left, "logs", "-w", "stge", *more)
        assert (done.status, done.out) == (2, "")
        assert 'rig bench has no worker "stge"; did you mean "stage"?' in done.err
    assert orch(left, "logs", "-w", "bench").err == "no records\n"
    store = tmp_path / "state" / "bench" / "logs"
    config = tmp_path / "lab.yaml"
    config.write_text("rig: bench\nworkers:\n  quiet: {driver: 'a:B'}\n")
    store.mkdir(parents=True)
    writer = chain(store, run(config=str(config)))
    writer.write([record("loud")])
    writer.end(NOW, "stopped")
    done = orch(environment(tmp_path), "logs", "-w", "quiet")
    assert (done.status, done.err) == (0, "no records\n")
    config.unlink()
    done = orch(environment(tmp_path), "logs", "-w", "quiet")
    assert (done.status, done.err) == (0, 'there are no logs of "quiet"\nno records\n')


def test_with_several_rigs_one_is_chosen(left: dict[str, str], tmp_path: Path) -> None:
    """By option or environment."""
    for name in ("one", "two"):
        store = tmp_path / "state" / name / "logs"
        store.mkdir(parents=True)
        fill(store, [record(f"of {name}")])
    environ = environment(tmp_path)
    done = orch(environ, "logs")
    assert done.status == 3
    assert "several rigs have logs: one, two" in done.err
    assert orch(environ, "logs", "--rig", "one", "-o", "cat").out == "of one\n"
    environ["ORCH_RIG"] = "two"
    assert orch(environ, "logs", "-o", "cat").out == "of two\n"


# --- on a terminal


@pytest.mark.measured
def test_a_terminal_gets_colours_and_a_pager(left: dict[str, str], tmp_path: Path) -> None:
    """The pager is told what less needs to know."""
    pager = tmp_path / "pager"
    pager.write_text('#!/bin/sh\necho "paged by LESS=$LESS"\ncat\n')
    pager.chmod(0o755)
    done = on_terminal({**left, "PAGER": str(pager)}, "logs", "-p", "warning")
    assert done.status == 0
    assert done.out.startswith("paged by LESS=FRX\n")
    assert "\x1b[33mwarning" in done.out
    done = on_terminal({**left, "PAGER": str(pager)}, "logs", "-n", "1", "--no-pager")
    assert "paged" not in done.out


def test_a_pager_that_is_left_early_is_no_error(left: dict[str, str], tmp_path: Path) -> None:
    """However much there was to come."""
    store = tmp_path / "state" / "bench" / "logs"
    store.mkdir(parents=True)
    fill(store, [record("x" * 500) for _ in range(3000)])
    done = on_terminal({**environment(tmp_path), "PAGER": "head -n 1"}, "logs")
    assert done.status == 0
    assert done.out.count("\n") == 1


def test_a_missing_pager_is_no_error(left: dict[str, str]) -> None:
    """The output is plain then."""
    done = on_terminal({**left, "PAGER": "/no/such/pager"}, "logs", "-n", "1")
    assert done.status == 0
    assert "line 19" in done.out


# --- with a rig


@pytest.fixture(scope="module")
def rig() -> Iterator[RunningRig]:
    """A rig whose worker talks."""
    with running(CONFIG, {"talking": TALKER}) as rig:
        yield rig


def request_of(rig: RunningRig, text: str) -> str:
    """The id of the request that said something."""
    done = until_shown(rig, "-g", text, "-o", "json")
    request = json.loads(done.out.splitlines()[0])["request"]
    assert isinstance(request, str)
    return request


def until_shown(rig: RunningRig, *arguments: str) -> Done:
    """Ask until there is something."""
    deadline = time.monotonic() + 20
    while True:
        done = orch(rig.environ, "logs", *arguments)
        assert done.status == 0, done.err
        if done.out:
            return done
        assert time.monotonic() < deadline


def test_following_shows_what_comes(rig: RunningRig) -> None:
    """Also after the worker has died."""
    process = begin(rig.environ, "logs", "-f", "-w", "talker", "-n", "1", "-o", "cat")
    assert process.stdout is not None
    try:
        process.stdout.readline()
        with rig.connected() as client:
            client.talker.say("warm up")
            assert process.stdout.readline() == "warm up\n"
            assert process.stdout.readline() == "said\n"
            client.talker.say("here I am")
            assert process.stdout.readline() == "here I am\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert process.stderr is not None
        assert process.stderr.read().strip() == ""
    finally:
        process.kill()
        process.communicate()


def test_one_request_is_found_and_traced(rig: RunningRig) -> None:
    """Its records and its lines, and nothing else."""
    with rig.connected() as client:
        client.talker.say("first")
        client.talker.say("second")
        client.talker.say("third")
    request = request_of(rig, "second")
    shown = orch(rig.environ, "logs", "-r", request, "-o", "cat").out
    assert sorted(shown.splitlines()) == ["said", "second"]
    done = orch(rig.environ, "trace", request)
    assert done.status == 0
    head, *lines = done.out.splitlines()
    assert head.startswith("talker.say at ")
    assert head.endswith(request)
    assert re.match(r" +0\.000 ms +\+0\.000 ms +talker\[1\] +stdout +second$", lines[0])
    assert "said text=second" in lines[1]


def test_an_address_names_the_rig_that_listens_there(rig: RunningRig) -> None:
    """As for all other commands."""
    with rig.connected() as client:
        address = client.address
    assert orch(rig.environ, "logs", "--rig", address, "-n", "1").out
    assert orch(rig.environ, "logs", "--rig", "ipc:///nowhere.ipc").status == 2


def test_a_request_of_which_nothing_is_known_is_refused(rig: RunningRig) -> None:
    """With status 2."""
    done = orch(rig.environ, "trace", "no-such-request")
    assert done.status == 2
    assert 'no record of request "no-such-request"' in done.err


def test_the_last_words_of_a_killed_worker_are_in_the_postmortem(
    rig: RunningRig, tmp_path: Path
) -> None:
    """With config, versions and state."""
    with rig.connected() as client:
        with pytest.raises(Exception, match="outcome is unknown"):
            client.talker.die()
        client.talker.say("alive again")
    request_of(rig, "alive again")
    target = tmp_path / "report.zip"
    done = orch(rig.environ, "postmortem", "talker", "-o", str(target))
    assert (done.status, done.out) == (0, f"{target}\n")
    assert target.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(target) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert set(texts) == {
        *("logs.txt", "logs.jsonl", "crashes.txt", "runs.txt", "versions.txt"),
        *("config.yaml", "state.json", "status.json"),
    }
    assert "last words" in texts["logs.txt"]
    assert "last words" in texts["crashes.txt"]
    assert "SIGKILL" in texts["crashes.txt"]
    assert "alive again" not in texts["crashes.txt"]
    assert "pyzmq " in texts["versions.txt"]
    assert json.loads(texts["state.json"])["rig"] == "bench"
    (worker,) = json.loads(texts["status.json"])["workers"]
    assert (worker["name"], worker["state"]) == ("talker", "READY")
    assert " running orch " in texts["runs.txt"].splitlines()[-1]
    assert orch(rig.environ, "postmortem", "-o", str(target)).status == 2  # it is there already


def test_a_postmortem_clashes_with_no_other(left: dict[str, str], tmp_path: Path) -> None:
    """Of the same second."""
    names = []
    for arguments in ([], [], ["stage"], ["stage"]):
        done = orch(left, "postmortem", *arguments, cwd=tmp_path)
        assert done.status == 0, done.err
        names.append(done.out.strip())
    assert sorted(names) == sorted({each.name for each in tmp_path.iterdir()})
    assert [name.startswith("orch-postmortem-bench-stage-") for name in names] == [0, 0, 1, 1]
    with zipfile.ZipFile(tmp_path / names[0]) as archive:
        assert "status.json" not in archive.namelist()


def test_following_survives_a_restart_of_the_rig(tmp_path: Path) -> None:
    """And the crash of the one before is seen in the list of runs."""
    with running(CONFIG, {"talking": TALKER}) as rig:
        process = begin(rig.environ, "logs", "-f", "-w", "talker", "-n", "0", "-o", "cat")
        try:
            assert process.stdout is not None
            with rig.connected() as client:
                while not select.select([process.stdout], [], [], 0.1)[0]:
                    client.talker.say("the old one")  # until it follows
            rig.process.send_signal(signal.SIGKILL)
            rig.process.wait()
            rig.start()
            rig.wait_settled()
            with rig.connected() as client:
                client.talker.say("the new one")
            while (line := process.stdout.readline()) != "the new one\n":
                assert line
        finally:
            process.kill()
            process.communicate()
        runs = orch(rig.environ, "logs", "--list-runs").out.splitlines()
        assert len(runs) == 3
        assert "supervisor died" in runs[1] or "crashed" in runs[1]
        assert "running" in runs[2]
        first = orch(rig.environ, "logs", "-b", "-1", "-o", "cat").out
        assert "the new one" not in first


def test_ctrl_c_is_the_pagers(left: dict[str, str], tmp_path: Path) -> None:
    """Who interrupts a search in less doesn't lose the text."""
    pager = tmp_path / "pager"
    # It waits for the key, not for its text: that may all be there before the key is pressed. The
    # key is held from the start: a shell may look for it a moment before it comes, then read on.
    pager.write_text(
        f"#!{sys.executable} -S\n"
        "import os, signal\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})\n"
        "print('ready', flush=True)\n"
        "signal.sigwait({signal.SIGINT})\n"
        "print('interrupted', flush=True)\n"
        "os.execlp('cat', 'cat')\n"
    )
    pager.chmod(0o755)
    with Terminal({**left, "PAGER": str(pager)}, "logs", "-n", "1") as terminal:
        terminal.read_until("ready")
        terminal.press("\x03")
        terminal.read_until("interrupted\n")
        done = terminal.finish()
    assert done.status == 0
    assert done.out.partition("interrupted\n")[2].strip()
