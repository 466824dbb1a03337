"""Reading and writing a driver's properties, one or several, with notice of their changes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from transports import terms
from transports.errors import SerializationError
from workers.driver.adapters.adapted import Members
from workers.driver.coroutines import call_here
from workers.driver.describe import PROPERTY, Description, nearest
from workers.driver.fitter import Fitter, Unfit
from workers.driver.opening import Call
from workers.driver.settle import settled
from workers.driver.targets import Target
from workers.errors import Terminated
from workers.failures import Refused, summary

log = logging.getLogger("workers")

Reader = Callable[[], Any]
Writer = Callable[[Any], Any]


class Properties:
    """The properties of one driver object, as functions by name.

    Attributes:
        readers: name -> function that gives the value, or an awaitable of it.
        writers: name -> function that takes the value.

    Args:
        driver: The object that is served.
        description: What is served of it.
        targets: How its members are reached, by path.
        worker: Name of the worker, for errors.
        wait: Runs an awaitable to its end and gives its result.
        seen: Takes note of values of observable properties.
        call: Calls a function where the driver's code is to run.
    """

    def __init__(
        self,
        driver: object,
        description: Description,
        targets: Mapping[str, Target],
        *,
        worker: str,
        wait: Callable[[Any], Any],
        seen: Callable[[str, Any], None],
        call: Call = call_here,
    ) -> None:
        self._call = call
        self._worker = worker
        self._wait = wait
        self._seen = seen
        self._own_errors = issubclass(type(driver), Members)
        self._left_out: set[str] = set()
        self._untold: set[str] = set()
        self.readers: dict[str, Reader] = {}
        self.writers: dict[str, Writer] = {}
        for name, affordance in description[PROPERTY].items():
            make = self._observed if affordance.get("observable") else self._plain
            target = targets[name]
            self.readers[name], write = make(name, target)
            self.writers[name] = write if self._own_errors else self._fitted(name, target, write)
            # what `__getattr__` gives may be an action, or anything
            if affordance.get("writeOnly") or affordance.get(terms.DYNAMIC):
                self._left_out.add(name)
            if affordance.get("readOnly") and not self._own_errors:
                self.writers[name] = _read_only(f"{worker}.{name}")

    def get(self, names: Any = None, **renamed: Any) -> dict[str, Any]:
        """The values of several properties.

        Args:
            names: Names, as a list or as text with commas; if none are given, all properties
                that can be read.
            renamed: name -> the name under which its value is to be given.

        Raises:
            Refused: There is no such property.
            RuntimeError: Some can't be read; its notes say which, and why.
            Exception: One can't be read, of a driver whose framework raises its error as it is.
        """
        if isinstance(names, str):
            names = [part.strip() for part in names.split(",")]
        if names is not None and not isinstance(names, list):
            raise Refused("TypeError", "names must be a list, or text with commas")
        if names is None and not renamed:
            names = [name for name in self.readers if name not in self._left_out]
        wanted = {name: name for name in names or ()} if _all_text(names or ()) else {}
        wanted |= {name: str(new) for name, new in renamed.items()}
        self._check(wanted)
        values: dict[str, Any] = {}

        def read(name: str) -> None:
            values[wanted[name]] = settled(self.readers[name](), self._wait)

        if self._own_errors:
            for name in wanted:
                read(name)
        else:
            _each(wanted, read, "read")
        return values

    def set(self, **values: Any) -> None:
        """Write several properties; where one can't be, the others are written nevertheless.

        Raises:
            Refused: There is no such property; none was written.
            RuntimeError: Some can't be written; its notes say which, and why.
        """
        self._check(values)
        _each(values, lambda name: self.writers[name](values[name]), "written")

    def _check(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self.readers:
                hint = nearest(name, self.readers)
                missing = f"{self._worker} has no property {name[:80]!r}{hint}"
                raise Refused("AttributeError", missing)

    def _plain(self, name: str, target: Target) -> tuple[Reader, Writer]:
        call = self._call
        if call is call_here:
            return target.get, target.set
        return lambda: call(target.get), lambda value: call(lambda: target.set(value))

    def _observed(self, name: str, target: Target) -> tuple[Reader, Writer]:
        read, write = self._plain(name, target)

        def read_and_note() -> Any:
            value = settled(read(), self._wait)
            self._note(name, value)
            return value

        def write_and_note(value: Any) -> Any:
            given = write(value)
            self._note(name, value)
            return given

        return read_and_note, write_and_note

    def _fitted(self, name: str, target: Target, write: Writer) -> Writer:
        """The writer, for values that fit what the driver says of the property."""
        found: list[Fitter | None] = []  # looked for at the first write: a part may be far away

        def write_fitted(value: Any) -> Any:
            if not found:
                found.append(target.fitter())
            fit = found[0]
            if fit is not None:
                try:
                    value = fit(value)
                except Unfit as unfit:
                    said = f"{self._worker}.{name}: {unfit.said_of('the value')}"
                    raise Refused("TypeError", said) from None
            return write(value)

        return write_fitted

    def _note(self, name: str, value: Any) -> None:
        try:
            self._seen(name, value)
        except (TypeError, SerializationError) as error:
            if name not in self._untold:  # it may be polled many times a second
                log.warning("a change of %s can't be published: %s", name, error)
            self._untold.add(name)
        else:
            self._untold.discard(name)


def _read_only(title: str) -> Writer:
    def write(value: Any) -> None:
        raise Refused("AttributeError", f"{title} is read-only")

    return write


def _all_text(names: Iterable[Any]) -> bool:
    if all(isinstance(name, str) for name in names):
        return True
    raise Refused("TypeError", "names of properties must be text")


def _each(names: Iterable[str], act: Callable[[str], None], verb: str) -> None:
    """Do it for each name, whatever happens to the others.

    Raises:
        RuntimeError: It failed for some.
    """
    notes: dict[str, str] = {}
    for name in names:
        try:
            act(name)
        except Terminated:
            raise
        except BaseException as error:  # noqa: BLE001  one failure must not hide the others
            notes[name] = f"{name}: {summary(error)}"
    if notes:
        failure = RuntimeError(f"not all properties could be {verb}: {', '.join(notes)}")
        for note in notes.values():
            failure.add_note(note)
        raise failure
