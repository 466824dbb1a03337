"""What a socket's monitor says: zmq_socket_monitor(3)."""

from __future__ import annotations

import struct
from typing import Final

EVENT: Final = struct.Struct("=Hi")
"""Its first frame: the event, and a value, which is a file descriptor or a reason."""
