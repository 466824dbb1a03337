"""The fixtures `rig` and `faults` for pytest, which finds them by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orch.testing.faults import Faults
from orch.testing.rigs import RunningRig, running

_MARKER = (
    'rig("lab.yaml"), rig("lab.yaml", simulate=True) or rig(driver="stage:Stage", kwargs={...}): '
    "what the fixture rig runs; a config's path is relative to the test's file"
)
_CONFIG = "rig_config"
_RIG = pytest.StashKey[RunningRig]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Have a config for all tests that don't say theirs."""
    parser.addini(_CONFIG, "config of the fixture rig, relative to pytest's root folder")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture
def rig(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A client of a real rig, which runs for this test alone.

    Which one, the marker `rig` says, else the setting `rig_config`.
    """
    node = request.node
    marker = node.get_closest_marker("rig")
    given = list(marker.args) if marker is not None else []
    options = dict(marker.kwargs) if marker is not None else {}
    if given:
        given[0] = Path(node.path).parent / given[0]
    elif not options and (config := request.config.getini(_CONFIG)):
        given = [request.config.rootpath / config]
    if not given and not options:
        raise pytest.UsageError(
            'say which rig: @pytest.mark.rig("lab.yaml"), or rig_config = lab.yaml for all tests'
        )
    with running(*given, **options) as up:
        node.stash[_RIG] = up
        yield up.client


@pytest.fixture
def faults(rig: Any) -> Iterator[Faults]:
    """Faults of the workers of `rig`, ended after the test."""
    found = Faults(rig)
    yield found
    found.end()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Put what the rig and its workers wrote beside a failure."""
    outcome: Any = yield
    report = outcome.get_result()
    up = item.stash.get(_RIG, None)
    if report.when == "call" and report.failed and up is not None:
        report.sections.append(("logs of the rig", up.logs()))
