"""README and the how-tos: each block does what the page says, all on one rig."""

from __future__ import annotations

import os
import re
import sys
import textwrap
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from orchestrator.config.loader import load
from orchestrator.config.problems import ConfigError
from orchestrator.config.schema import TopSection
from tests.docs.pages import DOCS, ROOT, blocks, fences, name_of
from tests.docs.runner import CONFIG, Page, Wrong, example
from tests.docs.showing import difference
from tests.rigs import running

FIRST = [ROOT / "README.md", DOCS / "start.md", DOCS / "walk.md"]
HOW_TOS = sorted((DOCS / "howto").glob("*.md"))
GUIDE = sorted({*DOCS.glob("*.md")} - {*FIRST})
FOLLOWED = [*FIRST, *HOW_TOS, *GUIDE]
WANTED = os.environ.get("ORCH_PAGES", "").split()
"""Parts of the names of pages that are to be followed; none is all."""
SHOWN = ("text", "ini", "json", "mermaid")
"""Languages of blocks that nobody types or runs."""


@pytest.mark.unmeasured
@pytest.mark.timeout(400)
@pytest.mark.parametrize("pages", [[*FIRST, *HOW_TOS], GUIDE], ids=["how-tos", "guide"])
def test_pages_do_what_they_say(pages: list[Path]) -> None:
    """Many of them in one test: a rig for each page would cost a second of a processor each."""
    wrong = []
    files = example()
    with running(files[CONFIG], texts={"visa.py": files["visa.py"]}) as rig:
        for path in pages:
            if WANTED and not any(part in name_of(path) for part in WANTED):
                continue
            try:
                Page(path, rig, files).follow()
            except Wrong as error:
                wrong.append(str(error))
    assert not wrong, "\n\n".join(["", *wrong])


@pytest.mark.parametrize("path", FOLLOWED, ids=name_of)
def test_a_part_of_a_config_is_valid(path: Path, tmp_path: Path) -> None:
    """One that isn't a file of its own: keys of a rig, workers, or keys of a worker."""
    for block in blocks(path):
        if block.language != "yaml" or block.title or block.note.startswith("not run"):
            continue
        text = re.sub(r"/opt/\S+/python", sys.executable, block.text)
        told = YAML(typ="safe").load(textwrap.dedent(text))
        if told is None:
            continue  # a comment
        if not told.keys() & TopSection.model_fields.keys():
            told = {"workers": {"w": told}}
        for worker in told.setdefault("workers", {"w": {}}).values():
            if isinstance(worker, dict):
                worker.setdefault("driver", "module:Class")
        config = tmp_path / "rig.yaml"
        YAML(typ="safe").dump({"rig": "page", **told}, config)
        try:
            load(config)
        except ConfigError as error:
            pytest.fail(f"{block.place}: {error}")


def test_each_block_is_run_or_says_why_not() -> None:
    for path in FOLLOWED:
        found = blocks(path)
        assert len(found) == fences(path), f"{name_of(path)} has a fence that can't be read"
        for block in found:
            known = ("python", "yaml", "console", *SHOWN)
            assert block.language in known, f"{block.place}: a block of which language?"
            if block.note.startswith("not run"):
                assert len(block.note) > len("not run: why"), f"{block.place}: say why"
            elif block.language == "console":
                assert block.text.startswith("$ "), f"{block.place}: what is typed?"


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("READY  1", "READY 1"),
        ("a\n…\nz", "a\nb\nc\nz"),
        ("a…z", "abcz"),
        ("…", "a\nb"),
        ("a\n…", "a"),
    ],
)
def test_what_is_alike(shown: str, printed: str) -> None:
    assert difference(shown, printed) == ""


@pytest.mark.parametrize(
    ("shown", "printed", "told"),
    [
        ("a", "b", "shown, but not printed: a"),
        ("a", "a\nb", "printed, but not shown: b"),
        ("a\nb", "a", "shown, but not printed: b"),
        ("a\n…\nz", "a\nb", "shown, but not printed: z"),
        ("a 1", "a 2", "shown, but not printed: a 1"),
        ("a.c", "abc", "shown, but not printed: a.c"),
    ],
)
def test_what_differs(shown: str, printed: str, told: str) -> None:
    assert difference(shown, printed) == told


def test_numbers_may_vary_and_words_may_not() -> None:
    assert difference("up 1.4s, 4 ready", "up 12s, 3 ready", numbers_vary=True) == ""
    assert difference("up 1.4s, 4 ready", "up 12s, 3 lost", numbers_vary=True)
