"""Drivers of instrument libraries, hosted unmodified in a real rig."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import pytest

from tests.rigs import RunningRig, running

CONFIG = """
rig: bench
workers:
  fake: {driver: "pymeasure.instruments.fakes:SwissArmyFake"}
  axis: {driver: "ophyd.sim:SynAxis", kwargs: {name: axis}}
  table: {driver: "lab:Table", kwargs: {name: table}}
  power: {driver: "lab:power"}
  button: {driver: "lab:Button", args: [4], env: {GPIOZERO_PIN_FACTORY: mock}}
  camera: {driver: "lab:Camera"}
  visa:
    driver: "visa:open_resource"
    args: ["ASRL1::INSTR"]
    kwargs: {library: "@sim", read_termination: "\\n", write_termination: "\\r\\n"}
"""
LAB = """
import gpiozero, psygnal
from ophyd import Component, Device
from ophyd.sim import SynAxis
from pymeasure.adapters import FakeAdapter
from pymeasure.instruments.keysight import KeysightE36312A

class Table(Device):
    x = Component(SynAxis, name="x")
    y = Component(SynAxis, name="y")

def power():
    return KeysightE36312A(FakeAdapter())

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
    """A signal is one observable property; those of devices in a device have their paths."""
    with rig.connected() as client:
        axis = client["axis"]
        assert axis.describe()["properties"]["readback"]["observable"] is True
        with axis.subscribe("readback", timeout=20) as events:
            with suppress(TypeError):  # that its status can't be sent
                axis.call("set", 1.25)
            assert next(events).value == 1.25
        assert axis.read("readback") == axis.call("readback") == 1.25
        table = client["table"]
        with suppress(TypeError):
            table.call("y.set", 4.0)
        assert table.read("y.readback") == 4.0
        assert table.read("x.readback") == 0.0


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
