"""What both faces' handles of a worker have in common: what is known of it, and its proxy."""

from __future__ import annotations

from typing import Any

from orchestrator.client import shown
from orchestrator.client.members import Members
from orchestrator.client.proxy import Proxy
from orchestrator.client.session import Session

SOON = 1.0
"""Seconds that an answer may take which is only shown: for Tab, or in a notebook."""


class Handle:
    """A worker with methods of ours, whatever its driver's members are called.

    Attributes:
        name: The worker's name.
        proxy: What stands for the worker with the driver's names on it.
    """

    name: str

    def __init__(self, session: Session, name: str) -> None:
        object.__setattr__(self, "_session", session)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "_made", (None, Proxy))
        object.__setattr__(self, "_proxy", Proxy(self))
        object.__setattr__(self, "_values", set())

    _session: Session
    _made: tuple[Members | None, type[Proxy]]
    _proxy: Proxy
    _values: set[str]
    """Paths of properties whose values aren't components, though they look so."""

    def _made_class(self) -> type[Proxy]:
        """The class for what is known of the worker by now; nothing is asked for it."""
        members = self._session.known_members(self.name)
        if members is not self._made[0] and members is not None:
            from orchestrator.client.generated import worker_class  # commands need no classes

            made = worker_class(self._session.rig, self.name, members, type(self))
            object.__setattr__(self, "_made", (members, made))
        return self._made[1]

    @property
    def _title(self) -> str:
        return f"worker {self.name} of rig {self._session.rig}"

    def _html(self) -> str:
        return shown.worker(self._title, self._session.known_members(self.name))

    def __repr__(self) -> str:
        return f"<{self._title}>"

    def _repr_html_(self) -> str:
        self._learn_soon()
        return self._html()

    # -- what the faces do differently ----------------------------------------------------

    def _get(self, path: str) -> Any:
        """The value of a property, or what is awaited for it."""
        raise NotImplementedError

    def _set(self, path: str, value: Any) -> None:
        """Write a property, or say how to."""
        raise NotImplementedError

    def _learn(self, path: str, *, looks: bool = False) -> Any:
        """Ask for the description because of a path that isn't known; what stands for it.

        Args:
            path: The path.
            looks: The worker must not evaluate anything for it.
        """
        raise NotImplementedError

    def _learn_soon(self) -> None:
        """Ask for a description that isn't known; not for long, and it need not work."""
        raise NotImplementedError
