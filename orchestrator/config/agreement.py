"""What holds between the keys of one worker: told in the file where it doesn't."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from orchestrator.config.alarms import OWN, unpolled
from orchestrator.config.problems import KeyPath
from orchestrator.config.schema import DefaultsSection, WorkerSection
from orchestrator.config.values import absent_cpus
from orchestrator.config.yaml import Document
from orchestrator.words import did_you_mean, quoted

Chosen = Callable[[str], Any]
"""The worker's own value of a key, else the defaults' one."""


def check_agreement(
    document: Document, name: str, section: WorkerSection, defaults: DefaultsSection, chosen: Chosen
) -> None:
    """Report where keys of a worker contradict each other, or lack one another.

    Args:
        document: The file, to which problems are reported.
        name: The worker.
        section: What it says itself.
        defaults: What all say that don't.
        chosen: What holds for it.
    """
    path: KeyPath = ("workers", name)
    _check_failing(document, path, section, chosen)
    _check_sick(document, path, section, chosen)
    _check_overdue(document, path, section, chosen, bool(defaults.cancel))
    _check_alarms(document, name, section, chosen)
    _check_cpus(document, name, section, chosen)


def _check_failing(
    document: Document, path: KeyPath, section: WorkerSection, chosen: Chosen
) -> None:
    """That a worker with which the rig ends isn't to be tried again after that."""
    if not chosen("required") or chosen("retry_failed") is None:
        return
    for key in ("retry_failed", "required"):
        if key in section.model_fields_set:
            document.report(
                document.key_place((*path, key)),
                'a worker is either "required", so that the rig ends when it is FAILED, or has'
                ' "retry_failed", so that it is tried again',
            )
            return


def _check_sick(document: Document, path: KeyPath, section: WorkerSection, chosen: Chosen) -> None:
    """That a driver that is to be opened again says how."""
    key = "on_sick"
    if chosen(key) != "reopen" or chosen("open_with") is not None:
        return
    if key in section.model_fields_set:
        document.report(
            document.place((*path, key)),
            'to "reopen" a driver, name the method that opens it by "open_with"',
        )


def _check_overdue(
    document: Document, path: KeyPath, section: WorkerSection, chosen: Chosen, usual: bool
) -> None:
    """That operations that are to be cancelled can be."""
    key = "on_execution_timeout"
    if chosen(key) != "cancel" or key not in section.model_fields_set:
        return
    if not (chosen("cancel_with") or usual or section.cancel):
        document.report(
            document.place((*path, key)),
            'to "cancel" operations, say how by "cancel_with", such as cancel_with: interrupt',
        )


def _check_alarms(document: Document, name: str, section: WorkerSection, chosen: Chosen) -> None:
    """That alarms are about values that are known."""
    if any("poll" in problem.place.path for problem in document.problems):
        return
    own = "alarms" in section.model_fields_set
    path: KeyPath = ("workers", name, "alarms") if own else ("defaults", "alarms")
    for member, told in unpolled(chosen("alarms"), chosen("poll")):
        whose = "" if own else f"worker {quoted(name)}: "
        document.report(document.key_place((*path, member)), whose + told)


def _check_cpus(document: Document, name: str, section: WorkerSection, chosen: Chosen) -> None:
    """That a worker of this machine may use the processors that it is given here."""
    limits = chosen("limits")
    if limits is None or not limits.cpus or chosen("transport") == "inproc":
        return
    if chosen("host") is not None:
        return  # which processors another host has is known there: its agent tells
    own = "limits" in section.model_fields_set
    path: KeyPath = ("workers", name, "limits") if own else ("defaults", "limits")
    place = document.place((*path, "cpus"))
    if any(problem.place == place for problem in document.problems):
        return  # another worker has the same of the defaults
    if reason := absent_cpus(limits.cpus):
        document.report(place, f'"limits.cpus": {reason}')


def check_secured(document: Document, chosen: Mapping[str, Chosen], own: Iterable[str]) -> None:
    """Report alarms that are to make workers safe that can't be.

    Args:
        document: The file, to which problems are reported.
        chosen: What holds for each worker.
        own: The workers that say themselves what alarms they have; others have the defaults' ones.
    """
    reported = {part for problem in document.problems for part in problem.place.path}
    if reported & {"on_loss", "transport"}:
        return
    own = set(own)
    for name, its in chosen.items():
        path: KeyPath = ("workers", name, "alarms") if name in own else ("defaults", "alarms")
        for member, alarm in its("alarms").items():
            for each in alarm.secures:
                whom = name if each == OWN else each
                if told := _why_not_secured(whom, chosen):
                    document.report(document.place((*path, member, "do")), f'"do": {told}')


def _why_not_secured(whom: str, chosen: Mapping[str, Chosen]) -> str:
    """Why a worker can't be made safe; empty if it can."""
    if whom not in chosen:
        return f"no worker is named {quoted(whom)}{did_you_mean(whom, chosen)}"
    if chosen[whom]("transport") == "inproc":
        return f"worker {quoted(whom)} is a thread (inproc), for which there is no on_loss"
    if chosen[whom]("on_loss") is None:
        return (
            f'worker {quoted(whom)} has no "on_loss" that says how its device is made safe, such as'
            " on_loss: {driver: package.module:Safe, calls: [output_off]}"
        )
    return ""
