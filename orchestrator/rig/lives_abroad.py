"""Which workers may live on other hosts, in the rig's folder: the next run must know.

A rig that is killed can't end what lives on a host that is cut off. It ends by its lease, and until
then another run of the rig starts such a worker nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from orchestrator.config.hosts import HostConfig
from orchestrator.hosts.lease import HostLease
from orchestrator.runtime.folder import LIVES_FILE, replace_file


class Life(msgspec.Struct, frozen=True):
    """A worker that may live on another host.

    Attributes:
        host: What the config called it, its engine and its address.
        until: When all of it is surely over, by `hosts.clock`; None if it went on when this was
            written.
        lost_after: Seconds without its rig after which its host's lease is over.
        secures: Seconds for which its device may be made safe there afterwards.
    """

    host: tuple[str, str, str | None]
    until: float | None
    lost_after: float
    secures: float = 0.0


def where(host: HostConfig) -> tuple[str, str, str | None]:
    """By what a host is known again in another run's config."""
    return host.name, host.engine, host.address


class LivesAbroad:
    """Keeps them, and has those that the run before left.

    Args:
        folder: The rig's folder.
        now: By `hosts.clock`.
        record: Writes a record: level, text, fields.
    """

    def __init__(
        self, folder: Path, now: float, record: Callable[[str, str, dict[str, Any]], None]
    ) -> None:
        self._file = folder / LIVES_FILE
        self._record = record
        self._before = self._read()
        self._begun = now

    def _read(self) -> dict[str, Life]:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=dict[str, Life])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            text = f"{self._file}: {error}; so it isn't known whether workers live on other hosts"
            self._record("error", text, {})
            return {}

    def left_by_others(self, worker: str, host: HostConfig | None) -> Life | None:
        """The life of a worker that the run before left on another host than it is to have now.

        On the same one its agents see to it that they follow each other.
        """
        life = self._before.get(worker)
        return None if life is None or (host and where(host) == life.host) else life

    def over_at(self, life: Life) -> float:
        """When a life that the run before left is surely over, by `hosts.clock`.

        No later than if its agent had been answered just before this run began: a clock may have
        begun anew since.
        """
        latest = HostLease(life.lost_after, self._begun).fenced_at(self._begun) + life.secures
        return latest if life.until is None else min(life.until, latest)

    def keep(self, lives: Mapping[str, Life], now: float) -> None:
        """Keep these, and what the run before left and isn't over, in one step.

        It is told if that can't be done.
        """
        self._before = {
            worker: life for worker, life in self._before.items() if self.over_at(life) > now
        }
        kept = {
            worker: msgspec.structs.replace(life, until=self.over_at(life))
            for worker, life in self._before.items()
        }
        kept.update(lives)
        try:
            if kept:
                replace_file(self._file, msgspec.json.encode(kept))
            else:
                self._file.unlink(missing_ok=True)
        except OSError as error:
            text = f"{self._file}: {error}; if the rig is killed, the next one won't know"
            self._record("error", f"{text} which workers live on other hosts", {})
