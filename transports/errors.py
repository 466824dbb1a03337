"""Errors of the transport layer: one root, and a type for each party that can be at fault."""

from __future__ import annotations


class TransportError(Exception):
    """Root of what this package raises by itself."""


class ProtocolError(TransportError, ValueError):
    """A message from the other side that the wire format doesn't allow.

    Args:
        message: What is wrong with which frame or field, as one sentence.
    """


class SerializationError(TransportError, ValueError):
    """Bytes that are not what their content type says, or a content type without a codec."""


class AddressError(TransportError, ValueError):
    """An address that can't be bound or connected, with the mend in its text."""


class BreakLoop(TransportError):
    """A loop or a wait was told to end.

    An EXIT message reached a server that honours it, or `stop`, `stop_polling` or `interrupt` was
    called while somebody waited.
    """
