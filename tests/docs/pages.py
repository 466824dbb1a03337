"""The pages of the documentation, and the blocks of code in them.

What a block is for is told by its fence and by a comment on the line before it, which readers of
the page don't see:

- ```` ```yaml title="rig.yaml" ````, ```` ```python title="stage.py" ````: a file.
- ```` ```python ````: statements; `expression  # → value` says what comes of one.
- ```` ```console ````: lines that begin with `$ ` are typed, the others are shown.
- `<!-- numbers vary -->`: each number that is shown stands for any number.
- `<!-- meanwhile -->`: it runs while the next block does, once its first shown line has come.
- `<!-- not run: … -->`: it isn't run, for this reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

_BLOCK = re.compile(
    r"^(?:<!-- (?P<note>[^\n]*?) -->\n)?"
    r'^```(?P<language>\w*)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$',
    re.MULTILINE | re.DOTALL,
)
_TYPED = re.compile(r"^\$ (.*)\n?((?:(?!\$ ).*\n?)*)", re.MULTILINE)
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
_LINK = re.compile(r"(?<!`)\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A block of code.

    Attributes:
        place: `page:line` of its fence.
        language: As the fence names it.
        title: The file that it is, or empty.
        note: The comment before it, or empty.
        text: What is in it.
    """

    place: str
    language: str
    title: str
    note: str
    text: str

    def typed(self) -> list[tuple[str, str]]:
        """What is typed, each with what is shown below it."""
        return [(command, shown) for command, shown in _TYPED.findall(self.text)]


def name_of(page: Path) -> str:
    """A page's path below the project's folder."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in order."""
    text = page.read_text()
    return [
        Block(
            f"{name_of(page)}:{text[: found.start('language')].count(chr(10)) + 1}",
            found["language"],
            found["title"] or "",
            found["note"] or "",
            found["text"],
        )
        for found in _BLOCK.finditer(text)
    ]


def fences(page: Path) -> int:
    """How many blocks begin in a page, whatever their fences look like."""
    return len(re.findall(r"^```", page.read_text(), re.MULTILINE)) // 2


def links(page: Path) -> list[str]:
    """Where the links of a page lead, those of code left out."""
    return _LINK.findall(_FENCED.sub("", page.read_text()))


def anchors(page: Path) -> set[str]:
    """The names by which the headings of a page are linked to."""
    headings = _HEADING.findall(_FENCED.sub("", page.read_text()))
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", each) for each in headings)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in plain}
