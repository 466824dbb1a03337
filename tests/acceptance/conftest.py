"""A running rig for tests of commands, and folders for those that start their own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.cli_kit import CONFIG, DRIVERS, short_folder
from tests.rigs import RunningRig, running


@pytest.fixture(scope="module")
def rig() -> Iterator[RunningRig]:
    """A rig that is up: `dev` and `busy` are READY, `broken` is FAILED."""
    with running(CONFIG, {"lab_drivers": DRIVERS}) as rig:
        yield rig


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short folder with the drivers in it."""
    folder = short_folder()
    (folder / "lab_drivers.py").write_text(DRIVERS)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
