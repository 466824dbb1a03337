"""The site is whole without being built: links lead somewhere, and the menu has every page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.docs.pages import DOCS, ROOT, anchors, links, name_of

PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
FROM_ROOT = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md"}
FROM_ROOT["changelog.md"] = "CHANGELOG.md"
"""Pages of the site that stand in the project's folder: see `scripts/site_pages.py`."""


def menu(entries: Any) -> Iterator[str]:
    """The pages of the site's menu."""
    if isinstance(entries, str):
        yield entries
    else:
        for entry in entries.values() if isinstance(entries, dict) else entries:
            yield from menu(entry)


def broken(page: Path) -> Iterator[str]:
    """What is wrong with the links of a page."""
    for link in links(page):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists():
            yield f"{name_of(page)}: there is no {link}"
        elif anchor and anchor not in anchors(target):
            yield f"{name_of(page)}: {link} is no heading"


def test_links_lead_somewhere() -> None:
    found = [each for page in PAGES for each in broken(page)]
    assert not found, "\n".join(found)


def test_the_menu_has_each_page_once() -> None:
    config = YAML().load((ROOT / "mkdocs.yml").read_text())
    listed = list(menu(config["nav"]))
    there = [path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")]
    assert sorted(listed) == sorted([*there, *FROM_ROOT])
    assert all((ROOT / path).exists() for path in FROM_ROOT.values())


def test_a_broken_link_is_seen(tmp_path: Path) -> None:
    folder = DOCS / "howto"
    page = tmp_path / "page.md"
    page.write_text("[a](page.md#here) [b](gone.md) [c](#there)\n\n## Here\n")
    assert {"here"} == anchors(page)
    assert links(page) == ["page.md#here", "gone.md", "#there"]
    assert folder.is_dir()
