"""hololinked's Things are drivers as they are: in a worker with an interpreter of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator import errors
from orchestrator.client.rig import Rig
from tests.interop.kit import passed, run_script, state
from tests.rigs import RunningRig, running

pytestmark = [pytest.mark.measured, pytest.mark.timeout(60, func_only=True)]

THINGS = Path(__file__).with_name("things.py").read_text()


@pytest.fixture(scope="module")
def lab(hololinked: str) -> Iterator[RunningRig]:
    config = f"""
rig: lab
listen: [ipc, hololinked, "tcp://127.0.0.1:0"]
workers:
  spectrometer:
    driver: "things:Spectrometer"
    kwargs: {{dark: 1.5}}
    python: {hololinked}
  named:
    driver: "things:Spectrometer"
    kwargs: {{id: other}}
    python: {hololinked}
"""
    with running(config, {"things": THINGS}) as rig:
        yield rig


@pytest.fixture
def client(lab: RunningRig) -> Iterator[Rig]:
    with lab.connected() as client:
        yield client


@pytest.mark.parametrize("transport", ["IPC", "tcp"])
def test_its_own_clients_see_no_difference(lab: RunningRig, transport: str) -> None:
    access_point = "IPC" if transport == "IPC" else state(lab)["addresses"][2]
    assert len(passed(run_script("thing_proxy", access_point, home=lab.folder))) == 9


def test_properties(client: Rig) -> None:
    one: Any = client["named"]
    one.integration_time = 3.0
    assert one.integration_time == 3.0
    with pytest.raises(ValueError, match="99"):
        one.integration_time = 99
    with pytest.raises(ValueError, match="Read-only"):  # the error of its own
        one.serial = "x"
    one.packed = [1, {"a": "b"}]
    assert one.packed == [1, {"a": "b"}]
    with pytest.raises(AttributeError, match="hidden"):
        one.read("hidden")


def test_actions(client: Rig) -> None:
    one: Any = client["named"]
    assert one.measure(count=2) == 2
    assert one.settle(0.01) == 0.01
    assert one.raw() == b"\x00\x01"
    assert one.spectrum() == [[0.0, 1.0], [2.0, 3.0]]
    for name in ("helper", "not_an_action", "exit", "close"):
        with pytest.raises(AttributeError):
            one.call(name)
    with pytest.raises(ValueError, match="positional"):  # checked by its own schemas
        one.call("settle", "x", "y", "z")


def test_actions_that_are_not_synchronous_run_beside_the_others(client: Rig) -> None:
    worker = client["spectrometer"]
    future = worker.submit("wait", 20.0, execution_timeout=30)
    assert worker.call("raw") == b"\x00\x01"
    worker.call("interrupt")
    assert future.result(10) is True


def test_state_machine_is_asked(client: Rig) -> None:
    one: Any = client["named"]
    one.lock()
    assert one.state == "LOCKED"
    with pytest.raises(errors.DriverError, match="LOCKED"):
        one.measure()
    one.unlock()


def test_events_and_changes(client: Rig) -> None:
    one: Any = client["named"]
    with (
        one.subscribe("measured", timeout=5) as measured,
        one.subscribe("frame", timeout=5) as frames,
        one.subscribe("integration_time", timeout=5) as changes,
    ):
        one.measure(2)
        first, second = next(measured), next(measured)
        assert first.value == {"number": 0, "data": [0.0, 1.0, 2.0]}
        assert second.sequence == first.sequence + 1
        one.send_frame()
        assert next(frames).value == b"\x01\x02"
        one.integration_time = 4.0
        one.integration_time = 5.0
        assert one.integration_time == 5.0
        one.integration_time = 6.0
        assert [next(changes).value for _ in range(3)] == [4.0, 5.0, 6.0]


def test_description(client: Rig) -> None:
    description = client["spectrometer"].describe()
    assert (description["id"], description["title"]) == ("spectrometer", "Spectrometer")
    assert description["description"] == "An instrument with states."
    time = description["properties"]["integration_time"]
    assert time["forms"]
    del time["forms"]
    assert time == {
        "default": 1.0,
        "unit": "s",
        "type": "number",
        "minimum": 0.1,
        "maximum": 10,
        "observable": True,
        "description": "Exposure.",
    }
    assert description["properties"]["serial"]["readOnly"] is True
    assert "hidden" not in description["properties"]
    measure = description["actions"]["measure"]
    assert measure["description"] == "Take spectra.\n\nWith a longer text."
    assert measure["orch:signature"] == "(count: int = 1) -> int"
    assert measure["input"]["properties"]["count"]["type"] == "integer"
    assert description["actions"]["wait"]["orch:concurrent"] is True
    assert "exit" not in description["actions"]
    assert description["events"]["measured"]["description"] == "A spectrum was taken."


def test_it_is_restarted_and_closed_like_any_driver(client: Rig, lab: RunningRig) -> None:
    client["spectrometer"].call("ping")
    client["lab"].call("restart", ["spectrometer"])
    assert client["spectrometer"].call("raw") == b"\x00\x01"
    assert (lab.folder / "closed-spectrometer").exists()
