"""Adapters are asked only for drivers of frameworks that are there already."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest

from workers.driver.adapters.frameworks import adapt, complete
from workers.spec import WorkerSpec

SPEC = WorkerSpec(
    rig="rig", worker="one", driver="", link="", events="", token="", kwargs={"size": 3}
)


class Plain:
    pass


def test_a_plain_driver_is_left_alone() -> None:
    assert adapt(Plain(), SPEC) is None
    assert complete(Plain, SPEC) == {"size": 3}
    assert "hololinked" not in sys.modules


@pytest.mark.parametrize("module", [types.ModuleType("half"), None])
def test_a_framework_that_is_half_imported_is_none(
    monkeypatch: pytest.MonkeyPatch, module: Any
) -> None:
    """Another thread may be importing it just now."""
    monkeypatch.setitem(sys.modules, "hololinked.core.thing", module)
    assert adapt(Plain(), SPEC) is None
    assert complete(Plain, SPEC) == {"size": 3}


def test_a_thing_is_named_as_its_worker_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("hololinked.core.thing")
    module.Thing = type("Thing", (), {})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "hololinked.core.thing", module)

    class Box(module.Thing):  # type: ignore[misc, name-defined]
        pass

    assert complete(Box, SPEC) == {"id": "one", "size": 3}
    own = WorkerSpec(
        rig="rig", worker="one", driver="", link="", events="", token="", kwargs={"id": "x"}
    )
    assert complete(Box, own) == {"id": "x"}
    assert complete(Plain, SPEC) == {"size": 3}
