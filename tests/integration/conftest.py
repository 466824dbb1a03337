"""A scripted rig in the test's own process, and a client of it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator import connect
from orchestrator.client import Rig
from tests.integration.fake_rig import FakeRig


@pytest.fixture
def fake() -> Iterator[FakeRig]:
    with tempfile.TemporaryDirectory(prefix="orch-") as path:  # short enough for sockets
        rig = FakeRig(Path(path))
        yield rig
        rig.stop()


@pytest.fixture
def rig(fake: FakeRig) -> Iterator[Rig]:
    with connect(fake.address) as rig:
        yield rig
