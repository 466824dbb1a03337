"""Clients' ids as they tell who asks: `ada@lab3:scan.py~11645-10155d7605a04e0e`."""

from __future__ import annotations

UNIQUE = "~"
"""Stands between who it is and what tells his connections apart."""


def caller(client_id: str) -> str:
    """Who asks, for people: `ada@lab3:scan.py`; of a client of another make, its id."""
    return client_id.partition(UNIQUE)[0] or client_id
