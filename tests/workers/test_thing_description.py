from __future__ import annotations

import socket
from typing import Any

import pytest

from workers.devices.camera import SimulatedCamera
from workers.devices.stage import SimulatedStage
from workers.driver.describe import describe
from workers.driver.thing_description import thing_description

REQUESTS = ["ipc:///run/front.ipc", "tcp://127.0.0.1:5570"]
EVENTS = ["ipc:///run/events.ipc", "tcp://127.0.0.1:5571"]


def compose(protocol: Any = "IPC", **options: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "rig": "bench",
        "worker": "stage",
        "request_addresses": REQUESTS,
        "event_addresses": EVENTS,
    }
    return thing_description(describe(SimulatedStage), protocol=protocol, **values | options)


def forms(affordance: dict[str, Any]) -> dict[str, str]:
    for form in affordance["forms"]:
        assert set(form) == {"op", "href", "contentType"}
        assert form["contentType"] == "application/json"
    return {form["op"]: form["href"] for form in affordance["forms"]}


def test_it_names_thing_context_and_security():
    thing = compose()
    assert thing["id"] == "stage"
    assert thing["title"] == "SimulatedStage"
    assert thing["@context"][0] == "https://www.w3.org/2022/wot/td/v1.1"
    assert thing["securityDefinitions"][thing["security"]] == {"scheme": "nosec"}
    assert thing["description"].startswith("One axis")


def test_each_affordance_has_forms_of_the_protocol():
    thing = compose("IPC")
    assert forms(thing["properties"]["speed"]) == {
        "readproperty": REQUESTS[0],
        "writeproperty": REQUESTS[0],
    }
    assert forms(thing["actions"]["move"]) == {"invokeaction": REQUESTS[0]}
    assert forms(thing["events"]["moved"]) == {"subscribeevent": EVENTS[0]}


def test_read_only_and_observable_properties():
    thing = compose("tcp")
    assert forms(thing["properties"]["position"]) == {
        "readproperty": REQUESTS[1],
        "observeproperty": EVENTS[1],
    }
    assert thing["properties"]["position"]["unit"] == "mm"


def test_a_write_only_property_is_not_read():
    class Panel:
        def _set(self, value: int) -> None: ...

        secret = property(None, _set)

    thing = thing_description(
        describe(Panel),
        rig="bench",
        worker="panel",
        protocol="IPC",
        request_addresses=REQUESTS,
        event_addresses=EVENTS,
    )
    assert forms(thing["properties"]["secret"]) == {"writeproperty": REQUESTS[0]}


def test_it_keeps_the_description_as_it_is():
    description = describe(SimulatedStage)
    thing = compose()
    move = dict(thing["actions"]["move"])
    del move["forms"]
    assert move == description["actions"]["move"]
    assert "forms" not in description["actions"]["move"]


@pytest.mark.parametrize("host", ["*", "0.0.0.0", "[::]"])
def test_an_address_of_all_interfaces_gets_the_name_of_the_machine(host: str):
    thing = compose("TCP", event_addresses=[f"tcp://{host}:5571"])
    href = forms(thing["events"]["moved"])["subscribeevent"]
    assert href == f"tcp://{socket.gethostname()}:5571"


def test_names_can_be_left_out():
    thing = compose(skip_names=["move", "moved", "speed"])
    assert "move" not in thing["actions"]
    assert thing["events"] == {}
    assert set(thing["properties"]) == {"position", "travel"}


@pytest.mark.parametrize(
    ("protocol", "text"),
    [
        (None, "a protocol must be named by rig 'bench'; it serves IPC, TCP"),
        ("", "a protocol must be named"),
        ("HTTP", "protocol 'HTTP' isn't served by rig 'bench'; it serves IPC, TCP"),
        ("INPROC", "isn't served"),
        (7, "protocol 7 isn't served"),
    ],
)
def test_a_protocol_that_is_not_served_is_refused(protocol: Any, text: str):
    with pytest.raises(ValueError, match=text):
        compose(protocol)


def test_no_name_occurs_twice():
    for driver in (SimulatedStage, SimulatedCamera):
        description = describe(driver)
        found = [name for kind in ("properties", "actions", "events") for name in description[kind]]
        assert len(found) == len(set(found))
