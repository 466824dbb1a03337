"""Quantities of the package of that name: units travel by name, and no text is evaluated."""

from __future__ import annotations

import pytest
import quantities

from transports.errors import SerializationError
from transports.values.codec import decode, encode
from transports.values.kinds import NoForm
from transports.values.quantities import QUANTITIES_FROM_PARTS, QUANTITIES_TO_PARTS


@pytest.mark.parametrize("unit", ["V", "mV", "m/s**2", "degC", "dimensionless", "ohm*Hz**0.5"])
def test_a_measured_value(unit: str) -> None:
    sent = quantities.Quantity(4.98, unit)
    found = decode(*encode(sent))
    assert type(found) is quantities.Quantity
    assert found.dimensionality == sent.dimensionality
    assert found == sent


def test_a_unit_is_one_of_it() -> None:
    assert decode(*encode(quantities.volt)) == 1 * quantities.volt


@pytest.mark.parametrize("name", ["print", "UnitQuantity", "__import__('os')", "no_such"])
def test_other_names_are_no_units(name: str) -> None:
    with pytest.raises(SerializationError, match="has no unit"):
        QUANTITIES_FROM_PARTS["Quantity"](quantities, (1.0, {name: 1}))


def test_what_has_no_form() -> None:
    with pytest.raises(NoForm, match="UncertainQuantity"):
        QUANTITIES_TO_PARTS["Quantity"](quantities.UncertainQuantity(1.0, "V", 0.1))
    own = quantities.UnitQuantity("smoot", 1.7018 * quantities.m, symbol="smoot")
    with pytest.raises(NoForm, match="smoot"):
        QUANTITIES_TO_PARTS["Quantity"](3 * own)
