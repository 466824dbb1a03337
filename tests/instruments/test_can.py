"""python-can: a bus on a virtual channel, which hears what it sends."""

from __future__ import annotations

import pytest

from tests.instruments.instrument_kit import closed, hosted, needs

needs("can")

CONFIG = """
bus:
  driver: can:Bus
  kwargs: {interface: virtual, channel: bench, receive_own_messages: true}
"""


def test_can() -> None:
    """A message is given as a mapping of its fields, or sent on as it was received."""
    with hosted(CONFIG) as (running, rig):
        bus = rig.bus
        assert bus.recv(timeout=0.0) is None
        bus.send({"arbitration_id": 0x123, "data": b"\x01\x02", "is_extended_id": False})
        message = bus.recv(timeout=1.0)
        assert message.arbitration_id == 0x123
        assert message.data == b"\x01\x02"
        bus.send(message)
        assert bus.recv(timeout=1.0).data == message.data
        with pytest.raises(TypeError, match="arbitration"):
            bus.send({"arbitration": 1})
        bus.filters = [{"can_id": 0x200, "can_mask": 0x7FF, "extended": False}]
        bus.send({"arbitration_id": 0x201, "is_extended_id": False})
        bus.send({"arbitration_id": 0x200, "is_extended_id": False})
        assert bus.recv(timeout=1.0).arbitration_id == 0x200
        assert bus.recv(timeout=0.0) is None
        bus.set_filters(None)
        assert bus.state.name == "ACTIVE"
        assert rig["bus"].describe()["orch:closesWith"] in ("__exit__", "shutdown")
        closed(running, "bus")
