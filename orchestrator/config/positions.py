"""Where what is said of a worker stands in the file, and how its arguments are spelt there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from orchestrator.config.problems import KeyPath, Place, Problem
from orchestrator.config.yaml import Document
from orchestrator.words import say

ARGUMENTS: Final = frozenset({"args", "kwargs"})
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]")


def places_of_extras(document: Document) -> dict[str, Place]:
    """Where what needs an extra stands: `RigConfig.places`."""
    places = {}
    for at, each in enumerate(document.data.get("listen") or ()):
        if isinstance(each, str) and each.startswith("http:"):
            places["web"] = document.place(("listen", at))
    if document.data.get("hosts") is not None:
        places["hosts"] = document.place(("hosts",))
    if document.data.get("traces") is not None:
        places["traces"] = document.place(("traces",))
    return places


def places_of_access(document: Document) -> dict[str, Place]:
    """Where the members stand that `access` names: `RigConfig.places`."""
    places: dict[str, Place] = {}
    for who, given in (document.data.get("access") or {}).items():
        for key, value in given.items() if isinstance(given, dict) else ():
            _add_places(document, ("access", who, key), value, places, whole=True)
    return places


def places_of(document: Document, name: str) -> dict[str, Place]:
    """Where a worker's own keys and their entries stand: `WorkerConfig.places`."""
    places: dict[str, Place] = {}
    for key, value in document.data["workers"][name].items():
        path: KeyPath = ("workers", name, key)
        places[key] = document.place(path)
        _add_places(document, path, value, places)
    return places


def _add_places(
    document: Document,
    path: KeyPath,
    value: Any,
    places: dict[str, Place],
    *,
    whole: bool = False,
) -> None:
    """Of the entries of a list or mapping; in `on_loss` also of theirs.

    Args:
        document: What was read.
        path: Where the value is in it.
        value: The list or mapping.
        places: Take the places, by the keys below a worker's name.
        whole: By all keys in place of these, with the entries' entries.
    """
    entries: Iterable[Any] = ()
    if isinstance(value, dict):
        entries, place_of = value, document.key_place
    elif isinstance(value, list):
        entries, place_of = range(len(value)), document.place
    for entry in entries:
        below = (*path, entry)
        places[".".join(map(str, below if whole else below[2:]))] = place_of(below)
        if whole or path[2] == "on_loss":
            _add_places(document, below, value[entry], places, whole=whole)


def spellings_of(document: Document, name: str) -> dict[str, str]:
    """How a worker's arguments are written that lost something: `WorkerConfig.spellings`."""
    above = ("workers", name)
    return {
        f"{path[2]}.{path[3]}": text
        for path, text in document.spellings.items()
        if len(path) == 4 and path[:2] == above and path[2] in ARGUMENTS
    }


def odd_arguments(document: Document) -> Iterator[Problem]:
    """Arguments that were probably meant as text."""
    for path, text in document.spellings.items():
        if not (set(path[:3]) & ARGUMENTS):
            continue
        if text.startswith("#"):
            reads = "nothing (null), as # begins a comment"
        elif _LEADING_ZERO.match(text):
            reads = say(document.value(path))
        else:
            continue
        yield Problem(
            document.key_place(path), f"{text} is read as {reads}; if text is meant: '{text}'"
        )
