"""What the tests of instrument libraries share: each hosts unmodified drivers in a real rig."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec

import pytest

from orchestrator.client.rig import Rig
from tests.rigs import RunningRig, running

SLOW_START = 120.0
"""Seconds for all workers to be up: some libraries take long to import."""


def needs(*modules: str) -> None:
    """Skip a test file unless all modules are installed. None is imported for that.

    Args:
        *modules: Names of top-level modules.
    """
    for module in modules:
        if find_spec(module) is None:
            pytest.skip(
                f"{module} isn't installed: scripts/instruments installs it",
                allow_module_level=True,
            )


@contextmanager
def hosted(
    config: str, *, texts: Mapping[str, str] | None = None, **modules: str
) -> Iterator[tuple[RunningRig, Rig]]:
    """A rig whose workers are all up, and a client of it.

    Args:
        config: Its `workers:`, as YAML.
        texts: Other files beside it, by name.
        **modules: Text of the modules beside it, by name.
    """
    workers = textwrap.indent(textwrap.dedent(config), "  ")
    files = {name: textwrap.dedent(text) for name, text in modules.items()}
    with running(f"rig: lab\nworkers:\n{workers}", files, texts=texts, settle=False) as rig:
        states = rig.wait_settled(SLOW_START)
        assert all(each["state"] == "READY" for each in states.values()), rig.text
        with rig.connected() as client:
            yield rig, client


def closed(rig: RunningRig, worker: str) -> str:
    """Stop a worker, which closes its driver; what its log says. Nothing went wrong."""
    assert rig.orch("stop", worker).returncode == 0
    rig.wait_state(worker, "STOPPED")
    assert not rig.orch("logs", "--level", "error", worker).stdout
    return rig.orch("logs", worker).stdout
