"""Each error is told at its place. In the texts, § stands before the place of a problem."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from orchestrator.config.loader import ConfigError, Place, Problem
from orchestrator.config.sizes import LEAST_KEPT
from orchestrator.logs.store.chain import Keep
from tests.config.config_kit import expect, in_worker, load_text


def test_a_problem_reads_as_file_line_column_message() -> None:
    problem = Problem(Place("lab.yaml", 12, 5), "it is wrong")
    assert str(problem) == "lab.yaml:12:5: it is wrong"
    assert str(Place("lab.yaml")) == "lab.yaml"


def test_problems_are_sorted_and_said_once() -> None:
    late, early = Problem(Place("a", 2, 1), "late"), Problem(Place("a", 1, 9), "early")
    error = ConfigError([late, early, late])
    assert error.problems == (early, late)
    assert str(error) == "a:1:9: early\na:2:1: late"
    assert pickle.loads(pickle.dumps(error)).problems == error.problems


def test_all_errors_are_found_in_one_pass(tmp_path: Path) -> None:
    expect(
        tmp_path,
        """\
rig: §2bench
listen: [ipc, §"tpc://127.0.0.1:5570", §ipc]
defaults: {execution_timeout: §10 parsecs, §driver: x, §envv: {}, after: [§lasr]}
workers:
  stage:
    §drvier: package.module:Class
    args: §{a: 1}
    transport: §inporc
    env: {KEY: §1}
    cwd: §nowhere
    after: [§stage, §lsaer, §3]
    concurrent: [§_abort, status, §status]
    timeouts: {expose: §fast}
    max_restarts: §5 per 1min
  laser: {driver: §a.b.C, after: [§cam]}
  cam: {driver: "a:B", after: [laser]}
  §stage: {}
  §9: {driver: "a:B"}
logs: {level: §WARN, keep: §much, keep_for: §-1}
""",
        'is not an id',
        'did you mean "tcp://"?',
        '"listen" has "ipc" twice',
        '"10 parsecs" is not a duration; write 250ms',
        "a driver belongs to one worker",
        'unknown key "envv" in "defaults"; did you mean "env"?',
        'no worker is named "lasr"; did you mean "laser"?',
        'unknown key "drvier" in worker "stage"; did you mean "driver"?',
        '"args" must be a list such as [1, two], not a mapping',
        '"transport" must be ipc or inproc, not the text "inporc"; did you mean "inproc"?',
        '"env.KEY": must be text, not the number 1; put it in quotes',
        "nowhere\" is not there",
        'worker "stage" can\'t start after itself',
        'no worker is named "lsaer"; did you mean "laser"?',
        '"after.2" must be the name of a worker, not the number 3',
        '"_abort" is private',
        '"concurrent" has "status" twice',
        '"fast" is not a duration',
        '"5 per 1min" is not a restart intensity',
        'did you mean "a.b:C"?',
        'circular "after": laser after cam after laser',
        f'the key "stage" is given twice; the first is at {tmp_path}/lab.yaml:5:3',
        "a key must be text, not the number 9",
        'not the text "WARN"; here it is warning',
        '"much" is not a size',
        "is negative",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("marked", "message"),
    [
        ("drivers: 1", 'did you mean "driver"?'),
        ("zzz: 1", 'unknown key "zzz" in worker "stage"; known: '),
        ("Execution-Timeout: 1", 'did you mean "execution_timeout"?'),
    ],
)
def test_unknown_keys_are_told_the_nearest(tmp_path: Path, marked: str, message: str) -> None:
    expect(tmp_path, in_worker(f"§{marked}"), message)


def test_unknown_keys_at_the_top_and_in_logs(tmp_path: Path) -> None:
    expect(
        tmp_path,
        "rig: a\n§wrokers: {}\nworkers: {b: {driver: 'a:B'}}\nlogs: {§levle: info}\n",
        'unknown key "wrokers" in the config; did you mean "workers"?',
        'unknown key "levle" in "logs"; did you mean "level"?',
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("args: §x", '"args" must be a list such as [1, two], not the text "x"'),
        ("§args:", '"args" must be a list such as [1, two], not nothing (null)'),
        ("kwargs: §[1]", '"kwargs" must be a mapping such as {axes: 3}, not a list'),
        ("env: §[A]", '"env" must be a mapping'),
        ("env: {A: §true}", "must be text, not true; put it in quotes"),
        ("env: {A: §1.5}", "must be text, not the number 1.5; put it in quotes"),
        ("env: {§A: }", 'must be text, not nothing (null); write ""'),
        ("env: {A: §[]}", "must be text, not a list"),
        ('env: {A: §"\\0"}', "NUL"),
        ("env: {§A=B: x}", '"A=B" can\'t name a variable'),
        ('env: {§"": x}', "can't name a variable"),
        ("cwd: §5", '"cwd" must be the path of a folder, not the number 5'),
        ('cwd: §""', "must be a path"),
        ("python: §[a]", '"python" must be the path of an interpreter, not a list'),
        ("after: §laser", '"after" must be a list of workers such as [laser], not the text'),
        ("concurrent: §status", '"concurrent" must be a list of members'),
        ("concurrent: [§1]", '"concurrent.0" must be the name of a member, not the number 1'),
        ('concurrent: [§"a b"]', '"a b" is not the name of a member'),
        ('concurrent: [§"a..b"]', '"a..b" is not the name of a member'),
        ('concurrent: [§"a._b"]', '"a._b" is private'),
        ("invocation_timeout: §true", "true is not a duration; write 250ms"),
        ("execution_timeout: §-5", "the number -5 is negative"),
        ("execution_timeout: §12:30", '"12:30" is not a duration'),
        ("timeouts: §5s", '"timeouts" must be a mapping such as {expose: 120s}'),
        ("timeouts: {§_x: 5s}", "is private"),
        ("restart: §allways", "must be permanent, transient or temporary, not the text"),
        ("restart: §permanet", 'did you mean "permanent"?'),
        ("restart: §true", "not true"),
        ("max_restarts: §5", "the number 5 is not a restart intensity"),
        ("max_restarts: §5 in no time", '"no time" is not a duration'),
        ("on_start: §home", '"on_start" must be a list such as [{set: {gain: 2}}, {call: home}]'),
        ("on_start: [§{get: x}]", "write {set: {gain: 2}}, {call: home} or {call: [move, 1.0]}"),
        ("on_start: [§{set: {}}]", "write {set: {gain: 2}}"),
        ("on_start: [§{call: []}]", "write {set: {gain: 2}}"),
        ("on_start: [§{call: _home}]", "is private"),
        ("restore: §gain", '"restore" must be a list of properties such as [exposure, gain]'),
        ("restore: [gain, §gain]", '"restore" has "gain" twice'),
        ("idempotent: [home, §home]", '"idempotent" has "home" twice'),
        ("verify: §[move]", '"verify" must be a mapping such as {move: position}'),
        ("limits: §2GiB", '"limits" must be a mapping such as {memory: 2GiB, nofile: 1024}'),
        ("limits: {memory: §1MiB}", "is too little for a worker; the least is 64MiB"),
        ("limits: {memory: §lots}", '"lots" is not a size'),
        ("limits: {nofile: §3}", "3 is too few for a worker"),
        ("limits: {nofile: §many}", '"limits.nofile" must be a number of files such as 1024'),
        ("limits: {nice: §20}", "20 is no niceness"),
        ("limits: {cpus: §[]}", "name at least one processor"),
        ("limits: {cpus: §[99999]}", "there is no processor 99999 here"),
        ("limits: {cpus: §[-1]}", "there is no processor -1; they are counted from 0"),
        ("limits: {cpus: [§x]}", '"limits.cpus.0" must be the number of a processor'),
        ("limits: {§memry: 2GiB}", 'unknown key "memry" in "limits"; did you mean "memory"?'),
        ("transport: inproc\n§limits: {nice: 5}", "can't be given to an inproc worker"),
        ("on_loss: §off", '"on_loss" must be a mapping such as {driver: package.module:Safe'),
        ("on_loss: §{calls: [off]}", '"on_loss" needs "driver"'),
        ('on_loss: {driver: "m:A", calls: §[]}', '"on_loss.calls" must have at least one entry'),
        (
            'on_loss: {driver: "m:A", calls: [§7]}',
            "write output_off or [ramp, 0.0], not the number 7",
        ),
        ("events: {a: §7}", '"events.a": write a method such as add_callback, or a mapping'),
        ("events: {a: §{call: b, ende: c}}", 'unknown key "ende"; did you mean "end"?'),
        ("events: {a: §{call: b, value: 1.5}}", '"value" is the number of an argument, or a name'),
        ("events: {a: §{call: [b, $x]}}", '"$x" is neither $callback, $token, nor a constant'),
        ("probe: §temperature", '"probe" must be a mapping such as {read: temperature'),
        ("probe: §{every: 10s}", '"probe" needs "read"'),
        ("probe: {read: t, failures: §0}", '"probe.failures" must be a number of failures'),
        ("probe: {read: t, §evry: 1s}", 'unknown key "evry" in "probe"; did you mean "every"?'),
        ("on_sick: §reopen", 'name the method that opens it by "open_with"'),
        ("backoff: §1s", '"1s" is no pair of pauses; write the first and the longest'),
        ("backoff: §0s..1s", "has a pause of 0"),
        ("backoff: §5s..1s", "begins with the longer pause"),
        ("backoff: §1s..fast", '"fast" is not a duration'),
        ("required: §2", '"required" must be true or false, not the number 2'),
        ("retry_failed: §0", "nothing can be done in no time"),
        ("required: true\n§retry_failed: 5min", 'either "required", so that the rig ends'),
        ("on_execution_timeout: §kill", "must be report, cancel or restart"),
        ("on_execution_timeout: §cancel", 'say how by "cancel_with"'),
        ("cancel_with: §1", "must be an action such as abort, or interrupt, or a list"),
        ("cancel_with: §[a, 2]", "must be an action such as abort, or interrupt, or a list"),
        ("cancel_with: §[a, a]", 'has "a" twice'),
        ("cancel_with: §[interrupt, a]", "interrupt comes last"),
        ("cancel_with: §_halt", "is private"),
        ("cancel: {move: §_halt}", "is private"),
        ("cancel: {§_move: halt}", "is private"),
        ("cancel: §[x]", '"cancel" must be a mapping such as {move: stop}'),
        ("cancel_grace: §null", "it must have an end"),
        ("stop_with: §close()", "write the bare name"),
        ("poll: {x: §5ms}", "is too often; the least is 10ms"),
        ("poll: {x: §null}", "it must have an end"),
        ("poll: {t: 1s}\nalarms: {§u: {above: 1}}", 'add "u" to "poll"'),
        ("poll: {t: §5ms}\nalarms: {t: {above: 1}}", "is too often"),
        ("alarms: {t: §60}", "write limits such as {above: 60"),
        ("alarms: {t: §{over: 60}}", 'unknown key "over"'),
        ("alarms: {t: §{for: 5s}}", 'it needs "above" or "below"'),
        ("alarms: {t: §{above: true}}", '"above" must be a number such as 60, not true'),
        ("alarms: {t: §{above: 1, below: 1}}", '"below" must be less than "above"'),
        ("alarms: {t: §{above: 1, clear: 2}}", '"clear" must not be more than "above"'),
        ("alarms: {t: §{below: 1, clear: 0}}", '"clear" must not be less than "below"'),
        ("alarms: {t: §{above: 9, below: 1, clear: 2}}", "two numbers where there are two limits"),
        ("alarms: {t: §{above: 9, below: 1, clear: [3, 2]}}", "the lesser one first"),
        ("alarms: {t: §{above: 9, for: ever}}", '"for": '),
        ("alarms: {t: §{above: 9, stale: 0}}", '"stale": nothing is read in no time'),
        ("alarms: {t: §{above: 9, level: info}}", '"level" must be warning or error'),
        ("alarms: {t: §{above: 9, run: notify}}", '"run" must be a command'),
        ("alarms: {t: §{above: 9, run: [a, 1]}}", '"run" must be a list of texts'),
        ("alarms: {t: §{above: 9, do: stop}}", '"do" must be on_loss, or whom it is done to'),
        ("alarms: {t: §{above: 9, do: {on_loss: []}}}", '"do" must be on_loss, or whom'),
        ("alarms: {t: §{above: 9, do: {on_loss: [1]}}}", '"do" must name workers, of which the'),
        ("alarms: {t: §{above: 9, do: {on_loss: [a, a]}}}", '"do" has "a" twice'),
        (
            "poll: {t: 1s}\nalarms: {t: {above: 9, do: §on_loss}}",
            'has no "on_loss" that says how its device is made safe',
        ),
        (
            "poll: {t: 1s}\nalarms: {t: {above: 9, do: §{on_loss: [stag]}}}",
            'no worker is named "stag"',
        ),
        (
            "transport: inproc\npoll: {t: 1s}\nalarms: {t: {above: 9, do: §on_loss}}",
            "is a thread (inproc), for which there is no on_loss",
        ),
        ("poll: §[x]", '"poll" must be a mapping such as {position: 200ms}'),
        ("open_with: §close()", "write the bare name"),
        ("open_with: §[1]", '"open_with": must be a method such as connect, or a list'),
        ("open_with: §[]", '"open_with": must be a method such as connect, or a list'),
        ("stop_with: §1", '"stop_with" must be the name of a method such as close'),
        ("stall_timeout: §.inf", '".inf" is not a finite number; null means no limit'),
        ("kwargs: {a: {b: [§1e999]}}", "is too large a number; infinity is written .inf"),
        (f"args: [§{'9' * 400}]", "is too large a number"),
    ],
)
def test_wrong_values_are_told_what_is_expected(tmp_path: Path, line: str, message: str) -> None:
    expect(tmp_path, in_worker(line), message)


@pytest.mark.parametrize(
    "bad",
    ["9a", "a b", "a.b", "é", "../../x", "_a", "a" * 65, "a/b", '"a\\n"', '"a\\0"', '""'],
)
def test_ids_of_rigs_and_workers_are_plain_names(tmp_path: Path, bad: str) -> None:
    expect(tmp_path, f"rig: §{bad}\nworkers: {{a: {{driver: 'a:B'}}}}\n", "is not an id")
    expect(tmp_path, f"rig: r\nworkers:\n  §{bad}: {{driver: 'a:B'}}\n", "is not an id")


@pytest.mark.parametrize("good", ["a", "A-1_b", "a" * 64])
def test_dashes_digits_and_underscores_are_fine_in_ids(tmp_path: Path, good: str) -> None:
    worker = f"w{good[1:]}"
    config = load_text(tmp_path, f"rig: {good}\nworkers: {{{worker}: {{driver: 'a:B'}}}}\n")
    assert list(config.workers) == [worker]
    assert config.rig == good


def test_a_worker_named_like_the_rig_is_refused(tmp_path: Path) -> None:
    expect(
        tmp_path,
        "rig: bench\nworkers:\n  §bench: {driver: 'a:B'}\n",
        'the worker "bench" has the rig\'s id',
    )


@pytest.mark.parametrize(
    "bad", ["a.b", "a:", ":B", "a..b:C", "a:b c", "a:B()", "a/b.py:C", "cam.py", "a:B:C", "1a:B",
            "class:B", ".a:B", "a:B."],
)  # fmt: skip
def test_a_driver_is_a_module_and_a_name(tmp_path: Path, bad: str) -> None:
    expect(
        tmp_path,
        f"rig: r\nworkers:\n  a: {{driver: §'{bad}'}}\n",
        "is not a driver; write package.module:Class",
    )


@pytest.mark.parametrize("good", ["a:B", "a.b.c:make", "a:B.make", "a:_private", "größe:Maß"])
def test_a_driver_may_be_dotted_after_the_colon(tmp_path: Path, good: str) -> None:
    config = load_text(tmp_path, f"rig: r\nworkers:\n  a: {{driver: '{good}'}}\n")
    assert config.workers["a"].driver == good


@pytest.mark.parametrize(
    ("marked", "message"),
    [
        ("  §stage:\n", 'worker "stage" needs a "driver"'),
        ("  §stage: {}\n", 'worker "stage" needs a "driver"'),
        ("  stage: {§driver: }\n", 'worker "stage" needs a "driver"'),
        ("  stage: {driver: §5}\n", '"driver" must be a text such as package.module:Class'),
        ("  stage: §a\n", "package.module:Class"),
        ("  stage: §[a]\n", 'worker "stage" must be a mapping, not a list'),
    ],
)
def test_each_worker_needs_a_driver(tmp_path: Path, marked: str, message: str) -> None:
    expect(tmp_path, f"rig: bench\nworkers:\n{marked}", message)


@pytest.mark.parametrize(
    ("marked", "message"),
    [
        ("§", "the file is empty"),
        ("§# only a comment\n", "the file is empty"),
        ("---\n§...\n", "the file is empty"),
        ("§- rig\n", "a list; a config is a mapping"),
        ("§bench\n", 'the text "bench"; a config is a mapping'),
        ("rig: r\nworkers: §{}\n", 'at least one of "workers"'),
        ("rig: r\n§workers:\n", 'at least one of "workers"'),
        ("§rig: r\n", 'at least one of "workers"'),
        ("rig: r\nworkers: §[a]\n", '"workers" must be a mapping of names to workers, not a list'),
        ("§workers: {a: {driver: 'a:B'}}\n", "a rig needs an id"),
        ("§rig:\nworkers: {a: {driver: 'a:B'}}\n", "a rig needs an id"),
        ("rig: §5\nworkers: {a: {driver: 'a:B'}}\n", '"rig" must be a text such as bench'),
        ("rig: r\n§logs:\nworkers: {a: {driver: 'a:B'}}\n", '"logs" must be a mapping'),
        ("rig: r\ndefaults: §5\nworkers: {a: {driver: 'a:B'}}\n", '"defaults" must be a mapping'),
    ],
)
def test_a_config_needs_its_parts(tmp_path: Path, marked: str, message: str) -> None:
    expect(tmp_path, marked, message)


def test_a_folder_that_is_not_there_or_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    expect(tmp_path, in_worker("cwd: §gone"), f'"{tmp_path}/gone" is not there')
    expect(tmp_path, in_worker("cwd: §file"), f'"{tmp_path}/file" is not a folder')


def test_an_interpreter_that_is_not_there_or_not_executable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = tmp_path / "plain"
    plain.touch(mode=0o644)
    (tmp_path / "broken").symlink_to(tmp_path / "gone")
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "pythonic").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(bin_folder))
    expect(tmp_path, in_worker("python: §/gone/python"), '"/gone/python" is not there')
    expect(tmp_path, in_worker("python: §./broken"), "is not there")
    expect(tmp_path, in_worker("python: §plain"), f'"{plain}" is not executable')
    expect(tmp_path, in_worker("python: §."), "is not a file")
    expect(tmp_path, in_worker("python: §pythonic"), f'did you mean "{bin_folder}/pythonic"?')


def test_errors_of_the_defaults_are_told_once_at_their_place(tmp_path: Path) -> None:
    expect(
        tmp_path,
        """\
rig: r
defaults: {python: §/gone/python, cwd: §gone, concurrent: [a, §a], restart: §never}
workers:
  a: {driver: "x:X"}
  b: {driver: "x:X", cwd: .}
""",
        "is not there",
        "is not there",
        "twice",
        "must be permanent",
    )


def test_inproc_workers_have_no_process_of_their_own(tmp_path: Path) -> None:
    expect(
        tmp_path,
        in_worker("transport: inproc\n§env: {A: b}\n§cwd: .\n§python: /usr/bin/python3"),
        '"env" can\'t be given to an inproc worker: it is a thread and shares',
        '"cwd" can\'t be given to an inproc worker',
        '"python" can\'t be given to an inproc worker',
    )


def test_a_worker_that_is_inproc_by_default_has_none_either(tmp_path: Path) -> None:
    expect(
        tmp_path,
        "rig: r\ndefaults: {transport: inproc}\nworkers:\n  a: {driver: 'x:X', §env: {A: b}}\n",
        '"env" can\'t be given',
    )


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        ("1", "1 is too little to keep anything; the least is 1MiB"),
        ("1MB", "is too little to keep anything"),
        ("0", "is less than a byte"),
    ],
)
def test_logs_of_which_nothing_could_be_kept(tmp_path: Path, keep: str, message: str) -> None:
    """The least that can be is what one segment takes while it is written."""
    rest = "workers: {a: {driver: 'a:B'}}\n"
    expect(tmp_path, f"rig: r\nlogs: {{keep: §{keep}}}\n{rest}", message)
    least = Keep(size=LEAST_KEPT)
    assert least.segment_size + 3 * least.segment_size == LEAST_KEPT
    assert load_text(tmp_path, f"rig: r\nlogs: {{keep: 1MiB}}\n{rest}").logs.keep == LEAST_KEPT
