"""Drivers of the libraries that are always installed for tests, unmodified, in one real rig."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.instruments.instrument_kit import closed, needs
from tests.rigs import RunningRig, running

needs("gpiozero", "ophyd", "psygnal", "pymeasure", "pyvisa_sim")

CONFIG = """
rig: bench
workers:
  fake: {driver: "pymeasure.instruments.fakes:SwissArmyFake"}
  axis: {driver: "ophyd.sim:SynAxis", kwargs: {name: axis, delay: 0.2}}
  table: {driver: "lab:Table", kwargs: {name: table}}
  power: {driver: "lab:power"}
  leds: {driver: "lab:leds", env: {GPIOZERO_PIN_FACTORY: mock}}
  button: {driver: "lab:Button", args: [4], env: {GPIOZERO_PIN_FACTORY: mock}}
  camera: {driver: "lab:Camera"}
  visa:
    driver: "visa:open_resource"
    args: ["ASRL1::INSTR"]
    kwargs: {library: "@sim", read_termination: "\\n", write_termination: "\\r\\n"}
"""
LAB = """
import gpiozero, psygnal
from ophyd import Component, Device, Signal
from ophyd.sim import SynAxis
from ophyd.status import Status
from pymeasure.adapters import FakeAdapter
from pymeasure.instruments.keysight import KeysightE36312A

class Table(Device):
    lazy = Component(SynAxis, name="lazy", lazy=True)
    x = Component(SynAxis, name="x")
    y = Component(SynAxis, name="y")
    gain = Component(Signal, value=2.0)

    def fail(self):
        status = Status(timeout=5)
        status.set_exception(ValueError("stalled"))
        return status

    def stop(self, *, success=False):
        print("the table was stopped")
        super().stop(success=success)

def power():
    return KeysightE36312A(FakeAdapter())

def leds():
    return gpiozero.LEDBoard(17, 27, status=22)

class Button(gpiozero.Button):
    def press(self):
        self.pin.drive_low()

    def release(self):
        self.pin.drive_high()

class Camera:
    exposed = psygnal.Signal(int)

    def expose(self, number: int) -> None:
        self.exposed.emit(number)
"""
VISA = """
import pyvisa

def open_resource(name, library, **settings):
    return pyvisa.ResourceManager(library).open_resource(name, **settings)
"""


@pytest.fixture(scope="module")
def rig() -> Iterator[RunningRig]:
    with running(CONFIG, {"visa": VISA, "lab": LAB}) as rig:
        yield rig
        for worker in ("fake", "power", "button", "leds", "visa"):
            closed(rig, worker)


def test_pymeasure(rig: RunningRig) -> None:
    """Its properties, made by its own property class, are read and written; a frame is an array."""
    with rig.connected() as client:
        fake = client.fake
        fake.output_voltage = 3.5
        assert fake.output_voltage == 3.5
        assert isinstance(fake.voltage, int | float)
        frame = fake.frame
        assert isinstance(frame, np.ndarray)
        assert frame.shape == (1080, 1920)
        with pytest.raises(AttributeError):
            fake.votlage  # noqa: B018


def test_ophyd(rig: RunningRig) -> None:
    """An axis is read by its own methods; a move is waited for, by its status."""
    with rig.connected() as client:
        axis = client["axis"]
        assert axis.call("set", 2.5) is None
        assert axis.call("read")["axis"]["value"] == 2.5
        assert axis.read("position") == 2.5
        assert "axis" in axis.call("describe")


def test_channels_of_pymeasure(rig: RunningRig) -> None:
    """They are reached by their names and in their collection."""
    with rig.connected() as client:
        power = client["power"]
        assert power.describe()["orch:parts"]["channels[2]"]["title"] == "VoltageChannel"
        power.write("ch_1.voltage_setpoint", 3.5)
        assert power.call("read") == "VOLT 3.5, (@1)"  # what its fake adapter was sent
        power.call("channels[2].write", "VOLT? (@{ch})")
        assert power.call("read") == "VOLT? (@2)"


def test_signals_of_ophyd(rig: RunningRig) -> None:
    """A signal is one observable property; `set` is over when its Status says so."""
    with rig.connected() as client:
        axis = client["axis"]
        assert axis.describe()["properties"]["readback"]["observable"] is True
        with axis.subscribe("readback", timeout=20) as events:
            assert axis.call("set", 1.25) is None
            assert axis.read("readback") == axis.call("readback") == 1.25
            assert next(events).value == 1.25


def test_components_of_ophyd(rig: RunningRig) -> None:
    with rig.connected() as client:
        table = client.table
        table.y.set(4.0)
        assert table.y.readback == table.y.position == 4.0
        assert table.x.readback == 0.0
        assert table.lazy.readback == 0.0  # it is made by this
        table.gain = 3.5
        assert table.gain() == 3.5
        assert table.read()["table_gain"]["value"] == 3.5
        with client["table"].subscribe("gain", timeout=20) as events:
            table.gain(4.0)
            assert next(events).value == 4.0
        with pytest.raises(ValueError, match="stalled"):
            table.fail()


def test_gpiozero_and_psygnal_call_back(rig: RunningRig) -> None:
    with rig.connected() as client:
        button, camera = client["button"], client["camera"]
        with button.subscribe("when_pressed", timeout=20) as events:
            assert button.read("is_pressed") is False
            button.call("press")
            assert next(events).value is None
        assert button.read("is_pressed") is True
        with camera.subscribe("exposed", timeout=20) as events:
            camera.call("expose", 7)
            assert next(events).value == 7


def test_boards_of_gpiozero(rig: RunningRig) -> None:
    """Devices of a board are parts, by their names and positions."""
    with rig.connected() as client:
        leds = client.leds
        leds.on()
        assert leds.value == (1, 1, 1)
        leds.status.off()
        assert leds.status.is_lit is False
        leds.value = (0, 1, 0)
        assert leds.value == (0, 1, 0)
        leds.status.blink(0.01, 0.01, 1, False)  # until it has blinked
        assert leds.is_lit is True


def test_pyvisa(rig: RunningRig) -> None:
    """A resource answers queries; its own names are reached although ours are alike."""
    with rig.connected() as client:
        visa = client["visa"]
        assert visa.call("query", "?IDN") == "LSG Serial #1234"
        visa.call("write", "!FREQ 10.30")
        assert visa.call("read") == "OK"
        assert visa.call("query", "?FREQ") == "10.30"
        visa.write("timeout", 1500)
        assert visa.read("timeout") == 1500
