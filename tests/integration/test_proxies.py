"""A worker's proxy against a real rig: whose names win, what only looks, what errors show."""

from __future__ import annotations

import asyncio
import inspect
import pickle
import pydoc
import rlcompleter
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

import orch
from orchestrator import aconnect, errors
from orchestrator.client.rig import Rig
from tests.rigs import RunningRig, running

NAMES = ("read", "write", "call", "close", "open", "get", "set", "describe", "status", "name")

DRIVERS = '''
from orch import Event, prop

class Port:
    """Has all the names that proxies like to take."""

    name: str = "port"

    def read(self, n: int = 1) -> bytes:
        """Read some bytes."""
        return b"x" * n

    def write(self, data): return ["write", data]
    def call(self, *args): return ["call", *args]
    def close(self): return "closed"
    def open(self): return "opened"
    def get(self, key): return ["get", key]
    def set(self, key, value): return ["set", key, value]
    def describe(self): return "a port"
    def status(self): return "fine"

class LimitError(ValueError):
    error_code = 17

class Hostile(Exception):
    def __str__(self): raise KeyboardInterrupt
    def __getattribute__(self, name): raise SystemExit(name)

class Bench:
    """<b>Values</b> as instruments give them."""

    moved = Event()

    def __init__(self):
        self._sent = []
        self._speed = 1.0

    @property
    def next_error(self) -> str:
        """Reading takes one off the instrument's queue."""
        self._sent.append("SYST:ERR?")
        return "none"

    @property
    def fails(self) -> int:
        self._sent.append("fails")
        raise AttributeError("no such register")

    @prop(unit="mm/s")
    def speed(self) -> float:
        """How fast."""
        return self._speed

    @speed.setter
    def speed(self, value: float) -> None:
        self._speed = value

    def move(self, x: float, fast: bool = False) -> float:
        """Go there."""
        return x

    def sent(self) -> list:
        found, self._sent = self._sent, []
        return found

    def too_far(self):
        raise LimitError("100 mm is too far")

    def hostile(self):
        raise Hostile
'''
CONFIG = """
rig: case
workers:
  port: {driver: "cases:Port"}
  b: {driver: "cases:Bench"}
  status: {driver: "cases:Bench"}
  close: {driver: "cases:Bench"}
  id: {driver: "cases:Bench"}
"""


@pytest.fixture(scope="module")
def running_rig() -> Iterator[RunningRig]:
    with running(CONFIG, {"cases": DRIVERS}) as rig:
        yield rig


@pytest.fixture
def rig(running_rig: RunningRig) -> Iterator[Rig]:
    with running_rig.connected() as rig:
        yield rig


def test_the_driver_s_names_win(rig: Rig) -> None:
    """All ten; ours are on the handle, and functions of the package."""
    port: Any = rig.port
    assert {*NAMES} <= {*dir(port)}
    assert port.read(3) == b"xxx"
    assert port.write(1) == ["write", 1]
    assert port.call("read", 2) == ["call", "read", 2]
    assert (port.close(), port.open(), port.describe(), port.status()) == (
        "closed",
        "opened",
        "a port",
        "fine",
    )
    assert port.get("k") == ["get", "k"]
    assert port.set("k", 3) == ["set", "k", 3]
    assert port.name == "port"
    assert str(inspect.signature(port.read)) == "(n: int = 1) -> bytes"
    port.name = "other"
    assert rig["port"].read("name") == orch.read(port, "name") == "other"
    orch.write(rig["port"], "name", "port")
    assert rig["port"].call("read", 2) == orch.call(port, "read", 2) == b"xx"
    assert rig["port"].describe()["id"] == orch.describe(port)["id"] == "port"
    assert orch.submit(port, "open").result(10) == rig["port"].submit("open").result(10)
    orch.oneway(port, "open")
    assert rig["port"].name == "port"


def test_ours_are_there_where_the_driver_has_no_such_name(rig: Rig) -> None:
    b: Any = rig.b
    assert b.call("move", x=2.0) == 2.0
    assert b.read("speed") == 1.0
    b.write("speed", 2.0)
    assert (b.speed, b.name) == (2.0, "b")
    b.speed = 1
    assert b.submit("move", x=3.0).result(10) == 3.0
    assert b.describe()["id"] == "b"
    with b.subscribe("moved", timeout=1), orch.subscribe(b, "moved"):
        assert rig["b"].speed == 1


def test_a_rig_s_workers_win_over_its_methods(rig: Rig) -> None:
    """`rig.status` is the worker if one is called so."""
    for name in ("status", "close", "id"):
        assert getattr(rig, name).move(x=1.0) == 1.0
        assert rig[name].call("move", x=2.0) == 2.0
    names = [worker["name"] for worker in orch.status(rig)["workers"]]
    assert names == ["port", "b", "status", "close", "id"]
    assert rig.address.startswith("ipc://")
    with pytest.raises(AttributeError, match="can't be assigned"):
        rig.b = 3  # type: ignore[assignment]


def test_a_rig_is_a_container(rig: Rig) -> None:
    assert "b" in rig
    assert "camera" not in rig
    assert rig.b in rig
    assert len(rig) == 5
    assert [worker.name for worker in rig] == ["port", "b", "status", "close", "id"]
    assert bool(rig)
    assert rig._ipython_key_completions_() == [worker.name for worker in rig]


def test_asyncio_has_the_same_rules(
    running_rig: RunningRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ORCH_RUNTIME_DIR", "ORCH_STATE_DIR"):
        monkeypatch.setenv(name, running_rig.environ[name])

    async def use() -> None:
        async with aconnect("case") as rig:
            port: Any = rig.port
            assert await port.read(3) == b"xxx"
            assert await port.name == "port"
            assert await rig["port"].read("name") == "port"
            assert await orch.read(port, "name") == "port"
            assert await orch.call(port, "get", "k") == ["get", "k"]
            assert await rig.b.read("speed") == await rig.b.speed == 1
            assert await rig.status.move(x=1.0) == 1.0
            assert "b" in rig
            assert rig.b in rig
            assert len(rig) == len(list(rig)) == 5
            assert (await orch.status(rig))["rig"] == "case"
            assert hasattr(rig.b, "next_error")
            inspect.getmembers(rig.b)
            assert await rig.b.sent() == []
            with pytest.raises(ValueError, match="LimitError"):
                await rig.b.too_far()
            assert "<td>b</td>" in rig._repr_html_()

    asyncio.run(use())


def test_who_only_looks_reads_nothing(rig: Rig) -> None:
    """Not the first time either, when nothing is known of the worker yet."""
    assert hasattr(rig.b, "next_error")
    assert not hasattr(rig.b, "moved")
    assert not hasattr(rig.b, "nothing")
    assert hasattr(rig["b"], "next_error")
    dir(rig.b)
    members = dict(inspect.getmembers(rig.b))
    assert isinstance(members["next_error"], property)
    assert all(hasattr(rig.b, name) for name in dir(rig.b) if name != "moved")
    matches = rlcompleter.Completer({"rig": rig}).attr_matches("rig.b.")
    assert "rig.b.next_error" in matches
    shown = pydoc.render_doc(rig.b, renderer=pydoc.plaintext)  # type: ignore[attr-defined]
    assert "Reading takes one off" in shown
    assert "move(self, /, x: float, fast: bool = False) -> float" in shown
    assert "Unit: mm/s" in (type(rig.b).speed.__doc__ or "")  # type: ignore[attr-defined]
    assert rig.b.sent() == []
    assert getattr(rig.b, "next_error") == rig.b.next_error == "none"  # noqa: B009
    assert len(rig.b.sent()) == 2


def test_a_property_that_raises_an_attribute_error_is_read_once(rig: Rig) -> None:
    """Python asks an object again that has a `__getattr__`."""
    with pytest.raises(AttributeError, match="no such register"):
        _ = rig.b.fails
    assert rig.b.sent() == ["fails"]


def test_errors_show_the_caller_s_line_last(rig: Rig) -> None:
    """The one entry after it names what was called, and no file of ours."""

    def by_a_future() -> None:
        rig.b.submit("too_far").result(10)

    for attempt, name in (
        (lambda: rig.b.too_far(), "too_far"),
        (lambda: rig["b"].call("too_far"), "call"),
        (lambda: orch.call(rig.b, "too_far"), "call"),
        (by_a_future, "result"),
    ):
        with pytest.raises(ValueError, match="LimitError: 100 mm is too far") as caught:
            attempt()
        *_, ours, last = traceback.extract_tb(caught.value.__traceback__)
        assert ours.filename == __file__
        assert (last.filename, last.name) == ("<orch>", name)
        assert isinstance(caught.value, errors.DriverError)
        assert caught.value.error_code == 17  # type: ignore[attr-defined]
        assert "cases.py" in caught.value.__notes__[-1]
        assert isinstance(pickle.loads(pickle.dumps(caught.value)), ValueError)


def test_an_exception_that_raises_wherever_it_can(rig: Rig) -> None:
    """Its worker goes on."""
    with pytest.raises(Exception, match="can't be shown"):
        rig.b.hostile()
    assert rig.b.move(x=1.0) == 1.0


def test_how_a_notebook_shows_them(rig: Rig) -> None:
    """As tables; what a driver wrote is escaped."""
    assert "<td>READY</td>" in rig._repr_html_()
    assert "<td>READY</td>" in orch.status(rig)._repr_html_()
    shown = rig.b._repr_html_()
    assert "&lt;b&gt;Values&lt;/b&gt;" in shown
    assert "<b>" not in shown
    assert "mm/s" in shown
    assert shown == rig["b"]._repr_html_()


def test_proxies_stay_where_their_connection_is(rig: Rig) -> None:
    with pytest.raises(TypeError, match="connect anew"):
        pickle.dumps(rig.b)


def test_what_functions_take(rig: Rig) -> None:
    """A worker, a component or a rig, and nothing else."""
    for attempt in (
        lambda: orch.read(rig, "x"),
        lambda: orch.call("b", "move"),
        lambda: orch.status(rig.b),
        lambda: orch.close(3),
    ):
        with pytest.raises(TypeError, match="this takes a"):
            attempt()
    with orch.subscribe(rig, "worker-state", timeout=1):
        pass
    assert orch.logs(rig, last=1)


@pytest.mark.measured
def test_stubs_of_the_running_rig_and_of_its_config(running_rig: RunningRig) -> None:
    """They agree; what somebody else has written isn't overwritten."""
    folder = running_rig.folder
    ran = running_rig.orch("stubs", "-o", str(folder / "rig"))
    assert ran.returncode == 0, ran.stderr
    assert "from case_client import connect" in ran.stdout
    checked = running_rig.orch("stubs", str(running_rig.config), "-o", str(folder / "config"))
    assert checked.returncode == 0, checked.stderr
    of_rig, of_config = (
        (folder / name / "case_client" / "__init__.pyi").read_text() for name in ("rig", "config")
    )
    for line in (
        "def move(self, x: builtins.float, fast: builtins.bool = ..., ",
        "def next_error(self) -> builtins.str:",
        "def read(self, n: builtins.int = ..., ",
    ):
        assert line in of_rig
        assert line in of_config
    again = running_rig.orch("stubs", "case", "-o", str(folder / "rig"))
    assert again.returncode == 0, again.stderr
    (folder / "rig" / "case_client" / "__init__.py").write_text("mine = 1")
    refused = running_rig.orch("stubs", "case", "-o", str(folder / "rig"))
    assert refused.returncode == 2
    assert "is not one that orch stubs has written" in refused.stderr
    assert running_rig.orch("stubs", "nobody").returncode == 3
    assert running_rig.orch("stubs", "nothing.yaml").returncode == 2


def test_in_ipython(rig: Rig) -> None:
    """Tab by jedi and without it, `?`, and a traceback: nothing is read for any of them."""
    pytest.importorskip("IPython")
    from IPython.core.completer import provisionalcompleter
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    shell.user_ns["rig"] = rig
    for with_jedi in (True, False):
        shell.Completer.use_jedi = with_jedi
        with provisionalcompleter():
            for text, expected in (
                ("rig.", "port"),
                ('rig["', "port"),
                ("rig.b.", "next_error"),
                ("rig.b.next", "next_error"),
            ):
                found = [each.text for each in shell.Completer.completions(text, len(text))]
                # by itself, IPython evaluates nothing that has a `__getattr__`
                if with_jedi or text.startswith('rig["'):
                    assert any(expected in each for each in found), text
            for text in ("rig.b.next_error.", "rig.b.move("):
                list(shell.Completer.completions(text, len(text)))
    import jedi

    (signature,) = jedi.Interpreter("rig.b.move(", [{"rig": rig}]).get_signatures()
    assert signature.to_string().startswith("move(x: float, fast: bool=False)")
    shown = shell.object_inspect_text("rig.b.move")
    assert "Go there." in shown
    assert "x: float" in shown
    assert "Reading takes one off" in shell.object_inspect_text("rig.b.next_error")
    assert "Values" in shell.object_inspect_text("rig.b")
    assert "READY" in shell.display_formatter.format(rig)[0]["text/html"]
    assert rig.b.sent() == []
    shell.run_cell("found = rig.b.next_error", silent=True)
    assert shell.user_ns["found"] == "none"
    assert rig.b.sent() == ["SYST:ERR?"]
