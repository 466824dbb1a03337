"""What ends an operation that has started, as it is written: `abort`, `interrupt`, or both."""

from __future__ import annotations

from orchestrator.config.values import check_member
from orchestrator.words import quoted, say
from transports.exceptions import INTERRUPT

__all__ = ["check_means", "stops_of"]


def check_means(value: object) -> tuple[str, ...]:
    """Actions of the driver that stop it, and `interrupt`, in the order in which they are tried.

    Raises:
        ValueError: it is neither a name nor a list of names, or `interrupt` isn't the last one.
    """
    if value is None:
        return ()
    names: list[object] = value if isinstance(value, list) else [value]
    found: list[str] = []
    for name in names:
        if not isinstance(name, str):
            raise ValueError(
                "must be an action such as abort, or interrupt, or a list such as"
                f" [abort, interrupt], not {say(value)}"
            )
        if name in found:
            raise ValueError(f"has {quoted(name)} twice")
        found.append(check_member(name))
    if INTERRUPT in found[:-1]:
        raise ValueError("interrupt comes last: what the driver does to stop itself goes first")
    return tuple(found)


def stops_of(means: tuple[str, ...]) -> tuple[str, ...]:
    """The actions among them."""
    return tuple(name for name in means if name != INTERRUPT)
