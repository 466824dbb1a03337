"""What the packages offer: each name is there when it is asked for, and no other."""

from __future__ import annotations

import importlib
from importlib.metadata import version

import pytest

PACKAGES = ("orchestrator", "orchestrator.client")


@pytest.mark.parametrize("package", PACKAGES)
def test_each_name_that_is_offered_is_there(package: str) -> None:
    module = importlib.import_module(package)
    for name in module.__all__:
        found = getattr(module, name)
        assert name.startswith("__") or found.__name__.rpartition(".")[2] == name


@pytest.mark.parametrize("package", PACKAGES)
def test_other_names_are_missed_as_python_misses_them(package: str) -> None:
    module = importlib.import_module(package)
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'conect'"):
        _ = module.conect


def test_the_packages_names_are_shown_before_they_are_loaded() -> None:
    module = importlib.import_module("orchestrator")
    assert set(module.__all__) <= set(dir(module))
    assert module.__version__ == version("orch")
