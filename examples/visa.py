"""An instrument behind VISA: a factory, because PyVISA's resources are opened, not constructed.

What is hosted is PyVISA's own object, unmodified: its methods are actions, its properties
properties.
"""

from __future__ import annotations

from typing import Any

import pyvisa
from pyvisa.resources import Resource


def open_resource(name: str, library: str = "@sim", **settings: Any) -> Resource:
    """Open a VISA resource such as `GPIB::8::INSTR`.

    Args:
        name: The resource.
        library: The VISA library; `@sim` simulates, `@py` talks to real instruments.
        settings: Attributes of the resource, such as `read_termination` or `timeout` (ms).
    """
    return pyvisa.ResourceManager(library).open_resource(name, **settings)
