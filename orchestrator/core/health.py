"""Probes: whether idle workers are well, and what is done about one that isn't.

Pure. A probe is a request like a client's, so that its limits are kept as theirs are; it is made
only while nothing else runs or waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from orchestrator.core.broker import Broker
from orchestrator.core.effects import Fact
from orchestrator.core.own_client import error_in, in_words, is_idle, request_frames
from orchestrator.core.own_ids import OWN
from transports.exceptions import NOT_STARTED, UNKNOWN
from transports.headers import EXECUTION, REPLY, TIMEOUT, decode_response_header
from transports.link import Reopen

PROBER = OWN + b"probe"
"""Identity of the client that probes."""


class Probe(msgspec.Struct, frozen=True):
    """How a worker is probed.

    Attributes:
        member: The property that is read.
        every: Seconds from one probe to the next.
        timeout: Seconds that it may take.
        failures: How many in a row mean that the worker is sick.
        on_sick: `report`, `reopen` or `restart`.
    """

    member: str
    every: float = 10.0
    timeout: float = 2.0
    failures: int = 3
    on_sick: str = "report"


class Nurse(Protocol):
    """Who restarts a worker that is sick."""

    def cut_short(self, name: str, reason: str, now: float) -> None:
        """Have another life follow this one."""


class _Patient:
    """A worker that is probed: since it is ready, and until it ends."""

    def __init__(self, due: float) -> None:
        self.due = due
        self.asked = ""
        self.failures = 0
        self.told = ""
        self.reopened = False  # since it was last well


class Health:
    """Probes the workers that are to be probed.

    Args:
        rig: Id of the rig.
        probes: How, by worker.
        broker: Takes the probes.
        nurse: Restarts who is sick.

    Attributes:
        next_deadline: When `tick` is due; None while nobody is probed.
    """

    def __init__(self, rig: str, probes: Mapping[str, Probe], broker: Broker, nurse: Nurse) -> None:
        self._rig = rig
        self._probes = dict(probes)
        self._broker = broker
        self._nurse = nurse
        self._patients: dict[str, _Patient] = {}
        self._number = 0
        self.next_deadline: float | None = None

    def of(self, worker: str) -> str:
        """What its last probes failed of; empty if it is well."""
        patient = self._patients.get(worker)
        return patient.told if patient is not None else ""

    def ready(self, worker: str, now: float) -> None:
        """A worker is ready: it counts as well."""
        if (probe := self._probes.get(worker)) is not None:
            self._patients[worker] = _Patient(now + probe.every)
            self._schedule()

    def change(self, worker: str, probe: Probe | None, now: float, *, serves: bool) -> None:
        """Probe a worker otherwise, or not at all; `serves`: whether it can be probed now."""
        if probe == self._probes.get(worker):
            return
        self.ended(worker)
        self._probes.pop(worker, None)
        if probe is not None:
            self._probes[worker] = probe
            if serves:
                self.ready(worker, now)

    def ended(self, worker: str) -> None:
        """Its life is over, or about to be."""
        if self._patients.pop(worker, None) is not None:
            self._schedule()

    def tick(self, now: float) -> None:
        """Probe whoever is due and idle; who is busy is asked another time."""
        if self.next_deadline is None or now < self.next_deadline:
            return
        for worker, patient in self._patients.items():
            if patient.due <= now:
                probe = self._probes[worker]
                patient.due = now + probe.every
                if is_idle(self._broker.peers[worker], probe.member):
                    self._ask(worker, patient, probe, now)
        self._schedule()

    def _schedule(self) -> None:
        self.next_deadline = min((each.due for each in self._patients.values()), default=None)

    def _ask(self, worker: str, patient: _Patient, probe: Probe, now: float) -> None:
        self._number += 1
        patient.asked = f"probe {self._number}"
        within = probe.timeout, probe.timeout
        asked = request_frames(PROBER, self._rig, worker, probe.member, patient.asked, *within)
        self._broker.receive_client(asked, now)

    def answered(self, frames: list[Any], now: float) -> None:
        """A probe was answered, with these frames."""
        header = decode_response_header(bytes(frames[2]))
        for worker, patient in list(self._patients.items()):
            if patient.asked == header.messageID:
                patient.asked = ""
                failure = _failure(header.messageType, bytes(frames[3]), self._probes[worker])
                if failure is not None:
                    self._judge(worker, patient, failure, now)

    def _judge(self, worker: str, patient: _Patient, failure: str, now: float) -> None:
        probe = self._probes[worker]
        if not failure:
            if patient.failures >= probe.failures or patient.reopened:
                self._tell("info", "is well again", worker)
            patient.failures, patient.told, patient.reopened = 0, "", False
            return
        patient.failures += 1
        count = patient.failures
        patient.told = f"{count} probe{'s'[: count != 1]} of {probe.member} failed: {failure}"
        if count != probe.failures:
            return
        self._tell("warning", f"is sick: {patient.told}", worker, on_sick=probe.on_sick)
        if probe.on_sick == "reopen" and not patient.reopened:
            self._broker.tell(
                worker, Reopen(tuple(self._broker.peers[worker].kept.writes().values()))
            )
            patient.failures, patient.reopened = 0, True
        elif probe.on_sick != "report":  # to open it once more would help as little
            self.ended(worker)
            self._nurse.cut_short(worker, f"was sick: {patient.told}", now)

    def _tell(self, level: str, text: str, worker: str, **fields: Any) -> None:
        self._broker.effects.append(Fact(level, text, {"worker": worker, **fields}))


def _failure(kind: str, payload: bytes, probe: Probe) -> str | None:
    """Why a probe failed; empty if it didn't, None if it says nothing of the driver."""
    if kind == REPLY:
        return ""
    if kind == TIMEOUT:
        began = msgspec.json.decode(payload) == EXECUTION
        return f"no answer within {probe.timeout:g} s" if began else None
    error = error_in(payload)
    if error.get("outcome") in (NOT_STARTED, UNKNOWN):
        return None  # it has ended, which others see to
    return in_words(error)
