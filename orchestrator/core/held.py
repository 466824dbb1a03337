"""Bytes of requests that wait or run: their sum, and each client's share of it."""

from __future__ import annotations

from typing import Protocol

SMALL = 4096
"""Bytes of a request up to which it is bounded by how many there may be, and not summed up."""


class Sized(Protocol):
    """What is summed up: a request."""

    client: bytes
    size: int


class HeldBytes:
    """Sums up the bytes of requests larger than `SMALL`, while they are in the table.

    Attributes:
        total: Of all of them.
        by_client: Of each client that has some.
    """

    def __init__(self) -> None:
        self.total = 0
        self.by_client: dict[bytes, int] = {}

    def of(self, client: bytes) -> int:
        """Those of one client."""
        return self.by_client.get(client, 0)

    def add(self, request: Sized) -> None:
        """A request comes into the table."""
        if request.size > SMALL:
            self._change(request.client, request.size)

    def remove(self, request: Sized) -> None:
        """A request leaves the table."""
        if request.size > SMALL:
            self._change(request.client, -request.size)

    def _change(self, client: bytes, by: int) -> None:
        self.total += by
        left = self.of(client) + by
        if left:
            self.by_client[client] = left
        else:
            del self.by_client[client]
