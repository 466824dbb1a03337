"""The JSON schema of a config, made from the models by which configs are read.

Of draft 7, which editors know best.
"""

from __future__ import annotations

from typing import Any, Final

from orchestrator.config import forms
from orchestrator.config.placing import HostSection, PlacementSection
from orchestrator.config.schema import (
    DefaultsSection,
    LogsSection,
    TopSection,
    WebSection,
    WorkerSection,
)

__all__ = ["ABOUT", "json_schema"]

_DRAFT: Final = "http://json-schema.org/draft-07/schema#"
_REF: Final = "#/definitions/{model}"

ABOUT: Final[dict[str, str]] = {
    "rig": "The rig's id: letters, digits, - and _.",
    "listen": 'ipc, "ipc:///path", hololinked, "tcp://host:port"; "http://host:port" for browsers.',
    "web": "What the web server does beside showing.",
    "traces": "What came of each request is sent to OpenTelemetry: {to: http://127.0.0.1:4318}.",
    "to": "Where a collector takes OTLP over HTTP; /v1/traces is added.",
    "control": "Browsers may write, call, start, stop and cancel too.",
    "hosts": "Machines on which workers run, by name; of web, further names of its server.",
    "export": "Polled properties among its metrics, by name or worker.name.",
    "access": "Who may what, by the name of a key or of a user: reader, operator, admin, or more.",
    "allow_local_users": "It is meant that all users of this machine reach tcp on loopback.",
    "strategy": "Who is restarted with a worker that died: nobody, those after it, or all.",
    "shared_memory": "Bytes of memory through which large arrays go, such as 512MiB; off for none.",
    "defaults": "Any key of a worker but its driver, for all workers that don't have it.",
    "workers": "By name: one process, or thread, for each device.",
    "logs": "What is logged and for how long it is kept.",
    "level": "Records below it are dropped.",
    "keep": "The oldest records go when there are more bytes, such as 1GiB.",
    "keep_for": "Older records go, such as 30d; null for no limit.",
    "json_lines": "Printed lines that are JSON with a message are read as records.",
    "driver": "package.module:Class, or a factory; the config's folder is importable.",
    "args": "Positional arguments of the driver.",
    "kwargs": "Keyword arguments of the driver.",
    "transport": "ipc is a process of its own, inproc a thread of the supervisor.",
    "env": "Variables to add to the environment; texts.",
    "cwd": "The worker's folder; by default the config's.",
    "python": "An interpreter of its own, with orch installed.",
    "after": "Workers that are ready before this one starts, and that stop after it.",
    "concurrent": "Members that may run beside the queued ones, by name or path.",
    "invocation_timeout": "How long a request may wait for its start; null for no limit.",
    "execution_timeout": "How long it may take from its start; null for no limit.",
    "timeouts": "Execution timeouts by member.",
    "poll": "Properties that are read at a pace, kept and published.",
    "alarms": "Limits of values that are polled: {temperature: {above: 60, for: 5s, clear: 55}}.",
    "events": "Events that the driver tells by a function that it is given.",
    "idempotent": "Members that clients may repeat when an outcome is unknown.",
    "leased": "Only who has its lease may have an effect on it; reading needs none.",
    "audit": "Each request is recorded: who asked, with what, what came of it.",
    "verify": "A property to be read after an unknown outcome, by member.",
    "restart": "permanent: always; transient: after a crash; temporary: never.",
    "max_restarts": "More restarts in that time and it is FAILED: 5 in 1min.",
    "backoff": "The pauses before restarts, from the first to the longest: 100ms..30s.",
    "required": "The rig ends when this worker is FAILED.",
    "retry_failed": "Tried anew that long after it is FAILED; null for never.",
    "on_execution_timeout": "What is done about an overdue operation.",
    "cancel_with": "What ends an operation that has started: actions, and interrupt at the end.",
    "cancel": "The same by member.",
    "cancel_grace": "How long each of these may take.",
    "limits": "What its process may use of the machine.",
    "memory": "What the process may write to, such as 2GiB.",
    "nofile": "How many files may be open.",
    "nice": "Its niceness, -20 to 19.",
    "cpus": "The processors that it may use.",
    "probe": "How it is probed while it is idle.",
    "read": "The property that is read.",
    "every": "The time between two probes.",
    "timeout": "How long it may take.",
    "failures": "So many in a row, and the worker is sick.",
    "on_sick": "What is done about one whose probes fail.",
    "on_loss": "How its device is made safe once the worker has ended.",
    "calls": "Methods, with their arguments: [output_off, [ramp, 0.0]].",
    "stall_timeout": "How long it may be STALLED before on_stall.",
    "on_stall": "Whether a worker that is STALLED is only reported, or restarted.",
    "start_timeout": "How long a start may take; null for no limit.",
    "stop_timeout": "How long closing may take before a signal insists.",
    "retry_start": "A constructor that raises is tried again, without end.",
    "open_with": "The method that opens the driver; also [connect, 1, {timeout: 5}].",
    "on_start": "Done before it is READY: {set: {gain: 2}}, {call: home}, {call: [move, 1.0]}.",
    "restore": "Properties whose last acknowledged writes the next life repeats.",
    "simulate": "Runs in the driver's place with orch run --simulate: package.module:Twin.",
    "host": "The machine on which it runs, by its name in hosts; by default the rig's own.",
    "engine": "What starts orch's agent there: ssh, or dask.",
    "address": "Where ssh reaches a host; of the placement, where hosts reach the rig's machine.",
    "ssh": "The program that is run as ssh, and its options.",
    "folder": "A folder there from which drivers can be imported, and in which workers run.",
    "resources": "What the agent takes of the host's Dask worker, by name, as long as it runs.",
    "lost_after": "The silence after which a host is lost, and its workers end.",
    "port": "The first of three at which hosts come in; by default any that are free.",
    "scheduler": "The address of Dask's scheduler: tls://lab:8786.",
    "tls": "The folder of the files by which Dask's ends know each other: orch host keys.",
    "placement": "How other hosts are found and lost; orch apply changes neither it nor hosts.",
    "stop_with": "The method that closes the driver; by default the first usual one.",
}
"""What an editor shows beside a key."""


def json_schema() -> dict[str, Any]:
    """The schema of a whole config, with what each key is for."""
    whole, definitions = _of(TopSection)
    for key, model in (("defaults", DefaultsSection), ("logs", LogsSection), ("web", WebSection)):
        whole["properties"][key], found = _of(model)
        definitions |= found
    whole["properties"]["placement"], _ = _of(PlacementSection)
    host, _ = _of(HostSection)
    definitions["Host"] = host
    whole["properties"]["hosts"] = {
        "type": "object",
        "propertyNames": forms.ID.json_schema,
        "additionalProperties": {"$ref": _REF.format(model="Host")},
    }
    worker, found = _of(WorkerSection)
    definitions |= {**found, "Worker": {**worker, "required": ["driver"]}}
    driver = {"description": "The driver alone.", **(forms.DRIVER.json_schema or {})}
    whole["properties"]["workers"] = {
        "type": "object",
        "minProperties": 1,
        "propertyNames": forms.ID.json_schema,
        "additionalProperties": {"anyOf": [driver, {"$ref": _REF.format(model="Worker")}]},
    }
    # In the models these two may lack, so that the rest can be judged without them.
    whole["properties"]["rig"] = forms.ID.json_schema
    worker["properties"]["driver"] = forms.DRIVER.json_schema
    whole |= {"$schema": _DRAFT, "title": "orch", "required": ["rig", "workers"]}
    whole["definitions"] = definitions
    for section in (
        whole,
        *(whole["properties"][key] for key in ("logs", "web", "defaults", "placement")),
    ):
        _describe(section)
    for section in definitions.values():
        _describe(section)
    return whole


def _of(model: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A section's schema, and those that it refers to."""
    schema = model.model_json_schema(ref_template=_REF)
    return schema, schema.pop("$defs", {})


def _describe(section: dict[str, Any]) -> None:
    """Put in what keys are for; take out what is said of our classes, and defaults of no form."""
    section.pop("title", None)
    section.pop("description", None)
    for key, schema in section.get("properties", {}).items():
        shown: dict[str, Any] = {"description": ABOUT[key]}
        shown |= {name: value for name, value in schema.items() if name != "title"}
        if not isinstance(shown.get("default", ""), (str, bool, int, float)):
            del shown["default"]
        if "patternProperties" in shown:
            shown["additionalProperties"] = False  # of a mapping whose keys are names
        if "$ref" in shown:  # beside which draft 7 reads nothing
            shown["allOf"] = [{"$ref": shown.pop("$ref")}]
        section["properties"][key] = shown
