"""A rig's config: what `config.yaml` says, checked as a whole, as frozen values.

`load` reads a file, finds all that is wrong with it in one pass and says where. Nothing is
imported or started; `orchestrator.check.drivers` goes on from here with the drivers.

What `defaults` means for a worker:

* A key of the worker's own replaces the default as a whole; ``env`` and ``timeouts`` are merged,
  entry by entry, the worker's own entries winning.
* ``after`` of the defaults holds for the workers that it doesn't name: those that all wait for
  wait for nobody by default.
* ``env``, ``cwd``, ``python``, ``limits`` and ``on_loss`` of the defaults don't reach inproc
  workers, which share the supervisor's process; as own keys of such a worker they are refused.
"""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from orchestrator.config.access import unknown_workers
from orchestrator.config.addresses import NO_WEB, split, wrong_with
from orchestrator.config.agreement import check_agreement, check_secured
from orchestrator.config.changes import digest_of
from orchestrator.config.doors import door_of, open_doors
from orchestrator.config.hosts import ALONE, wrong_place
from orchestrator.config.model import LogsConfig, RigConfig, WebConfig, WorkerConfig
from orchestrator.config.placing import Placing
from orchestrator.config.positions import (
    odd_arguments,
    places_of,
    places_of_access,
    places_of_extras,
    spellings_of,
)
from orchestrator.config.problems import ConfigError, KeyPath, Place, Problem
from orchestrator.config.references import resolve
from orchestrator.config.schema import (
    DefaultsSection,
    LogsSection,
    TopSection,
    WebSection,
    WorkerSection,
    meant,
    misspelt,
    validate,
)
from orchestrator.config.source import read
from orchestrator.config.start_order import find_cycles, sort_after
from orchestrator.config.values import check_id
from orchestrator.config.yaml import Document, parse
from orchestrator.words import did_you_mean, forms_of, quoted, say

__all__ = [
    "ConfigError",
    "LogsConfig",
    "Place",
    "Problem",
    "RigConfig",
    "WorkerConfig",
    "examine",
    "load",
]


DECIDING: Final = frozenset(
    {"driver", "args", "kwargs", "transport", "env", "cwd", "python", "on_loss", "stop_with"}
)
"""What a driver can't be looked at without: a fault in one of these would be told as several."""


def load(path: str | os.PathLike[str]) -> RigConfig:
    """The rig that a config file describes.

    Args:
        path: the file; places in messages name it as it is given here.

    Raises:
        ConfigError: it can't be used; `ConfigError.problems` has all that was found in one pass.
    """
    file = os.fspath(path)
    text = read(file)
    return _Loader(parse(text, file), digest_of(text)).load()


def examine(text: str, file: str) -> tuple[RigConfig | None, tuple[Problem, ...]]:
    """What is wrong with a config's text, and what of the rig can be looked at all the same.

    Args:
        text: The config.
        file: Its path, as places name it.

    Returns:
        The rig with those workers whose drivers are known with all that they are built from, None
        if there is none; and the problems.
    """
    try:
        loader = _Loader(parse(text, file), digest_of(text))
        return loader.examine()
    except ConfigError as error:
        return None, error.problems


class _Loader:
    def __init__(self, document: Document, digest: str) -> None:
        self._document = document
        self._digest = digest
        self._file = Path(os.path.abspath(document.file))
        self._folder = self._file.parent
        self._top = TopSection()
        self._defaults = DefaultsSection()
        self._logs = LogsSection()
        self._web = WebSection()
        self._sections: dict[str, WorkerSection] = {}
        self._start_order: tuple[str, ...] = ()

    def load(self) -> RigConfig:
        """The rig, if nothing is wrong."""
        self._read()
        if self._document.problems:
            raise ConfigError(self._document.problems)
        return self._config(self._sections)

    def examine(self) -> tuple[RigConfig | None, tuple[Problem, ...]]:
        """As far as it is right, and the problems in order."""
        self._read()
        names = [name for name in self._sections if self._is_known(name)]
        problems = tuple(sorted(set(self._document.problems)))
        return self._config(names) if names else None, problems

    def _is_known(self, name: str) -> bool:
        """Whether nothing is wrong with what a worker's driver is built from."""
        if self._sections[name].driver is None:
            return False
        for problem in self._document.problems:
            path = problem.place.path
            own = path[2:3] if path[:2] == ("workers", name) else ()
            keys = own or (path[1:2] if path[:1] == ("defaults",) else ())
            if path == ("defaults",) or any(meant(WorkerSection, str(k)) in DECIDING for k in keys):
                return False
        return True

    def _read(self) -> None:
        """Sections first, each by itself; then what holds between them."""
        document = self._document
        if not isinstance(document.data, dict):
            if not document.is_broken(()):
                given = "the file is empty" if document.data is None else say(document.data)
                document.report(
                    document.place(()),
                    f'{given}; a config is a mapping with at least "rig" and "workers"',
                )
            raise ConfigError(document.problems)
        document.hidden = forms_of(resolve(document, self._folder))
        self._read_top(document.data)
        self._check_listen()
        access = self._top.access or {}
        for name, reason in unknown_workers(access, self._sections, self._top.rig or ""):
            document.report(document.place(("access", name)), f'"access": {reason}')
        self._check_process(self._defaults, ("defaults",))
        self._check_after(("defaults", "after"))
        chosen = {}
        for name, section in self._sections.items():
            self._check_process(section, ("workers", name))
            self._check_after(("workers", name, "after"), name)
            chosen[name] = functools.partial(self._chosen, section)
            check_agreement(document, name, section, self._defaults, chosen[name])
            self._check_place(name, chosen[name])
        own = (name for name, each in self._sections.items() if "alarms" in each.model_fields_set)
        check_secured(document, chosen, own)
        self._start_order = self._order()

    def _config(self, names: Iterable[str]) -> RigConfig:
        document, logs, web = self._document, self._logs, self._web
        listen, served = split(self._top.listen)
        return RigConfig(
            rig=self._top.rig or "",  # which is a problem
            listen=tuple(each if isinstance(each, str) else each["requests"] for each in listen),
            events={
                e["requests"]: e["events"]
                for e in listen
                if not isinstance(e, str) and "events" in e
            },
            doors={e["requests"]: door_of(e, self._folder) for e in listen if isinstance(e, dict)},
            access=self._top.access,
            workers={name: self._worker(name) for name in names},
            allow_local_users=self._top.allow_local_users,
            strategy=self._top.strategy,
            shared_memory=self._top.shared_memory,
            logs=LogsConfig(**logs.model_dump()),
            traces=None if self._top.traces is None else self._top.traces.to,
            hosts=self._placing.hosts,
            placement=self._placing.placement,
            web=WebConfig(served, web.control, tuple(web.hosts), tuple(web.export)),
            file=self._file,
            folder=self._folder,
            start_order=self._start_order,
            notes=tuple(odd_arguments(document)),
            hidden=document.hidden,
            places={**places_of_extras(document), **places_of_access(document)},
            digest=self._digest,
        )

    def _read_top(self, data: dict[str, Any]) -> None:
        document = self._document
        self._top = validate(TopSection, data, document, (), "the config")
        if data.get("rig") is None and not document.is_broken(("rig",)):
            document.report(document.place(("rig",)), 'a rig needs an id, such as "rig: bench"')
        if "logs" in data:
            self._logs = validate(LogsSection, data["logs"], document, ("logs",), '"logs"')
        if "web" in data:
            self._web = validate(WebSection, data["web"], document, ("web",), '"web"')
        if "defaults" in data:
            self._defaults = validate(
                DefaultsSection, data["defaults"], document, ("defaults",), '"defaults"'
            )
        self._placing = Placing(document)
        workers = data.get("workers")
        if document.is_broken(("workers",)):
            return
        if workers is None or workers == {}:
            document.report(document.place(("workers",)), 'a rig needs at least one of "workers"')
        elif not isinstance(workers, dict):
            document.report(
                document.place(("workers",)),
                f'"workers" must be a mapping of names to workers, not {say(workers)}',
            )
        else:
            for name, raw in workers.items():
                self._sections[name] = self._read_worker(name, raw)

    def _read_worker(self, name: str, raw: Any) -> WorkerSection:
        document, path = self._document, ("workers", name)
        if path not in document.odd_keys:
            try:
                check_id(name)
            except ValueError as error:
                document.report(document.key_place(path), str(error))
            if name == self._top.rig:
                document.report(
                    document.key_place(path),
                    f"the worker {quoted(name)} has the rig's id, which names the rig itself",
                )
        if isinstance(raw, str):
            # the short form of a worker that needs no other key
            raw = document.data["workers"][name] = {"driver": raw}
        # A name with nothing after it lacks its driver, like one with an empty mapping.
        raw = {} if raw is None else raw
        section = validate(WorkerSection, raw, document, path, f"worker {quoted(name)}")
        own = (*path, "driver")
        lacking = isinstance(raw, dict) and raw.get("driver") is None
        if lacking and not document.is_broken(own) and "driver" not in misspelt(WorkerSection, raw):
            document.report(
                document.place(own) if "driver" in raw else document.key_place(path),
                f'worker {quoted(name)} needs a "driver", such as package.module:Class',
            )
        return section

    def _check_process(self, section: DefaultsSection, path: KeyPath) -> None:
        """That a process could be started so, and that no member is named twice."""
        document = self._document
        self._check_twice((*path, "concurrent"))
        self._check_twice((*path, "restore"))
        self._check_twice((*path, "idempotent"))
        if isinstance(section, WorkerSection) and self._chosen(section, "transport") == "inproc":
            for key in ("env", "cwd", "python", "limits", "on_loss"):
                if key in section.model_fields_set:
                    document.report(
                        document.key_place((*path, key)),
                        f'"{key}" can\'t be given to an inproc worker: it is a thread and shares'
                        " the supervisor's process; use the transport ipc",
                    )
            return
        if isinstance(section, WorkerSection) and self._chosen(section, "host") is not None:
            return  # they are paths there, which the agent looks at
        if section.cwd is not None and not os.path.isdir(folder := self._absolute(section.cwd)):
            reason = "is not a folder" if os.path.exists(folder) else "is not there"
            document.report(document.place((*path, "cwd")), f'"cwd": {quoted(folder)} {reason}')
        if section.python is not None:
            interpreter = self._absolute(section.python)
            if not os.path.exists(interpreter):
                reason = "is not there"
                # A name alone isn't looked up: a shell's PATH shouldn't decide what runs.
                if os.sep not in section.python and (found := shutil.which(section.python)):
                    reason += f"; did you mean {quoted(Path(found))}?"
            elif not os.path.isfile(interpreter):
                reason = "is not a file"
            elif not os.access(interpreter, os.X_OK):
                reason = "is not executable"
            else:
                return
            document.report(
                document.place((*path, "python")), f'"python": {quoted(interpreter)} {reason}'
            )

    def _check_place(self, name: str, chosen: Callable[[str], Any]) -> None:
        """That the worker can run on the host that it names."""
        given = {key: chosen(key) for key in ALONE}
        for key, reason in wrong_place(name, chosen("host"), self._placing.hosts, given):
            path = self._path_of(name, key)
            self._document.report(self._document.place(path), reason)

    def _path_of(self, name: str, key: str) -> KeyPath:
        """Where a worker's key stands: its own, or the defaults'."""
        own = key in self._sections[name].model_fields_set
        return ("workers", name, key) if own else ("defaults", key)

    def _check_listen(self) -> None:
        """That each address is given once, and each port and path is free for it."""
        self._check_twice(("listen",))
        if "web" in self._document.data and split(self._top.listen)[1] is None:
            self._document.report(self._document.key_place(("web",)), NO_WEB)
        users, access = self._top.allow_local_users, self._top.access is not None
        doors = open_doors(self._top.listen, self._folder, local_users=users, access=access)
        for index, reason in (*wrong_with(self._top.listen), *doors):
            self._document.report(self._document.place(("listen", index)), f'"listen": {reason}')

    def _names(self, path: KeyPath) -> list[tuple[int, str]]:
        """The texts in a list of the file, each with its index.

        From the file, not from the section: there one wrong entry takes away the whole list.
        """
        found: Any = self._document.data
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        if not isinstance(found, list):
            return []
        return [(index, name) for index, name in enumerate(found) if isinstance(name, str)]

    def _check_twice(self, path: KeyPath) -> None:
        seen: set[str] = set()
        for index, name in self._names(path):
            if name in seen:
                place = self._document.place((*path, index))
                self._document.report(place, f"{quoted(str(path[-1]))} has {quoted(name)} twice")
            seen.add(name)

    def _check_after(self, path: KeyPath, name: str | None = None) -> None:
        """That each of an `after` list is a worker, but not the worker `name` itself."""
        self._check_twice(path)
        for index, other in self._names(path):
            place = self._document.place((*path, index))
            if other == name:
                self._document.report(place, f"worker {quoted(name)} can't start after itself")
            elif other not in self._sections:
                hint = did_you_mean(other, self._sections)
                self._document.report(place, f"no worker is named {quoted(other)}{hint}")

    def _order(self) -> tuple[str, ...]:
        after = {
            # An unknown worker, or the worker itself, was reported already.
            name: [
                other for _, other in self._after(name) if other in self._sections and other != name
            ]
            for name in self._sections
        }
        for cycle in find_cycles(after):
            path = self._after_path(cycle[0])
            index = next(index for index, name in self._names(path) if name == cycle[1])
            self._document.report(
                self._document.place((*path, index)), f'circular "after": {" after ".join(cycle)}'
            )
        return sort_after(after)

    def _after(self, name: str) -> list[tuple[int, str]]:
        path = self._after_path(name)
        names = self._names(path)
        if path[0] == "defaults" and any(name == other for _, other in names):
            return []
        return names

    def _after_path(self, name: str) -> KeyPath:
        own = self._document.data["workers"][name]
        inherits = not isinstance(own, dict) or "after" not in own
        return ("defaults", "after") if inherits else ("workers", name, "after")

    def _chosen(self, section: WorkerSection, key: str) -> Any:
        """The worker's own value of a key, else the defaults' one."""
        return getattr(section if key in section.model_fields_set else self._defaults, key)

    def _absolute(self, path: str) -> Path:
        return self._folder / os.path.expanduser(path)

    def _worker(self, name: str) -> WorkerConfig:
        own, defaults = self._sections[name], self._defaults
        chosen = {key: self._chosen(own, key) for key in DefaultsSection.model_fields}
        if inproc := chosen["transport"] == "inproc":
            chosen |= {"cwd": None, "python": None, "limits": None, "on_loss": None}
        here = self._absolute if chosen["host"] is None else Path
        assert own.driver is not None
        chosen |= {
            "args": tuple(chosen["args"]),
            "env": {} if inproc else {**defaults.env, **own.env},
            "cwd": self._folder if chosen["cwd"] is None else here(chosen["cwd"]),
            "python": None if chosen["python"] is None else here(chosen["python"]),
            "after": tuple(other for _, other in self._after(name)),
            "concurrent": tuple(chosen["concurrent"]),
            "on_start": tuple(step for steps in chosen["on_start"] for step in steps),
            "restore": tuple(chosen["restore"]),
            "idempotent": tuple(chosen["idempotent"]),
            "limits": None if chosen["limits"] is None else chosen["limits"].model_dump(),
            "on_loss": None if chosen["on_loss"] is None else chosen["on_loss"].model_dump(),
            "probe": None if chosen["probe"] is None else chosen["probe"].told(),
            "timeouts": {**defaults.timeouts, **own.timeouts},
            "cancel": {**defaults.cancel, **own.cancel},
        }
        return WorkerConfig(
            name=name,
            driver=own.driver,
            place=self._document.place(("workers", name, "driver")),
            places=places_of(self._document, name),
            spellings=spellings_of(self._document, name),
            **chosen,
        )
