"""The sections of a config as pydantic models, and pydantic's findings in plain words."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
)
from pydantic_core import ErrorDetails

from orchestrator.config import cancels, forms, sizes, values
from orchestrator.config.access import check_grant
from orchestrator.config.alarms import check_alarm
from orchestrator.config.event_calls import check_event
from orchestrator.config.other_words import OF_RIGS, OF_WORKERS, Words, our_key, our_value
from orchestrator.config.problems import KeyPath
from orchestrator.config.yaml import Document
from orchestrator.durations import (
    Intensity,
    parse_backoff,
    parse_duration,
    parse_intensity,
    parse_timeout,
)
from orchestrator.words import did_you_mean, nearest, quoted, say
from transports import web_addresses
from transports.headers import DEFAULT_TIMEOUT
from transports.levels import Level

__all__ = [
    "SECTIONS",
    "DefaultsSection",
    "LogsSection",
    "Section",
    "TopSection",
    "WebSection",
    "WorkerSection",
    "meant",
    "misspelt",
    "validate",
]

_Id = Annotated[str, AfterValidator(values.check_id), forms.ID]
_Collector = Annotated[str, AfterValidator(values.check_collector), forms.COLLECTOR]
_Host = Annotated[str, AfterValidator(web_addresses.check_name)]
_Listened = Annotated[Any, PlainValidator(values.check_listened), forms.LISTENED]
_Driver = Annotated[str, AfterValidator(values.check_driver), forms.DRIVER]
_Member = Annotated[str, AfterValidator(values.check_member), forms.MEMBER]
_Method = Annotated[str, AfterValidator(values.check_method), forms.METHOD]
_Open = Annotated[Any, PlainValidator(values.check_open_with), forms.OPEN_WITH]
_Call = Annotated[Any, PlainValidator(values.check_call), forms.CALL]
_Step = Annotated[Any, PlainValidator(values.check_step), forms.STEP]
_Event = Annotated[Any, PlainValidator(check_event), forms.EVENT]
_Memory = Annotated[int, PlainValidator(sizes.check_memory), forms.SIZE]
_Shared = Annotated[int, PlainValidator(sizes.check_shared), forms.SIZE]
_Grant = Annotated[Any, PlainValidator(check_grant), forms.GRANT]
_Alarm = Annotated[Any, PlainValidator(check_alarm), forms.ALARM]
_Files = Annotated[int, AfterValidator(values.check_nofile)]
_Nice = Annotated[int, AfterValidator(values.check_nice)]
_Cpus = Annotated[list[int], AfterValidator(values.check_cpus)]
_Means = Annotated[tuple[str, ...], PlainValidator(cancels.check_means), forms.MEANS]
_Path = Annotated[str, AfterValidator(values.check_path), forms.PATH]
_EnvName = Annotated[str, AfterValidator(values.check_env_name), forms.ENV_NAME]
_EnvValue = Annotated[str, PlainValidator(values.check_env_value), forms.ENV_VALUE]
_Duration = Annotated[float | None, PlainValidator(parse_duration), forms.TIMEOUT]
_Timeout = Annotated[float | None, PlainValidator(parse_timeout), forms.TIMEOUT]
_Seconds = Annotated[float, PlainValidator(values.check_seconds), forms.SECONDS]
_Interval = Annotated[float, PlainValidator(values.check_interval), forms.SECONDS]
_Intensity = Annotated[Intensity, PlainValidator(parse_intensity), forms.INTENSITY]
_Backoff = Annotated[tuple[float, float], PlainValidator(parse_backoff), forms.BACKOFF]
_Kept = Annotated[int, PlainValidator(sizes.check_kept), forms.SIZE]


class Section(BaseModel):
    """A mapping in a config, each of whose keys is known."""

    # Strict: "5" is no number and 1 no text. The defaults are ours and known to be right.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class LimitsSection(Section):
    """What a worker's process may use of the machine."""

    memory: _Memory | None = None
    nofile: _Files | None = None
    nice: _Nice | None = None
    cpus: _Cpus | None = None


class ProbeSection(Section):
    """How an idle worker is probed."""

    read: _Member
    every: _Interval = 10.0
    timeout: _Seconds = 2.0
    failures: int = Field(default=3, ge=1)

    def told(self) -> dict[str, Any]:
        """What a worker's config has of it."""
        given = self.model_dump()
        return {"member": given.pop("read"), **given}


class LossSection(Section):
    """How a worker's device is made safe when the worker has ended."""

    driver: _Driver
    args: list[Any] = Field(default_factory=list)
    kwargs: dict[str, Any] = Field(default_factory=dict)
    calls: list[_Call] = Field(min_length=1)
    timeout: _Seconds = 5.0


class TracesSection(Section):
    """Where what came of requests is sent for OpenTelemetry."""

    to: _Collector


SECTIONS: Final[dict[str, type[Section]]] = {
    "limits": LimitsSection,
    "on_loss": LossSection,
    "probe": ProbeSection,
    "traces": TracesSection,
}
"""The sections within another one."""


class DefaultsSection(Section):
    """All that may be said of a worker but its driver; the values here are orch's defaults."""

    args: list[Any] = Field(default_factory=list)
    kwargs: dict[str, Any] = Field(default_factory=dict)
    transport: Literal["ipc", "inproc"] = "ipc"
    env: dict[_EnvName, _EnvValue] = Field(default_factory=dict)
    cwd: _Path | None = None
    python: _Path | None = None
    # What other workers are called is not known here.
    after: list[str] = Field(default_factory=list)
    concurrent: list[_Member] = Field(default_factory=list)
    invocation_timeout: _Timeout = DEFAULT_TIMEOUT
    execution_timeout: _Timeout = DEFAULT_TIMEOUT
    poll: dict[_Member, _Interval] = Field(default_factory=dict)
    alarms: dict[_Member, _Alarm] = Field(default_factory=dict)
    events: dict[_Member, _Event] = Field(default_factory=dict)
    timeouts: dict[_Member, _Timeout] = Field(default_factory=dict)
    idempotent: list[_Member] = Field(default_factory=list)
    audit: bool = False
    leased: bool = False
    verify: dict[_Member, _Member] = Field(default_factory=dict)
    restart: Literal["permanent", "transient", "temporary"] = "permanent"
    max_restarts: _Intensity = Intensity(count=5, period=60.0)
    backoff: _Backoff = (0.1, 30.0)
    required: bool = False
    retry_failed: _Timeout = None
    on_execution_timeout: Literal["report", "cancel", "restart"] = "report"
    cancel_with: _Means = ()
    cancel: dict[_Member, _Means] = Field(default_factory=dict)
    cancel_grace: _Seconds = 2.0
    limits: LimitsSection | None = None
    probe: ProbeSection | None = None
    on_sick: Literal["report", "reopen", "restart"] = "report"
    on_loss: LossSection | None = None
    stall_timeout: _Seconds = 10.0
    on_stall: Literal["report", "restart"] = "report"
    start_timeout: _Timeout = 30.0
    stop_timeout: _Seconds = 5.0
    retry_start: bool = True
    open_with: _Open = None
    on_start: list[_Step] = Field(default_factory=list)
    restore: list[_Member] = Field(default_factory=list)
    stop_with: _Method | None = None
    simulate: _Driver | None = None
    host: str | None = None


class WorkerSection(DefaultsSection):
    """One worker. Its driver is optional here only so that the rest can be judged without it."""

    driver: _Driver | None = None


class LogsSection(Section):
    """What is logged and for how long it is kept."""

    level: Level = "info"
    keep: _Kept = 1 << 30
    keep_for: _Duration = 30 * 86_400.0
    json_lines: bool = True


class WebSection(Section):
    """What the web server does beside showing."""

    control: bool = False
    hosts: list[_Host] = Field(default_factory=list)
    export: list[_Member] = Field(default_factory=list)


class TopSection(Section):
    """The top of the file; the sections in it are validated one by one."""

    rig: _Id | None = None
    listen: list[_Listened] = Field(default_factory=lambda: ["ipc"], min_length=1)
    allow_local_users: bool = False
    access: dict[str, _Grant] | None = None
    strategy: Literal["one_for_one", "rest_for_one", "one_for_all"] = "one_for_one"
    shared_memory: _Shared = sizes.SHARED
    defaults: Any = None
    workers: Any = None
    logs: Any = None
    web: Any = None
    traces: TracesSection | None = None
    hosts: Any = None
    placement: Any = None


_OTHER_WORDS: Final[dict[type[Section], Words]] = {
    DefaultsSection: OF_WORKERS,
    WorkerSection: OF_WORKERS,
    TopSection: OF_RIGS,
}

# How each value is written; "*" stands for an entry. Any other value checks itself.
_SHAPES: Final[dict[tuple[str, ...], str]] = {
    ("rig",): "a text such as bench",
    ("listen",): 'a list such as [ipc, "tcp://127.0.0.1:5570"]',
    ("control",): "true or false",
    ("traces",): 'a mapping such as {to: "http://127.0.0.1:4318"}',
    ("traces", "to"): 'a text such as "http://127.0.0.1:4318"',
    ("hosts",): "a list of names such as [lab.example]",
    ("hosts", "*"): "a name such as lab.example",
    ("export",): "a list of polled properties such as [temperature]",
    ("export", "*"): "the name of a property",
    ("allow_local_users",): "true or false",
    ("access",): "a mapping of names to roles such as {alice: operator}",
    ("driver",): "a text such as package.module:Class",
    ("args",): "a list such as [1, two]",
    ("kwargs",): "a mapping such as {axes: 3}",
    ("env",): "a mapping such as {KEY: value}",
    ("cwd",): "the path of a folder",
    ("python",): "the path of an interpreter",
    ("after",): "a list of workers such as [laser]",
    ("after", "*"): "the name of a worker",
    ("concurrent",): "a list of members such as [abort, status]",
    ("concurrent", "*"): "the name of a member",
    ("idempotent",): "a list of members such as [home]",
    ("idempotent", "*"): "the name of a member",
    ("audit",): "true or false",
    ("leased",): "true or false",
    ("verify",): "a mapping such as {move: position}",
    ("verify", "*"): "the name of a property",
    ("poll",): "a mapping such as {position: 200ms}",
    ("alarms",): "a mapping such as {temperature: {above: 60}}",
    ("events",): "a mapping such as {level: {call: [subscribe, level]}}",
    ("cancel",): "a mapping such as {move: stop}",
    ("timeouts",): "a mapping such as {expose: 120s}",
    ("limits",): "a mapping such as {memory: 2GiB, nofile: 1024}",
    ("limits", "nofile"): "a number of files such as 1024",
    ("limits", "nice"): "a niceness such as 5",
    ("limits", "cpus"): "a list of processors such as [0, 1]",
    ("limits", "cpus", "*"): "the number of a processor",
    ("probe",): "a mapping such as {read: temperature, every: 10s}",
    ("probe", "read"): "the name of a property",
    ("probe", "failures"): "a number of failures such as 3",
    ("on_loss",): "a mapping such as {driver: package.module:Safe, calls: [output_off]}",
    ("on_loss", "driver"): "a text such as package.module:Safe",
    ("on_loss", "args"): "a list such as [1, two]",
    ("on_loss", "kwargs"): "a mapping such as {port: 7}",
    ("on_loss", "calls"): "a list such as [output_off, [ramp, 0.0]]",
    ("on_start",): "a list such as [{set: {gain: 2}}, {call: home}]",
    ("restore",): "a list of properties such as [exposure, gain]",
    ("restore", "*"): "the name of a property",
    ("retry_start",): "true or false",
    ("required",): "true or false",
    ("json_lines",): "true or false",
    ("simulate",): "a text such as package.module:Twin",
    ("stop_with",): "the name of a method such as close",
    ("host",): "the name of a host such as camera-pc",
    ("address",): "a text such as lab@10.0.0.7",
    ("ssh",): 'a list such as [ssh, -p, "2222"]',
    ("ssh", "*"): "a text",
    ("folder",): "the path of a folder on that host",
    ("scheduler",): 'a text such as "tls://lab:8786"',
    ("tls",): "the path of a folder",
}

_SectionT = TypeVar("_SectionT", bound=Section)


def validate(
    model: type[_SectionT], raw: Any, document: Document, path: KeyPath, title: str
) -> _SectionT:
    """A section, as far as it is right; the rest is reported at its places.

    Args:
        model: the section's model.
        raw: the section's data.
        document: where places come from and problems go.
        path: where the section stands.
        title: what the section is called in messages, such as ``worker "stage"``.

    Returns:
        The section without the keys that had errors, so that judging can go on. It is of use
        for a config only when nothing was reported.
    """
    if document.is_broken(path):
        return model()
    if not isinstance(raw, dict):
        document.report(document.place(path), f"{title} must be a mapping, not {say(raw)}")
        return model()
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        wrong: set[str] = set()
        for details in error.errors(include_url=False):
            wrong.add(str(details["loc"][0]))
            _report(model, details, document, path, title)
        return model.model_validate({key: raw[key] for key in raw if key not in wrong})


def meant(model: type[Section], key: str) -> str | None:
    """The key that this is, or was probably meant to be; None if none is near."""
    if key in model.model_fields:
        return key
    theirs = our_key(key, _OTHER_WORDS.get(model, {}))
    return theirs[0] if theirs else nearest(key, model.model_fields)


def misspelt(model: type[Section], raw: dict[str, Any]) -> set[str | None]:
    """The keys that unknown ones were probably meant to be."""
    return {meant(model, key) for key in raw if key not in model.model_fields}


def _report(
    model: type[Section], details: ErrorDetails, document: Document, path: KeyPath, title: str
) -> None:
    location = details["loc"]
    # pydantic's mark for the key of a mapping, rather than its value.
    at_key = len(location) == 3 and location[-1] == "[key]"
    where: KeyPath = (*path, *(location[:-1] if at_key else location))
    if document.is_broken(where):
        return
    if details["type"] == "extra_forbidden":
        if where not in document.odd_keys:
            if len(location) > 1:
                model, title = SECTIONS[str(location[0])], quoted(str(location[0]))
            told = _unknown_key(model, str(location[-1]), title)
            document.report(document.key_place(where), told)
        return
    if at_key and where in document.odd_keys:
        return
    message = _in_words(details, tuple(str(part) for part in location))
    document.report(document.key_place(where) if at_key else document.place(where), message)


def _unknown_key(model: type[Section], key: str, title: str) -> str:
    if key == "driver" and model is DefaultsSection:
        return "a driver belongs to one worker; defaults may hold any other key of a worker"
    if theirs := our_key(key, _OTHER_WORDS.get(model, {})):
        return f"unknown key {quoted(key)} in {title}; here it is {theirs[1]}"
    if model is TopSection and key in DefaultsSection.model_fields:
        return f'{quoted(key)} is a key of a worker; for all of them it stands in "defaults"'
    known = list(model.model_fields)
    hint = did_you_mean(key, known) or f"; known: {', '.join(known)}"
    return f"unknown key {quoted(key)} in {title}{hint}"


def _in_words(details: ErrorDetails, location: tuple[str, ...]) -> str:
    label = quoted(".".join(part for part in location if part != "[key]"))
    given = details["input"]
    match details["type"]:
        case "value_error":
            return f"{label}: {details['ctx']['error']}"
        case "literal_error":
            options = _options(details["ctx"]["expected"])
            hint = did_you_mean(given, options) if isinstance(given, str) else ""
            if ours := our_value(location[-1], given):
                hint = f"; here it is {ours}"
            return f"{label} must be {_one_of(options)}, not {say(given)}{hint}"
        case "missing":
            return f"{quoted('.'.join(location[:-1]))} needs {quoted(location[-1])}"
        case "too_short":
            return f"{label} must have at least one entry"
        case _:
            above = (*location[:-1], "*")
            shape = _SHAPES.get(location) or _SHAPES.get(above)
            shape = shape or _SHAPES.get((location[0], "*"), "something else")
            return f"{label} must be {shape}, not {say(given)}"


def _options(expected: str) -> list[str]:
    """From pydantic's "'a', 'b' or 'c'"."""
    return expected.replace(" or ", ", ").replace("'", "").split(", ")


def _one_of(options: list[str]) -> str:
    return f"{', '.join(options[:-1])} or {options[-1]}"
