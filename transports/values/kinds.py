"""The kinds of values beyond MessagePack's own, and the refusal of what has no form."""

from __future__ import annotations


class Kind:
    """Extension types of `application/x-orch`; numbers are never used for something else again."""

    TUPLE = 1
    SET = 2
    FROZENSET = 3
    DEQUE = 4
    MAPPING = 5
    BIG_INT = 6
    COMPLEX = 7
    TEXT = 8
    BYTES = 9
    BYTEARRAY = 10
    MEMORYVIEW = 11
    NUMBERS = 12
    RANGE = 13
    SLICE = 14
    ELLIPSIS = 15
    DECIMAL = 16
    FRACTION = 17
    UUID = 18
    PATH = 19
    DATETIME = 20
    DATE = 21
    TIME = 22
    TIMEDELTA = 23
    TIMEZONE = 24
    NAMESPACE = 25
    ENUM = 30
    NAMED_TUPLE = 31
    DATACLASS = 32
    RECORD = 33
    EXCEPTION = 34
    MARKED = 35
    ARRAY = 40
    SCALAR = 41
    MASKED = 42
    STRINGS = 43
    DTYPE = 44
    PACKAGE = 50
    STREAM = 60


class NoForm(TypeError):
    """A value that can't travel, or holds one that can't.

    Args:
        reason: What has no form and what to do instead, as the end of a sentence: `a value of
            type socket has no form`.

    Attributes:
        reason: The same.
        steps: Where it is in the value: indexes such as `[3]`, `['x']` or `.name`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.steps: list[str] = []

    def within(self, step: str) -> NoForm:
        """The same one, told by what holds the value."""
        self.steps.insert(0, step)
        return self

    def told(self, root: str) -> str:
        """The whole sentence.

        Args:
            root: What the value is, such as `result`.
        """
        steps = self.steps
        if len(steps) > 12:
            steps = [*steps[:6], "…", *steps[-3:]]
        return f"{root}{''.join(steps)}: {self.reason}"

    def __str__(self) -> str:
        return self.told("value") if self.steps else self.reason


def name_of(kind: type) -> str:
    """A type's name for people: that of a builtin bare, any other with its module."""
    name = kind.__qualname__
    return name if kind.__module__ == "builtins" else f"{kind.__module__}.{name}"
