"""What a call on a rig can raise: one small tree, split by what happened to the operation.

::

    OrchError
    ├── NotStarted                 nothing was done: safe to retry
    │   ├── Withdrawn              also Cancelled
    │   ├── InvocationTimeout      also TimeoutError
    │   ├── WorkerUnavailable      also ConnectionError
    │   ├── RigNotReachable        also ConnectionError
    │   ├── KeyRefused             also ConnectionError
    │   ├── Cancelled
    │   ├── OtherLife
    │   ├── Leased                 also BlockingIOError
    │   ├── Refused
    │   │   ├── ArgumentsRefused   also TypeError
    │   │   ├── ValueRefused       also TypeError and ValueError
    │   │   ├── NameRefused        also AttributeError, KeyError and IndexError
    │   │   ├── NothingThere       also LookupError
    │   │   ├── NotAllowed         also PermissionError
    │   │   └── NoRoom             also BufferError
    │   ├── ArgumentUnsendable     also TypeError
    │   ├── RuntimeFolderError     the folder for sockets and locks can't be trusted or used
    │   └── AlreadyRunning         a second rig of one id
    ├── OutcomeUnknown             it may have been done: look before you retry
    │   ├── Aborted                also Cancelled
    │   ├── ExecutionTimeout       also TimeoutError
    │   ├── WorkerDied             also ConnectionError
    │   └── RigLost                also ConnectionError
    ├── Cancelled                  somebody cancelled it: either of the above
    ├── ResultUnsendable           it was done, but its result can't be had; also TypeError
    └── DriverError                the driver raised an exception of its own

Whatever fails before a driver was reached is `NotStarted`, whatever may have reached it without an
answer is `OutcomeUnknown`. A builtin exception of the driver is raised as itself. One of its own
classes is raised as a `DriverError` that is also what that class derives from among the builtins:
a driver's `class LimitError(ValueError)` is caught by `except ValueError`.
"""

from __future__ import annotations

from typing import Any


class OrchError(Exception):
    """Root of what orch raises by itself.

    Attributes:
        request_id: Message id of the request, where there was one.
        worker: The worker that was addressed, where one was.
        member: The property, action or event, where one was named.
    """

    request_id: str | int | None
    worker: str | None
    member: str | None

    def __init__(
        self,
        message: str,
        *,
        request_id: str | int | None = None,
        worker: str | None = None,
        member: str | None = None,
    ) -> None:
        super().__init__(message)
        self.request_id = request_id
        self.worker = worker
        self.member = member


class NotStarted(OrchError):
    """The operation never began, so that trying again is safe."""


class InvocationTimeout(NotStarted, TimeoutError):
    """The operation waited for its turn until its invocation timeout."""


class Cancelled(OrchError):
    """Somebody cancelled it: `Withdrawn` or `Aborted`.

    Attributes:
        step: What ended it: `withdraw`, before it began; `interrupt`; `restart`, of its worker.
    """

    step: str = "withdraw"


class Withdrawn(NotStarted, Cancelled):
    """It was cancelled before it began."""


class WorkerUnavailable(NotStarted, ConnectionError):
    """The worker has failed or was stopped; it takes no requests."""


class Refused(NotStarted):
    """The rig doesn't accept the request: it is malformed, or names what isn't there."""


class ArgumentsRefused(Refused, TypeError):
    """The arguments, or the value to write, don't fit the member; the driver wasn't called."""


class ValueRefused(Refused, TypeError, ValueError):
    """What the call was given is no such thing, as a timeout that isn't one, or too large."""


class NameRefused(Refused, AttributeError, KeyError, IndexError):
    """No worker or member has this name, or the one that has isn't for what was tried."""

    def __str__(self) -> str:
        return str(self.args[0])  # a KeyError would show its repr


class NothingThere(Refused, LookupError):
    """What is asked for isn't there: a polled value that never could be read, an ended stream."""


class NotAllowed(Refused, PermissionError):
    """Who asks may not do this in the rig; the text says which role may."""


class NoRoom(Refused, BufferError):
    """Too much waits or is open already; there may be room another time."""


class OtherLife(NotStarted):
    """The worker has another life than the one that the call was meant for."""


class Leased(NotStarted, BlockingIOError):
    """Somebody else has the lease of the worker, or the one that the call was made by has ended.

    The text says who has it, for how long and why.

    Attributes:
        expired: Whether the lease by which it was made, or that was held, has ended because its
            time was over; False too if that isn't known.
    """

    expired: bool = False


class ArgumentUnsendable(NotStarted, TypeError):
    """An argument, or something in it, has no form in which it could travel; nothing was sent."""


class RigNotReachable(NotStarted, ConnectionError):
    """No rig was found, or the one found can't be reached."""


class KeyRefused(NotStarted, ConnectionError):
    """The rig takes no connection with this key, or without one; or the key can't be used."""


class OutcomeUnknown(OrchError):
    """Nobody can tell whether the operation was done, partly done, or not begun."""


class Aborted(OutcomeUnknown, Cancelled):
    """It was cancelled while it ran, and ended by an interrupt or a restart of its worker.

    One that the driver's own stop ends has the driver's result, or its error.
    """


class ExecutionTimeout(OutcomeUnknown, TimeoutError):
    """The operation was still running at its execution timeout; it isn't cancelled by that."""


class WorkerDied(OutcomeUnknown, ConnectionError):
    """The worker died while the operation ran."""


class RigLost(OutcomeUnknown, ConnectionError):
    """The rig went away, or lost track of the request, before it answered."""


class ResultUnsendable(OrchError, TypeError):
    """The operation was done, but its result can't travel, or can't be read here."""


class DriverError(OrchError):
    """The driver raised an exception of a class of its own.

    What is raised is of a class with the driver's name for it, and derives from the builtin
    exceptions that the driver's class derives from. It has those attributes of the driver's
    exception that can be sent, such as `errno` or `error_code`, but for the names below.

    Attributes:
        type: Name of the driver's exception class.
        message: Its text.
        remote_traceback: The lines of its traceback.
    """

    type: str
    message: str
    remote_traceback: list[str]

    def __init__(
        self,
        message: str,
        *,
        type: str = "Exception",
        remote_traceback: list[str] | None = None,
        request_id: str | int | None = None,
        worker: str | None = None,
        member: str | None = None,
    ) -> None:
        text = f"{type}: {message}" if message else type
        # Not `super()`: a subclass has builtin bases that take other arguments.
        Exception.__init__(self, text)
        self.request_id = request_id
        self.worker = worker
        self.member = member
        self._text = text
        self.type = type
        self.message = message
        self.remote_traceback = remote_traceback or []

    def __str__(self) -> str:
        return self._text

    def __reduce__(self) -> tuple[Any, ...]:
        # The text holds the type; building from it would put the type in front twice.
        return (type(self), (self.message,), self.__dict__)


class RuntimeFolderError(NotStarted):
    """The folder for sockets and locks can't be used, or others could tamper with it."""


class AlreadyRunning(NotStarted):
    """A rig of this id runs already.

    Attributes:
        rig: The id.
        pid: Process id of the first one, if it could be read.
    """

    rig: str
    pid: int | None

    def __init__(self, message: str, *, rig: str = "", pid: int | None = None) -> None:
        super().__init__(message)
        self.rig = rig
        self.pid = pid
