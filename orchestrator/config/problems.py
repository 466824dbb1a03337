"""What is wrong with a config, and where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["ConfigError", "KeyPath", "Place", "Problem"]

KeyPath = tuple[str | int, ...]
"""The way from the top of the document: keys of mappings and indexes of lists."""

# Of a message: the fault, and behind the first semicolon that isn't quoted the mend.
_PARTS = re.compile(r'((?:"[^"]*"|[^";]|;(?! )|")*)(?:; (.*))?', re.DOTALL)


@dataclass(frozen=True, order=True)
class Place:
    """A place in a text file, as editors and terminals understand it.

    Attributes:
        file: the file's path, as the user gave it.
        line: counted from 1; 0 when the file as a whole is meant.
        column: in characters, counted from 1; 0 when the file as a whole is meant.
        path: the key or entry that stands there, or that lacks there; empty when none is meant.
    """

    file: str
    line: int = 0
    column: int = 0
    path: KeyPath = field(default=(), compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong, in one sentence.

    Attributes:
        place: where the mend has to be made.
        message: what is wrong and what is accepted; one line of printable text.
    """

    place: Place
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"

    @property
    def fault(self) -> str:
        """The message without the mend."""
        return self._parts[0]

    @property
    def mend(self) -> str | None:
        """What is accepted, or was probably meant, if the message says it."""
        return self._parts[1]

    @property
    def _parts(self) -> tuple[str, str | None]:
        match = _PARTS.fullmatch(self.message)
        return (match[1], match[2]) if match else (self.message, None)


class ConfigError(Exception):
    """A config can't be used.

    Attributes:
        problems: all that was found in one pass, in the order of their places, each once.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type[ConfigError], tuple[tuple[Problem, ...]]]:
        # The default would rebuild the exception from its text.
        return type(self), (self.problems,)
