"""Events that the configuration declares."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from workers.driver.declared_events import declare_events, value_of
from workers.driver.offer import Offer, offer_of
from workers.errors import SpecError
from workers.spec import Call, EventCall

KIND = "a kind of change"


class Data:
    def __init__(self, value: float) -> None:
        self.attr_value = {"value": value}


class Monitor:
    def __init__(self, device: Device) -> None:
        self._device = device

    def close(self) -> None:
        del self._device.functions["monitor"]


class Device:
    """Tells what it does by functions, in several libraries' ways."""

    level = 0.0

    def __init__(self) -> None:
        self.functions: dict[Any, Callable[..., Any]] = {}

    def subscribe(self, name: str, kind: str, function: Callable[..., Any]) -> int:
        self.functions[7] = function
        self.kind = kind
        return 7

    def unsubscribe(self, number: int) -> None:
        del self.functions[number]

    def register(self, key: str | None, **functions: Callable[..., Any]) -> None:
        self.functions.update(functions)

    def unregister(self, key: str | None, **functions: Callable[..., Any]) -> None:
        for name, function in functions.items():
            assert self.functions.pop(name) == function

    def watch(self, function: Callable[..., Any]) -> Callable[[], None]:
        self.functions["watch"] = function
        return lambda: self.functions.clear()

    def monitor(self, function: Callable[..., Any]) -> Monitor:
        self.functions["monitor"] = function
        return Monitor(self)

    def keep(self, function: Callable[..., Any]) -> None:
        self.functions["keep"] = function

    def forget(self, function: Callable[..., Any]) -> None:
        assert self.functions.pop("keep") == function


HERE = __name__
SUBSCRIBE = Call("subscribe", ["$$x", f"${HERE}:KIND"])


def offered(device: Device, **events: EventCall) -> Offer:
    offer = offer_of(device)
    declare_events(offer, events, lambda function: function(), "rig.yaml:3:5")
    return offer


def started(device: Device, how: EventCall) -> tuple[list[Any], Callable[[], None]]:
    told: list[Any] = []
    return told, offered(device, told=how).sources["told"].start(told.append)


def test_a_token_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The function comes last; a constant is imported, a text may begin with a dollar sign."""
    device = Device()
    monkeypatch.setattr("workers.driver.declared_events.import_module", lambda _: globals_of())
    value = "attr_value.value"
    told, stop = started(device, EventCall(SUBSCRIBE, value, Call("unsubscribe")))
    device.functions[7](Data(2.5))
    assert told == [2.5]
    assert device.kind == KIND
    stop()
    assert device.functions == {}


def globals_of() -> Any:
    class Module:
        pass

    Module.KIND = KIND  # type: ignore[attr-defined]
    return Module


def test_a_keyword_takes_the_function() -> None:
    """It is named where it belongs, at the end too."""
    device = Device()
    keywords = {"updateEvent": "$callback"}
    how = EventCall(Call("register", [None], keywords), 2, Call("unregister", [None], keywords))
    told, stop = started(device, how)
    device.functions["updateEvent"]("cryo", "target", 4.5)
    assert told == [4.5]
    stop()
    assert device.functions == {}


def test_what_the_call_gives_ends_it() -> None:
    device = Device()
    told, stop = started(device, EventCall(Call("watch")))
    device.functions["watch"](1)
    device.functions["watch"](1, 2)
    device.functions["watch"](pv="x", value=3)
    assert told == [1, [1, 2], 3]
    stop()
    assert device.functions == {}


def test_a_method_of_what_the_call_gives_ends_it() -> None:
    device = Device()
    told, stop = started(device, EventCall(Call("monitor")))
    device.functions["monitor"](5)
    stop()
    assert (told, device.functions) == ([5], {})


def test_the_function_ends_it_if_the_call_gives_nothing() -> None:
    device = Device()
    _, stop = started(device, EventCall(Call("keep"), end=Call("forget")))
    stop()
    assert device.functions == {}


def test_what_nothing_ends_is_not_listened_to() -> None:
    device = Device()
    told, stop = started(device, EventCall(Call("keep")))
    stop()
    device.functions["keep"](1)
    assert told == []


def test_the_device_hears_of_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """What is wrong with the configured value is logged, once."""
    device = Device()
    told, _ = started(device, EventCall(Call("keep"), "attr_value.valu"))
    with caplog.at_level(logging.WARNING, "workers"):
        device.functions["keep"](Data(1))
        device.functions["keep"]()
    assert told == []
    (record,) = caplog.records
    assert "the event told isn't told: there is no 'attr_value.valu' in it" in record.getMessage()


@pytest.mark.parametrize(
    ("which", "args", "kwargs", "value"),
    [
        (None, (), {}, None),
        (1, (2, 3), {}, 3),
        ("1.x", (2, {"x": 3}), {}, 3),
        ("x", (), {"x": 3}, 3),
        ("imag", (2j,), {}, 2.0),
    ],
)
def test_values(which: Any, args: Any, kwargs: Any, value: Any) -> None:
    assert value_of(which, args, kwargs) == value


def test_one_of_a_property_tells_its_changes() -> None:
    offer = offered(Device(), level=EventCall(Call("keep")))
    assert offer.description["properties"]["level"]["observable"]
    assert "level" not in offer.description["events"]


@pytest.mark.parametrize(
    ("name", "how", "why"),
    [
        ("a", EventCall(Call("kep")), "'kep' is no method of Device; did you mean 'keep'?"),
        ("a", EventCall(Call("keep"), end=Call("x")), "'x' is no method of Device"),
        ("keep", EventCall(Call("keep")), "Device has a member of this name"),
        ("a", EventCall(Call("keep", ["$no_such:X"])), r"\$no_such:X is not there: No module"),
        ("a", EventCall(Call("keep", ["$math:X"])), r"\$math:X is not there: module 'math' has no"),
    ],
)
def test_what_is_not_there(name: str, how: EventCall, why: str) -> None:
    with pytest.raises(SpecError, match=f"rig.yaml:3:5: events: {name}: {why}"):
        offered(Device(), **{name: how})
    offer = offer_of(Device())
    declare_events(offer, {name: how}, lambda function: function(), "", is_strict=False)
    assert offer.sources == {}
