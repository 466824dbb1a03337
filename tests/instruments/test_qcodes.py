"""QCoDeS: parameters with units and limits, channels, submodules, methods."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrator.client.rig import Rig
from tests.instruments.instrument_kit import hosted, needs

needs("qcodes")

FOLDER = "qcodes.instrument_drivers.mock_instruments"
CONFIG = f"""
dac: {{driver: "{FOLDER}:DummyInstrument", args: [dac, [ch1, ch2]]}}
dmm: {{driver: "{FOLDER}:DummyChannelInstrument", args: [dmm]}}
field: {{driver: "{FOLDER}:MockField", args: [field]}}
"""


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with hosted(CONFIG) as (_, rig):
        yield rig


def test_parameters(rig: Rig) -> None:
    dac = rig.dac
    dac.ch1 = 1.5
    assert dac.ch1 == dac.ch1() == 1.5
    dac.ch1(2.5)
    assert rig["dac"].read("ch1") == 2.5
    said = rig["dac"].describe()["properties"]["ch1"]
    assert said["unit"] == "V"
    assert said["maximum"] == 400
    with pytest.raises(ValueError, match="9000"):
        dac.ch1 = 9000
    assert dac.get_idn()["vendor"] is None or isinstance(dac.get_idn(), dict)
    assert dac.snapshot()["parameters"]["ch1"]["value"] == 2.5


def test_channels(rig: Rig) -> None:
    dmm = rig.dmm
    dmm.A.temperature = 7.5
    assert dmm.channels[0].temperature == 7.5
    assert dmm.A.dummy_start() == 0
    assert dmm.A.dummy_array_parameter.shape == (5,)
    assert dmm.A.dummy_text == "thisisastring"
    assert dmm.A.dummy_complex == 1 + 1j
    dmm.A.turn_on()


def test_actions_that_take_time(rig: Rig) -> None:
    field = rig.field
    field.ramp_rate = 600.0
    field.set_field(0.5)
    assert field.field() == pytest.approx(0.5, abs=0.01)
