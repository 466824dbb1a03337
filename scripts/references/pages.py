"""All reference pages: what is in them, and where they are."""

from __future__ import annotations

from pathlib import Path

from references import commands, config, errors, python

MAKERS = {
    "config": config.page,
    "commands": commands.page,
    "errors": errors.page,
    "python": python.page,
}


def made(root: Path) -> dict[Path, str]:
    """The pages as they should be, by path."""
    folder = root / "docs" / "reference"
    return {folder / f"{name}.md": make() for name, make in MAKERS.items()}


def kept(path: Path) -> str:
    """A page as it is; empty if there is none."""
    return path.read_text() if path.exists() else ""
