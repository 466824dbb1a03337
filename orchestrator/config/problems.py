"""What is wrong with a config, and where it stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["ConfigError", "Place", "Problem"]


@dataclass(frozen=True, order=True)
class Place:
    """A place in a text file, as editors and terminals understand it.

    Attributes:
        file: the file's path, as the user gave it.
        line: counted from 1; 0 when the file as a whole is meant.
        column: in characters, counted from 1; 0 when the file as a whole is meant.
    """

    file: str
    line: int = 0
    column: int = 0

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
