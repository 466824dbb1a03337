"""Memory for copies of frames, used again when nobody has the copy any more.

The kernel takes longer to give new pages, each cleared, than a frame takes to be copied.
"""

from __future__ import annotations

import weakref
from contextlib import suppress
from mmap import MADV_HUGEPAGE, MAP_ANONYMOUS, MAP_PRIVATE, mmap
from typing import Any

from transports.shm.memory import capacity_for

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
        self._free: dict[int, mmap] = {}

    def take(self, size: int) -> Any:
        """So many bytes, as an array of numpy's, whose content is anything.

        Raises:
            MemoryError: There is no room for them.
        """
        import numpy as np

        piece = self._fitting(size)
        if piece is None:
            try:
                piece = mmap(-1, capacity_for(size), MAP_PRIVATE | MAP_ANONYMOUS)
            except OSError as error:
                raise MemoryError(f"no room for a frame of {size} bytes") from error
            with suppress(OSError):  # a kernel without them
                piece.madvise(MADV_HUGEPAGE)
        # An array made of this one has it for its base; if the piece were an array itself, numpy
        # would give it that one, and this one would be gone while its memory is in use.
        array = np.frombuffer(piece, np.uint8, size)
        # when the last view of this array is gone, in whatever thread that happens
        weakref.finalize(array, self._give_back, piece).atexit = False
        return array

    def _fitting(self, size: int) -> mmap | None:
        # the one that was given back last: the processor may still have it at hand
        for key, piece in reversed(list(self._free.items())):
            if size <= len(piece) <= size * ROOMY:
                taken = self._free.pop(key, None)  # unless another thread was faster
                if taken is not None:
                    return taken
        return None

    def _give_back(self, piece: mmap) -> None:
        self._free[id(piece)] = piece
        while len(self._free) > self._kept:
            try:
                self._free.pop(next(iter(self._free)))  # the one that wasn't wanted for longest
            except (KeyError, StopIteration, RuntimeError):  # another thread was faster
                continue
