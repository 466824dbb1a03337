"""InstrumentKit: channels that a property lists, parts that a property gives, quantities."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrator.client.rig import Rig
from tests.instruments.instrument_kit import hosted, needs

needs("instruments")

CONFIG = """
scope: {driver: "lab:scope"}
supply: {driver: "lab:supply"}
"""
LAB = """
import io
from instruments.abstract_instruments.comm import LoopbackCommunicator
from instruments.hp import HP6624a
from instruments.tektronix import TekTDS224

class Answers(io.BytesIO):
    '''The other side of the line: one answer for each query that is written.'''
    def __init__(self, answers):
        self.answers, self.waiting, self.sent = answers, b"", []

    def write(self, message):
        self.sent.append(message.decode().strip())
        answer = self.answers.get(self.sent[-1])
        if answer is not None:
            self.waiting += answer.encode() + b"\\n"
        name, _, value = self.sent[-1].partition(" ")
        channel, comma, value = value.partition(",")
        if comma:
            self.answers[f"{name}? {channel}"] = value
        return len(message)

    def read(self, size=-1):
        found, self.waiting = self.waiting[:size], self.waiting[size:]
        return found

def on(kind, answers):
    line = Answers(answers)
    return kind(LoopbackCommunicator(stdin=line, stdout=line))

def scope():
    return on(TekTDS224, {
        "*IDN?": "TEKTRONIX,TDS 224,0,CF:91.1CT",
        "CH2:COUPL?": "DC",
        "DAT:SOU?": "MATH",
    })

def supply():
    return on(HP6624a, {"VSET? 2": "5.0", "VOUT? 2": "4.98"})
"""


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with hosted(CONFIG, lab=LAB) as (_, rig):
        yield rig


def test_a_scope(rig: Rig) -> None:
    scope = rig.scope
    assert scope.name == "TEKTRONIX,TDS 224,0,CF:91.1CT"
    assert scope.query("*IDN?").startswith("TEKTRONIX")
    coupling = scope.channel[1].coupling
    assert coupling.name == "dc"
    scope.channel[1].coupling = coupling


def test_a_part_that_only_a_property_gives(rig: Rig) -> None:
    """It is reached by its path, although nothing has read the property before."""
    assert rig["scope"].read("math.name") == "MATH"
    assert rig.scope.math.name == "MATH"
    assert "read_waveform" in dir(rig.scope.math)
    with pytest.raises(AttributeError, match="math"):
        rig["scope"].read("math.nothing")


def test_quantities(rig: Rig) -> None:
    """What is measured arrives with its unit, and is written with or without."""
    import quantities

    channel = rig.supply.channel[1]
    measured = channel.voltage_sense
    assert isinstance(measured, quantities.Quantity)
    assert measured == 4.98 * quantities.volt
    channel.voltage = 2500 * quantities.millivolt
    assert float(rig.supply.query("VSET? 2")) == 2.5
    assert channel.voltage == 2.5 * quantities.volt
    with pytest.raises(TypeError, match="too many"):
        rig["supply"].call("channel[1].sendcmd", "wrong", "number of arguments")
