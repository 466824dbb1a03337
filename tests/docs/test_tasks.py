"""The page of tasks: each has what one types, which commands take, and a test that there is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from orchestrator.cli.main import cli
from tests.docs.pages import DOCS, ROOT
from tests.test_promises import names_in

_ROW = re.compile(r"^\| (?!you want)(.+?) \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)
ROWS = _ROW.findall((DOCS / "tasks.md").read_text())
TYPED = sorted({each for row in ROWS for each in re.findall(r"`(orch .+?)`", row[1])})


def test_they_are_all_there() -> None:
    assert len(ROWS) == 18
    assert len(TYPED) > 20


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_has_a_page_and_a_test_that_there_is(row: tuple[str, str, str, str]) -> None:
    _, _, more, tests = row
    assert re.search(r"\]\([\w/]+\.md(#[\w-]+)?\)", more)
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", tests)
    assert named
    assert all(name in names_in(ROOT / file) for file, name in named)


@pytest.mark.parametrize("typed", TYPED)
def test_what_is_typed_is_taken(
    typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the command's own arguments and options; nothing is done."""
    monkeypatch.chdir(tmp_path)
    for name in ("rig.yaml", "rules.yaml", "one.rec"):
        (tmp_path / name).touch()
    _, name, *arguments = shlex.split(typed)
    with click.Context(cli, info_name="orch") as context:
        command = cli.get_command(context, name)
        assert command is not None
        command.make_context(name, arguments, parent=context)
