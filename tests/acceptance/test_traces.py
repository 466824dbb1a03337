"""A rig that sends traces: from a client's own span to a collector, over real processes."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from tests.gateway.otlp_receiver import Receiver, receiving, values
from tests.rigs import RunningRig, running, wait_until

pytestmark = pytest.mark.measured

CONFIG = """
rig: traced
traces: {{to: "{url}"}}
workers:
  cam:
    driver: cam:Camera
    concurrent: [status]
    poll: {{level: 50ms}}
"""
CAMERA = """
import logging, time

class Camera:
    level = 1

    def snap(self, seconds: float) -> float:
        print("exposing")
        time.sleep(seconds)
        return seconds

    def fail(self) -> None:
        logging.getLogger("optics").error("no light")
        raise ValueError("too dark")

    def hold(self, seconds: float) -> None:
        time.sleep(seconds)

    def rest(self) -> None:
        pass

    async def status(self) -> str:
        return "well"
"""


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def rig(receiver: Receiver) -> Iterator[RunningRig]:
    with running(CONFIG.format(url=receiver.url), {"cam": CAMERA}) as rig:
        yield rig


def one(receiver: Receiver, name: str) -> Any:
    (span,) = wait_until(lambda: receiver.named(name))
    return span


def test_a_request_is_a_span_below_its_clients_own(rig: RunningRig, receiver: Receiver) -> None:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    with rig.connected() as client, tracer.start_as_current_span("measure") as mine:
        assert client.cam.snap(0.05) == 0.05
    root = one(receiver, "cam.snap")
    worker, driver = one(receiver, "cam.snap worker"), one(receiver, "cam.snap driver")
    context = mine.get_span_context()
    assert root.trace_id == context.trace_id.to_bytes(16)
    assert root.parent_span_id == context.span_id.to_bytes(8)
    assert (worker.parent_span_id, driver.parent_span_id) == (root.span_id, worker.span_id)
    assert {span.trace_id for span in (worker, driver)} == {root.trace_id}
    took = driver.end_time_unix_nano - driver.start_time_unix_nano
    assert took >= 50_000_000
    assert worker.end_time_unix_nano - worker.start_time_unix_nano >= took
    found = values(root.attributes)
    assert (found["rpc.service"], found["orch.outcome"]) == ("cam", "done")
    assert "exposing" in [values(event.attributes)["orch.text"] for event in root.events]
    assert receiver.resource["service.name"] == "traced"


def test_an_error_has_its_type_and_its_records(rig: RunningRig, receiver: Receiver) -> None:
    with rig.connected() as client, pytest.raises(ValueError, match="too dark"):
        client.cam.fail()
    root = one(receiver, "cam.fail")
    assert (root.status.code, root.status.message) == (2, "ValueError: too dark")
    assert values(root.attributes)["error.type"] == "ValueError"
    events = [values(event.attributes) for event in root.events]
    assert "no light" in [each["orch.text"] for each in events]
    (raised,) = [each for each in events if "exception.type" in each]
    assert (raised["exception.type"], raised["exception.message"]) == ("ValueError", "too dark")
    assert "cam.py" in raised["exception.stacktrace"]


def test_a_timeout_is_unknown_and_its_driver_follows(rig: RunningRig, receiver: Receiver) -> None:
    done = rig.orch("call", "cam", "hold", "1.5", "--timeout", "100ms")
    assert done.returncode != 0
    root = one(receiver, "cam.hold")
    assert values(root.attributes)["orch.outcome"] == "unknown"
    driver = one(receiver, "cam.hold driver")
    assert driver.trace_id == root.trace_id
    assert driver.end_time_unix_nano > root.end_time_unix_nano


def test_a_concurrent_coroutine_is_timed_too_and_what_is_polled_is_no_request(
    rig: RunningRig, receiver: Receiver
) -> None:
    with rig.connected() as client:
        assert client.cam.status() == "well"
    one(receiver, "cam.status driver")
    assert not receiver.named("cam.level")


def test_the_log_shows_nothing_of_it_but_of_a_request_that_is_asked_for(rig: RunningRig) -> None:
    with rig.connected() as client:
        future = client["cam"].submit("rest")
        future.result(20)

    def trace() -> str:
        return str(rig.orch("trace", str(future.request_id)).stdout)

    wait_until(lambda: "driver seconds=" in trace())
    assert "done" in trace()
    assert "driver" not in rig.orch("logs", "-o", "full").stdout


def test_a_sender_that_is_killed_is_replaced_and_the_next_run_goes_on(
    rig: RunningRig, receiver: Receiver
) -> None:
    def sender() -> dict[str, Any]:
        helpers = json.loads(rig.orch("status", "--json").stdout)["helpers"]
        (found,) = [each for each in helpers if each["name"] == "sender of traces"]
        return dict(found)

    pid = sender()["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: sender()["pid"] not in (None, pid))
    assert "the sender of traces died, with status -9; another one is started" in rig.text
    with rig.connected() as client:
        client["cam"].read("level")
    one(receiver, "cam.level")
    ids = [span.span_id for span in receiver.spans()]
    assert len(ids) == len(set(ids))


def test_by_hand_with_an_address_that_is_none(rig: RunningRig) -> None:
    done = rig.orch("otlp", "--to", "localhost:4318")
    assert done.returncode == 2
    assert 'write one such as "http://127.0.0.1:4318"' in done.stderr
