"""How drivers are opened and closed: in what order, by what, and where their code runs."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from workers import action
from workers.driver.build import host
from workers.driver.closing import closing_method, likely_methods, nothing_closes
from workers.driver.coroutines import belongs_to_loop
from workers.errors import BootError
from workers.serving.executor import EventLoop
from workers.spec import WorkerSpec

did: list[str] = []
"""What the driver under test did, in order."""


class Device:
    def __init__(self, fails: bool = False) -> None:
        self.fails = fails
        did.append("built")

    def connect(self, host: str = "", *, timeout: float = 1.0) -> None:
        did.append(f"connect {host!r} {timeout!r}")
        if self.fails:
            raise OSError("no answer")

    async def connect_later(self) -> None:
        await asyncio.sleep(0)
        did.append("connected")

    @action(concurrent=True)
    def abort(self) -> None: ...

    def close(self) -> None:
        did.append("closed")


class Context(Device):
    def __enter__(self) -> Context:
        did.append("entered")
        if self.fails:
            raise OSError("no answer")
        return self

    def __exit__(self, *args: object) -> None:
        did.append(f"left {len(args)}")


class Asynchronous:
    def __init__(self) -> None:
        asyncio.get_running_loop()
        self.thread = threading.get_ident()
        did.append("built")

    async def __aenter__(self) -> Asynchronous:
        did.append("entered")
        return self

    async def __aexit__(self, *args: object) -> None:
        did.append("left")

    def where(self) -> bool:
        return asyncio.get_running_loop() is not None and threading.get_ident() == self.thread


@contextmanager
def borrowed() -> Iterator[Device]:
    yield Device()
    did.append("returned")


@pytest.fixture
def loop() -> Iterator[EventLoop]:
    did.clear()
    loop = EventLoop("test")
    yield loop
    loop.stop()


def spec_of(driver: str, **settings: Any) -> WorkerSpec:
    return WorkerSpec(
        rig="bench",
        worker="w",
        driver=f"{__name__}:{driver}",
        link="",
        events="",
        token="",
        place="lab.yaml:3:5",
        **settings,
    )


def life(loop: EventLoop, driver: str, **settings: Any) -> list[str]:
    """What a driver does from its start to its end."""
    hosted = host(spec_of(driver, **settings), loop)
    assert hosted.offer.description.get("orch:closesWith", "") == hosted.close_name
    if hosted.close is not None:
        result = hosted.close()
        if hasattr(type(result), "__await__"):
            loop.wait(result)
    return did


@pytest.mark.parametrize(
    ("driver", "settings", "expected"),
    [
        ("Device", {}, ["built", "closed"]),
        (
            "Device",
            {"open_with": ("connect", ["a"], {"timeout": 5})},
            ["built", "connect 'a' 5.0", "closed"],
        ),
        ("Device", {"open_with": ("connect_later", [], {})}, ["built", "connected", "closed"]),
        ("Context", {}, ["built", "entered", "left 3"]),
        ("Context", {"stop_with": "close"}, ["built", "closed"]),
        (
            "Context",
            {"open_with": ("connect", [], {})},
            ["built", "connect '' 1.0", "closed"],
        ),
        ("Context", {"open_with": ("__enter__", [], {})}, ["built", "entered", "left 3"]),
        ("Asynchronous", {}, ["built", "entered", "left"]),
        ("borrowed", {}, ["built", "returned"]),
    ],
)
def test_what_is_opened_is_closed(
    loop: EventLoop, driver: str, settings: dict[str, Any], expected: list[str]
) -> None:
    """A context is left if it was entered; `open_with` opens in its place."""
    assert life(loop, driver, **settings) == expected


@pytest.mark.parametrize(
    ("driver", "settings", "expected"),
    [
        ("Device", {"open_with": ("connect", [], {})}, ["built", "connect '' 1.0", "closed"]),
        ("Context", {}, ["built", "entered", "closed"]),
    ],
)
def test_what_cannot_be_opened_is_closed(
    loop: EventLoop, driver: str, settings: dict[str, Any], expected: list[str]
) -> None:
    """And may be tried again: the device may be off."""
    with pytest.raises(BootError) as caught:
        host(spec_of(driver, kwargs={"fails": True}, **settings), loop)
    assert (caught.value.stage, str(caught.value.error)) == ("open", "no answer")
    assert did == expected


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"open_with": ("conect", [], {})}, "open_with: Device has no method 'conect'; did you"),
        ({"open_with": ("connect", [5], {})}, "open_with: Device.connect: host is 5, not a text"),
        ({"stop_with": "clos"}, "stop_with: Device has no method 'clos'; did you mean 'close'?"),
    ],
)
def test_a_method_that_is_not_so_is_told_and_not_tried_again(
    loop: EventLoop, settings: dict[str, Any], text: str
) -> None:
    with pytest.raises(BootError) as caught:
        host(spec_of("Device", **settings), loop)
    assert caught.value.stage == "describe"
    assert str(caught.value.error).startswith(f"lab.yaml:3:5: {text}")
    assert did == ["built", "closed"]


def test_a_class_of_coroutines_is_built_and_called_in_the_loop(loop: EventLoop) -> None:
    hosted = host(spec_of("Asynchronous"), loop)
    assert hosted.call(hosted.driver.where)  # type: ignore[attr-defined]
    assert host(spec_of("Device"), loop).call(threading.get_ident) == threading.get_ident()


class Tasks(Device):
    def set(self) -> object:
        return asyncio.create_task(self.connect_later())


class Pure:
    async def read(self) -> None: ...
    def stop(self) -> None: ...


class Plain:
    def create_task(self) -> None:
        self.create_task()


@pytest.mark.parametrize(
    ("kind", "concurrent", "belongs"),
    [
        (Device, (), False),  # with a synchronous action beside others, it is one of threads
        (Tasks, (), True),  # which makes tasks all the same
        (Asynchronous, (), True),
        (Pure, (), True),
        (Pure, ("read",), True),
        (Pure, ("stop",), False),
        (Plain, (), False),
    ],
)
def test_which_classes_belong_to_the_loop(kind: type, concurrent: Any, belongs: bool) -> None:
    assert belongs_to_loop(kind, concurrent) is belongs


class Shutter:
    def close(self, which: int) -> None: ...
    @staticmethod
    def shutdown() -> None: ...


class Laser:
    close = "not a method"

    def __init__(self) -> None: ...
    def switch_off(self) -> None: ...
    def offset(self) -> None: ...
    def stop(self) -> None: ...
    def stop_at(self, x: float) -> None: ...


class Nothing:
    pass


def test_what_closes_is_a_method_without_arguments() -> None:
    assert closing_method(Shutter) == "shutdown"
    assert closing_method(Context) == "__exit__"
    assert closing_method(Context, ("__exit__",)) == "close"
    assert closing_method(Laser) == ""
    assert likely_methods(Laser) == ["stop", "switch_off"]


@pytest.mark.parametrize(
    ("driver", "level", "text"),
    [
        ("Laser", "WARNING", "name what does by stop_with, such as stop or switch_off"),
        ("Nothing", "INFO", "nothing closes Nothing; if something should, name the method"),
    ],
)
def test_that_nothing_closes_is_logged(
    loop: EventLoop, caplog: pytest.LogCaptureFixture, driver: str, level: str, text: str
) -> None:
    caplog.set_level(logging.INFO, "workers")
    assert life(loop, driver) == []
    (record,) = caplog.records
    assert record.levelname == level
    assert text in record.getMessage()
    assert nothing_closes("X", ["off"]).endswith("such as off")
