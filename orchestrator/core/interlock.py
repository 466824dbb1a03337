"""What an alarm does to workers: they are stopped, and their devices made safe as `on_loss` says.

Pure. A stop is that of an order: nothing begins any more, what runs has `stop_timeout`, and the
recipe of `on_loss` follows the end of the process, as it follows every end. Such a worker isn't
restarted by itself: whoever starts it again has decided that it may run.
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.core.effects import Effects, Fact
from orchestrator.core.states import UP, Status
from orchestrator.core.supervision import Supervision


class Interlock:
    """Stops workers for alarms.

    Args:
        supervision: Keeps them.
        effects: Where it is told.
    """

    def __init__(self, supervision: Supervision, effects: Effects) -> None:
        self._supervision = supervision
        self._effects = effects

    def trip(self, names: Sequence[str], reason: str, now: float) -> None:
        """Have these workers stopped, whatever they are at, and made safe.

        Those that live no more need nothing: their devices were made safe when their lives ended.
        They aren't started again by themselves either.

        Args:
            names: Their names; one that isn't kept any more says nothing.
            reason: Which alarm it is, for people.
            now: Monotonic seconds.
        """
        children = self._supervision.children
        kept = [name for name in names if name in children]
        for child in map(children.__getitem__, kept):
            about = {"worker": child.spec.name}
            if child.status in UP:
                child.stopped_for = child.reason = reason
                text = f"is stopped, to be made safe: {reason}"
            elif child.status in (Status.STOPPED, Status.FAILED):
                text = f"is {child.status} already: {reason}"
            else:
                child.reason = reason
                text = f"isn't started again: {reason}"
            self._effects.append(Fact("warning", text, about))
        self._supervision.stop(kept, now)
