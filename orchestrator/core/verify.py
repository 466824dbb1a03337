"""Reads that follow an outcome which nobody knows: what the device says of it afterwards.

Pure. When an operation has ended in a timeout or with its worker, the property that its config
names is read, once, as soon as the worker is back and idle, and told beside that request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from orchestrator.core.broker import Broker
from orchestrator.core.effects import Fact
from orchestrator.core.own_client import error_in, in_words, is_idle, request_frames
from orchestrator.core.own_ids import OWN, is_own
from orchestrator.core.request import Request
from orchestrator.core.tally import shorten
from transports.headers import REPLY, TIMEOUT, decode_response_header

VERIFIER = OWN + b"verify"
"""Identity of the client that asks."""
TIMEOUT_OF_READ = 5.0
"""Seconds that such a read may take."""
MOST_DOUBTS = 100
"""Operations of one worker that wait for such a read; of more, the oldest are told to have none."""
_LONGEST_VALUE = 200


class _Doubt(msgspec.Struct, frozen=True):
    """An operation of which nobody knows what became of it."""

    worker: str
    member: str
    request: str | int


class Verifier:
    """Reads what came of operations whose outcome is unknown.

    Args:
        rig: Id of the rig.
        reads: For each worker the property that is read, by the member that it tells of.
        broker: Takes the reads.
    """

    def __init__(self, rig: str, reads: Mapping[str, Mapping[str, str]], broker: Broker) -> None:
        self._rig = rig
        self._reads = {worker: dict(each) for worker, each in reads.items() if each}
        self._broker = broker
        self._doubts: dict[str, list[_Doubt]] = {}  # by worker, the oldest first
        self._asked: dict[str, tuple[str, list[_Doubt]]] = {}  # by the id of a read under way
        self._number = 0

    def change(self, worker: str, reads: Mapping[str, str]) -> None:
        """Read other properties from now on."""
        self._reads[worker] = dict(reads)
        if not reads:
            del self._reads[worker]
            self._doubts.pop(worker, None)

    def uncertain(self, request: Request) -> None:
        """Nobody can tell what became of an operation."""
        worker, member = request.worker, request.member
        if member in self._reads.get(worker, ()) and not is_own(request.client):
            doubts = self._doubts.setdefault(worker, [])
            doubts.append(_Doubt(worker, member, request.message_id))
            if len(doubts) > MOST_DOUBTS:
                doubt = doubts.pop(0)
                self._tell(doubt, f"nothing is read, {MOST_DOUBTS} others are to be verified first")

    def look(self, now: float) -> None:
        """Ask the workers that are idle now."""
        for worker in list(self._doubts) if self._doubts else ():
            name = self._reads[worker].get(self._doubts[worker][0].member, "")
            if not name or is_idle(self._broker.peers[worker], name):
                doubts = self._take(worker, name)
                if name:  # else the config has changed meanwhile
                    self._ask(worker, name, doubts, now)

    def _take(self, worker: str, name: str) -> list[_Doubt]:
        """The doubts of which what is read by this name tells; they are no more."""
        reads = self._reads[worker]
        doubts = self._doubts.pop(worker)
        others = [doubt for doubt in doubts if reads.get(doubt.member, "") != name]
        if others:
            self._doubts[worker] = others
        return [doubt for doubt in doubts if doubt not in others]

    def _ask(self, worker: str, name: str, doubts: list[_Doubt], now: float) -> None:
        self._number += 1
        id_ = f"verify {self._number}"
        self._asked[id_] = name, doubts
        within = TIMEOUT_OF_READ, TIMEOUT_OF_READ
        asked = request_frames(VERIFIER, self._rig, worker, name, id_, *within)
        self._broker.receive_client(asked, now)

    def answered(self, frames: list[Any], now: float) -> None:
        """Such a read was answered, with these frames."""
        header = decode_response_header(bytes(frames[2]))
        name, doubts = self._asked.pop(str(header.messageID), ("", []))
        for doubt in doubts:
            if header.messageType == REPLY:
                value = bytes(frames[3]).decode("utf-8", "replace")
                unit = self._unit(doubt.worker, name)
                self._tell(doubt, f"{name} read {shorten(value, _LONGEST_VALUE)}{unit}", read=name)
            else:
                why = _failure(header.messageType, bytes(frames[3]))
                self._tell(
                    doubt, f"{name} couldn't be read: {shorten(why, _LONGEST_VALUE)}", read=name
                )

    def _unit(self, worker: str, name: str) -> str:
        peer = self._broker.peers.get(worker)
        offered = (peer.description if peer is not None else None) or {}
        unit = offered.get("properties", {}).get(name, {}).get("unit")
        return f" {unit}" if isinstance(unit, str) else ""

    def _tell(self, doubt: _Doubt, what: str, **fields: Any) -> None:
        text = f"outcome of {doubt.member} unknown; {what}"
        about = {"worker": doubt.worker, "member": doubt.member, "request": doubt.request}
        self._broker.effects.append(Fact("warning", text, about | fields))


def _failure(kind: str, payload: bytes) -> str:
    """Why a read failed, in words."""
    if kind == TIMEOUT:
        return f"no answer within {TIMEOUT_OF_READ:g} s"
    return in_words(error_in(payload))
