"""Reads `hosts` and `placement` of a config."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainValidator

from orchestrator.config import forms
from orchestrator.config.hosts import (
    LOST_AFTER,
    HostConfig,
    Placement,
    check_lost_after,
    check_own_address,
    check_resource,
    check_scheduler,
    check_ssh_address,
    wrong_hosts,
    wrong_placement,
)
from orchestrator.config.problems import KeyPath
from orchestrator.config.references import refuse
from orchestrator.config.schema import Section, validate
from orchestrator.config.yaml import Document
from orchestrator.words import quoted, say

_Address = Annotated[str, AfterValidator(check_ssh_address)]
_Name = Annotated[str, AfterValidator(check_own_address)]
_Scheduler = Annotated[str, AfterValidator(check_scheduler)]
_Lost = Annotated[float, PlainValidator(check_lost_after), forms.SECONDS]


_Resource = Annotated[str, Field(pattern=r"^[^=,\s]+$")]
_Amount = Annotated[float, PlainValidator(check_resource), forms.AMOUNT]


class HostSection(Section):
    """A machine on which workers may run."""

    engine: Literal["ssh", "dask"] = "ssh"
    address: _Address | None = None
    ssh: list[str] = Field(default=["ssh"], min_length=1)
    python: str | None = None
    folder: str | None = None
    resources: dict[_Resource, _Amount] = Field(default={})


class PlacementSection(Section):
    """How a rig and its other hosts find and lose each other."""

    address: _Name | None = None
    lost_after: _Lost = LOST_AFTER
    scheduler: _Scheduler | None = None
    tls: str | None = None


class Placing:
    """What a config says of other machines, as far as it is right.

    Args:
        document: The config, to which problems are reported.

    Attributes:
        hosts: The machines, by name.
        placement: How they are found and lost.
    """

    def __init__(self, document: Document) -> None:
        self.hosts: dict[str, HostConfig] = {}
        self._document = document
        data: dict[str, Any] = document.data
        refuse(document, ("hosts", "placement"))
        section = PlacementSection()
        if data.get("placement") is not None:
            raw = data["placement"]
            section = validate(PlacementSection, raw, document, ("placement",), '"placement"')
        given = section.model_dump()
        if section.tls is not None:
            folder = Path(document.file).absolute().parent
            given["tls"] = str(folder / Path(section.tls).expanduser())
        self.placement = Placement(**given)
        for path, reason in wrong_placement(self.placement):
            if not document.is_broken(path):
                document.report(document.place(path), reason)
        self._read_hosts(data.get("hosts"))

    def _read_hosts(self, raw: Any) -> None:
        document = self._document
        if raw is None or document.is_broken(("hosts",)):
            return
        if not isinstance(raw, dict):
            text = f'"hosts" must be a mapping of names to hosts, not {say(raw)}'
            document.report(document.place(("hosts",)), text)
            return
        given: dict[str, dict[str, Any]] = {}
        for name, each in raw.items():
            path: KeyPath = ("hosts", name)
            host = validate(HostSection, each, document, path, f"host {quoted(name)}")
            told = host.model_dump()
            self.hosts[name] = HostConfig(name, **{**told, "ssh": tuple(told["ssh"])})
            keys = each if isinstance(each, dict) else ()
            given[name] = {key: told.get(key) or key for key in ("engine", *keys)}
        for path, reason in wrong_hosts(given, self.placement.scheduler):
            place = document.place if len(path) > 2 else document.key_place
            document.report(place(path), reason)
