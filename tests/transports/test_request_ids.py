"""Requests' ids as people write them."""

from __future__ import annotations

import pytest

from transports.request_ids import is_meant, short_id

ID = "25dcc22b-c644-414b-8012-000000000005"


def test_a_short_one_is_itself() -> None:
    assert short_id("7") == "7"
    assert short_id(ID) == "25dcc22b…000005"


@pytest.mark.parametrize(
    ("written", "meant"),
    [(ID, True), (short_id(ID), True), ("25dcc22b", False), ("…000005", False), ("2…6", False)],
)
def test_which_is_meant(written: str, meant: bool) -> None:
    assert is_meant(ID, written) is meant
