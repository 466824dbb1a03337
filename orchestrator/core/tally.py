"""What strangers cause, told once a second: the first of a kind at once, the rest as a sum.

Whoever can reach a socket can cause facts without end; each of them as a record would push out
the records that matter.
"""

from __future__ import annotations

from typing import Any

from orchestrator.core.effects import Effects, Fact

WINDOW = 1.0
"""Seconds for which facts of one kind are summed up."""
LONGEST_TEXT = 1000
"""Characters of a text that a stranger has a say in; more of it isn't passed on."""


def shorten(text: str, most: int = LONGEST_TEXT) -> str:
    """The beginning of a text that may be of any length."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text)} characters)"


class _Window:
    __slots__ = ("count", "ends", "level", "sample")

    def __init__(self, level: str, ends: float) -> None:
        self.level = level
        self.ends = ends
        self.count = 0
        self.sample: dict[str, Any] = {}


class Tally:
    """Sums up facts by their text.

    Args:
        effects: Where facts are left. They name no worker: they are the rig's.

    Attributes:
        next_deadline: When `tick` is due; None while nothing is summed up.
    """

    def __init__(self, effects: Effects) -> None:
        self.next_deadline: float | None = None
        self._effects = effects
        self._windows: dict[str, _Window] = {}

    def tell(self, level: str, text: str, now: float, **fields: Any) -> None:
        """Tell a fact now, or count it for the sum.

        Args:
            level: `debug` or `warning`.
            text: What happened: the kind, one of a few fixed ones.
            now: Monotonic seconds.
            fields: Further facts; a sum has those of the first that it stands for.
        """
        window = self._windows.get(text)
        if window is None or window.ends <= now:
            if window is not None:
                self._close(text, window)
            self._windows[text] = _Window(level, now + WINDOW)
            self._effects.append(Fact(level, text, _short(fields)))
            return
        if not window.count:
            window.sample = _short(fields)
            if self.next_deadline is None:
                self.next_deadline = window.ends
        window.count += 1

    def tick(self, now: float) -> None:
        """Tell the sums that are due."""
        if self.next_deadline is None or now < self.next_deadline:
            return
        for text, window in list(self._windows.items()):
            if window.ends > now:
                continue
            if window.count:
                self._close(text, window)
                self._windows[text] = _Window(window.level, now + WINDOW)
            else:
                del self._windows[text]
        ends = [each.ends for each in self._windows.values() if each.count]
        self.next_deadline = min(ends, default=None)

    def _close(self, text: str, window: _Window) -> None:
        if window.count:
            fields = {**window.sample, "times": window.count}
            self._effects.append(Fact(window.level, text, fields))


def _short(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        key: shorten(value) if isinstance(value, str) else value for key, value in fields.items()
    }
