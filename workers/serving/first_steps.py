"""What is done with a driver before its worker says that it is ready.

First what the configuration lists (`on_start`), then the writes that were acknowledged in an
earlier life (`restore`). Each is performed as a client's request would be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from transports.headers import OPERATION, Operation, RequestHeader, decode_request_header
from transports.serializers import XORCH
from transports.values import codec
from workers.driver.describe import ACTION, PROPERTY, Description, nearest
from workers.errors import BootError, SpecError, Terminated
from workers.failures import Refused
from workers.spec import Kept, Step, WorkerSpec

Perform = Callable[[RequestHeader, Any, Any], None]
"""Performs a request; raises what the driver raises."""


def take(spec: WorkerSpec, description: Description, perform: Perform) -> None:
    """Do what is to be done first.

    Raises:
        BootError: Something failed; what comes after it wasn't done.
        Terminated: The supervisor ends the process by a signal.
    """
    for step in spec.on_start:
        told = f"on_start: {'set' if step.writes else 'call'} {step.member}"
        with _stage("on_start", told, spec):
            _check(step, description, spec)
            perform(*_request(step, spec))
    for member in spec.restore:
        with _stage("restore", f"restore: {member}", spec):
            _check(Step(member, writes=True), description, spec, key="restore")
    for kept in spec.kept:
        header = decode_request_header(kept.header)
        with _stage("restore", f"restore: {header.objekt}", spec):
            perform(header, kept.payload, kept.raw)


def with_kept(spec: WorkerSpec, kept: Iterable[tuple[bytes, bytes, bytes]]) -> WorkerSpec:
    """A specification with these writes in the place of others."""
    return msgspec.structs.replace(spec, kept=[Kept(*each) for each in kept])


def _request(step: Step, spec: WorkerSpec) -> tuple[RequestHeader, Any, Any]:
    payload, raw = codec.encode(step.args[0] if step.writes else [step.args, step.kwargs])
    header = RequestHeader(
        messageType=OPERATION,
        messageID="on_start",
        senderID=spec.rig,
        receiverID=spec.rig,
        thingID=spec.worker,
        objekt=step.member,
        operation=Operation.WRITE if step.writes else Operation.INVOKE,
        payloadContentType=XORCH,
    )
    return header, payload, raw


def _check(step: Step, description: Description, spec: WorkerSpec, key: str = "on_start") -> None:
    members = description[PROPERTY if step.writes else ACTION]
    wanted = "property" if step.writes else "action"
    at = f"{spec.place}: " if spec.place else ""
    if step.member not in members:
        hint = nearest(step.member, members)
        raise SpecError(f"{at}{key}: {spec.worker} has no {wanted} {step.member!r}{hint}")
    if step.writes and members[step.member].get("readOnly"):
        raise SpecError(f"{at}{key}: {step.member!r} can only be read")


@contextmanager
def _stage(stage: str, told: str, spec: WorkerSpec) -> Iterator[None]:
    try:
        yield
    except Terminated:
        raise
    except (SpecError, Refused) as error:  # which another time won't mend
        text = str(error) if isinstance(error, SpecError) else f"{told}: {error}"
        raise BootError("arguments", SpecError(text)) from error
    except BaseException as error:
        error.add_note(f"{spec.place}: {told}" if spec.place else told)
        raise BootError(stage, error) from error
