"""The client library against a real rig, as a program uses it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from orchestrator import aconnect, connect, errors
from tests.rigs import RunningRig, running

DRIVERS = '''
import asyncio, time
from dataclasses import dataclass, field
from workers import Event, action, prop

class Axis:
    moved = Event()
    moved_far = Event()

    def __init__(self):
        self._position = 0.0

    @prop(unit="mm", observable=True)
    def position(self) -> float:
        """Where it is."""
        return self._position

    @position.setter
    def position(self, value: float) -> None:
        self._position = value
        self.moved.emit(value)
        self.moved_far.emit(-1)

    def move(self, x: float, speed: float = 1.0) -> float:
        self.position = x
        return self._position

    async def settle(self, seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    @action(concurrent=True)
    async def watch(self, seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    def abort(self) -> str:
        return "aborted"

    def die(self):
        import os
        os._exit(3)

@dataclass
class Amplifier:
    gain: float = 2.0
    names: list[str] = field(default_factory=list)
    blob: bytes | None = None

    def scale(self, x: float) -> float:
        return x * self.gain

    def raw(self) -> bytes:
        return b"\\x00\\x01"

    def pair(self):
        return {"a": 1}, b"xyz"

    def echo(self, value=None, second=None):
        return value if second is None else (None, value)

def make(gain):
    return Amplifier(gain)
'''
CONFIG = """
rig: surface
listen: [ipc, "tcp://127.0.0.1:*"]
defaults: {execution_timeout: 20s}
workers:
  axis: {driver: "devices:Axis", concurrent: [abort], timeouts: {settle: 300ms}}
  amplifier: {driver: "devices:make", args: [3.0], after: [axis]}
"""


@pytest.fixture(scope="module")
def rig() -> Iterator[RunningRig]:
    with running(CONFIG, {"devices": DRIVERS}) as rig:
        yield rig


def test_names_are_text(rig: RunningRig) -> None:
    with rig.connected() as client:
        worker = client[client.status()["workers"][0]["name"]]
        for call in (worker.call, worker.read, worker.submit):
            with pytest.raises(errors.ValueRefused, match="a member's name is text, not 5"):
                call(5)
    with pytest.raises(TypeError, match="a rig's name or address is text, not 5"):
        connect(5)  # type: ignore[arg-type]


def test_members_are_attributes(rig: RunningRig) -> None:
    with rig.connected() as client:
        assert client.axis.move(x=2.5) == 2.5
        assert client.axis.position == 2.5
        client.axis.position = 4
        assert client.axis.position == 4
        client.amplifier.gain = 5.0
        assert client.amplifier.scale(2) == 10.0
        assert client.amplifier.raw() == b"\x00\x01"
        assert client.amplifier.pair() == ({"a": 1}, b"xyz")
        assert {"move", "position"} <= set(dir(client.axis))
        assert {"axis", "amplifier"} <= set(dir(client))


def test_empty_bytes_are_told_from_nothing(rig: RunningRig) -> None:
    """As an argument and a result, and as a property's value."""
    with rig.connected() as client:
        amplifier = client.amplifier
        assert amplifier.echo(b"") == b""
        assert amplifier.echo(b"", second=True) == (None, b"")
        assert amplifier.echo(b"x") == b"x"
        assert amplifier.echo() is None
        amplifier.blob = b""
        assert amplifier.blob == b""
        amplifier.blob = None


def test_over_tcp(rig: RunningRig) -> None:
    """An address is enough, for events too."""
    with rig.connected() as client:
        address = client.status()["addresses"][1]
    with rig.connected(address) as client:
        assert client.axis.move(x=1.0) == 1.0
        with client.axis.subscribe("moved", timeout=10) as events:
            client.axis.move(x=6.0)
            assert next(iter(events)).value == 6.0


def test_events_are_in_sequence_and_of_their_own_name(rig: RunningRig) -> None:
    """`moved` isn't `moved_far`, though one is a prefix of the other."""
    with rig.connected() as client, client.axis.subscribe("moved", timeout=10) as events:
        for x in (1.0, 2.0, 3.0):
            client.axis.move(x=x)
        got = [next(iter(events)) for _ in range(3)]
        assert [event.value for event in got] == [1.0, 2.0, 3.0]
        assert [event.sequence - got[0].sequence for event in got] == [0, 1, 2]
        assert got[0].time <= got[2].time


def test_an_observable_property_tells_of_changes(rig: RunningRig) -> None:
    with rig.connected() as client:
        client.axis.position = 0.0
        with client.axis.subscribe("position", timeout=10) as changes:
            client.axis.position = 7.0
            assert next(iter(changes)).value == 7.0


def test_a_subscription_goes_on_over_a_restart_and_shows_it(rig: RunningRig) -> None:
    with rig.connected() as client, client.axis.subscribe("moved", timeout=20) as events:
        client.axis.move(x=1.0)
        before = next(iter(events))
        with pytest.raises(errors.WorkerDied):
            client.axis.die()
        client["axis"].call("move", x=2.0, invocation_timeout=20)
        after = next(iter(events))
        assert after.value == 2.0
        assert after.sequence > before.sequence + 1
        assert events.restarts == 1
        assert events.missed == 0


def test_a_subscription_without_events_times_out(rig: RunningRig) -> None:
    with (
        rig.connected() as client,
        client.axis.subscribe("moved", timeout=0.05) as events,
        pytest.raises(TimeoutError),
    ):
        next(iter(events))


def test_queued_members_wait_and_concurrent_ones_run_beside(rig: RunningRig) -> None:
    with rig.connected() as client:
        axis = client["axis"]
        slow = [axis.submit("watch", 0.4) for _ in range(4)]
        queued = axis.submit("settle", 0.2)
        assert axis.call("abort") == "aborted"
        assert not any(future.done() for future in slow)
        assert queued.result(10) == 0.2
        assert [future.result(10) for future in slow] == [0.4] * 4


def test_a_member_s_own_timeout(rig: RunningRig) -> None:
    """From the config's `timeouts:`, unless the call brings one."""
    with rig.connected() as client:
        with pytest.raises(errors.ExecutionTimeout):
            client.axis.settle(1.0)
        assert client["axis"].call("settle", 0.5, execution_timeout=5, invocation_timeout=5) == 0.5
        assert client["axis"].call("settle", 0.4, execution_timeout=None) == 0.4


def test_a_future_has_its_request_s_id(rig: RunningRig) -> None:
    with rig.connected() as client:
        future = client.axis.submit("move", x=1.0)
        assert future.result(10) == 1.0
        assert isinstance(future.request_id, str)


def test_oneway_has_no_answer_but_is_done(rig: RunningRig) -> None:
    with rig.connected() as client:
        assert client.axis.oneway("move", x=9.0) is None
        assert client.axis.position == 9.0


def test_asyncio(rig: RunningRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same by await; what a subscription was made before, it sees."""
    for name in ("ORCH_RUNTIME_DIR", "ORCH_STATE_DIR"):
        monkeypatch.setenv(name, rig.environ[name])

    async def use() -> None:
        async with aconnect("surface") as client:
            assert await client.axis.move(x=1.0) == 1.0
            assert await client.axis.read("position") == 1.0
            assert await client.axis.position == 1.0
            events = client.axis.subscribe("moved", timeout=10)
            await client.axis.write("position", 8.0)
            async for event in events:
                assert event.value == 8.0
                break
            results = await asyncio.gather(*(client.axis.watch(0.1) for _ in range(5)))
            assert results == [0.1] * 5
            with pytest.raises(TypeError):
                await client.axis.move()
            async for record in client.logs(worker="surface", follow=True, last=100):
                if record.event.startswith("rig surface is up"):
                    break

    asyncio.run(use())


def test_descriptions(rig: RunningRig) -> None:
    with rig.connected() as client:
        description = client.axis.describe()
        assert description["id"] == "axis"
        position = description["properties"]["position"]
        assert (position["type"], position["unit"], position["observable"]) == (
            "number",
            "mm",
            True,
        )
        assert set(description["events"]) == {"moved", "moved_far"}
        assert client["surface"].describe()["actions"]["restart"]


def test_the_rig_manages_itself_by_requests(rig: RunningRig) -> None:
    with rig.connected() as client:
        manager = client["surface"]
        assert manager.call("restart", names=["amplifier"]) == {"amplifier": "READY"}
        assert manager.call("stop", names=["amplifier"]) == {"amplifier": "STOPPED"}
        with pytest.raises(errors.WorkerUnavailable):
            client["amplifier"].call("scale", 1)
        assert manager.call("start", names=["amplifier"]) == {"amplifier": "READY"}
        assert client["amplifier"].call("scale", 1) == 3.0
        with pytest.raises(KeyError, match="axis"):
            manager.call("stop", names=["axiss"])
