"""What of a config with faults can be looked at all the same, and where its faults stand."""

from __future__ import annotations

import pytest

from orchestrator.config.loader import Place, Problem, examine


def workers_of(text: str) -> list[str] | None:
    config, problems = examine(text, "lab.yaml")
    assert problems
    return None if config is None else list(config.workers)


@pytest.mark.parametrize(
    ("line", "known"),
    [
        ("restart: always", True),
        ("depends_on: [b]", True),
        ("after: [c]", True),
        ("after: [a]", True),
        ("concurrent: [_x, y]", True),
        ("execution_timeout: soon", True),
        ("limits: {memory: much}", True),
        ("driver: a.C", False),
        ("args: 1", False),
        ("arg: [1]", False),
        ("kwargs: [1]", False),
        ("env: {A: 1}", False),
        ("cwd: nowhere", False),
        ("pyhton: x", False),
        ("on_loss: {driver: 'a:B', calls: []}", False),
    ],
)
def test_a_worker_is_known_by_what_its_driver_is_built_from(line: str, known: bool) -> None:
    given = "" if "driver:" in line[:7] else "    driver: 'a:B'\n"
    text = f"rig: r\nworkers:\n  a:\n{given}    {line}\n  b: 'a:B'\n"
    assert workers_of(text) == (["a", "b"] if known else ["b"])


@pytest.mark.parametrize(
    ("defaults", "known"), [("{restart: always}", ["a"]), ("{args: 1}", None), ("1", None)]
)
def test_faults_of_the_defaults_are_those_of_all(defaults: str, known: list[str] | None) -> None:
    text = f"rig: r\ndefaults: {defaults}\nworkers: {{a: 'a:B'}}\n"
    assert workers_of(text) == known


def test_what_is_no_config_has_problems_alone() -> None:
    for text in ("", "a: [", "rig: r", "rig: r\nworkers: {a: {}}"):
        assert workers_of(text) is None


def test_what_is_right_has_none() -> None:
    config, problems = examine("rig: r\nworkers: {a: 'a:B'}\n", "lab.yaml")
    assert config is not None
    assert (config.rig, problems) == ("r", ())


def test_problems_know_the_path_of_their_key() -> None:
    text = """\
rig: 2r
listen: [ipc, ipc]
workers:
  a: {driver: 'a:B', args: [1, *x], restart: always, zzz: 1, env: {B=: x}}
  a: {}
  7: {driver: 'a:B'}
  b: {}
  c: {driver: 'a:B', probe: {}}
"""
    _, problems = examine(text, "lab.yaml")
    assert [one.place.path for one in problems] == [
        ("rig",),
        ("listen", 1),
        ("workers", "a", "args", 1),
        ("workers", "a", "restart"),
        ("workers", "a", "zzz"),
        ("workers", "a", "env", "B="),
        ("workers", "a"),
        ("workers", "7"),
        ("workers", "b"),
        ("workers", "c", "probe", "read"),
    ]


@pytest.mark.parametrize(
    ("message", "fault", "mend"),
    [
        ("is wrong", "is wrong", None),
        ("is wrong; write x", "is wrong", "write x"),
        ('"a; b" is wrong; write "c; d"; or e', '"a; b" is wrong', 'write "c; d"; or e'),
        ('"a is; wrong', '"a is', "wrong"),
        ("x;y", "x;y", None),
    ],
)
def test_a_message_is_a_fault_and_a_mend(message: str, fault: str, mend: str | None) -> None:
    problem = Problem(Place("lab.yaml"), message)
    assert (problem.fault, problem.mend) == (fault, mend)
