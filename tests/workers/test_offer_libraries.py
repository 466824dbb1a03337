"""Structures of instrument libraries, by lookalikes; the libraries are hosted in other tests."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from workers.driver.offer import offer_of


def made_in(package: str) -> Any:
    """A decorator: the class is taken for one of a package."""

    def mark(cls: type) -> type:
        cls.__module__ = f"{package}.made"
        for value in vars(cls).values():
            for function in (value, getattr(value, "fget", None)):
                if callable(function) and hasattr(function, "__module__"):
                    function.__module__ = f"{package}.made"
        return cls

    return mark


# -- QCoDeS


@made_in("qcodes")
class Numbers:
    def __init__(self, low: float, high: float) -> None:
        self._min_value, self._max_value = low, high


@made_in("qcodes")
class Bool: ...


@made_in("qcodes")
class Choice:
    def __init__(self, *values: Any) -> None:
        self._values = set(values)


@made_in("qcodes")
class ParameterBase:
    def __init__(self, validator: Any = None, *, gets: bool = True, sets: bool = True) -> None:
        self._vals = [validator]
        self._label = "Level"
        self._unit = "V"
        self.__doc__ = "How high.\n\nParameter class:\n* `unit` V"
        self.value = 1.0
        if gets:
            self.get = lambda: self.value
        if sets:
            self.set = self._keep

    def _keep(self, value: float) -> None:
        self.value = value

    @property
    def vals(self) -> Any:
        return self._vals[0]

    @property
    def unit(self) -> str:
        return self._unit

    def snapshot(self) -> None: ...


@made_in("qcodes")
class Function:
    def __call__(self, x: int) -> int:
        return x + 1

    def validate(self) -> None: ...


@made_in("qcodes")
class Delegating:
    delegate_attr_dicts = ["parameters", "functions", "submodules"]  # noqa: RUF012
    omit_delegate_attrs: list[str] = []  # noqa: RUF012

    def __init__(self, **held: Any) -> None:
        self.parameters = {"_private": 1, **held}
        self.functions = {"count": Function()}
        self.submodules: dict[str, Any] = {}
        self.instrument_modules: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        for each in self.delegate_attr_dicts:
            if name in vars(self).get(each, {}):
                return vars(self)[each][name]
        raise AttributeError(name)

    def __dir__(self) -> list[str]:
        return [*object.__dir__(self), *self.parameters, *self.functions, *self.submodules]


def test_parameters_of_qcodes() -> None:
    driver = Delegating(
        level=ParameterBase(Numbers(0, 10)),
        bare=ParameterBase(Numbers(-1e300, 1e300)),
        on=ParameterBase(Bool()),
        mode=ParameterBase(Choice("b", "a"), sets=False),
        out=ParameterBase(gets=False),
    )
    inner = Delegating(level=ParameterBase())
    driver.submodules["A"] = inner
    driver.instrument_modules["A"] = inner
    offer = offer_of(driver)
    assert set(offer.targets) == {
        "level",
        "bare",
        "on",
        "mode",
        "out",
        "count",
        "A.level",
        "A.count",
    }
    properties = offer.description["properties"]
    assert properties["level"] == {
        "orch:callable": True,
        "type": "number",
        "minimum": 0,
        "maximum": 10,
        "unit": "V",
        "title": "Level",
        "description": "How high.",
    }
    assert "minimum" not in properties["bare"]
    assert properties["on"]["type"] == "boolean"
    assert (properties["mode"]["enum"], properties["mode"]["readOnly"]) == (["a", "b"], True)
    assert properties["out"]["writeOnly"] is True
    assert offer.targets["count"].function()(2) == 3
    offer.targets["A.level"].function()(4.0)
    assert offer.targets["A.level"].get() == 4.0


# -- ophyd


@made_in("ophyd")
class Component:
    def __init__(self, cls: type) -> None:
        self.cls = cls
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else instance._signals.setdefault(self.name, self.cls())

    def __set__(self, instance: Any, value: Any) -> None:
        raise AttributeError


@made_in("ophyd")
class OphydSignal:
    def __init__(self) -> None:
        self._readback = 1.5
        self._metadata = {"units": "mm", "lower_ctrl_limit": -1, "upper_ctrl_limit": 1}
        self.calls: dict[int, Any] = {}

    def get(self, **options: Any) -> float:
        return self._readback

    def put(self, value: float, **options: Any) -> None:
        self._readback = value
        for call in self.calls.values():
            call(value=value, timestamp=0)

    def subscribe(self, callback: Any, event_type: Any = None, run: bool = True) -> int:
        assert not run
        self.calls[1] = callback
        return 1

    def unsubscribe(self, number: int) -> None:
        del self.calls[number]

    def clear_sub(self, callback: Any) -> None:
        assert callback is self.calls.pop(1)


@made_in("ophyd")
class Stage:
    component_names = ("x", "lazy")
    x = Component(OphydSignal)
    lazy = Component(OphydSignal)

    def __init__(self) -> None:
        self._signals: dict[str, Any] = {"x": OphydSignal()}

    def get(self) -> None: ...

    def set(self, value: Any) -> None: ...


class Table:
    def __init__(self) -> None:
        self.stage = Stage()


def test_signals_of_ophyd() -> None:
    """Those that aren't made yet are made by their first use; a device is a part."""
    driver = Table()
    offer = offer_of(driver)
    assert "lazy" not in driver.stage._signals
    assert set(offer.targets) == {
        f"stage.{name}" for name in ("x", "lazy", "get", "set", "component_names")
    }
    assert offer.description["properties"]["stage.x"] == {
        "orch:callable": True,
        "type": "number",
        "minimum": -1,
        "maximum": 1,
        "unit": "mm",
        "observable": True,
    }
    assert offer.targets["stage.lazy"].get() == 1.5
    got: list[Any] = []
    stop = offer.sources["stage.x"].start(got.append)
    offer.targets["stage.x"].set(0.5)
    stop()
    offer.targets["stage.x"].set(0.25)
    assert got == [0.5]


# -- instrumentkit


@made_in("instruments")
class ProxyList:
    def __init__(self, parent: Any, cls: type, names: range) -> None:
        self._parent, self._cls, self._names = parent, cls, names

    def __iter__(self) -> Iterator[Any]:
        return (self._cls(self._parent, index) for index in self._names)

    def __getitem__(self, index: int) -> Any:
        return self._cls(self._parent, self._names[index])


@made_in("instruments")
class Output:
    def __init__(self, parent: Any, index: int) -> None:
        self._parent, self._index = parent, index

    @property
    def voltage(self) -> int:
        return int(self._parent.voltages[self._index])


@made_in("instruments")
class Scope:
    def __init__(self) -> None:
        self.voltages = [1, 2]

    @property
    def channel(self) -> Any:
        return ProxyList(self, Output, range(2))

    @property
    def other(self) -> Any:
        raise AssertionError("describing evaluates no property")


def test_channels_of_instrumentkit() -> None:
    offer = offer_of(Scope())
    assert set(offer.targets) == {"voltages", "other", "channel[0].voltage", "channel[1].voltage"}
    assert offer.targets["channel[1].voltage"].get() == 2


# -- easy-scpi


@made_in("easy_scpi")
class Property:
    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, name: str) -> Any:
        return Property(f"{self.name}:{name}")

    def __call__(self, *values: Any, query: Any = None) -> str:
        return " ".join([self.name, *map(str, values)]) if values else f"{self.name}?"


@made_in("easy_scpi")
class SCPI:
    def __init__(self) -> None:
        self.volt = self.source.voltage

    def __getattr__(self, name: str) -> Any:
        return Property(name)


def test_commands_of_easy_scpi_that_a_driver_names() -> None:
    offer = offer_of(SCPI())
    assert set(offer.targets) == {"volt"}
    assert sorted(offer.description["orch:open"]) == ["", "volt"]
    assert offer.targets["volt"].function()() == "source:voltage?"
    assert offer.targets["volt"].function()(3) == "source:voltage 3"


# -- gpiozero and psygnal


@made_in("gpiozero")
class event:
    def __init__(self) -> None:
        self.handlers: dict[int, Any] = {}

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else self.handlers.get(id(instance))

    def __set__(self, instance: Any, value: Any) -> None:
        self.handlers[id(instance)] = value


@made_in("gpiozero")
class Button:
    when_pressed = event()
    when_activated = when_pressed

    def press(self) -> None:
        handler = self.when_pressed
        if handler is not None:
            handler()


@made_in("gpiozero")
class CompositeDevice:
    def __init__(self, **held: Any) -> None:
        self._named = held
        self.pin_factory = SimpleNamespace()

    def __getattr__(self, name: str) -> Any:
        return vars(self)["_named"][name]


def test_handlers_of_gpiozero() -> None:
    """Two names of one attribute share it, and a handler of the driver's own goes on."""
    board = CompositeDevice(left=Button())
    own: list[str] = []
    board.left.when_pressed = lambda: own.append("own")
    offer = offer_of(board)
    assert set(offer.targets) == {"left.when_pressed", "left.when_activated", "left.press"}
    assert set(offer.description["events"]) == {"left.when_pressed", "left.when_activated"}
    got: list[Any] = []
    one = offer.sources["left.when_pressed"].start(lambda value: got.append(("p", value)))
    other = offer.sources["left.when_activated"].start(lambda value: got.append(("a", value)))
    board.left.press()
    assert got == [("p", None), ("a", None)]
    one()
    board.left.press()
    other()
    board.left.press()
    assert got == [("p", None), ("a", None), ("a", None)]
    assert own == ["own"] * 3


@made_in("psygnal")
class SignalInstance:
    def __init__(self) -> None:
        self.slots: list[Any] = []

    def connect(self, slot: Any) -> None:
        self.slots.append(slot)

    def disconnect(self, slot: Any) -> None:
        self.slots.remove(slot)

    def emit(self, *args: Any) -> None:
        for slot in self.slots:
            slot(*args)


@made_in("psygnal")
class Signal:
    name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        vars(instance)[self.name] = made = SignalInstance()
        return made


class Camera:
    exposed = Signal()

    def __init__(self) -> None:
        self.ready = SignalInstance()


def test_signals_of_psygnal() -> None:
    driver = Camera()
    offer = offer_of(driver)
    assert set(offer.description["events"]) == {"exposed", "ready"}
    assert "exposed" not in vars(driver)
    got: list[Any] = []
    stops = [offer.sources[name].start(got.append) for name in ("exposed", "ready")]
    driver.exposed.emit()
    driver.exposed.emit(1, "a")
    driver.ready.emit(3)
    for stop in stops:
        stop()
    driver.ready.emit(4)
    assert got == [None, [1, "a"], 3]
    assert set(offer_of(driver).description["events"]) == {"exposed", "ready"}


# -- the libraries themselves, where they are installed


def instrument(module: str, name: str, *args: Any, **kwargs: Any) -> Any:
    """An object of a library, or the test is skipped."""
    return getattr(pytest.importorskip(module), name)(*args, **kwargs)


@pytest.mark.instruments
@pytest.mark.filterwarnings("ignore")
def test_qcodes_itself() -> None:
    driver = instrument(
        "qcodes.instrument_drivers.mock_instruments", "DummyChannelInstrument", "orch_dummy"
    )
    try:
        offer = offer_of(driver)
        described = offer.description["properties"]["A.temperature"]
        assert (described["unit"], described["minimum"], described["maximum"]) == ("K", 0, 300)
        offer.targets["channels[1].temperature"].set(12)
        assert offer.targets["B.temperature"].function()() == 12
        assert offer.targets["A.log_my_name"]
    finally:
        driver.close()


@pytest.mark.instruments
@pytest.mark.filterwarnings("ignore")
def test_microscope_itself() -> None:
    simulators = pytest.importorskip("microscope.simulators")
    limits = importlib.import_module("microscope").AxisLimits(0, 10)
    offer = offer_of(simulators.SimulatedStage({"x": limits}))
    assert "axes" in offer.description["properties"]
    axes = offer.targets["axes"].get()
    assert offer.holds_parts(axes)
