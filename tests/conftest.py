"""How to repeat a failure: printed at the end of a run that had one; and what isn't measured."""

from __future__ import annotations

import os
import random
import shlex
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

from tests import preforked
from tests.becoming import COMMANDS, MEASURES

settings.register_profile("orch", deadline=None)  # how long an example takes depends on the machine
settings.load_profile("orch")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Choose the seed of all random tests here, so that it can be told."""
    if config.option.hypothesis_seed is None:
        given = getattr(config, "workerinput", {})
        config.option.hypothesis_seed = given.get("seed") or random.SystemRandom().randrange(2**32)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Hand it on to the processes that run tests side by side."""
    node.workerinput["seed"] = node.config.option.hypothesis_seed


MEASURED = 64
"""Of so many tests one has the processes measured that it starts itself: each of these takes twice
as long then, and many run the same code."""


ONE_COMMAND = 8
"""Of so many tests one has all commands measured that it runs."""
SHARED = 8
"""Of so many modules one has the processes measured that its tests share."""


@pytest.fixture(scope="session", autouse=True)
def commands_are_measured() -> None:
    """Also where other processes aren't: see `tests.preforked`."""
    if MEASURES in os.environ:
        os.environ[COMMANDS] = os.environ[MEASURES]
        preforked.measure_imports(os.environ[MEASURES])


@pytest.fixture(scope="module", autouse=True)
def shared_measurement(request: pytest.FixtureRequest) -> Iterator[None]:
    """Pauses for the processes that the tests of most modules share."""
    is_chosen = request.node.get_closest_marker("measured") or (
        zlib.crc32(request.node.nodeid.encode()) % SHARED == 0
    )
    if is_chosen:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(MEASURES, raising=False)
        yield


@pytest.fixture(autouse=True)
def measurement(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pauses for what is marked `unmeasured`, and for processes of most tests."""
    marked = request.node.get_closest_marker
    if marked("fresh_processes"):
        monkeypatch.setenv("ORCH_TESTS_FRESH", "1")
    is_measured = marked("unmeasured") is None
    config = os.environ.get(COMMANDS)
    if zlib.crc32(request.node.nodeid.encode()) % ONE_COMMAND:
        monkeypatch.delenv(COMMANDS, raising=False)
    is_chosen = marked("measured") or zlib.crc32(request.node.nodeid.encode()) % MEASURED == 0
    if is_measured and is_chosen and config is not None:
        monkeypatch.setenv(MEASURES, config)
    else:
        monkeypatch.delenv(MEASURES, raising=False)
    if is_measured:
        yield
        return
    from coverage import Coverage

    running = Coverage.current()
    if running is not None:
        running.stop()
    try:
        yield
    finally:
        if running is not None:
            running.start()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write down what was measured while the process has all the time it needs for that.

    On a machine that has much to do, processes that run tests side by side are ended soon after.
    """
    from coverage import Coverage

    if hasattr(session.config, "workerinput") and (running := Coverage.current()) is not None:
        running.save()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the command that runs what failed once more, with the same random examples."""
    reports = [each for kind in ("failed", "error") for each in terminalreporter.getreports(kind)]
    failed = list(dict.fromkeys(each.nodeid for each in reports if hasattr(each, "nodeid")))
    if failed:
        seed = config.option.hypothesis_seed
        terminalreporter.section("to repeat")
        terminalreporter.line(f"scripts/test --hypothesis-seed={seed} {shlex.join(failed)}")
