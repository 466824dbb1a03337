"""What tests with hololinked share: its environment, and a rig."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interop.environment import interpreter
from tests.interop.kit import BENCH_CONFIG, bench_drivers
from tests.rigs import RunningRig, running


@pytest.fixture(scope="session")
def hololinked() -> str:
    """The interpreter of hololinked's environment."""
    return str(interpreter())


@pytest.fixture(scope="module")
def rig() -> Iterator[RunningRig]:
    """A rig that hololinked's clients find as `IPC`, and over tcp."""
    with running(BENCH_CONFIG, bench_drivers()) as rig:
        yield rig
