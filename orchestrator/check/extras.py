"""Whether what a config needs beside drivers is installed."""

from __future__ import annotations

from orchestrator.config.extras import DASK, TRACES, WEB, missing
from orchestrator.config.model import RigConfig
from orchestrator.config.problems import Place, Problem
from orchestrator.words import quoted


def lacking_extras(config: RigConfig) -> list[Problem]:
    """A problem for each extra that isn't installed: the rig wouldn't start."""
    wants_dask = any(host.engine == "dask" for host in config.hosts.values())
    wanted = [
        ("web", "web", WEB, config.web.listen is not None, "an http address"),
        ("traces", "otel", TRACES, config.traces is not None, "traces"),
        ("hosts", "dask", DASK, wants_dask, "the engine dask"),
    ]
    found = []
    for key, extra, modules, is_wanted, what in wanted:
        if is_wanted and (names := missing(modules)):
            lacks = ", ".join(quoted(name) for name in names)
            are = "isn't" if len(names) == 1 else "aren't"
            text = f"{lacks} {are} installed, which {what} takes; pip install 'orch[{extra}]'"
            found.append(Problem(config.places.get(key, Place(str(config.file))), text))
    return found
