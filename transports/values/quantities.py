"""xarray's labelled arrays and several packages' quantities, in terms of other values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transports.errors import SerializationError
from transports.values.kinds import NoForm

ToParts = Callable[[Any], Any]
FromParts = Callable[[Any, Any], Any]

# -- xarray -----------------------------------------------------------------------------------


def _labelled(value: Any) -> Any:
    """Names, dimensions, coordinates, attributes and data; encodings are of files, not of data."""
    for name, index in value.indexes.items():
        if type(index).__name__ == "MultiIndex":
            raise NoForm(f"coordinate {name!r} is a MultiIndex, which has no form; reset_index it")
    parts = value.to_dict(data="array")
    parts.pop("encoding", None)
    return parts


XARRAY_TO_PARTS: dict[str, ToParts] = {"DataArray": _labelled, "Dataset": _labelled}
XARRAY_FROM_PARTS: dict[str, FromParts] = {
    "DataArray": lambda xarray, parts: xarray.DataArray.from_dict(parts),
    "Dataset": lambda xarray, parts: xarray.Dataset.from_dict(parts),
}

# -- pint -------------------------------------------------------------------------------------


def _units(units: Any) -> dict[str, Any]:
    return {str(name): exponent for name, exponent in units._units.items()}


def _read_units(pint: Any, units: Any) -> Any:
    registry = pint.get_application_registry()
    for name in units:
        if not name.isidentifier() or name not in registry:
            raise SerializationError(
                f"pint's application registry here has no unit {name!r:.40}: define it here too"
            )
    return registry.Unit(registry.UnitsContainer(units))


def _read_pint(pint: Any, parts: Any) -> Any:
    magnitude, units = parts
    return pint.get_application_registry().Quantity(magnitude, _read_units(pint, units))


PINT_TO_PARTS: dict[str, ToParts] = {
    "Quantity": lambda value: (value.magnitude, _units(value.units)),
    "PlainQuantity": lambda value: (value.magnitude, _units(value.units)),
    "Unit": lambda value: _units(value),
    "PlainUnit": lambda value: _units(value),
}
PINT_FROM_PARTS: dict[str, FromParts] = {
    "Quantity": _read_pint,
    "PlainQuantity": _read_pint,
    "Unit": _read_units,
    "PlainUnit": _read_units,
}

# -- astropy ----------------------------------------------------------------------------------


def _quantity(value: Any) -> Any:
    from astropy.units import Quantity

    if type(value) is not Quantity:
        raise NoForm(f"a {type(value).__name__} of astropy has no form; send it as a Quantity")
    return (value.value, value.unit.to_string())


def _read_quantity(units: Any, parts: Any) -> Any:
    number, unit = parts
    return units.Quantity(number, units.Unit(unit), dtype=None)


ASTROPY_TO_PARTS: dict[str, ToParts] = {
    "Quantity": _quantity,
    "UnitBase": lambda value: value.to_string(),
}
ASTROPY_FROM_PARTS: dict[str, FromParts] = {
    "Quantity": _read_quantity,
    "UnitBase": lambda units, parts: units.Unit(parts),
}

# -- quantities -------------------------------------------------------------------------------


def _counted(value: Any) -> Any:
    """Magnitude, and the exponents of units by name: its own texts of units are evaluated."""
    import quantities

    if type(value) not in (quantities.Quantity, quantities.UnitQuantity):
        raise NoForm(f"a {type(value).__name__} of quantities has no form; send it as a Quantity")
    units = {}
    for unit, exponent in value.dimensionality.items():
        named = (each for each in (unit.name, unit.symbol) if _is_unit(quantities, each, unit))
        name = next(named, None)
        if name is None:
            raise NoForm(f"the unit {unit.name!r} isn't one of quantities' own; rescale it to one")
        units[name] = exponent
    magnitude = value.magnitude
    return (magnitude if magnitude.ndim else magnitude[()], units)


def _is_unit(quantities: Any, name: Any, unit: Any) -> bool:
    return isinstance(name, str) and vars(quantities).get(name) is unit


def _read_counted(quantities: Any, parts: Any) -> Any:
    magnitude, names = parts
    unit = quantities.dimensionless
    for name, exponent in names.items():
        found = vars(quantities).get(name)
        if not isinstance(found, quantities.UnitQuantity):
            raise SerializationError(f"quantities has no unit {name!r:.40} here: update it")
        unit = unit * found**exponent
    dtype = getattr(magnitude, "dtype", None)
    return quantities.Quantity(magnitude, unit.dimensionality, dtype=dtype)


QUANTITIES_TO_PARTS: dict[str, ToParts] = {"Quantity": _counted}
QUANTITIES_FROM_PARTS: dict[str, FromParts] = {"Quantity": _read_counted}
