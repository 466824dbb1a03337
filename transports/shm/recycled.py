"""Memory for copies of frames, used again when nobody has the copy any more.

The kernel takes longer to give new pages, each cleared, than a frame takes to be copied.
"""

from __future__ import annotations

import weakref
from typing import Any

KEPT = 2
"""Pieces of memory that are kept unused at most."""
ROOMY = 1.25
"""How many times as large a piece may be as what goes into it."""


class Recycled:
    """Pieces of memory, for any thread.

    Args:
        kept: How many are kept unused.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._free: dict[int, Any] = {}

    def take(self, size: int) -> Any:
        """So many bytes, as an array of numpy's, whose content is anything."""
        import numpy as np

        piece = self._fitting(size)
        if piece is None:
            piece = np.empty(size, np.uint8)
        # not a slice: views of that would have `piece` for their base, and not keep the slice
        array = np.frombuffer(piece, np.uint8, size)
        # when the last view of this array is gone, in whatever thread that happens
        weakref.finalize(array, self._give_back, piece).atexit = False
        return array

    def _fitting(self, size: int) -> Any:
        for key, piece in list(self._free.items()):
            if size <= len(piece) <= size * ROOMY:
                taken = self._free.pop(key, None)  # unless another thread was faster
                if taken is not None:
                    return taken
        return None

    def _give_back(self, piece: Any) -> None:
        self._free[id(piece)] = piece
        while len(self._free) > self._kept:
            self._free.pop(next(iter(self._free)), None)  # the one that wasn't wanted for longest
