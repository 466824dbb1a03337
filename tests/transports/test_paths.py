"""Paths of members, as they are made and as they are accepted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.paths import is_path, is_private, item, join


def test_they_are_made_of_names_and_keys() -> None:
    assert join("", "voltage") == "voltage"
    assert join(item("channels", 2), "gain") == "channels[2].gain"
    assert item("outputs", "A-1") == "outputs[A-1]"
    assert item("outputs", "2") == "outputs['2']"
    assert item(item("rows", 0), -1) == "rows[0][-1]"


@pytest.mark.parametrize(
    "path", ["a", "a.b", "a[0]", "a[0].b", "a[0][x-1].b_2", "a['x y'].b", 'a["]"]', "größe.x"]
)
def test_accepted(path: str) -> None:
    assert is_path(path)


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "a.", ".a", "a..b", "[0]", "a[]", "a[0", "a0]", "a[0]b", "a b", "a.[0]"),
        *("a[x y]", "a.class", "if", "a-b", "a[0.5]", "a['x]", "a()", "a.b\n", "9a", "a.9"),
    ],
)
def test_refused(text: str) -> None:
    assert not is_path(text)


@pytest.mark.parametrize("path", ["_a", "a._b", "a[_b]", "a[0]._b"])
def test_private(path: str) -> None:
    assert is_private(path)
    assert not is_private(path.replace("_", "x_"))


@given(st.lists(st.integers() | st.text(min_size=1), max_size=4))
def test_whatever_keys_are_made_of_is_accepted(keys: list[int | str]) -> None:
    path = "a"
    for key in keys:
        path = item(path, key)
    assert is_path(join(path, "b"))
