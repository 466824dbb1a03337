"""Makes devices safe on an agent's machine: `on_loss` of workers that live there.

As `rig.recipes` does on the rig's own. What the agent can't do any more its guardian does.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from orchestrator.core.children import UNHEARD
from orchestrator.hosts.messages import Launch, Secured
from orchestrator.rig.following import Following, Outcome
from orchestrator.rig.guardian import Guardian
from orchestrator.rig.mailbox import Mailbox
from orchestrator.rig.reaper import TOKEN
from workers.process import recipe
from workers.search_path import own_environment


class Securing:
    """Follows recipes.

    Args:
        guardian: Is told of those that may be needed.
        mailbox: Brings what came of them.
        tell: Tells the rig.
    """

    def __init__(
        self, guardian: Guardian, mailbox: Mailbox, tell: Callable[[Secured], None]
    ) -> None:
        self._guardian = guardian
        self._mailbox = mailbox
        self._tell = tell
        self._armed: dict[str, dict[str, Any]] = {}
        self._running = 0
        self._left = False

    def leave(self) -> bool:
        """Leave what remains to the guardian: True once nothing is done here any more."""
        self._left = not self._running
        return self._left

    def arm(self, launch: Launch, cwd: Path, folder: Path) -> None:
        """A worker is about to live: its recipe may be needed from now on."""
        assert launch.recipe is not None
        told = self._armed[launch.worker] = {
            "incarnation": launch.incarnation,
            "command": recipe.command(launch.python or sys.executable),
            "cwd": str(cwd),
            "env": dict(launch.env),
            "recipe": {**launch.recipe, "folder": str(folder)},
        }
        self._guardian.arm(launch.worker, msgspec.json.encode(told))

    def disarm(self, worker: str) -> None:
        """A worker didn't come to life after all."""
        if self._armed.pop(worker, None) is not None:
            self._guardian.disarm(worker)

    def secure(self, worker: str, incarnation: int) -> None:
        """A worker's process is gone: make its device safe, and tell what came of that."""
        told = self._armed.pop(worker, None)
        if self._left:
            why = f"{UNHEARD}: its host's guardian does it"
            self._tell(Secured(worker, incarnation, why, "", []))
            return
        if told is None:
            self._done(worker, incarnation, Outcome("", "", []))
            return
        token = self._guardian.token(worker, f"loss.{incarnation}")
        env = {**own_environment(dict(os.environ)), **told["env"], TOKEN: f"{token}."}
        try:
            following = Following(told, env)
        except OSError as error:
            self._done(worker, incarnation, Outcome(f"couldn't be started: {error}", "", []))
            return

        def wait() -> None:
            outcome = following.outcome()  # it ends, or is ended when it has had its time

            def end() -> None:
                self._running -= 1
                self._guardian.gone(following.pid, token)
                self._done(worker, incarnation, outcome)

            self._mailbox.tell(end)

        self._running += 1
        threading.Thread(target=wait, name=f"{worker}-loss", daemon=True).start()

    def _done(self, worker: str, incarnation: int, outcome: Outcome) -> None:
        self._guardian.disarm(worker)
        self._tell(Secured(worker, incarnation, *outcome))
