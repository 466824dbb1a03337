"""The reference pages are what the code says now."""

from __future__ import annotations

from pathlib import Path

import pytest
from references import pages
from references.text import prose, table

ROOT = Path(__file__).resolve().parents[2]
MADE = pages.made(ROOT)


@pytest.mark.parametrize("path", MADE, ids=lambda path: path.name)
def test_a_page_is_up_to_date(path: Path) -> None:
    assert pages.kept(path) == MADE[path], "run: scripts/reference"


def test_there_are_no_others() -> None:
    assert sorted((ROOT / "docs" / "reference").iterdir()) == sorted(MADE)


def test_sections_of_docstrings_are_lists() -> None:
    made = prose("""Do it.

    Args:
        x: Where, in mm,
            or so.

    Returns:
        The place: again.
    """)
    assert made == (
        "Do it.\n\n*Args*\n\n- `x`: Where, in mm,\n  or so.\n\n*Returns*\n\nThe place: again."
    )


def test_examples_are_code() -> None:
    assert prose("Such as::\n\n    a = 1\n\nSo.") == "Such as:\n\n```python\na = 1\n```\n\nSo."


def test_a_cell_ends_where_it_is_to() -> None:
    assert table(("a",), [("x|y",)]).endswith("| x\\|y |")
