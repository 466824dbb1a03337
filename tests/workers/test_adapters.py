"""Adapters are asked only for drivers of frameworks that are there already."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest

from workers.driver.adapters.frameworks import adapt, complete
from workers.errors import SpecError
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


def thing_of(monkeypatch: pytest.MonkeyPatch, release: str | None) -> type:
    """A Thing's class, as if that release of hololinked had been imported."""
    package = types.ModuleType("hololinked")
    if release is not None:
        package.__version__ = release  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "hololinked", package)
    thing = type("Thing", (), {"__module__": "hololinked.core.thing"})
    return type("Box", (thing,), {"__module__": "boxes"})


def test_a_thing_is_named_as_its_worker_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    box = thing_of(monkeypatch, "0.4.2")
    assert complete(box, SPEC) == {"id": "one", "size": 3}
    own = WorkerSpec(
        rig="rig", worker="one", driver="", link="", events="", token="", kwargs={"id": "x"}
    )
    assert complete(box, own) == {"id": "x"}
    assert complete(Plain, SPEC) == {"size": 3}


@pytest.mark.parametrize("release", ["0.3.5", "0.2.10", "0.40.1", "1.0", None])
def test_a_thing_of_another_release_is_refused(
    monkeypatch: pytest.MonkeyPatch, release: str | None
) -> None:
    """Before it is built; what a factory gives, before it is served."""
    box = thing_of(monkeypatch, release)
    for refused in (lambda: complete(box, SPEC), lambda: adapt(box(), SPEC)):
        with pytest.raises(SpecError, match=r"install hololinked 0\.4 in the") as caught:
            refused()
        assert (release or "unknown release") in str(caught.value)
