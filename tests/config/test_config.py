"""What a config becomes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from orchestrator.config.loader import LogsConfig, Place, load
from orchestrator.durations import Intensity
from tests.config.config_kit import expect, in_worker, load_text, problems_of

FULL = """\
rig: bench
listen: [ipc, "tcp://127.0.0.1:5570"]
defaults: {execution_timeout: 10s}
workers:
  stage:
    driver: package.module:Class
    args: [1, two]
    kwargs: {axes: 3}
    transport: ipc
    env: {KEY: value}
    cwd: .
    python: %s
    after: [laser]
    concurrent: [abort, status]
    invocation_timeout: 250ms
    timeouts: {expose: 120s, home: null}
    restart: transient
    max_restarts: 3 in 10s
    on_execution_timeout: restart
    open_with: [connect, 1, {timeout: 5}]
    stop_with: close
    backoff: 1s..2min
    on_start: [{set: {gain: 2, b: [1]}}, {call: home}, {call: [move, 1.0, {slowly: true}]}]
    restore: [gain, ch1.range]
    idempotent: [home]
    verify: {move: position}
    probe: {read: temperature, every: 1min, failures: 5}
    events: {a: add, b: {call: [sub, 1, {to: $callback}], value: 0, end: [unsub, $token]}}
    on_sick: reopen
    on_loss: {driver: "m:Safe", calls: [off, [ch1.ramp, 0.0, {slowly: true}]]}
    limits: {memory: 2GiB, nofile: 1024, nice: 5, cpus: [0]}
    required: true
  laser: {driver: "lasers:make"}
logs: {level: debug, keep: 2GiB, keep_for: 1d, json_lines: false}
strategy: rest_for_one
shared_memory: 64MiB
"""


def test_a_full_config_is_read_as_written(tmp_path: Path) -> None:
    config = load_text(tmp_path, FULL % sys.executable)
    stage = config.workers["stage"]
    assert config.rig == "bench"
    assert config.listen == ("ipc", "tcp://127.0.0.1:5570")
    assert list(config.workers) == ["stage", "laser"]
    assert config.start_order == ("laser", "stage")
    assert (config.file, config.folder) == (tmp_path / "lab.yaml", tmp_path)
    assert config.logs == LogsConfig("debug", 2 << 30, 86_400, json_lines=False)
    assert (stage.name, stage.driver) == ("stage", "package.module:Class")
    assert (stage.args, stage.kwargs) == ((1, "two"), {"axes": 3})
    assert (stage.transport, stage.env) == ("ipc", {"KEY": "value"})
    assert (stage.cwd, stage.python) == (tmp_path, Path(sys.executable))
    assert (stage.after, stage.concurrent) == (("laser",), ("abort", "status"))
    assert (stage.invocation_timeout, stage.execution_timeout) == (0.25, 10.0)
    assert stage.timeouts == {"expose": 120.0, "home": None}
    assert (stage.restart, stage.max_restarts) == ("transient", Intensity(3, 10.0))
    assert config.shared_memory == 64 << 20
    assert (config.strategy, stage.backoff, stage.required) == ("rest_for_one", (1.0, 120.0), True)
    assert (stage.on_execution_timeout, stage.stop_with) == ("restart", "close")
    assert stage.on_start == (
        ("gain", [2], {}, True),
        ("b", [[1]], {}, True),
        ("home", [], {}, False),
        ("move", [1.0], {"slowly": True}, False),
    )
    assert stage.on_loss == {
        "driver": "m:Safe",
        "args": [],
        "kwargs": {},
        "calls": [("off", [], {}), ("ch1.ramp", [0.0], {"slowly": True})],
        "timeout": 5.0,
    }
    assert stage.events == {
        "a": (("add", [], {}), None, None),
        "b": (("sub", [1], {"to": "$callback"}), 0, ("unsub", ["$token"], {})),
    }
    assert stage.probe == {"member": "temperature", "every": 60.0, "timeout": 2.0, "failures": 5}
    assert stage.on_sick == "reopen"
    assert stage.limits == {"memory": 2 << 30, "nofile": 1024, "nice": 5, "cpus": [0]}
    assert stage.restore == ("gain", "ch1.range")
    assert stage.idempotent == ("home",)
    assert stage.verify == {"move": "position"}
    assert stage.open_with == ("connect", [1], {"timeout": 5})
    assert stage.place == Place(str(tmp_path / "lab.yaml"), 6, 13)


def test_places_of_a_workers_own_keys_are_kept(tmp_path: Path) -> None:
    places = load_text(tmp_path, FULL % sys.executable).workers["stage"].places
    lines_and_columns = {
        key: (places[key].line, places[key].column)
        for key in ("driver", "args", "args.1", "kwargs", "kwargs.axes", "concurrent.1",
                    "timeouts.home", "stop_with")
    }  # fmt: skip
    assert lines_and_columns == {
        "driver": (6, 13),
        "args": (7, 11),
        "args.1": (7, 15),
        "kwargs": (8, 13),
        "kwargs.axes": (8, 14),
        "concurrent.1": (14, 25),
        "timeouts.home": (16, 30),
        "stop_with": (21, 16),
    }
    assert "execution_timeout" not in places


def test_what_ends_operations_is_read(tmp_path: Path) -> None:
    """One name or several; members have their own, beside those of the defaults."""
    text = """\
rig: bench
defaults: {cancel_with: interrupt, cancel: {move: halt, home: null}}
workers:
  stage: {driver: 'a:B', cancel: {move: [stop, interrupt]}, on_execution_timeout: cancel}
  other: {driver: 'a:B', cancel_with: [abort], cancel_grace: 500ms}
"""
    workers = load_text(tmp_path, text).workers
    stage, other = workers["stage"], workers["other"]
    assert stage.cancel_with == ("interrupt",)
    assert stage.cancel == {"move": ("stop", "interrupt"), "home": ()}
    assert (other.cancel_with, other.cancel_grace) == (("abort",), 0.5)
    assert other.means == {"abort", "halt"}


def test_the_smallest_config_gets_all_defaults(tmp_path: Path) -> None:
    config = load_text(tmp_path, "rig: bench\nworkers: {stage: {driver: 'a:B'}}\n")
    stage = config.workers["stage"]
    assert config.listen == ("ipc",)
    assert (config.logs.level, config.logs.keep) == ("info", 1 << 30)
    assert config.logs.keep_for == 30 * 86_400
    assert (stage.args, stage.kwargs, stage.env, stage.after) == ((), {}, {}, ())
    assert (stage.transport, stage.cwd, stage.python) == ("ipc", tmp_path, None)
    assert (stage.invocation_timeout, stage.execution_timeout) == (5.0, 5.0)
    assert (stage.timeouts, stage.concurrent, stage.stop_with) == ({}, (), None)
    assert (stage.restart, stage.max_restarts) == ("permanent", Intensity(5, 60.0))
    assert stage.on_execution_timeout == "report"
    assert (stage.cancel_with, stage.cancel, stage.cancel_grace) == ((), {}, 2.0)
    assert stage.limits is None
    assert (config.strategy, stage.backoff) == ("one_for_one", (0.1, 30.0))
    assert config.shared_memory == 512 << 20
    assert (stage.required, stage.retry_failed) == (False, None)


def test_alarms_clear_where_they_begin_unless_told_otherwise(tmp_path: Path) -> None:
    config = load_text(
        tmp_path,
        """\
rig: bench
defaults: {poll: {t: 20s}, alarms: {t: {above: 60, level: warning, run: [beep, "1"]}}}
workers:
  plain: {driver: "a:B"}
  own:
    driver: "a:B"
    alarms: {t: {below: 10, for: 5s, clear: 12, stale: 1min}}
  both:
    driver: "a:B"
    alarms: {t: {above: 60, below: 10, clear: [12, 55]}}
""",
    )
    plain, own, both = (worker.alarms["t"] for worker in config.workers.values())
    assert (plain.above, plain.most, plain.least, plain.lasting) == (60.0, 60.0, None, 0.0)
    assert (plain.level, plain.run) == ("warning", ("beep", "1"))
    assert [plain.stale_after(interval) for interval in (0.1, 20.0)] == [10.0, 60.0]
    assert (own.below, own.least, own.most, own.lasting) == (10.0, 12.0, None, 5.0)
    assert (own.stale_after(20.0), own.level, own.run) == (60.0, "error", ())
    assert (both.least, both.most) == (12.0, 55.0)


def test_alarms_of_the_defaults_are_about_what_each_worker_polls(tmp_path: Path) -> None:
    text = """\
rig: bench
defaults: {poll: {t: 1s}, alarms: {§t: {above: 60}}}
workers:
  fine: {driver: "a:B"}
  other: {driver: "a:B", poll: {u: 1s}}
"""
    expect(tmp_path, text, 'worker "other": an alarm is about values that are polled: add "t"')


def test_a_workers_own_keys_win_over_the_defaults(tmp_path: Path) -> None:
    config = load_text(
        tmp_path,
        """\
rig: bench
defaults:
  kwargs: {a: 1}
  env: {A: "1", B: "2"}
  timeouts: {x: 1, y: 2}
  execution_timeout: null
workers:
  own: {driver: "a:B", kwargs: {b: 2}, env: {B: "3"}, timeouts: {y: null}, execution_timeout: 1}
  bare: {driver: "a:B"}
""",
    )
    own, bare = config.workers["own"], config.workers["bare"]
    assert own.kwargs == {"b": 2}
    assert own.env == {"A": "1", "B": "3"}
    assert own.timeouts == {"x": 1.0, "y": None}
    assert own.execution_timeout == 1.0
    assert bare.kwargs == {"a": 1}
    assert bare.env == {"A": "1", "B": "2"}
    assert bare.execution_timeout is None
    assert "kwargs" not in bare.places


def test_after_of_the_defaults_holds_for_those_it_does_not_name(tmp_path: Path) -> None:
    config = load_text(
        tmp_path,
        """\
rig: bench
defaults: {after: [laser, clock]}
workers:
  stage: {driver: "a:B"}
  camera: {driver: "a:B", after: []}
  laser: {driver: "a:B"}
  clock: {driver: "a:B"}
""",
    )
    assert {name: worker.after for name, worker in config.workers.items()} == {
        "stage": ("laser", "clock"),
        "camera": (),
        "laser": (),
        "clock": (),
    }
    assert config.start_order == ("camera", "laser", "clock", "stage")


def test_process_settings_of_the_defaults_do_not_reach_inproc_workers(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    config = load_text(
        tmp_path,
        f"""\
rig: bench
defaults: {{env: {{A: "1"}}, cwd: sub, python: {sys.executable}}}
workers:
  thread: {{driver: "a:B", transport: inproc}}
  process: {{driver: "a:B"}}
""",
    )
    thread, process = config.workers["thread"], config.workers["process"]
    assert (thread.env, thread.cwd, thread.python) == ({}, tmp_path, None)
    assert (process.env, process.cwd) == ({"A": "1"}, tmp_path / "sub")
    assert process.python == Path(sys.executable)


def test_relative_paths_count_from_the_configs_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    python = tmp_path / "python"
    python.symlink_to(sys.executable)
    (tmp_path / "lab.yaml").write_text(in_worker("cwd: data\npython: ./python"))
    monkeypatch.chdir(tmp_path.parent)
    config = load(os.path.join(tmp_path.name, "lab.yaml"))
    stage = config.workers["stage"]
    assert stage.cwd == tmp_path / "data"
    assert stage.python == python  # the link itself: it may be what makes a virtual environment
    assert config.folder == tmp_path
    assert str(stage.place) == f"{tmp_path.name}/lab.yaml:4:13"


def test_what_yaml_1_1_would_convert_stays_text(tmp_path: Path) -> None:
    config = load_text(
        tmp_path, in_worker("args: [no, on, 12:30:00, 2024-01-02, 0o17, 0x1F, 1_000, 1e3, ~, '1']")
    )
    assert config.workers["stage"].args == (
        "no", "on", "12:30:00", "2024-01-02", 15, 31, "1_000", 1000.0, None, "1",
    )  # fmt: skip


def test_configs_that_run_alike_are_equal_wherever_they_stand(tmp_path: Path) -> None:
    first = load_text(tmp_path, FULL % sys.executable)
    moved = load_text(tmp_path, "# moved\n" + FULL % sys.executable)
    assert first.workers == moved.workers
    assert first.workers["stage"].place != moved.workers["stage"].place


def test_a_byte_order_mark_moves_no_place(tmp_path: Path) -> None:
    assert problems_of(tmp_path, b"\xef\xbb\xbfrgi: bench\nworkers: {a: {driver: 'a:B'}}\n")[0][
        :2
    ] == (1, 1)


def test_a_worker_that_needs_no_other_key_may_be_its_driver_alone(tmp_path: Path) -> None:
    file = tmp_path / "rig.yaml"
    file.write_text("rig: bench\nworkers:\n  stage: lab.stage:Stage\n")
    worker = load(file).workers["stage"]
    assert worker.driver == "lab.stage:Stage"
    assert (worker.places["driver"].line, worker.places["driver"].column) == (3, 10)
