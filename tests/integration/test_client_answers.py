"""Answers that a client can't read, or that never come, whatever the rig says of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from time import monotonic
from typing import Any

import pytest

from orchestrator import connect, errors
from orchestrator.client import Rig, liveness
from tests.integration.fake_rig import FakeRig
from tests.rigs import running


def changed(change: Callable[[dict[str, Any]], Any]) -> Callable[[bytes], bytes]:
    """An edit of a header as a dictionary."""

    def edit(head: bytes) -> bytes:
        fields = json.loads(head)
        change(fields)
        return json.dumps(fields).encode()

    return edit


def test_unknown_fields_of_an_answer_are_ignored(fake: FakeRig) -> None:
    """A newer rig may say more than this client knows: in handshakes, answers, descriptions."""
    fake.edit = changed(lambda fields: fields.update(elapsed=0.1, trace={"id": [1, None]}))
    with connect(fake.address) as rig:
        assert rig.stage.move(x=1) == {"x": 1}
        assert rig.stage.position == 0.0
        assert rig.status()["rig"] == "bench"


@pytest.mark.parametrize(
    "edit",
    [
        changed(lambda fields: fields.update(payloadContentType=7)),
        changed(lambda fields: fields.pop("senderID")),
        changed(lambda fields: fields.update(messageType=None)),
        lambda _: b"{",
        lambda _: b"\xff\xfe",
        lambda _: b"[" * 5000,
    ],
    ids=["wrong type", "field missing", "null", "no json", "no text", "nested"],
)
def test_an_answer_that_cannot_be_read_is_an_error_at_once(
    rig: Rig, fake: FakeRig, monkeypatch: pytest.MonkeyPatch, edit: Callable[[bytes], bytes]
) -> None:
    """For its caller and for no other; without waiting for the next question."""
    monkeypatch.setattr(liveness, "INTERVAL", 60.0)
    other = rig.stage.submit("hold", x=1)
    fake.wait_for(lambda: len(fake.held) == 1)

    def once(head: bytes) -> bytes:
        fake.edit = bytes
        return edit(head)

    fake.edit = once
    start = monotonic()
    with pytest.raises(
        errors.OutcomeUnknown, match=r"can't be read|its answer never came"
    ) as raised:
        rig.stage.call("move", x=2)
    assert monotonic() - start < 10
    assert (raised.value.worker, raised.value.member) == ("stage", "move")
    assert rig.stage.move(x=3) == {"x": 3}
    assert fake.release() == 1
    assert other.result(10) == {"x": 1}


def test_a_rig_that_says_nothing_readable(
    rig: Rig, fake: FakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is lost, and one to which nobody can connect."""
    monkeypatch.setattr(liveness, "INTERVAL", 0.1)
    fake.edit = lambda _: b"{"
    with pytest.raises(errors.OutcomeUnknown):
        rig.stage.move(x=1)
    with pytest.raises(errors.RigNotReachable), connect(fake.address, timeout=5):
        pass
    fake.edit = changed(lambda fields: fields.update(senderID=1))
    with pytest.raises(errors.RigNotReachable, match="can't be read"), connect(fake.address):
        pass


def test_a_client_has_a_bound_of_its_own(
    rig: Rig, fake: FakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rig that says for ever that it holds a request isn't believed for longer than agreed."""
    monkeypatch.setattr(liveness, "INTERVAL", 0.1)
    connection = rig._session.connection
    monkeypatch.setattr(connection, "_timeout", 0.1)  # of what it may take to send it
    with pytest.raises(errors.RigLost, match=r"within the timeouts of stage\.hold"):
        rig.stage.call("hold", invocation_timeout=0.1, execution_timeout=0.2)
    assert fake.questions >= 3
    future = rig.stage.submit("hold", invocation_timeout=0.1, execution_timeout=0)
    assert isinstance(future.exception(10), errors.RigLost)
    endless = rig.stage.submit("hold", x=1, invocation_timeout=0, execution_timeout=None)
    asked = fake.questions
    fake.wait_for(lambda: fake.questions > asked + 10)
    assert not endless.done()
    fake.release()
    assert endless.result(10) == {"x": 1}


def test_the_bound_is_known_from_the_description() -> None:
    """Of members with a timeout of their own too; where there is none the client has none."""
    config = """
rig: bounds
workers:
  stage:
    driver: workers.devices.stage:SimulatedStage
    invocation_timeout: 7s
    execution_timeout: 20s
    timeouts: {move: 2min, home: null}
"""
    with running(config) as up, up.connected() as rig:
        described = rig.stage.describe()["orch:timeouts"]
        assert (described["invocation"], described["execution"]) == (7, 20)
        session = rig._session
        members = session.known_members("stage")
        assert members is not None
        limits = {name: members.usual(name).execution_timeout for name in ("move", "home", "ping")}
        assert limits == {"move": 120, "home": None, "ping": 20}
