"""Each promise of docs/promises.md names a test that there is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "promises.md").read_text()


def test_each_test_that_is_named_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)
    assert len(named) > 20
    missing = [f"{file}::{name}" for file, name in named if name not in names_in(ROOT / file)]
    assert not missing


def test_each_promise_names_one() -> None:
    """A promise is a paragraph that begins in bold."""
    promises = re.findall(r"^\*\*(.+?)\*\*(.*?)(?=\n\n|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert len(promises) > 15
    assert not [promise for promise, rest in promises if "`tests/" not in rest]


def names_in(file: Path) -> set[str]:
    """The names of a file's tests, those in classes included."""
    nodes = ast.walk(ast.parse(file.read_text())) if file.exists() else ()
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
