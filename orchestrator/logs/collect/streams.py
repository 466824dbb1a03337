"""The ends of a worker's streams that it writes to."""

from __future__ import annotations

import os
from typing import Self


class Streams:
    """The write ends of a worker's streams, as file descriptors that children don't inherit.

    `close` them (or leave the `with` block) once the worker's process has its own copies: a
    stream ends when its last write end is closed.

    Attributes:
        stdout: For what the worker prints.
        stderr: For what the worker prints there.
        records: For JSON lines.
    """

    def __init__(self, stdout: int, stderr: int, records: int) -> None:
        self.stdout = stdout
        self.stderr = stderr
        self.records = records
        self._open = [stdout, stderr, records]

    def close(self) -> None:
        """Close this process's copies; the second time does nothing."""
        while self._open:
            os.close(self._open.pop())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
