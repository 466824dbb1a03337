"""A file that is saved, replaced, or reached by links that lead elsewhere."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.runtime.watch import SaveWatch, places_of


@pytest.fixture
def linked(tmp_path: Path) -> Iterator[tuple[Path, SaveWatch]]:
    """As programs lay out files that they replace: a link to a file in a linked folder."""
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "rig.yaml").write_text(version)
    (tmp_path / "now").symlink_to("one")
    (tmp_path / "bench.yaml").symlink_to("now/rig.yaml")
    file = tmp_path / "bench.yaml"
    watch = SaveWatch(file)
    yield file, watch
    watch.close()


def point(link: Path, target: str) -> None:
    """As `ln -sfn` does, or who replaces a file."""
    new = link.with_name("new")
    new.symlink_to(target)
    new.rename(link)


def changed(watch: SaveWatch) -> bool:
    return bool(select.select([watch.fileno()], [], [], 0)[0]) and watch.has_changed()


def test_links_that_lead_elsewhere_are_noticed(linked: tuple[Path, SaveWatch]) -> None:
    """And then what they lead to."""
    file, watch = linked
    assert not changed(watch)
    point(file.with_name("now"), "two")
    assert changed(watch)
    (file.parent / "two" / "rig.yaml").write_text("another")
    assert changed(watch)
    (file.parent / "two" / "other.yaml").write_text("")
    assert not changed(watch)
    point(file, "one/rig.yaml")
    assert changed(watch)
    file.unlink()
    assert changed(watch)
    file.write_text("no link any more")
    assert changed(watch)
    os.chmod(file, 0o600)
    assert changed(watch)


def test_places_of_links(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b/../c")
    (tmp_path / "b").mkdir()
    (tmp_path / "c").symlink_to(tmp_path / "d")
    assert places_of(tmp_path / "a") == [(tmp_path, "a"), (tmp_path, "c"), (tmp_path, "d")]
    (tmp_path / "home").symlink_to("b")
    (tmp_path / "b" / "f").symlink_to(tmp_path / "home" / "g")  # by the same link once more
    through = [(tmp_path, "home"), (tmp_path / "b", "f"), (tmp_path / "b", "g")]
    assert places_of(tmp_path / "home" / "f") == through
    (tmp_path / "d").symlink_to("a")
    assert places_of(tmp_path / "a") == [(tmp_path, "a"), (tmp_path, "c"), (tmp_path, "d")]
