"""Clients of control systems beside servers of theirs: OPC UA, Tango, EPICS, SECoP, yaq."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from orchestrator.client.rig import Rig
from orchestrator.errors import DriverError
from tests.instruments.control_peers import free_port, peer
from tests.instruments.instrument_kit import hosted, needs

needs("asyncua", "tango", "caproto", "epics", "p4p", "frappy", "yaqc", "yaqd_fakes")

CONFIG = """
plc: {{driver: "asyncua:Client", args: ["opc.tcp://127.0.0.1:{opcua}/"]}}
magnet:
  driver: "tango:DeviceProxy"
  args: ["tango://127.0.0.1:{tango}/test/nodb/magnet#dbase=no"]
  events:
    field:
      call: [subscribe_event, field, "$tango:EventType.CHANGE_EVENT"]
      value: attr_value.value
      end: unsubscribe_event
caproto:
  driver: "caproto.threading.pyepics_compat:PV"
  args: ["lab:setpoint"]
  events: {{value: {{call: add_callback, end: remove_callback}}}}
epics:
  driver: "epics:PV"
  args: ["lab:setpoint"]
  events: {{value: {{call: add_callback, end: remove_callback}}}}
pva:
  driver: "p4p.client.thread:Context"
  args: [pva]
  events: {{temperature: {{call: [monitor, "pva:temperature"]}}}}
secop:
  driver: "frappy.client:SecopClient"
  args: ["localhost:{secop}"]
  open_with: connect
  events:
    cryo:
      call: [register_callback, cryo, {{updateEvent: $callback}}]
      end: [unregister_callback, cryo, {{updateEvent: $callback}}]
yaq: {{driver: "yaqc:Client", args: [{yaq}]}}
daemon:
  driver: "yaqd_fakes._fake_continuous_hardware:FakeContinuousHardware"
  args:
    - motor
    - {{port: 1, velocity: 1000.0, units: mm, limits: [0, 9], out_of_limits: closest}}
    - ""
"""
LOCAL = {
    "EPICS_CA_ADDR_LIST": "127.0.0.1",
    "EPICS_CA_AUTO_ADDR_LIST": "NO",
    "EPICS_CAS_INTF_ADDR_LIST": "127.0.0.1",
    "EPICS_PVA_ADDR_LIST": "127.0.0.1",
    "EPICS_PVA_AUTO_ADDR_LIST": "NO",
    "EPICS_PVAS_INTF_ADDR_LIST": "127.0.0.1",
}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder: Path = tmp_path_factory.mktemp("peers")
    ports = {name: free_port() for name in ("opcua", "tango", "secop", "yaq", "ca", "pva")}
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in LOCAL.items():
            patch.setenv(name, value)
        patch.setenv("EPICS_CA_SERVER_PORT", str(ports["ca"]))
        patch.setenv("EPICS_PVA_BROADCAST_PORT", str(ports["pva"]))
        patch.setenv("XDG_DATA_HOME", str(folder))
        stack.enter_context(peer("opcua", ports["opcua"]))
        stack.enter_context(peer("tango", ports["tango"]))
        stack.enter_context(peer("channel_access"))
        stack.enter_context(peer("pv_access"))
        stack.enter_context(peer("secop", ports["secop"], folder))
        stack.enter_context(peer("yaq", ports["yaq"], folder))
        _, client = stack.enter_context(hosted(CONFIG.format(**ports)))
        yield client


def test_asyncua(rig: Rig) -> None:
    """Nodes are results, and arguments again; those of the server's own are parts."""
    plc = rig["plc"]
    node = plc.call("get_node", "ns=2;s=temperature")
    assert plc.call("read_values", [node]) == [21.5]
    plc.call("write_values", [node], [33.5])
    assert plc.call("read_values", [node]) == [33.5]
    assert plc.call("get_namespace_array")[2] == "urn:lab"
    assert plc.call("nodes.server_state.read_value") == 0
    furnace = plc.call("nodes.objects.get_child", ["0:Furnace"])
    assert furnace.nodeid.Identifier == "furnace"


def test_tango(rig: Rig) -> None:
    """Attributes and commands, which only `dir` knows; structures of its library in C."""
    magnet = rig["magnet"]
    assert rig.magnet.field == 0.5
    magnet.write("field", 1.5)
    assert magnet.read("field") == 1.5
    with magnet.subscribe("field", timeout=20) as events:
        magnet.write("field", 1.25)
        while next(events).value != 1.25:
            pass
    with pytest.raises(DriverError, match="above the maximum authorized"):
        magnet.write("field", 5.0)
    magnet.write("mode", "FINE")
    assert magnet.read("mode").name == "FINE"
    assert np.array_equal(magnet.read("profile"), [1.0, 2.0, 3.0])
    assert magnet.call("ramp", 0.25) == 0.25
    assert magnet.call("state").name == "ON"
    assert magnet.call("read_attribute", "field").value == 0.25
    assert magnet.call("info").dev_class == "Magnet"
    assert "profile" in magnet.call("get_attribute_list")
    assert magnet.call("get_attribute_config", "field").unit == "T"


@pytest.mark.parametrize("worker", ["caproto", "epics"])
def test_channel_access(rig: Rig, worker: str) -> None:
    record = rig[worker]
    record.call("put", 2.5, wait=True)
    assert record.call("get", use_monitor=False) == 2.5
    record.call("put", 4.5, wait=True)
    assert record.call("get", use_monitor=False) == 4.5
    with record.subscribe("value", timeout=20) as events:
        record.call("put", 3.25, wait=True)
        while next(events).value != 3.25:
            pass
    assert record.call("get_ctrlvars")["units"] == "K"
    assert record.read("connected") is True


def test_pv_access(rig: Rig) -> None:
    """Its numbers have the time and alarm of the record."""
    pva = rig["pva"]
    pva.call("put", "pva:temperature", 7.5)
    value = pva.call("get", "pva:temperature")
    assert value == 7.5
    assert value.severity == 0
    assert pva.call("get", ["pva:temperature"] * 2) == [7.5, 7.5]
    with pytest.raises(TimeoutError):
        pva.call("get", "pva:none", timeout=0.2)
    with pva.subscribe("temperature", timeout=20) as events:
        pva.call("put", "pva:temperature", 8.5)
        while next(events).value != 8.5:
            pass


def test_secop(rig: Rig) -> None:
    secop = rig["secop"]
    assert secop.call("setParameter", "cryo", "target", 12.0)[0] == 12.0
    value, timestamp, error = secop.call("readParameter", "cryo", "target")
    assert (value, error) == (12.0, None)
    assert timestamp > 0
    with secop.subscribe("cryo", timeout=20) as events:
        secop.call("setParameter", "cryo", "target", 13.0)
        while next(events).value[:3] != ["cryo", "target", 13.0]:
            pass
    with pytest.raises(DriverError, match="must be between"):
        secop.call("setParameter", "cryo", "target", -5.0)
    assert secop.call("execCommand", "cryo", "stop")[0] is None
    assert secop.read("modules")["cryo"]["parameters"]["target"]["readonly"] is False


def test_yaq(rig: Rig) -> None:
    """The client, whose methods are made by what the daemon tells, and a daemon itself."""
    motor = rig["yaq"]
    motor.call("set_position", 0.75)
    assert motor.call("get_destination") == 0.75
    assert motor.call("properties.destination.call") == 0.75
    assert motor.call("id")["name"] == "motor"
    daemon = rig["daemon"]
    daemon.call("set_position", 5.0)
    assert daemon.call("get_destination") == 5.0
    assert daemon.call("get_limits") == [0, 9]
    assert daemon.describe()["orch:closesWith"] == "close"
