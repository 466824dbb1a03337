"""Rigs with other hosts."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest

from tests.hosts.namespaces import Network, network, why_not


@pytest.fixture
def net() -> Iterator[Network]:
    if reason := why_not():
        warnings.warn(f"several hosts are NOT tested here: {reason}", stacklevel=1)
        pytest.skip(f"no network namespaces: {reason}")
    with network() as made:
        yield made
