"""`${env:NAME}` and `${file:PATH}` in a config: what a file shouldn't hold itself.

They stand in `env`, `args`, `kwargs`, `cwd` and `python`, alone or within a text. What they stand
for is text, and is hidden wherever the rig tells something: see `orchestrator.words.hide`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from orchestrator.config.problems import KeyPath
from orchestrator.config.yaml import Document
from orchestrator.words import did_you_mean, quoted

KEYS = ("env", "args", "kwargs", "cwd", "python")
LARGEST = 64 * 1024
"""Bytes of a file that is referred to."""

_REFERENCE = re.compile(r"(\$?)\$\{([A-Za-z]+):([^}]*)(\}?)")
_KINDS = ("env", "file")


def resolve(document: Document, folder: Path) -> list[str]:
    """Put in what is referred to; what can't be found is reported at its place.

    A second `$` before it makes a text of it: `$${env:NAME}` is `${env:NAME}`.

    Args:
        document: Its data is changed.
        folder: What paths are relative to.

    Returns:
        What was put in.
    """
    found: list[str] = []
    for path in _places(document.data):
        above = document.value(path[:-1])
        above[path[-1]] = _resolved(document, folder, path, above[path[-1]], found)
    return found


def refuse(document: Document, sections: Iterable[str]) -> None:
    """Report references where there are none: they would stay as they are.

    Args:
        document: Those that are reported are broken.
        sections: Keys of the whole, for what isn't a worker's.
    """
    if not isinstance(document.data, dict):
        return
    known = f"{', '.join(KEYS[:-1])} and {KEYS[-1]}"
    for path, text in _texts(tuple((key,) for key in sections if key in document.data), document):
        found = _REFERENCE.search(text)
        if found is not None and not found[1] and found[2] in _KINDS:
            told = f"{quoted(found[0])} isn't looked up here: write what it is; it is for {known}"
            document.report(document.place(path), f"{told} of workers")
            document.broken.add(path)


def _texts(paths: Iterable[KeyPath], document: Document) -> Iterator[tuple[KeyPath, str]]:
    """All texts at and below some paths."""
    for path in paths:
        value = document.value(path)
        if isinstance(value, str):
            yield path, value
        elif isinstance(value, dict):
            yield from _texts([(*path, key) for key in value], document)
        elif isinstance(value, list):
            yield from _texts([(*path, at) for at in range(len(value))], document)


def _places(data: Any) -> Iterator[KeyPath]:
    """Where values stand in which there may be references."""
    if not isinstance(data, dict):
        return
    workers = data.get("workers")
    sections: list[tuple[KeyPath, Any]] = [(("defaults",), data.get("defaults"))]
    if isinstance(workers, dict):
        sections += [(("workers", name), section) for name, section in workers.items()]
    for path, section in sections:
        if not isinstance(section, dict):
            continue
        yield from ((*path, key) for key in KEYS if key in section)
        if isinstance(loss := section.get("on_loss"), dict):
            yield from ((*path, "on_loss", key) for key in ("args", "kwargs") if key in loss)


def _resolved(document: Document, folder: Path, path: KeyPath, value: Any, found: list[str]) -> Any:
    if isinstance(value, dict):
        return {
            key: _resolved(document, folder, (*path, key), each, found)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [
            _resolved(document, folder, (*path, at), each, found) for at, each in enumerate(value)
        ]
    if not isinstance(value, str):
        return value

    def put_in(match: re.Match[str]) -> str:
        if not match[4] and match[2] not in _KINDS:
            return match[0]
        if match[1]:
            return match[0][1:]
        try:
            if not match[4]:
                raise ValueError("a } is missing; for the text itself, $${")
            text = _look_up(match[2], match[3], folder)
        except ValueError as error:
            document.report(document.place(path), f"{quoted(match[0])}: {error}")
            document.broken.add(path)
            return match[0]
        found.append(text)
        return text

    return _REFERENCE.sub(put_in, value)


def _look_up(kind: str, name: str, folder: Path) -> str:
    """What is referred to.

    Raises:
        ValueError: It isn't there, or no text.
    """
    if kind == "env":
        try:
            return os.environ[name]
        except KeyError:
            raise ValueError(
                f"the environment has no {quoted(name)}{did_you_mean(name, os.environ)}"
            ) from None
    if kind == "file":
        return _content(folder / os.path.expanduser(name))
    hint = did_you_mean(kind, _KINDS) or "; write ${env:NAME} or ${file:PATH}"
    raise ValueError(f"there are no references of this kind{hint}; for the text itself, $${{")


def _content(file: Path) -> str:
    """The text of a file, without its last line end."""
    try:
        with file.open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"{quoted(file)} can't be read: {reason}") from None
    if len(data) > LARGEST:
        raise ValueError(f"{quoted(file)} is larger than 64 KiB")
    try:
        return data.decode("utf-8-sig").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ValueError(f"{quoted(file)} is no UTF-8 text") from None
