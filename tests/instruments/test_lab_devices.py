"""Libraries of lab instruments with simulated devices: liquids, microscopes, lines, runs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from orchestrator.client.rig import Rig
from orchestrator.errors import ResultUnsendable
from tests.instruments.instrument_kit import hosted, needs
from tests.rigs import RunningRig, wait_until

needs(
    *("bluesky", "lakeshore", "lewis", "microscope", "mm_test_adapters", "pyModbusTCP"),
    *("pylablib", "pylabrobot", "pymmcore_plus", "qmi", "serial", "toptica"),
)

CONFIG = """
line: {driver: "serial:serial_for_url", args: ["loop://"], kwargs: {timeout: 1}}
shaker: {driver: "lab:shaker", open_with: setup, stop_with: stop}
liquid: {driver: "lab:liquid", open_with: setup, stop_with: stop}
stage: {driver: "lab:stage"}
camera: {driver: "microscope.simulators:SimulatedCamera"}
wheel: {driver: "microscope.simulators:SimulatedFilterWheel", kwargs: {positions: 6}}
core: {driver: "lab:core"}
engine: {driver: "lab:Engine", args: [{}], kwargs: {context_managers: []}}
sine: {driver: "lab:sine"}
julabo: {driver: "lewis.devices.julabo.devices.device:SimulatedJulabo"}
controller: {driver: "lab:controller"}
monitor: {driver: "lab:monitor"}
laser: {driver: "lab:laser"}
modbus: {driver: "lab:modbus"}
"""
LAB = '''
import re, socket, threading
import orch

def serve(answer, greeting=b""):
    """The port of an instrument that answers each line."""
    server = socket.create_server(("127.0.0.1", 0))

    def talk(connection):
        connection.sendall(greeting)
        for line in connection.makefile("rb"):
            said = answer(line.decode().strip())
            if said is not None:
                connection.sendall(said.encode())

    def accept():
        while True:
            threading.Thread(target=talk, args=(server.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return server.getsockname()[1]

def shaker():
    from pylabrobot.heating_shaking import HeaterShaker, HeaterShakerChatterboxBackend
    from pylabrobot.resources import Coordinate
    return HeaterShaker("shaker", 1, 1, 1, HeaterShakerChatterboxBackend(), Coordinate(0, 0, 0))

def liquid():
    from pylabrobot.liquid_handling import LiquidHandler
    from pylabrobot.liquid_handling.backends import LiquidHandlerChatterboxBackend
    from pylabrobot.resources import TIP_CAR_480_A00, hamilton_96_tiprack_1000uL_filter
    from pylabrobot.resources.hamilton import STARLetDeck

    class Handler(LiquidHandler):
        async def pick_up(self, rack: str, wells: str) -> None:
            await self.pick_up_tips(self.get_resource(rack)[wells])

    handler = Handler(backend=LiquidHandlerChatterboxBackend(), deck=STARLetDeck())
    carrier = TIP_CAR_480_A00(name="carrier")
    carrier[0] = hamilton_96_tiprack_1000uL_filter(name="tips")
    handler.deck.assign_child_resource(carrier, rails=3)
    return handler

def stage():
    from microscope import AxisLimits
    from microscope.simulators import SimulatedStage
    return SimulatedStage({"x": AxisLimits(0, 10000), "y": AxisLimits(0, 10000)})

def core():
    import mm_test_adapters
    from pymmcore_plus import CMMCorePlus
    core = CMMCorePlus()
    core.setDeviceAdapterSearchPaths([str(mm_test_adapters.device_adapter_path())])
    for label, kind in (("Camera", "DCam"), ("XY", "DXYStage"), ("Z", "DStage")):
        core.loadDevice(label, "DemoCamera", kind)
    core.initializeAllDevices()
    core.setCameraDevice("Camera")
    core.setXYStageDevice("XY")
    return core

from bluesky import RunEngine

class Engine(RunEngine):
    document = orch.Event("a document of a run: its name and content")

    def scan(self, start: float, stop: float, count: int):
        import bluesky.plans as plans
        from ophyd.sim import det, motor
        send = lambda name, content: self.document.emit([name, content])
        return self(plans.scan([det], motor, start, stop, count), send)

def sine():
    from qmi.core.context import QMI_Context
    from qmi.instruments.dummy.noisy_sine_generator import NoisySineGenerator
    return NoisySineGenerator(QMI_Context("lab"), "sine")

def controller():
    from lakeshore import Model336
    setpoints = {}

    def part(text):
        if text.startswith("*IDN?"):
            return "LSCI,MODEL336,LSA1234/1234567,2.10"
        if text.startswith("SETP "):
            output, value = text[5:].split(",")
            setpoints[output] = value
            return None
        if text.startswith("SETP?"):
            return setpoints[text[6:]]
        return "+295.123" if text.startswith("KRDG?") else "0" if "?" in text else None

    def answer(line):
        said = [each for each in map(part, line.split(";")) if each is not None]
        return ";".join(said) + "\\r\\n" if said else None

    return Model336(ip_address="127.0.0.1", tcp_port=serve(answer), timeout=5)

def monitor():
    from pylablib.devices import Lakeshore

    def answer(line):
        if "?" not in line:
            return None
        return ("LSCI,MODEL218S,1,1.0" if "IDN" in line else "+295.5") + "\\r\\n"

    return Lakeshore.Lakeshore218(f"socket://127.0.0.1:{serve(answer)}")

def laser():
    from toptica.lasersdk.client import Client, NetworkConnection
    values = {"laser1:dl:cc:current-set": "50.5"}

    def answer(line):
        found = re.match(r"\\(param-(ref|set!) '([^ )]+) ?(.*)\\)$", line)
        if found and found[1] == "set!":
            values[found[2]] = found[3]
        said = values.get(found[2], "Error: -11") if found and found[1] == "ref" else "0"
        return said + "\\n> "

    port, other = serve(answer, b"> \\r\\n> "), serve(answer)
    ports = {"command_line_port": port, "monitoring_line_port": other}
    return Client(NetworkConnection("127.0.0.1", **ports))

def modbus():
    from pyModbusTCP.client import ModbusClient
    from pyModbusTCP.server import ModbusServer
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = ModbusServer("127.0.0.1", port, no_block=True)
    server.start()
    return ModbusClient("127.0.0.1", port, auto_open=True)
'''


@pytest.fixture(scope="module")
def rigs() -> Iterator[tuple[RunningRig, Rig]]:
    with hosted(CONFIG, lab=LAB) as both:
        yield both


@pytest.fixture(scope="module")
def rig(rigs: tuple[RunningRig, Rig]) -> Rig:
    return rigs[1]


def test_pyserial(rig: Rig) -> None:
    line = rig["line"]
    assert line.call("write", b"abc\n") == 4
    assert line.read("in_waiting") == 4
    assert line.call("readline") == b"abc\n"
    line.write("baudrate", 19200)
    assert line.call("get_settings")["baudrate"] == 19200


def test_pylabrobot(rigs: tuple[RunningRig, Rig]) -> None:
    """Methods are coroutines; a liquid handler's take resources, which a method names."""
    running, rig = rigs
    shaker, liquid = rig["shaker"], rig["liquid"]
    shaker.call("set_temperature", 37.0)
    assert shaker.call("get_temperature") == 37.0
    assert shaker.read("target_temperature") == 37.0
    assert liquid.read("head[0].has_tip") is False
    liquid.call("pick_up", "tips", "A1:B1")
    assert [liquid.read(f"head[{number}].has_tip") for number in range(3)] == [True, True, False]
    assert liquid.call("get_resource", "tips").model == "hamilton_96_tiprack_1000uL_filter"
    assert liquid.describe()["orch:cut"].endswith("others")
    assert running.orch("stop", "liquid").returncode == 0
    wait_until(lambda: "Stopping the liquid handler" in running.text)


def test_microscope(rig: Rig) -> None:
    stage, camera, wheel = rig["stage"], rig["camera"], rig["wheel"]
    stage.call("enable")
    with pytest.raises(ResultUnsendable, match="but it has members, which are described now"):
        stage.read("axes")
    stage.call("axes[x].move_to", 10.0)
    stage.call("axes[x].move_by", 2.5)
    assert stage.read("axes[x].position") == 12.5
    assert stage.read("limits")["x"].upper == 10000
    camera.call("enable")
    camera.call("set_exposure_time", 0.02)
    assert camera.call("get_exposure_time") == 0.02
    image, _ = camera.call("grab_next_data")
    assert image.shape == (512, 512)
    camera.call("set_roi", camera.call("get_roi"))
    camera.call("set_trigger", "SOFTWARE", "ONCE")
    wheel.write("position", 3)
    assert wheel.read("position") == 3


def test_pymmcore_plus(rig: Rig) -> None:
    core = rig["core"]
    assert core.call("getLoadedDevices") == ("Camera", "XY", "Z", "Core")
    core.call("setXYPosition", 10.0, 20.0)
    core.call("waitForSystem")
    assert np.allclose(core.call("getXYPosition"), [10, 20], atol=0.01)
    assert core.call("snap").shape == (512, 512)
    for name in ("events", "mda"):
        with pytest.raises(ResultUnsendable, match="has members"):
            core.read(name)
    assert core.call("mda.is_running") is False
    with core.subscribe("events.propertyChanged", timeout=20) as events:
        core.call("setProperty", "Camera", "Binning", "2")
        assert next(events).value == ["Camera", "Binning", "2"]
    assert core.call("snap").shape == (256, 256)


def test_bluesky(rig: Rig) -> None:
    engine = rig["engine"]
    with engine.subscribe("document", timeout=20) as documents:
        (run,) = engine.call("scan", -1.0, 1.0, 3)
        name, content = next(documents).value
    assert (name, content["uid"]) == ("start", run)
    assert engine.read("state") == "idle"
    engine.write("md", {"sample": "iron"})
    assert engine.read("md")["sample"] == "iron"


def test_qmi(rig: Rig) -> None:
    sine = rig["sine"]
    sine.call("set_frequency", 2.0)
    assert sine.read("frequency") == sine.call("get_frequency") == 2.0
    assert isinstance(sine.call("get_sample"), float)
    assert sine.describe()["orch:closesWith"] == "__exit__"


def test_lewis(rig: Rig) -> None:
    julabo = rig["julabo"]
    julabo.call("set_set_point", 30.0)
    julabo.call("set_circulating", 1)
    for _ in range(5):
        julabo.call("process", 1.0)
    assert 24.0 < julabo.read("temperature") < 30.0


def test_lakeshore(rig: Rig) -> None:
    controller = rig["controller"]
    assert controller.call("get_kelvin_reading", "A") == 295.123
    controller.call("set_control_setpoint", 1, 310.0)
    assert controller.call("get_control_setpoint", 1) == 310.0
    assert controller.call("get_heater_range", 1).name == "OFF"
    controller.call("set_heater_range", 1, "LOW")
    assert controller.call("get_status_byte").service_request is False
    assert controller.read("serial_number") == "LSA1234"


def test_pylablib(rig: Rig) -> None:
    monitor = rig["monitor"]
    assert monitor.call("get_temperature", 1) == 295.5
    assert monitor.call("is_opened") is True
    assert monitor.call("get_device_variable", "temperature")[0] == 295.5


def test_toptica(rig: Rig) -> None:
    laser = rig["laser"]
    assert laser.call("get", "laser1:dl:cc:current-set") == 50.5
    laser.call("set", "laser1:dl:cc:current-set", 55.0)
    assert laser.call("get", "laser1:dl:cc:current-set") == 55.0


def test_modbus(rig: Rig) -> None:
    modbus = rig["modbus"]
    assert modbus.call("write_multiple_registers", 0, [1, 2, 3]) is True
    assert modbus.call("read_holding_registers", 0, 3) == [1, 2, 3]
    modbus.write("timeout", 5.0)
    assert modbus.read("timeout") == 5.0
