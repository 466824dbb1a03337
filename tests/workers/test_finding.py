"""What shows at its use: parts that only a property gives, and what `__getattr__` makes."""

from __future__ import annotations

from typing import Any

import pytest

from workers.driver.finding import look_along
from workers.driver.offer import Offer, offer_of


class Math:
    def __init__(self) -> None:
        self.scale = 2.0

    def invert(self) -> str:
        return "inverted"


class Scope:
    def __init__(self) -> None:
        self.read_times = 0

    @property
    def math(self) -> Math:
        self.read_times += 1
        return Math()

    @property
    def gain(self) -> float:
        raise AssertionError("its type says that it is no part")

    @property
    def broken(self) -> Any:
        raise OSError("line is dead")


class Command:
    def __init__(self, text: str) -> None:
        self.text = text

    def __getattr__(self, name: str) -> Command:
        return Command(f"{self.text}:{name}")

    def __call__(self, *values: Any) -> str:
        return f"{self.text} {values}"


class Instrument:
    def __init__(self) -> None:
        self.port = "COM3"
        self._secret = 1

    def __getattr__(self, name: str) -> Any:
        if name == "level":
            return 3.5
        if name == "scope":
            return Scope()
        if name.startswith(("source", "output")):
            return Command(name)
        raise AttributeError(name)


def looked_along(driver: Any, *wanted: str) -> Offer:
    found: dict[str, Any] = {}
    offers = [offer_of(driver)]
    for path in wanted:
        look_along(
            path,
            found,
            lambda: offers[-1],
            lambda function: function(),
            lambda: offers.append(offer_of(driver, found=found)),
        )
    return offers[-1]


def test_a_part_that_only_a_property_gives() -> None:
    scope = Scope()
    assert "math.scale" not in offer_of(scope).targets
    assert scope.read_times == 0
    offer = looked_along(scope, "math.scale")
    assert scope.read_times == 1
    assert offer.targets["math.scale"].get() == 2.0
    assert offer.targets["math.invert"].function()() == "inverted"
    assert offer.description["orch:parts"]["math"]["title"] == "Math"


def test_what_is_told_of_a_property_is_believed() -> None:
    assert "gain.x" not in looked_along(Scope(), "gain.x").targets


def test_what_the_driver_raises_is_raised() -> None:
    with pytest.raises(OSError, match="line is dead"):
        looked_along(Scope(), "broken.x")


def test_a_tree_of_commands() -> None:
    offer = looked_along(Instrument(), "source.voltage.level", "output")
    assert offer.targets["source.voltage.level"].function()(3) == "source:voltage:level (3,)"
    assert offer.targets["source.voltage"].function()() == "source:voltage ()"
    assert offer.targets["output"].function()() == "output ()"
    expected = ["", "source", "source.voltage", "source.voltage.level", "output"]
    assert offer.description["orch:open"] == expected


def test_values_and_parts_that_getattr_makes() -> None:
    offer = looked_along(Instrument(), "level", "scope.math.scale")
    assert offer.targets["level"].get() == 3.5
    assert offer.description["properties"]["level"] == {
        "orch:dynamic": True,
        "orch:callable": True,
    }
    assert offer.targets["scope.math.scale"].get() == 2.0


@pytest.mark.parametrize(
    "path", ["_secret", "nothing", "source._x", "__class__", "port.x", "9", "source[0]", "a..b"]
)
def test_what_stays_unreached(path: str) -> None:
    assert path not in looked_along(Instrument(), path).targets
