"""From a config file to plain data, with the line and column of every key and value.

YAML 1.2 by ruamel.yaml's parser. Only what JSON can carry gets through: mappings with text keys,
lists, text, numbers, true, false, null. So ``no`` and ``12:30:00`` stay text. Aliases, merge keys
and tags are refused (they are what YAML bombs and code injection are made of), duplicate keys too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from orchestrator.config.problems import ConfigError, KeyPath, Place, Problem
from orchestrator.words import hide, one_line, quoted, say

__all__ = ["MAX_DEPTH", "MAX_NODES", "Document", "line_and_column", "parse"]

MAX_DEPTH: Final = 24
MAX_NODES: Final = 20_000  # keys and values; a thousand workers need less

# The core schema of YAML 1.2.
_NULL = re.compile(r"|~|null|Null|NULL")
_BOOL = re.compile(r"(true|True|TRUE)|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+")
_BASED_INT = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_ARGUMENTS: Final = frozenset({"args", "kwargs", "on_start"})
"""Keys of a worker whose values are the driver's own: of these a number may be infinite."""
_LONGEST_NUMBER = 300  # characters; Python refuses to read integers of thousands of digits

# With a space after it, it is a comment that was meant as one.
_SWALLOWED = re.compile(r"\s*:?\s+(#[^\s#]\S*)")
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
# What YAML calls not printable, and what ruamel.yaml refuses without saying where.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")

# ruamel.yaml's words for what people do most, and better ones.
_PLAINER: Final = (
    ("found character '\\t'", "a tab can't indent; use spaces"),
    ("mapping values are not allowed", "a key can't stand here; check the indentation, or quote"
     " a text that holds a colon and a space"),
    ("expected <block end>", "not in line with the entries above; check the indentation"),
    ("found unexpected end of stream", "the closing quote is missing"),
    ("could not find expected ':'", "a colon and a space are missing after the key"),
)  # fmt: skip


@dataclass
class Document:
    """A file's data and where each part of it stands.

    Attributes:
        file: the path, as the user gave it.
        data: dicts, lists, text, numbers, booleans and None.
        problems: what was wrong so far; validation goes on, to find the rest.
        keys: line and column of each mapping key, by path.
        values: line and column of each value, by path.
        broken: paths of values that were already found wrong: nothing more need be said there.
        spellings: how numbers are written that lost something by being read, and what a comment
            took that begins where a value should, by path.
        hidden: what no message may show.
        odd_keys: paths of keys that were already found wrong: their values may yet be right.
    """

    file: str
    data: Any = None
    problems: list[Problem] = field(default_factory=list)
    keys: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    values: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    broken: set[KeyPath] = field(default_factory=set)
    odd_keys: set[KeyPath] = field(default_factory=set)
    spellings: dict[KeyPath, str] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()

    def key_place(self, path: KeyPath) -> Place:
        """Where the key stands; for an entry of a list, the entry."""
        return Place(self.file, *self.keys[path], path) if path in self.keys else self.place(path)

    def place(self, path: KeyPath) -> Place:
        """Where the value stands, or the nearest one around it that the file holds."""
        near = path
        while near and near not in self.values:
            near = near[:-1]
        return Place(self.file, *self.values.get(near, (1, 1)), path)

    def value(self, path: KeyPath) -> Any:
        """The value at a path that the file holds."""
        found = self.data
        for step in path:
            found = found[step]
        return found

    def is_broken(self, path: KeyPath) -> bool:
        """Whether something at the path, or around it, was already reported."""
        return any(path[:length] in self.broken for length in range(len(path) + 1))

    def report(self, place: Place, message: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(place, hide(message, self.hidden)))


def parse(text: str, file: str) -> Document:
    """The data and places of a config's text.

    Args:
        text: YAML.
        file: the name that places carry.

    Returns:
        The document, its `problems` filled with what can be reported beside other errors.

    Raises:
        ConfigError: no data could be made of it: a syntax error, or a cap was passed.
    """
    found = _UNPRINTABLE.search(text)
    if found:
        place = Place(file, *line_and_column(text[: found.start()]))
        message = f"the character U+{ord(found[0]):04X} can't stand in a config"
        raise ConfigError([Problem(place, message)])
    return _Composer(text, file).compose()


class _Composer:
    """Builds one document from the parser's events; caps hold while the text is read."""

    def __init__(self, text: str, file: str) -> None:
        self._document = Document(file)
        # Typed safe and pure: no constructor of ours or of anyone is reached by events alone.
        self._events: Iterator[Any] = iter(YAML(typ="safe", pure=True).parse(text))
        self._lines = _LINE_BREAK.split(text)
        self._mark = (1, 1)
        self._nodes = 0

    def compose(self) -> Document:
        document = self._document
        try:
            self._next()  # the stream's start
            event = self._next()
            if isinstance(event, DocumentStartEvent):
                if event.version not in (None, (1, 2)):
                    self._stop("this is read as YAML 1.2; drop the %YAML line")
                document.data = self._value(self._next(), ())
                self._next()  # the document's end
                if isinstance(self._next(), DocumentStartEvent):
                    self._stop('a second document ("---") begins here; a config is one document')
        except MarkedYAMLError as error:
            raise self._syntax_error(error) from None
        except (YAMLError, ValueError, OverflowError, AssertionError) as error:
            # The last three: escapes such as "\UFFFFFFFF", which the scanner hands to chr(), and
            # versions such as "%YAML 1.11", of which the parser asserts that they can't be.
            self._report(f"this is not YAML: {one_line(str(error))}")
            raise ConfigError(document.problems) from None
        return document

    def _next(self) -> Any:
        event = next(self._events)
        self._mark = (event.start_mark.line + 1, event.start_mark.column + 1)
        return event

    def _report(self, message: str, path: KeyPath = ()) -> None:
        self._document.report(Place(self._document.file, *self._mark, path), message)

    def _stop(self, message: str) -> None:
        self._report(message)
        raise ConfigError(self._document.problems)

    def _count(self, path: KeyPath) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self._stop(f"more than {MAX_NODES} keys and values are too many")
        if len(path) > MAX_DEPTH:
            self._stop(f"nested more than {MAX_DEPTH} levels deep")

    def _value(self, event: Any, path: KeyPath) -> Any:
        self._count(path)
        self._document.values[path] = self._mark
        if isinstance(event, AliasEvent):
            self._report(
                f'the alias "*{one_line(str(event.anchor), 40)}" is not allowed;'
                ' write the value out, or use "defaults"',
                path,
            )
            self._document.broken.add(path)
            return None
        if event.tag is not None:
            self._report(
                f"the tag {quoted(str(event.tag))} is not allowed;"
                " a value's type is told by how it is written, and quotes make text",
                path,
            )
            self._document.broken.add(path)
        if isinstance(event, ScalarEvent):
            return self._scalar(event, path)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(path)
        assert isinstance(event, MappingStartEvent)
        return self._mapping(path)

    def _sequence(self, path: KeyPath) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := self._next(), SequenceEndEvent):
            if _is_empty(event):
                self._note_swallowed(event.start_mark, (*path, len(items)))
            items.append(self._value(event, (*path, len(items))))
        return items

    def _mapping(self, path: KeyPath) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        count = 0
        while not isinstance(event := self._next(), MappingEndEvent):
            count += 1
            key = self._key(event, (*path, count))
            if key is None:
                # Kept apart by a number, which no key of a mapping is.
                known = len(self._document.problems)
                self._value(self._next(), (*path, count))
                del self._document.problems[known:]
                continue
            if key in entries:
                first = self._document.keys[(*path, key)]
                self._report(
                    f"the key {quoted(key)} is given twice; the first is at"
                    f" {Place(self._document.file, *first)}",
                    (*path, key),
                )
                self._value(self._next(), (*path, count))
                continue
            at_key = self._document.keys[(*path, key)] = self._mark
            after_key = event.end_mark
            event = self._next()
            if _is_empty(event):
                self._note_swallowed(after_key, (*path, key))
                self._mark = at_key  # where nothing stands, the parser tells of what comes next
            entries[key] = self._value(event, (*path, key))
        return entries

    def _note_swallowed(self, mark: Any, path: KeyPath) -> None:
        """Note a text such as #3, which is a comment where a value was meant."""
        if match := _SWALLOWED.match(self._lines[mark.line], mark.column):
            self._document.spellings[path] = match[1]

    def _key(self, event: Any, path: KeyPath) -> str | None:
        """The key as text; None, with the reason reported, when its value is to be skipped."""
        if not isinstance(event, ScalarEvent):
            self._report("a key must be text, not an alias, a list or a mapping", path[:-1])
            known = len(self._document.problems)
            self._value(event, path)
            del self._document.problems[known:]
            return None
        self._count(path)
        if event.value == "<<" and event.style is None:
            self._report(
                'merge keys ("<<") are not allowed; write the keys out, or use "defaults"',
                path[:-1],
            )
            return None
        if event.tag is not None:
            self._report(
                f"the tag {quoted(str(event.tag))} is not allowed; a key is text", path[:-1]
            )
            return None
        key = self._scalar(event, path)
        if path in self._document.broken:
            return None
        if not isinstance(key, str):
            text: str = event.value
            odd = (*path[:-1], text)
            self._report(
                f"a key must be text, not {say(key)}; in quotes it is: {quoted(text)}", odd
            )
            self._document.odd_keys.add(odd)
            return text
        return key

    def _scalar(self, event: Any, path: KeyPath) -> Any:
        text: str = event.value
        if event.style is not None:
            value: Any = text
        elif _NULL.fullmatch(text):
            value = None
        elif match := _BOOL.fullmatch(text):
            value = bool(match[1])
        elif _INT.fullmatch(text) or _BASED_INT.fullmatch(text):
            value = math.inf if len(text) > _LONGEST_NUMBER else _integer(text)
        elif _FLOAT.fullmatch(text):
            value = math.inf if len(text) > _LONGEST_NUMBER else float(text)
        elif _NOT_FINITE.fullmatch(text):
            value = _not_finite(text)
        else:
            value = text
        if isinstance(value, (int, float)) and str(value) != text and event.style is None:
            self._document.spellings[path] = text
        if isinstance(value, float) and not math.isfinite(value):
            if not _is_argument(path):
                self._report(f"{quoted(text)} is not a finite number; null means no limit", path)
                self._document.broken.add(path)
            elif not _NOT_FINITE.fullmatch(text):
                self._report(
                    f"{quoted(text)} is too large a number; infinity is written .inf", path
                )
                self._document.broken.add(path)
        elif isinstance(value, str) and _SURROGATE.search(value):
            try:  # JSON writes a character beyond U+FFFF as a pair
                value = value.encode("utf-16", "surrogatepass").decode("utf-16")
            except UnicodeDecodeError:
                self._report("half of a surrogate pair is no character", path)
                self._document.broken.add(path)
        return value

    def _syntax_error(self, error: MarkedYAMLError) -> ConfigError:
        mark = error.problem_mark or error.context_mark
        if mark is not None:
            self._mark = (mark.line + 1, mark.column + 1)
        problem = str(error.problem or error.context)
        plainer = next((words for start, words in _PLAINER if problem.startswith(start)), None)
        message = one_line(plainer or f"this is not YAML: {problem}")
        if error.context_mark is not None and error.context_mark.line + 1 != self._mark[0]:
            message += f" (what it belongs to begins in line {error.context_mark.line + 1})"
        self._report(message)
        return ConfigError(self._document.problems)


def _is_empty(event: Any) -> bool:
    return isinstance(event, ScalarEvent) and not event.value and event.style is None


def _is_argument(path: KeyPath) -> bool:
    within = path[2:] if path[:1] == ("workers",) else path[1:]
    return len(within) > 1 and within[0] in _ARGUMENTS


def _not_finite(text: str) -> float:
    # the one NaN of the library: two of them would make a config that differs from itself
    return math.nan if text.lower() == ".nan" else -math.inf if text[0] == "-" else math.inf


def _integer(text: str) -> int:
    return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


def line_and_column(before: str) -> tuple[int, int]:
    """Line and column, from 1, of what follows the text."""
    lines = _LINE_BREAK.split(before)
    return len(lines), len(lines[-1]) + 1
