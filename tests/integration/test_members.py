"""Members of the object and of its parts in a real rig: by path, by callback, and anew."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest

from orchestrator import aconnect
from tests.rigs import RunningRig, running, wait_until

DRIVERS = '''
import threading
from workers import Event, members_changed

class Channel:
    moved = Event()

    def __init__(self, name):
        self.name = name
        self.voltage = 0.0
        self.gate = threading.Event()

    def ramp(self, to: float) -> float:
        self.voltage = to
        self.moved.emit(to)
        return to

    def hold(self) -> bool:
        return self.gate.wait(20)

    def release(self) -> None:
        self.gate.set()

class Level:
    """A level, as devices call back with it."""

    def __init__(self):
        self.unit = "V"
        self.limits = (0, 10)
        self._value = 0.0
        self.callbacks = []

    def get(self):
        return self._value

    def set(self, value):
        self._value = value
        for callback in list(self.callbacks):
            callback(value=value)

    def subscribe(self, callback):
        self.callbacks.append(callback)
        return lambda: self.callbacks.remove(callback)

    def clear_sub(self, callback):
        self.callbacks.remove(callback)

class Supply:
    def __init__(self):
        self.serial_number = "SN-7"
        self.asked = []
        self.ch1 = Channel("ch1")
        self.channels = [self.ch1, Channel("ch2")]
        self.level = Level()

    @property
    def next_error(self):
        self.asked.append("SYST:ERR?")
        return "none"

    @property
    def axes(self):
        self.asked.append("AXES?")
        return {"x": Channel("x")}

    def listeners(self) -> int:
        return len(self.level.callbacks)

    def tell_from_a_thread(self, value: float) -> None:
        threading.Thread(target=self.level.set, args=(value,)).start()

    def tell_the_unsendable(self) -> None:
        self.level.set(object())

    def add(self, name: str, tell: bool) -> None:
        setattr(self, name, Channel(name))
        if tell:
            members_changed(self)

    def __dir__(self):
        if self.serial_number == "SN-0":
            raise SystemExit("no list")
        return object.__dir__(self)

    def add_unseen(self, name: str) -> None:
        self.serial_number = "SN-0"
        self.add(name, True)

    def add_from_a_thread(self, name: str) -> None:
        thread = threading.Thread(target=self.add, args=(name, True))
        thread.start()
        thread.join()
'''
CONFIG = """
rig: parts
workers:
  s:
    driver: drivers:Supply
    concurrent: [ch1.hold, "channels[1].release"]
    timeouts: {"channels[1].ramp": 9s, ch1.hold: 30s}
  t: {driver: "drivers:Supply", transport: inproc}
"""


@pytest.fixture(scope="module")
def rig() -> Iterator[RunningRig]:
    with running(CONFIG, {"drivers": DRIVERS}) as rig:
        yield rig


def test_members_of_parts_are_read_written_and_called(rig: RunningRig) -> None:
    with rig.connected() as client:
        for name in ("s", "t"):
            supply = client[name]
            assert supply.read("serial_number") == "SN-7"
            assert supply.call("ch1.ramp", 2.5) == 2.5
            assert supply.read("channels[0].voltage") == 2.5
            supply.write("channels[1].voltage", 1.5)
            assert supply.read("channels[1].voltage") == 1.5
            assert supply.submit("channels[1].ramp", to=0.5).result(10) == 0.5


def test_looking_asks_the_device_for_nothing(rig: RunningRig) -> None:
    with rig.connected() as client:
        assert "next_error" in client["s"].describe(refresh=True)["properties"]
        assert client["s"].read("asked") == []


def test_parts_that_a_property_gives_show_at_their_use(rig: RunningRig) -> None:
    """Describing doesn't evaluate it; who asks for one, and each use of its members, does."""
    with rig.connected() as client:
        for name in ("s", "t"):
            supply = client[name]
            assert not [path for path in supply.describe()["properties"] if "axes[" in path]
            assert supply.read("asked") == []
            assert supply.read("axes[x].name") == "x"
            assert supply.read("asked") == ["AXES?"] * 2
            supply.write("asked", [])
            assert getattr(client, name).axes["x"].name == "x"
            assert supply.read("asked") == ["AXES?"]
            supply.write("asked", [])


def test_what_is_not_described_is_out_of_reach(rig: RunningRig) -> None:
    with rig.connected() as client:
        supply = client["s"]
        for path in ("ch1.gate.set", "ch1.__class__", "channels[9].voltage", "ch1._x", "ch1"):
            with pytest.raises(AttributeError):
                supply.read(path)
        with pytest.raises(AttributeError, match=r'did you mean "channels\[1\].voltage"'):
            supply.read("channels[1].voltag")


def test_lanes_and_timeouts_go_by_path(rig: RunningRig) -> None:
    """A part's concurrent member runs beside the queued ones, the same of another part doesn't."""
    with rig.connected() as client:
        supply = client["s"]
        described = supply.describe()
        assert described["actions"]["ch1.hold"]["orch:concurrent"]
        assert not described["actions"]["channels[1].hold"]["orch:concurrent"]
        assert described["orch:timeouts"]["members"] == {"channels[1].ramp": 9.0, "ch1.hold": 30.0}
        held = supply.submit("ch1.hold")
        queued = supply.submit("channels[1].hold")
        supply.call("channels[1].release")
        assert queued.result(10) is True
        supply.call("ch1.release")
        assert held.result(10) is True


def test_a_parameter_is_read_written_and_called(rig: RunningRig) -> None:
    with rig.connected() as client:
        supply = client["s"]
        affordance = supply.describe()["properties"]["level"]
        assert (affordance["unit"], affordance["maximum"]) == ("V", 10)
        supply.write("level", 3.0)
        assert supply.read("level") == supply.call("level") == 3.0
        supply.call("level", 4.0)
        assert supply.read("level") == 4.0


def test_a_device_calls_back_while_somebody_is_subscribed(rig: RunningRig) -> None:
    with rig.connected() as client:
        for name in ("s", "t"):
            supply = client[name]
            assert supply.call("listeners") == 0
            with supply.subscribe("level", timeout=20) as events:
                wait_until(lambda supply=supply: supply.call("listeners") == 1)
                supply.call("tell_from_a_thread", 7.0)
                assert next(events).value == 7.0
                supply.call("tell_the_unsendable")
                supply.call("tell_from_a_thread", 8.0)
                assert next(events).value == 8.0
            wait_until(lambda supply=supply: supply.call("listeners") == 0)


def test_events_of_parts_have_all_their_paths(rig: RunningRig) -> None:
    with rig.connected() as client:
        supply = client["s"]
        with (
            supply.subscribe("ch1.moved", timeout=20) as one,
            supply.subscribe("channels[0].moved", timeout=20) as other,
        ):
            supply.call("ch1.ramp", 0.25)
            assert next(one).value == next(other).value == 0.25


def test_members_that_come_later(rig: RunningRig) -> None:
    """Known at once when the driver tells, else when somebody asks."""
    with rig.connected() as client:
        for name in ("s", "t"):
            supply = client[name]
            supply.call("add", "ch3", tell=True)
            assert supply.call("ch3.ramp", 3.0) == 3.0
            supply.call("add", "ch4", tell=False)
            with pytest.raises(AttributeError):
                supply.read("ch4.voltage")
            assert "ch4.voltage" in supply.describe(refresh=True)["properties"]
            assert supply.read("ch4.voltage") == 0.0
            supply.call("add_from_a_thread", "ch5")
            assert supply.read("ch5.name") == "ch5"
            with supply.subscribe("ch5.moved", timeout=20) as events:
                supply.call("ch5.ramp", 1.0)
                assert next(events).value == 1.0


def test_what_was_served_goes_on_if_looking_again_fails(rig: RunningRig) -> None:
    with rig.connected() as client:
        for name in ("s", "t"):
            supply = client[name]
            supply.call("add_unseen", "ch9")
            with pytest.raises(AttributeError):
                supply.read("ch9.voltage")
            with pytest.raises(RuntimeError, match="no list"):
                supply.describe(refresh=True)
            supply.write("serial_number", "SN-7")
            assert "ch9.voltage" in supply.describe(refresh=True)["properties"]


def test_the_commands_take_paths(rig: RunningRig) -> None:
    assert rig.orch("get", "s", "serial_number").stdout == '"SN-7"\n'
    assert rig.orch("call", "s", "ch1.ramp", "2.25").stdout == "2.25\n"
    assert rig.orch("get", "s", "channels[0].voltage").stdout == "2.25\n"
    assert rig.orch("call", "s", "level").returncode == 0
    shown = rig.orch("describe", "s", "--refresh").stdout
    assert "\nch1  Channel\n" in shown
    assert "channels[1].ramp(to: float) -> float" in shown
    described = json.loads(rig.orch("describe", "s", "--json").stdout)
    assert described["orch:parts"]["channels[1]"] == {"title": "Channel"}
    wrong = rig.orch("get", "s", "ch1.voltag")
    assert wrong.returncode == 2
    assert "ch1.voltage" in wrong.stderr
    assert rig.orch("describe", "--refresh").returncode == 2


def test_asyncio_takes_paths(rig: RunningRig, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in rig.environ.items():
        monkeypatch.setenv(name, value)

    async def use() -> None:
        async with aconnect("parts") as client:
            supply = client["s"]
            assert await supply.call("ch1.ramp", 1.25) == 1.25
            assert await supply.read("channels[0].voltage") == 1.25
            assert "ch1.voltage" in (await supply.describe(refresh=True))["properties"]

    asyncio.run(use())


def test_check_takes_paths(rig: RunningRig) -> None:
    assert rig.orch("check", str(rig.config)).returncode == 0
