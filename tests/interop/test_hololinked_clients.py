"""Unmodified hololinked 0.4.2 clients use a rig as one server with many Things."""

from __future__ import annotations

import pytest

from tests.interop.kit import passed, run_script, state
from tests.rigs import RunningRig

# making the environment may take longer than a test
pytestmark = [pytest.mark.timeout(60, func_only=True), pytest.mark.usefixtures("hololinked")]


@pytest.fixture(params=["IPC", "tcp"])
def access_point(rig: RunningRig, request: pytest.FixtureRequest) -> str:
    """Where hololinked's clients look for the rig."""
    return "IPC" if request.param == "IPC" else str(state(rig)["addresses"][2])


@pytest.fixture
def events(rig: RunningRig, access_point: str) -> str:
    """Where its consumers look for events."""
    return str(state(rig)["events"][1 if access_point == "IPC" else 2])


def test_proxy(rig: RunningRig, access_point: str) -> None:
    """`ClientFactory.zmq` and all that its proxy does."""
    checks = passed(run_script("proxy", access_point, home=rig.folder))
    assert len(checks) == 30


def test_message_clients(rig: RunningRig, access_point: str) -> None:
    """`SyncZMQClient`, `AsyncZMQClient` and `MessageMappedZMQClientPool`."""
    checks = passed(run_script("message_clients", access_point, home=rig.folder))
    assert len(checks) == 15


def test_event_consumers(rig: RunningRig, access_point: str, events: str) -> None:
    """`EventConsumer` and `AsyncEventConsumer`."""
    checks = passed(run_script("consumers", access_point, events, home=rig.folder))
    assert len(checks) == 6
