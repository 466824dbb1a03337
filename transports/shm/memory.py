"""Unnamed memory for one frame at a time: made and filled by its owner, mapped by readers.

The first page has the generation, in the machine's byte order: no other machine reads it.
"""

from __future__ import annotations

import mmap
import os
import struct

PAGE = mmap.PAGESIZE
"""Where the frame begins."""
SLOTS_FILE = "slots.sock"
"""The rig's socket for slots, in the folder of its other socket files."""
THRESHOLD = 256 * 1024
"""Bytes of a frame from which on a slot costs less than the sockets; they break even at 64 KiB as a
copy, at less as a view, but small frames would take the slots of large ones."""
_FUTURE_WRITE = 0x10
"""F_SEAL_FUTURE_WRITE, which Python's `fcntl` doesn't name: Linux 5.1."""
_GENERATION = struct.Struct("=Q")


def capacity_for(size: int) -> int:
    """The room of a slot for frames of so many bytes: a quarter of a power of two, or more."""
    step = max(PAGE, 1 << max(0, (size - 1).bit_length() - 3))
    return -(-size // step) * step


def make(capacity: int) -> tuple[int, mmap.mmap]:
    """Make memory that only the mapping which is returned with it can write.

    Returns:
        A descriptor that can be mapped for reading alone, and the mapping.

    Raises:
        OSError: There is no descriptor or memory for it, or the kernel is too old.
    """
    fd = os.memfd_create("orch-slot", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(fd, PAGE + capacity)
        memory = mmap.mmap(fd, PAGE + capacity)
        _seal(fd)
    except BaseException:
        os.close(fd)
        raise
    return fd, memory


def is_slot(fd: int, capacity: int) -> bool:
    """Whether a descriptor is what `make` gives: nobody can cut it short or change it."""
    import fcntl

    try:
        seals = fcntl.fcntl(fd, fcntl.F_GET_SEALS)
    except OSError:  # of something else
        return False
    return seals & _seals() == _seals() and os.fstat(fd).st_size == PAGE + capacity


def _seal(fd: int) -> None:
    import fcntl  # not on every system; who connects to a rig from there has no slots

    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _seals())


def _seals() -> int:
    import fcntl

    return fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL | _FUTURE_WRITE


def map_slot(fd: int) -> mmap.mmap:
    """Map a slot for reading. Raises OSError if there is no room for it."""
    return mmap.mmap(fd, 0, prot=mmap.PROT_READ)


def generation_of(memory: mmap.mmap) -> int:
    """How often a slot has been filled, or begun to be."""
    (generation,) = _GENERATION.unpack_from(memory)
    return int(generation)


def set_generation(memory: mmap.mmap, generation: int) -> None:
    """Say that a slot is about to be filled."""
    _GENERATION.pack_into(memory, 0, generation)
