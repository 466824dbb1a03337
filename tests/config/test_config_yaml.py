"""From files and YAML to plain data."""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.config.loader import ConfigError, load
from orchestrator.config.source import MAX_BYTES
from orchestrator.config.yaml import MAX_DEPTH, MAX_NODES, parse
from tests.config.config_kit import expect, in_worker, load_text, problems_of


@pytest.mark.parametrize(
    ("marked", "message"),
    [
        ("rig: r\nworkers:\n§\ta: 1\n", "a tab can't indent; use spaces"),
        ("rig: [a\n§", "this is not YAML: expected ',' or ']'"),
        ("rig: 'a\n§", "the closing quote is missing"),
        ("rig: a§: b\n", "a key can't stand here"),
        ("rig: r\nworkers:\n  a: {}\n §b: {}\n", "check the indentation"),
        ("rig: §@x\n", "this is not YAML: found character '@'"),
        ("rig: r\n§---\nrig: s\n", "a second document"),
        ("§%YAML 1.11\n---\nrig: r\n", "this is not YAML: version minor"),
        ("%YAML 1.1\n§---\nrig: r\n", "this is read as YAML 1.2"),
        ("rig: r\nworkers: {a: §\x07}\n", "the character U+0007 can't stand in a config"),
        ('rig: "x\n\n  §\ufffe"\n', "the character U+FFFE"),
    ],
)
def test_what_is_not_yaml_is_told_with_its_place(tmp_path: Path, marked: str, message: str) -> None:
    expect(tmp_path, marked, message)


def test_the_drivers_own_numbers_may_be_infinite(tmp_path: Path) -> None:
    text = in_worker("args: [-.inf]\nkwargs: {a: {b: [.nan]}}\non_start: [{set: {gain: +.Inf}}]")
    worker = load_text(tmp_path, text).workers["stage"]
    assert worker.args == (-math.inf,)
    assert math.isnan(worker.kwargs["a"]["b"][0])
    assert "inf" in repr(worker.on_start)
    assert worker == load_text(tmp_path, text).workers["stage"]  # NaN or not, nothing changed


def test_duplicate_keys_are_told_with_both_places(tmp_path: Path) -> None:
    expect(
        tmp_path,
        "rig: r\n§rig: s\nworkers:\n  a: {driver: 'x:X', §driver: 'y:Y'}\n  §a: {driver: 'x:X'}\n",
        f'the key "rig" is given twice; the first is at {tmp_path}/lab.yaml:1:1',
        f"{tmp_path}/lab.yaml:4:7",
        f"{tmp_path}/lab.yaml:4:3",
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("args: [&x 1, §*x]", 'the alias "*x" is not allowed'),
        ("kwargs: {§<<: {a: 1}}", 'merge keys ("<<") are not allowed'),
        ("args: [§!!python/object:os.system x]", "is not allowed; a value's type is told by"),
        ("args: §!!set {a, b}", "is not allowed"),
        ("args: [§!x y]", 'the tag "!x" is not allowed'),
        ("kwargs: {§1: x}", 'a key must be text, not the number 1; in quotes it is: "1"'),
        ("kwargs: {§true: x}", "a key must be text, not true"),
        ("kwargs: {§[a]: x}", "a key must be text, not an alias, a list or a mapping"),
        ("? §{a: b}\n: x", "a key must be text, not an alias, a list or a mapping"),
        ("kwargs: {§!!str a: x}", "a key is text"),
        ('args: [§"\\ud800"]', "half of a surrogate pair"),
        ('args: ["\\UFFFFFFFF"]', ""),
    ],
)
def test_what_only_yaml_can_express_is_refused(tmp_path: Path, line: str, message: str) -> None:
    if not message:
        assert "this is not YAML" in problems_of(tmp_path, in_worker(line))[0][2]
        return
    expect(tmp_path, in_worker(line), message)


def test_a_yaml_bomb_is_refused_at_once(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    started = time.perf_counter()
    problems = problems_of(tmp_path, "\n".join(lines))
    assert time.perf_counter() - started < 1  # 0.1 s on a machine with nothing else to do
    assert any("alias" in message for _, _, message in problems)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("args: " + "[" * 100_000, f"nested more than {MAX_DEPTH} levels deep"),
        ("args: " + "{a: " * 100_000, f"nested more than {MAX_DEPTH} levels deep"),
        ("args: [" + "1, " * MAX_NODES + "]", f"more than {MAX_NODES} keys and values"),
    ],
)
def test_depth_and_number_of_values_are_capped(tmp_path: Path, text: str, message: str) -> None:
    ((_, _, told),) = problems_of(tmp_path, text)
    assert message in told


def test_a_config_of_usual_depth_is_under_the_cap(tmp_path: Path) -> None:
    depth = MAX_DEPTH - 3  # workers, stage, args
    value = "[" * depth + "]" * depth
    nested: Any = load_text(tmp_path, in_worker(f"args: {value}")).workers["stage"].args
    for _ in range(depth - 1):
        (nested,) = nested
    assert nested in ([], ())


# Files


def test_a_missing_file_is_told_without_a_place(tmp_path: Path) -> None:
    (tmp_path / "lab.yaml").touch()
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "lba.yaml")
    assert str(caught.value) == (
        f'{tmp_path}/lba.yaml: there is no such file; did you mean "lab.yaml"?'
    )
    with pytest.raises(ConfigError, match=r"the folder .* isn't there either"):
        load(tmp_path / "gone" / "lab.yaml")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="is not a regular file"):
        load(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="is a folder"):
        load(tmp_path)
    with pytest.raises(ConfigError, match="can't be read"):
        load("a\0b")


def test_a_folder_is_answered_with_the_configs_in_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a config is a file$"):
        load(tmp_path)
    (tmp_path / "lab.yaml").touch()
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert str(caught.value).endswith(f'a config is a file; it holds "{tmp_path}/lab.yaml"')


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads anything")
def test_an_unreadable_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.touch(mode=0o200)
    with pytest.raises(ConfigError, match="can't be read: Permission denied"):
        load(file)


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners here")
def test_a_file_that_everyone_may_write_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text("rig: r\nworkers: {a: {driver: 'a:B'}}\n")
    file.chmod(0o666)
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert str(caught.value) == (
        f"{file}: everyone may write to it, and it names what runs: chmod o-w it"
    )
    file.chmod(0o664)
    assert load(file).rig == "r"


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    ((line, column, message),) = problems_of(tmp_path, b"#" * (MAX_BYTES + 1))
    assert (line, column, message) == (0, 0, "is larger than 1 MiB")
    assert "the file is empty" in problems_of(tmp_path, b"#" * MAX_BYTES)[0][2]


def test_what_is_not_utf_8_is_told_with_its_place(tmp_path: Path) -> None:
    ((line, column, message),) = problems_of(tmp_path, "rig: r\r\nä: ".encode() + b"\xe4\n")
    assert (line, column) == (2, 4)
    assert message == "byte 0xe4 is not UTF-8 text; save the file as UTF-8"
    assert "byte 0xff" in problems_of(tmp_path, "rig: r".encode("utf-16"))[0][2]


# Whatever a file holds

TOKENS = st.sampled_from(
    ["rig", "workers", ":", " ", "\n", "  ", "- ", "[", "]", "{", "}", ",", "&a", "*a", "<<", "!x",
     "!!str", "|", ">", "'", '"', "#", "%YAML 1.1", "---", "...", "?", "\t", "\\", "\\U", "\\x",
     "1", "é", "\ufeff", "\x85", "\u2028", "~", "1e999", "driver", "a:B", "after", "rig: bench\n",
     "workers:\n", "  stage:\n", "    driver: a:B\n", "    args: ", "env", "listen: "]
)  # fmt: skip


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=st.one_of(st.lists(TOKENS, max_size=30).map("".join), st.text(max_size=60)))
def test_any_text_gives_a_config_or_printable_problems_in_it(tmp_path: Path, text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    try:
        config = load_text(tmp_path, data)
    except ConfigError as error:
        problems = error.problems
    else:
        assert config.workers
        return
    assert problems
    for problem in problems:
        assert problem.message.isprintable()
        assert 1 <= problem.place.line <= len(text.splitlines()) + 1
        assert problem.place.column >= 1


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(
            st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=10
        ) | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abc<: é1~", max_size=5), inner, max_size=3),
        max_leaves=10,
    )
)  # fmt: skip
def test_json_is_yaml_and_comes_out_as_it_went_in(value: object) -> None:
    document = parse(json.dumps(value), "x.yaml")
    assert document.problems == []
    assert document.data == value
