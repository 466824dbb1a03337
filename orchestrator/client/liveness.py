"""Is the rig still there, and does it still hold what we wait for? Decided without I/O.

While requests are outstanding, the rig is asked once a second which of them it holds. Its answer
comes after every reply that it sent before, so a request that is neither answered nor held will
never be answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

INTERVAL = 1.0
"""Seconds between questions, and of silence before the first."""
UNANSWERED = 3
"""Questions in a row without any sign of life after which the rig counts as gone."""
SLOWEST = 10e6
"""Bytes a second at least that a large request is taken to travel with."""
MARGIN = 3
"""Looks after its timeouts at which an answer may still come, before its caller is told."""
BATCH = 1000
"""Ids in one question."""
REMEMBERED = 100
"""Questions whose answers are still understood."""


class Liveness:
    """When to ask, and what an answer or the lack of one means.

    Silence is counted in questions, not in seconds: a process that was stopped for a while
    finds its replies when it goes on, before it asks again.

    Attributes:
        due: Monotonic seconds at which `ask` is next to be called.
    """

    def __init__(self) -> None:
        self.due = 0.0
        self._unanswered = 0
        self._travelling = 0
        self._asked: dict[str, Sequence[str]] = {}

    def begin(self, now: float) -> None:
        """The first request is outstanding."""
        self.due = now + INTERVAL
        self._unanswered = 0
        self._travelling = 0
        self._asked.clear()

    def sent(self, size: int) -> None:
        """A large request is on its way, and what is asked after it waits behind it."""
        self._travelling += size

    def heard(self) -> None:
        """A message came."""
        self._unanswered = 0

    def hasten(self) -> None:
        """Something unreadable came: it may have been an answer, so ask now. Once only: what
        comes then may be unreadable as well."""
        if not self._unanswered:
            self.due = 0.0

    def ask(self, now: float) -> bool:
        """It is time to ask. Returns whether that still makes sense: False if the rig is gone."""
        self.due = now + INTERVAL
        if self._unanswered >= UNANSWERED + self._travelling / SLOWEST:
            return False
        self._unanswered += 1
        return True

    def asked(self, question: str, ids: Sequence[str]) -> None:
        """Remember that the message `question` asked for `ids`."""
        self._asked[question] = ids
        if len(self._asked) > REMEMBERED:
            del self._asked[next(iter(self._asked))]

    def is_question(self, message_id: str | int) -> bool:
        """Whether a message id is that of a question."""
        return message_id in self._asked

    def answered(self, question: str | int, held: Iterable[object] | None) -> list[str]:
        """Take an answer.

        Args:
            question: Message id of the question.
            held: The ids that the rig holds; None if the answer doesn't say.

        Returns:
            The ids asked for that the rig doesn't hold.
        """
        ids = self._asked.pop(str(question), ())
        self._travelling = 0  # what was sent before the question has arrived
        if held is None:
            return []
        known = set(held)
        return [each for each in ids if each not in known]
