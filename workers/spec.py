"""What a worker is told at its start: plain data that survives JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from workers.search_path import OURS


def hidden_by_ours(module: str) -> str:
    """The end of a sentence about a driver's module that wasn't found, or not as it was meant.

    Args:
        module: Its name in the configuration.

    Returns:
        What to do when it bears the name of a package of ours; else nothing.
    """
    head = module.partition(".")[0]
    return f'; "{head}" is a package of orch, a module of yours needs another name' * (head in OURS)


class Step(msgspec.Struct, frozen=True):
    """Something to do with a driver before its worker is ready.

    Attributes:
        member: A property that is written, or an action that is called.
        args: The value that is written, or the action's positional arguments.
        kwargs: The action's keyword arguments.
        writes: Whether it is a property.
    """

    member: str
    args: list[Any] = msgspec.field(default_factory=list)
    kwargs: dict[str, Any] = msgspec.field(default_factory=dict)
    writes: bool = False


class Call(msgspec.Struct, frozen=True):
    """A method of a driver, and its arguments."""

    method: str
    args: list[Any] = msgspec.field(default_factory=list)
    kwargs: dict[str, Any] = msgspec.field(default_factory=dict)


class EventCall(msgspec.Struct, frozen=True):
    """How a driver tells an event: see `workers.driver.declared_events`.

    Attributes:
        call: Takes the function that is to be called.
        value: Which of what it is called with is the event's value; None for all of it.
        end: Ends this; None if nothing does.
    """

    call: Call
    value: str | int | None = None
    end: Call | None = None


class Kept(msgspec.Struct, frozen=True):
    """A write that was acknowledged: the frames of its request."""

    header: bytes
    payload: bytes
    raw: bytes


class Limits(msgspec.Struct, frozen=True):
    """What a worker's process may use of the machine; None for what it may anyway.

    Attributes:
        memory: Bytes of private memory.
        nofile: Open files.
        nice: Its niceness, from -20 to 19.
        cpus: The processors that it may run on.
    """

    memory: int | None = None
    nofile: int | None = None
    nice: int | None = None
    cpus: tuple[int, ...] | None = None


class Curve(msgspec.Struct, frozen=True, array_like=True):
    """The keys by which a worker of another host comes in, in Z85.

    Attributes:
        server: Public half of the rig's.
        public, secret: The worker's own.
    """

    server: str
    public: str
    secret: str


class WorkerSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One incarnation of one worker.

    Attributes:
        rig: Id of the rig; the sender of all answers.
        worker: Name of the worker; its thing id.
        incarnation: Which life of the worker this is, from 1.
        driver: What to host, as `package.module:Class` or `package.module:factory`.
        args: Positional arguments of the driver.
        kwargs: Keyword arguments of the driver.
        concurrent: Members that may run beside the queued ones.
        stops: Actions that stop others, and so run beside them too.
        interrupts: Whether operations may be interrupted.
        timeouts: Members for which the configuration has an execution timeout.
        open_with: Method that opens the driver once it is built, its positional and its keyword
            arguments; None opens nothing but a context that is to be left.
        stop_with: Method that closes the driver; None looks for the usual ones.
        on_start: What to do once it is open, before it is ready.
        restore: Properties whose last acknowledged writes are repeated in the next life.
        kept: These writes.
        limits: What its process may use of the machine.
        poll: Seconds between two reads of properties that are polled, by name.
        declared: Events that the driver tells by calling a function, by name.
        link: Address of the broker's back socket.
        events: Address of the socket that takes events.
        token: Secret of this incarnation, which opens the link.
        curve: Keys for these two, which are of tcp then; None for the rig's own machine.
        claims: Whether its queued lane takes tickets.
        slots: Path of the rig's socket for shared memory; empty for none.
        lanes: Path of the one for lanes, which are used in place of `link`; empty for none.
        folder: The config's folder, for `search_path.arrange`; empty for none.
        cwd: Working directory; None keeps the one of the parent.
        env: Environment variables to set.
        log_level: Lowest level of records: debug, info, warning, error, critical.
        spans: Whether it is recorded how long the driver takes over each operation.
        event_base: Sequence number before that of the first event of each name.
        place: Where the worker stands in the configuration, as `file:line:column`.
        event_addresses: Where clients subscribe to events.
        request_addresses: Where clients send requests.
    """

    rig: str
    worker: str
    incarnation: int = 1
    driver: str
    args: list[Any] = msgspec.field(default_factory=list)
    kwargs: dict[str, Any] = msgspec.field(default_factory=dict)
    concurrent: list[str] = msgspec.field(default_factory=list)
    stops: list[str] = msgspec.field(default_factory=list)
    interrupts: bool = False
    timeouts: list[str] = msgspec.field(default_factory=list)
    open_with: tuple[str, list[Any], dict[str, Any]] | None = None
    stop_with: str | None = None
    on_start: list[Step] = msgspec.field(default_factory=list)
    restore: list[str] = msgspec.field(default_factory=list)
    kept: list[Kept] = msgspec.field(default_factory=list)
    limits: Limits = Limits()
    poll: dict[str, float] = msgspec.field(default_factory=dict)
    declared: dict[str, EventCall] = msgspec.field(default_factory=dict)
    link: str
    events: str
    token: str
    curve: Curve | None = None
    claims: bool = True
    slots: str = ""
    lanes: str = ""
    folder: str = ""
    cwd: str | None = None
    env: dict[str, str] = msgspec.field(default_factory=dict)
    log_level: str = "info"
    spans: bool = False
    event_base: int = 0
    place: str = ""
    event_addresses: list[str] = msgspec.field(default_factory=list)
    request_addresses: list[str] = msgspec.field(default_factory=list)

    def __repr__(self) -> str:
        # token, env and arguments may be secrets, and a repr ends in logs and tracebacks
        return f"<WorkerSpec {self.rig}/{self.worker} {self.incarnation}: {self.driver}>"

    def to_dict(self) -> dict[str, Any]:
        """The spec as builtins, for a process boundary."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> WorkerSpec:
        """The spec that `to_dict` wrote.

        Raises:
            msgspec.ValidationError: A field is missing, unknown or of another type.
        """
        return msgspec.convert(data, cls)
