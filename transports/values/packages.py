"""Values of well-known packages, such as pandas and pint, where both sides have them.

A message names a package of this table and nothing else: only these are ever imported for it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

from transports.errors import SerializationError
from transports.values import frames, quantities
from transports.values.kinds import Kind, NoForm, name_of
from transports.values.reading import Read, Reader
from transports.values.writing import Write, Writer

Parts = Callable[[Any], Any]
"""A value as parts that have a form themselves, and back."""

_TO_PARTS: dict[str, dict[str, Parts]] = {
    "pandas": frames.TO_PARTS,
    "xarray": quantities.XARRAY_TO_PARTS,
    "pint": quantities.PINT_TO_PARTS,
    "astropy": quantities.ASTROPY_TO_PARTS,
    "quantities": quantities.QUANTITIES_TO_PARTS,
}
_FROM_PARTS: dict[str, dict[str, Callable[[Any, Any], Any]]] = {
    "pandas": frames.FROM_PARTS,
    "xarray": quantities.XARRAY_FROM_PARTS,
    "pint": quantities.PINT_FROM_PARTS,
    "astropy": quantities.ASTROPY_FROM_PARTS,
    "quantities": quantities.QUANTITIES_FROM_PARTS,
}
_MODULES = {"astropy": "astropy.units"}


def find(kind: type) -> Write | None:
    """The function that writes values of a type, if it is of one of the packages."""
    package = kind.__module__.partition(".")[0]
    known = _TO_PARTS.get(package)
    if known is None or package not in sys.modules:
        return None
    for each in kind.__mro__:
        if each.__name__ in known and each.__module__.partition(".")[0] == package:
            return _writer(package, each.__name__, known[each.__name__])
    return _unknown


def _writer(package: str, name: str, parts: Parts) -> Write:
    def write(writer: Writer, value: Any) -> Any:
        writer.enter(value)
        written = writer.write(parts(value))
        writer.leave()
        return writer.extension(Kind.PACKAGE, [package, name, written])

    return write


def _unknown(writer: Writer, value: Any) -> Any:
    raise NoForm(
        f"a value of type {name_of(type(value))} has no form; convert it to arrays, or to "
        "one of the package's types that have: see docs/values.md"
    )


def _read(reader: Reader, data: memoryview) -> Any:
    package, name, parts = reader.fields(data, 3)
    make = _FROM_PARTS.get(package, {}).get(name)
    if make is None:
        raise SerializationError(f"{package!r:.40}.{name!r:.40} is no known kind of value")
    try:
        module = importlib.import_module(_MODULES.get(package, package))
    except ImportError as error:
        raise SerializationError(
            f"it is a {package}.{name}, and {package} can't be imported here ({error}): install "
            f"{package}"
        ) from error
    return make(module, parts)


READERS: dict[int, Read] = {Kind.PACKAGE: _read}
