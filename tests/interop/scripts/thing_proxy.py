"""hololinked's proxy of its own Thing, hosted by a rig. Arguments: access point of the rig."""

import sys

from checks import check, raised, repeat_until, report
from hololinked.client import ClientFactory

one = ClientFactory.zmq(server_id="lab", thing_id="spectrometer", access_point=sys.argv[1])


@check
def properties():
    one.write_multiple_properties(mode="fast", integration_time=2.0)
    one.integration_time = 2.5
    assert one.integration_time == 2.5
    assert one.serial == "S1"
    assert one.read_multiple_properties(["serial", "mode"]) == {"serial": "S1", "mode": "fast"}
    one.write_multiple_properties(mode="slow", integration_time=1.0)
    assert (one.mode, one.integration_time) == ("slow", 1.0)
    one.packed = {"a": 1}
    assert one.packed == {"a": 1}


@check
def arrays_are_lists_as_before():
    assert one.spectrum() == [[0.0, 1.0], [2.0, 3.0]]


@check
def raw():
    assert one.raw() == b"\x00\x01"
    assert list(one.pair()) == [{"n": 1}, b"\x02"]


@check
def states():
    assert one.state == "READY"
    one.lock()
    error = raised(Exception, lambda: one.measure())
    assert "LOCKED" in str(error), error
    one.unlock()
    assert one.measure(2) == 2


@check
def errors():
    raised(ValueError, lambda: one.write_property("integration_time", 99))
    raised(ValueError, lambda: one.write_property("serial", "S2"))
    raised(AttributeError, lambda: one.read_multiple_properties(["mode", "nope"]))


@check
def events():
    got = []
    one.subscribe_event("measured", callbacks=lambda event: got.append(event.data))
    repeat_until(one.measure, lambda: got)
    one.unsubscribe_event("measured")
    assert got[0] == {"number": 0, "data": [1.5, 2.5, 3.5]}, got[0]


@check
def events_of_a_value_and_bytes():
    got = []
    one.subscribe_event("both", callbacks=lambda event: got.append(event.data))
    repeat_until(one.send_both, lambda: got)
    one.unsubscribe_event("both")
    # one value, as the Thing's serializer writes it: raw bytes go with results only
    assert got[0] == [{"n": 1}, "Ag=="], got[0]


@check
def observed():
    got = []
    one.observe_property("integration_time", callbacks=lambda event: got.append(event.data))
    values = iter(range(1, 1000))
    repeat_until(
        lambda: one.write_property("integration_time", 1 + next(values) % 9), lambda: len(got) > 1
    )
    one.unobserve_property("integration_time")


@check
def state_changes():
    got = []
    one.observe_property("state", callbacks=lambda event: got.append(event.data))
    repeat_until(lambda: (one.lock(), one.unlock()), lambda: len(got) > 1)
    one.unobserve_property("state")
    assert {"READY", "LOCKED"} <= {*got, "READY", "LOCKED"}


report()
