"""README and the how-tos: each block does what the page says, all on one rig."""

from __future__ import annotations

import os

import pytest

from tests.docs.pages import DOCS, ROOT, blocks, fences, name_of
from tests.docs.runner import CONFIG, Page, Wrong, example
from tests.docs.showing import difference
from tests.rigs import running

FOLLOWED = [
    *(ROOT / "README.md", DOCS / "start.md", DOCS / "walk.md"),
    *sorted((DOCS / "howto").glob("*.md")),
]
WANTED = os.environ.get("ORCH_PAGES", "").split()
"""Parts of the names of pages that are to be followed; none is all."""
SHOWN = ("text", "ini", "json")
"""Languages of blocks that nobody types or runs."""


@pytest.mark.unmeasured
@pytest.mark.timeout(400)
def test_pages_do_what_they_say() -> None:
    """One test, as a rig for each page would cost a second of a processor each."""
    wrong = []
    files = example()
    with running(files[CONFIG], texts={"visa.py": files["visa.py"]}) as rig:
        for path in FOLLOWED:
            if WANTED and not any(part in name_of(path) for part in WANTED):
                continue
            try:
                Page(path, rig, files).follow()
            except Wrong as error:
                wrong.append(str(error))
    assert not wrong, "\n\n".join(["", *wrong])


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
