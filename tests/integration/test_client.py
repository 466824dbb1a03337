"""The client against a rig in a thread: what is sent, and what comes of each answer."""

from __future__ import annotations

import asyncio
import copy
import inspect
import os
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator import aconnect, connect, errors
from orchestrator.client import Rig
from orchestrator.client.connection import Connection
from orchestrator.runtime.folder import RigFolder, RigState
from tests.integration.fake_rig import RIG, FakeRig
from tests.rigs import wait_until
from transports.headers import Operation


def sent(fake: FakeRig) -> list[str]:
    """Names of the operations that reached the rig, less the client's own look-ups."""
    look_ups = (f"{RIG}.status", "stage.get_thing_description")
    return [request.name for request in fake.requests if request.name not in look_ups]


# -- finding -----------------------------------------------------------------------------------


def test_a_rig_is_found_by_its_name(
    fake: FakeRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the addresses in its state, without being named if it is the only one."""
    monkeypatch.setenv("ORCH_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.delenv("ORCH_RIG", raising=False)
    with RigFolder(RIG) as home:
        home.write_state(
            RigState(rig=RIG, pid=os.getpid(), addresses=[fake.address], events=[fake.events])
        )
        for name in (RIG, None):
            with connect(name) as rig:
                assert (rig.id, rig.address) == (RIG, fake.address)


def test_a_rig_at_anothers_address_is_not_taken_for_it(
    fake: FakeRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rig's own word counts, not the file that led there."""
    monkeypatch.setenv("ORCH_RUNTIME_DIR", str(tmp_path / "run"))
    with RigFolder("other") as home:
        home.write_state(RigState(rig="other", pid=os.getpid(), addresses=[fake.address]))
        with pytest.raises(errors.RigNotReachable, match="is rig bench, not other"):
            connect("other")


@pytest.mark.parametrize("address", ["ipc:///tmp/nobody-listens-here.ipc", "tcp://127.0.0.1:9"])
def test_nobody_at_the_address(address: str) -> None:
    """The wait for a connection is bounded, and nothing was started."""
    with pytest.raises(errors.RigNotReachable, match=r"takes no connection within 0\.3 s"):
        connect(address, timeout=0.3)


@pytest.mark.parametrize("timeout", [0, Decimal("2.5"), np.array(2), np.float32(2), None])
def test_connect_timeouts(fake: FakeRig, timeout: Any) -> None:
    """0 tries once; a number is one of any type."""
    with connect(fake.address, timeout=timeout) as rig:
        assert rig.stage.move(x=1) == {"x": 1}


def test_a_rig_that_does_not_answer_the_handshake(fake: FakeRig) -> None:
    """A connection alone proves nothing."""
    fake.mute = True
    with pytest.raises(errors.RigNotReachable, match="another client has the same id"):
        connect(fake.address, timeout=0.2)


# -- workers and members -----------------------------------------------------------------------


def test_attributes_are_members(rig: Rig, fake: FakeRig) -> None:
    """Reading reads, assigning writes, calling invokes, with keywords as they are."""
    assert rig.stage.position == 0.0
    rig.stage.speed = 7
    assert rig.stage.speed == 7
    assert rig.stage.move(x=1.0, action="go") == {"x": 1.0, "action": "go"}
    assert rig["stage"].call("move", 1, 2, fast=True) == {"__args__": [1, 2], "fast": True}
    assert rig.stage.move() is None
    assert sent(fake)[:4] == ["stage.position", "stage.speed", "stage.speed", "stage.move"]


def test_a_description_is_asked_for_once(rig: Rig, fake: FakeRig) -> None:
    """Members are known from then on."""
    for _ in range(3):
        _ = rig.stage.position
    names = [request.name for request in fake.requests]
    assert names.count("stage.get_thing_description") == 1
    assert names.count(f"{RIG}.status") == 1


def test_an_unknown_member_is_refused_here(rig: Rig, fake: FakeRig) -> None:
    """With the nearest name, after one more look at the description, and nothing else sent."""
    _ = rig.stage.position
    with pytest.raises(AttributeError, match="no member 'mvoe'; did you mean \"move\""):
        rig.stage.mvoe(x=1)
    assert sent(fake) == ["stage.position"]
    names = [request.name for request in fake.requests]
    assert names.count("stage.get_thing_description") == 2


def test_private_names_cost_no_request(rig: Rig, fake: FakeRig) -> None:
    """Neither as attributes of a rig or worker, nor by the explicit forms."""
    before = len(fake.requests)
    worker = rig["stage"]
    with pytest.raises(AttributeError):
        _ = rig._secret
    for attempt in (
        lambda: worker._secret,
        lambda: worker.call("__init__"),
        lambda: worker.read("_x"),
        lambda: worker.subscribe("_y"),
    ):
        with pytest.raises(AttributeError, match="private"):
            attempt()
    assert copy.copy(worker).name == "stage"
    assert fake.requests[before:] == []


def test_an_unknown_worker(rig: Rig) -> None:
    """An attribute that isn't there, or a key that isn't, with the nearest name."""
    with pytest.raises(AttributeError, match="no worker 'stagee'; did you mean \"stage\""):
        _ = rig.stagee
    with pytest.raises(KeyError, match="no worker 'camera'"):
        rig["camera"]


def test_a_member_is_used_as_what_it_is(rig: Rig, fake: FakeRig) -> None:
    """An action isn't read, a property isn't called, an event is subscribed to."""
    worker = rig["stage"]
    for attempt, hint in (
        (lambda: worker.read("move"), "is an action: call it"),
        (lambda: worker.call("position"), "is a property"),
        (lambda: worker.moved, "use subscribe"),
        (lambda: worker.subscribe("move"), "is an action"),
    ):
        with pytest.raises(AttributeError, match=hint):
            attempt()
    assert sent(fake) == []


def test_the_driver_s_names_win_and_a_handle_s_are_ours(rig: Rig) -> None:
    """`read` is an action of this driver, `call` isn't."""
    assert rig.stage.read(x=1) == {"x": 1}
    assert rig.stage.call("read", x=1) == {"x": 1}
    assert rig["stage"].read("position") == 0.0
    assert rig["stage"].position == 0.0
    for each in (rig.stage, rig["stage"]):
        with pytest.raises(AttributeError, match=r"belongs to this object|can't be assigned"):
            each.call = 3


def test_dir_and_repr_tell_what_is_there(rig: Rig) -> None:
    """For tab completion, and for a look at a prompt."""
    assert {"stage", "laser", "status"} <= set(dir(rig))
    assert {"move", "position", "moved", "call"} <= set(dir(rig.stage))
    for names in (dir(rig), dir(rig.stage)):  # each once, also a member with a name of ours
        assert len(names) == len(set(names))
    assert str(inspect.signature(rig.stage.move)) == "(x: float) -> None"
    assert "Go there." in (rig.stage.move.__doc__ or "")
    assert repr(rig.stage) == "<worker stage of rig bench>"
    assert rig.workers == ["stage", "laser"]
    assert [worker.name for worker in rig] == ["stage", "laser"]
    assert rig[RIG].call("move", x=1) == {"x": 1}


# -- values ------------------------------------------------------------------------------------


def test_arrays_travel_as_they_are(rig: Rig, fake: FakeRig) -> None:
    """As an argument, as a property's value and back: writable, their bytes in the raw frame."""
    for shape in ((3, 2), (1080, 1920)):
        image = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
        back = rig.stage.snap(image, gain=2)
        assert back.dtype == image.dtype
        assert np.array_equal(back, image)
        back[0, 0] = 9  # writable
        request = fake.requests[-1]
        assert request.payload["gain"] == 2
        assert bytes(request.raw) == image.tobytes()
    rig.stage.image = image
    assert len(fake.requests[-1].raw) == image.nbytes
    rig.stage.call("snap", image[:1, :3], 5)
    assert fake.requests[-1].args[1] == 5


def test_values_are_what_they_were_at_any_place(rig: Rig, fake: FakeRig) -> None:
    assert rig.stage.snap(b"\x00\xff") == b"\x00\xff"
    assert rig.stage.snap(b"") == b""
    back = rig.stage.call("move", x=np.arange(3), y=np.float64(0.5), z=[(1, b"")])
    assert back["x"].tolist() == [0, 1, 2]
    assert (type(back["y"]), back["y"], back["z"]) == (np.float64, 0.5, [(1, b"")])
    rig.stage.write("image", b"")
    assert fake.values["image"] == b""
    fake.values["image"] = np.ones((2, 2))
    assert rig.stage.image.tolist() == [[1, 1], [1, 1]]


def test_a_value_that_cannot_be_encoded(rig: Rig, fake: FakeRig) -> None:
    """Is a TypeError before anything is sent."""
    for attempt in (
        lambda: rig.stage.move(x=object()),
        lambda: rig.stage.write("speed", {1, object()}),
        lambda: rig.stage.snap(np.array([object()])),
        lambda: rig.stage.call("move", execution_timeout="5s"),
    ):
        with pytest.raises(TypeError):
            attempt()
    assert sent(fake) == []


def test_timeouts_are_passed_through(rig: Rig, fake: FakeRig) -> None:
    """In both spellings; what isn't given is left to the config, None is no limit."""
    rig.stage.move(x=1)
    assert fake.requests[-1].header.serverExecutionContext == {"defaults": True, "oneway": False}
    rig.stage.move(x=1, execution_timeout=30, invocation_timeout=None)
    context = fake.requests[-1].header.serverExecutionContext
    assert context == {
        "defaults": True,
        "oneway": False,
        "execution_timeout": 30,
        "executionTimeout": 30,
        "invokation_timeout": None,
        "invokationTimeout": None,
    }
    assert fake.requests[-1].payload == {"x": 1}
    rig.stage.read("position", execution_timeout=float("inf"))
    context = fake.requests[-1].header.serverExecutionContext
    assert isinstance(context, dict)
    assert context["execution_timeout"] is None


@pytest.mark.parametrize("seconds", [np.float32(1.5), np.float64(1.5), np.int64(2), Fraction(3, 2)])
def test_a_timeout_may_be_any_number(rig: Rig, fake: FakeRig, seconds: Any) -> None:
    """Numpy's too; it travels as a plain one."""
    rig.stage.move(x=1, execution_timeout=seconds)
    context = fake.requests[-1].header.serverExecutionContext
    assert isinstance(context, dict)
    assert context["execution_timeout"] == float(seconds)
    with rig.stage.subscribe("moved", seconds) as subscription:
        assert subscription.timeout == float(seconds)
    assert rig.stage.submit("move", x=1).exception(seconds) is None
    assert rig.stage.submit("move", x=1).result(10**400) is not None


@pytest.mark.parametrize(
    ("seconds", "error"),
    [
        (float("nan"), ValueError),
        (np.float64("nan"), ValueError),
        (float("-inf"), ValueError),
        (-1, ValueError),
        (True, TypeError),
        (np.True_, TypeError),
        (np.array([1.0]), TypeError),
        ("5", TypeError),
    ],
)
def test_what_is_no_timeout_is_refused_here(
    rig: Rig, fake: FakeRig, seconds: Any, error: type[Exception]
) -> None:
    """In calls, subscriptions, futures and `connect`, before anything is sent."""
    _ = rig.stage.position
    waiting, done = rig.stage.submit("lose"), rig.stage.submit("move", x=1)
    done.result(10)
    fake.requests.clear()
    with rig.stage.subscribe("moved", conflate=True) as newest:
        for attempt in (
            lambda: rig.stage.call("move", execution_timeout=seconds),
            lambda: rig.stage.submit("move", invocation_timeout=seconds),
            lambda: rig.stage.oneway("move", execution_timeout=seconds),
            lambda: rig.stage.write("speed", 1, execution_timeout=seconds),
            lambda: rig.stage.subscribe("moved", seconds),
            lambda: rig.stage.read("speed", invocation_timeout=seconds),
            lambda: newest.next(seconds),
            lambda: waiting.result(seconds),
            lambda: done.result(seconds),
            lambda: done.exception(seconds),
            lambda: connect(fake.address, timeout=seconds),
        ):
            with pytest.raises(error, match="timeout must be"):
                attempt()
    assert sent(fake) == []


# -- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "expected", "also"),
    [
        ("invokation", errors.InvocationTimeout, TimeoutError),
        ("execution", errors.ExecutionTimeout, TimeoutError),
        ("refused", errors.Refused, errors.NotStarted),
        ("down", errors.WorkerUnavailable, ConnectionError),
        ("died", errors.WorkerDied, errors.OutcomeUnknown),
        ("own", errors.DriverError, errors.OrchError),
        ("key", KeyError, Exception),
    ],
)
def test_answers_become_exceptions(
    rig: Rig, kind: str, expected: type[Exception], also: type[Exception]
) -> None:
    """Of the type that tells what happened, in a call and in a future alike."""
    with pytest.raises(expected) as raised:
        rig.stage.tell(kind=kind)
    assert isinstance(raised.value, also)
    future = rig.stage.submit("tell", kind=kind)
    with pytest.raises(expected):
        future.result(10)
    if isinstance(raised.value, errors.OrchError):
        assert (raised.value.worker, raised.value.member) == ("stage", "tell")
        assert raised.value.request_id


def test_malformed_messages_hurt_nobody(rig: Rig, fake: FakeRig) -> None:
    """Whatever a rig sends besides the answer, the answer arrives."""
    rig.stage.move(x=1)
    client = fake.requests[-1].client
    future = rig.stage.submit("hold", x=2)
    fake.wait_for(lambda: len(fake.held) == 1)
    for frames in (
        [b"x"],
        [b"", b"not json", b"null", b""],
        [b"", b"\xff\xfe", b"null", b""],
        [b"", b"[" * 5000, b"null", b""],
        [b"", b'{"messageType":"REPLY"}', b"null", b""],
        [b"", b"a", b"b"],
        [b"", b"a", b"b", b"c", b"d", b"e"],
    ):
        fake.say(frames, client)
    assert rig.stage.move(x=3) == {"x": 3}
    assert fake.release() == 1
    assert future.result(10) == {"x": 2}


# -- futures, oneway, asyncio ------------------------------------------------------------------


def test_a_future_is_completed_while_nobody_calls(rig: Rig, fake: FakeRig) -> None:
    """By the connection's own thread; its id is the message id."""
    future = rig.stage.submit("hold", x=1)
    fake.wait_for(lambda: len(fake.held) == 1)
    assert future.request_id == fake.held[0].header.messageID
    assert not future.done()
    assert not future.cancel()  # what was sent can't be called back
    fake.release()
    assert future.result(10) == {"x": 1}


def test_a_callback_may_call_the_rig(rig: Rig) -> None:
    """It runs in the connection's thread, which doesn't lead while it runs."""
    results = []
    future = rig.stage.submit("move", x=1)
    future.add_done_callback(lambda done: results.append(rig.stage.move(y=done.result()["x"])))
    last = rig.stage.submit("move", x=2)
    assert last.result(10) == {"x": 2}
    assert wait_until(lambda: results) == [{"y": 1}]


def test_requests_leave_in_the_order_of_submission(rig: Rig, fake: FakeRig) -> None:
    """Futures, calls and oneway requests alike."""
    futures = []
    for number in range(0, 60, 3):
        futures.append(rig.stage.submit("move", n=number))
        rig.stage.oneway("move", n=number + 1)
        rig.stage.move(n=number + 2)
    for future in futures:
        future.result(10)
    numbers = [each.payload["n"] for each in fake.requests if each.name == "stage.move"]
    assert numbers == list(range(60))


def test_oneway_is_delivered_before_the_connection_closes(fake: FakeRig) -> None:
    """Nothing that was sent is dropped by a close right after it."""
    with connect(fake.address) as rig:
        rig.stage.oneway("move", x=1)
        context = fake.requests
    assert context[-1].payload == {"x": 1}
    assert context[-1].header.serverExecutionContext == {"defaults": True, "oneway": True}


def test_asyncio(fake: FakeRig) -> None:
    """The same operations, awaited; descriptions of ready workers are there from the start."""

    async def use() -> None:
        async with aconnect(fake.address) as rig:
            assert (rig.id, rig.workers) == (RIG, ["stage", "laser"])
            assert "stage.get_thing_description" in [each.name for each in fake.requests]
            assert await rig.stage.move(x=1) == {"x": 1}
            assert await rig.stage.position == 0.0
            await rig.stage.write("speed", 3)
            assert await rig["stage"].read("speed") == 3
            assert await rig["laser"].read("speed") == 3  # described when it is first used
            await rig.stage.oneway("move", x=2)
            both = await asyncio.gather(rig.stage.move(a=1), rig.stage.call("move", b=2))
            assert both == [{"a": 1}, {"b": 2}]
            with pytest.raises(KeyError):
                await rig.stage.tell(kind="key")
            with pytest.raises(AttributeError, match="did you mean"):
                _ = rig.stage.positon
            with pytest.raises(AttributeError, match="no worker"):
                _ = rig.nobody
            with pytest.raises(AttributeError, match="can't be awaited"):
                rig.stage.speed = 1

    asyncio.run(use(), debug=True)


def test_asyncio_cancellation_leaves_the_connection_whole(fake: FakeRig) -> None:
    """A cancelled call is forgotten; its late answer reaches nobody."""

    async def use() -> None:
        rig = await aconnect(fake.address)
        task = asyncio.ensure_future(rig.stage.hold(x=1))
        await asyncio.to_thread(fake.wait_for, lambda: len(fake.held) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(fake.release)
        assert await rig.stage.move(x=2) == {"x": 2}
        await rig.close()
        with pytest.raises(errors.RigNotReachable, match="closed"):
            await rig.stage.move(x=3)

    asyncio.run(use())


def test_a_connection_that_is_closed(fake: FakeRig) -> None:
    """Takes no more requests, and outstanding ones end."""
    connection = Connection(fake.address)
    future = connection.submit(connection.compose("stage", Operation.INVOKE, "hold"))
    fake.wait_for(lambda: len(fake.held) == 1)
    connection.close()
    connection.close()
    with pytest.raises(errors.RigLost, match="closed here"):
        future.result(10)
    with pytest.raises(errors.RigNotReachable, match="closed"):
        connection.request(connection.compose("stage", Operation.INVOKE, "move"))
