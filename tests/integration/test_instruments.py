"""Drivers of instrument libraries, hosted unmodified in a real rig."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.rigs import RunningRig, running

CONFIG = """
rig: bench
workers:
  fake: {driver: "pymeasure.instruments.fakes:SwissArmyFake"}
  axis: {driver: "ophyd.sim:SynAxis", kwargs: {name: axis}}
  visa:
    driver: "visa:open_resource"
    args: ["ASRL1::INSTR"]
    kwargs: {library: "@sim", read_termination: "\\n", write_termination: "\\r\\n"}
"""
VISA = """
import pyvisa

def open_resource(name, library, **settings):
    return pyvisa.ResourceManager(library).open_resource(name, **settings)
"""


@pytest.fixture(scope="module")
def rig() -> Iterator[RunningRig]:
    with running(CONFIG, {"visa": VISA}) as rig:
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
