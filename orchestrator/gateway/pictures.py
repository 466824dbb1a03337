"""Arrays as pictures that browsers show: PNG, made small enough to look at."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

from transports.serializers import is_array

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST = 1024
"""Rows and columns of a picture; of larger arrays every second, third, … is shown."""
LEAST = 8
"""Rows and columns below which an array is numbers rather than a picture."""
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KINDS = {1: 0, 3: 2, 4: 6}
"""PNG's kinds of colour, by how many values a pixel has."""


def is_picture(value: Any) -> bool:
    """Whether a value is an array that can be shown as a picture."""
    if not is_array(value) or getattr(value.dtype, "kind", "") not in "uifb":
        return False
    shape = value.shape
    if len(shape) == 3 and shape[2] not in _KINDS:
        return False
    return len(shape) in (2, 3) and min(shape[:2]) >= LEAST


def png(array: Any, most: int = MOST) -> bytes:
    """An array as PNG.

    Args:
        array: One of which `is_picture` is true; what isn't 8 bits is scaled from its least value
            to its largest.
        most: Rows and columns that it has at most.
    """
    import numpy as np

    step = -(-max(array.shape[:2]) // most)
    pixels = _grey(np.asarray(array)[::step, ::step])
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    height, width, depth = pixels.shape
    rows = np.zeros((height, 1 + width * depth), np.uint8)  # each begins with its filter: none
    rows[:, 1:] = pixels.reshape(height, width * depth)
    head = struct.pack(">IIBBBBB", width, height, 8, _KINDS[depth], 0, 0, 0)
    return b"".join(
        (
            _SIGNATURE,
            _chunk(b"IHDR", head),
            _chunk(b"IDAT", zlib.compress(rows.tobytes(), 1)),
            _chunk(b"IEND", b""),
        )
    )


def _grey(array: NDArray[Any]) -> NDArray[np.uint8]:
    import numpy as np

    if array.dtype == np.uint8:
        return array
    values = np.nan_to_num(array.astype(np.float64), posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    scaled = (values - low) * (255.0 / (high - low)) if high > low else np.zeros_like(values)
    return scaled.astype(np.uint8)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return b"".join(
        (struct.pack(">I", len(data)), kind, data, struct.pack(">I", zlib.crc32(kind + data)))
    )
