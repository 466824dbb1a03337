"""easy-scpi: a tree of commands that its use makes, against a simulated instrument."""

from __future__ import annotations

import pytest

from tests.instruments.instrument_kit import closed, hosted, needs

needs("easy_scpi", "pyvisa_sim")

CONFIG = """
psu:
  driver: easy_scpi:Instrument
  open_with: connect
  kwargs:
    port: ASRL1::INSTR
    backend: psu.yaml@sim
    read_termination: "\\n"
    write_termination: "\\n"
"""
DEVICE = r"""
spec: "1.1"
devices:
  psu:
    eom: {ASRL INSTR: {q: "\n", r: "\n"}}
    error: ERROR
    dialogues:
      - {q: "*IDN?", r: "psu"}
    properties:
      voltage:
        default: 1.0
        getter: {q: "SOURCE:VOLTAGE?", r: "{:.2f}"}
        setter: {q: "SOURCE:VOLTAGE {:.2f}"}
        specs: {min: 0, max: 10, type: float}
      output:
        default: 0
        getter: {q: "OUTPUT?", r: "{}"}
        setter: {q: "OUTPUT {}"}
resources:
  ASRL1::INSTR: {device: psu}
"""


def test_easy_scpi() -> None:
    """Commands that nothing has named are called, and so are those below them."""
    with hosted(CONFIG, texts={"psu.yaml": DEVICE}) as (running, rig):
        psu = rig.psu
        assert psu.id == "psu"
        assert psu.connected is True
        assert psu.source.voltage() == "1.00"
        psu.source.voltage(2.5)
        assert float(psu.source.voltage()) == 2.5
        assert rig["psu"].call("output", query=True) == "0"
        assert running.orch("call", "psu", "source.voltage").stdout.strip() == '"2.50"'
        assert "source" in dir(psu)
        with pytest.raises(AttributeError, match="private"):
            rig["psu"].call("source._private")
        closed(running, "psu")
