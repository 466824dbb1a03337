"""A rig of twins, and language agents at it: by the protocol's own client library."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

pytest.importorskip("mcp")
from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

from orchestrator.client.rig import open_session
from orchestrator.errors import NothingThere
from orchestrator.gateway.mcp_calls import Calls
from orchestrator.gateway.mcp_http import app_of, open_socket
from orchestrator.gateway.mcp_rules import read_rules
from orchestrator.gateway.mcp_server import Gateway
from tests.acceptance.cli_kit import begin, on_rig
from tests.rigs import RunningRig, _environment, measured_as_the_test, running, wait_until
from transports.recording import payloads_of

DRIVERS = '''
import os, signal, threading
from orch import Event, prop

class Stage:
    def __init__(self, port):
        raise OSError("there is no device")

class Victim:
    def __init__(self):
        self._count = 0

    @property
    def count(self) -> int:
        self._count += 1
        return self._count

    def image(self) -> bytes:
        return bytes(range(256)) * 64

    def fail(self, x: float) -> None:
        raise ValueError(f"{x} is too far")

    def numbers(self):
        yield from range(3)

    def die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def close(self):
        pass

class Twin:
    moved = Event()

    def __init__(self, port):
        self._position = 0.0
        self._speed = 1.0

    @prop(unit="mm")
    def position(self) -> float:
        """Where it stands."""
        return self._position

    @prop(unit="mm/s")
    def speed(self) -> float:
        return self._speed

    @speed.setter
    def speed(self, value: float) -> None:
        self._speed = value

    @property
    def lost(self) -> float:
        raise OSError("no answer")

    def move(self, x: float) -> float:
        self._position = x
        self.moved.emit(x)
        return x

    def frame(self) -> list:
        return list(range(30_000))

    def hold(self, path: str) -> str:
        while not os.path.exists(path):
            threading.Event().wait(0.01)
        return "held"

    def log_in(self, password: str) -> None:
        raise ValueError("who are you?")

    def close(self):
        pass
'''
CONFIG = """
rig: agents
defaults: {backoff: 100ms..1s}
workers:
  victim: {driver: "agents_drivers:Victim"}
  stage:
    driver: "agents_drivers:Stage"
    args: [COM3]
    simulate: "agents_drivers:Twin"
    cancel_with: interrupt
    timeouts: {hold: null}
    on_loss: {driver: "agents_drivers:Stage", args: [COM3], calls: [close]}
"""
RULES = {
    "allow": {
        "stage.move": {"x": [0, 50]},
        "stage.speed": [0, 10],
        **dict.fromkeys(("stage.hold", "stage.log_in", "stage.frame")),
    }
}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def rig() -> Iterator[RunningRig]:
    folder = Path(tempfile.mkdtemp(prefix="orch-t-"))
    options = ("--simulate", "--record", str(folder / "all.rec"))
    with running(CONFIG, {"agents_drivers": DRIVERS}, options=options) as rig:
        yield rig
    shutil.rmtree(folder)


@pytest.fixture
def gateway(rig: RunningRig) -> Iterator[Gateway]:
    """Of which each operation is given as a handle when it takes half a second."""
    with _environment(rig.environ):
        calls = Calls(open_session(None, 5.0))
        yield Gateway(calls, read_rules(RULES), 0.5)
        calls.close()


Use = Callable[..., Awaitable[dict[str, Any]]]


def by(gateway: Gateway, do: Callable[[Client, Use], Awaitable[None]]) -> None:
    """Do something as an agent at a gateway in this process."""

    async def session() -> None:
        async with Client(gateway.server()) as client:

            async def use(tool: str, **arguments: Any) -> dict[str, Any]:
                found = await client.call_tool(tool, arguments)
                text = json.loads(found.content[0].text)  # type: ignore[union-attr]
                assert found.structured_content == text
                failed = text.get("outcome") in ("failed", "not started", "unknown")
                assert found.is_error is failed
                return dict(text)

            await do(client, use)

    asyncio.run(session())


def test_a_rig_of_twins_says_so(rig: RunningRig) -> None:
    assert "READY SIMULATED" in on_rig(rig, "status").out
    _, stage = json.loads(on_rig(rig, "status", "--json").out)["workers"]
    assert (stage["simulated"], stage["driver"]) == (True, "agents_drivers:Twin")
    assert json.loads(on_rig(rig, "snapshot", "stage").out)["workers"]["stage"]["simulated"] is True
    assert "SIMULATED=stage" in on_rig(rig, "logs", "-w", "agents").out
    assert on_rig(rig, "describe", "stage").out.startswith("stage  Twin  SIMULATED\n")
    brief = [line.split() for line in on_rig(rig, "describe").out.splitlines()]
    assert ["stage", "SIMULATED", "Twin"] in [line[:3] for line in brief]
    things = json.loads(on_rig(rig, "describe", "--json").out)
    assert [things[name].get("orch:simulated") for name in things] == [None, True]
    assert "nothing differs" in on_rig(rig, "plan", str(rig.config)).out


def test_an_agent_reads(gateway: Gateway) -> None:
    async def do(client: Client, use: Use) -> None:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert {"status", "logs", "request", "cancel", "read_stage", "event_stage"} <= names
        assert {"stage_move", "write_stage_speed", "stage_hold"} <= names
        assert (await use("read_stage", properties=["position"]))["units"] == {"position": "mm"}
        found = await use("read_stage")
        assert found["unread"] == {"lost": "OSError: no answer"}
        assert set(found["values"]) == {"position", "speed"}
        assert (await use("status"))["workers"][1]["name"] == "stage"
        assert "no property x" in (await use("read_stage", properties=["x"]))["error"]

    by(gateway, do)


def test_what_is_allowed_is_done_and_its_outcome_told(gateway: Gateway) -> None:
    async def do(client: Client, use: Use) -> None:
        nothing = await use("event_stage", event="moved", wait=0)
        assert nothing == {"value": None, "why": "no moved came within 0 s"}
        moved = await use("stage_move", x=5)
        assert (moved["outcome"], moved["value"]) == ("done", 5.0)
        assert moved["request"]
        assert (await use("event_stage", event="moved", wait=20))["value"] == 5.0
        assert (await use("event_stage", event="moved"))["value"] == 5.0
        assert (await use("write_stage_speed", value=2.5))["outcome"] == "done"
        assert (await use("read_stage", properties=["speed"]))["values"] == {"speed": 2.5}
        failed = await use("stage_log_in", password="sesame")
        assert (failed["outcome"], failed["error"]) == ("failed", "ValueError: who are you?")
        refused = await use("stage_move", x="far")
        assert refused["outcome"] == "not started"

    by(gateway, do)


def test_what_is_not_allowed_is_never_sent(rig: RunningRig, gateway: Gateway) -> None:
    with rig.connected() as client:
        before = client.stage.position

    async def do(client: Client, use: Use) -> None:
        for tool, arguments, told in (
            ("stage_move", {"x": 50.5}, "x is 50.5; allowed: 0 to 50"),
            ("stage_move", {}, "stage_move needs x"),
            ("stage_move", {"x": 1, "y": 2}, "stage_move takes no y"),
            ("write_stage_speed", {"value": -1}, "value is -1; allowed: 0 to 10"),
            ("stage_close", {}, "there is no tool 'stage_close'"),
            ("request", {"request": "of-somebody-else"}, "no operation of this server"),
            ("logs", {"level": "loud"}, "loud"),
            ("logs", {"last": 0}, "from 1 to 500, not 0"),
            ("event_stage", {"event": "moved", "wait": "long"}, "from 0 to 60, not 'long'"),
            ("event_stage", {"event": "gone"}, "no event 'gone'"),
            ("read_stage", {"properties": "speed"}, "a list of names, not 'speed'"),
        ):
            found = await use(tool, **arguments)
            assert found["outcome"] == "not started"
            assert told in found["error"]

    by(gateway, do)
    with rig.connected() as client:
        assert client.stage.position == before


def test_what_takes_long_is_a_handle_to_ask_about_and_cancel(
    gateway: Gateway, tmp_path: Path
) -> None:
    async def do(client: Client, use: Use) -> None:
        running = await use("stage_hold", path=str(tmp_path / "one"))
        assert running["outcome"] == "running"
        request = running["request"]
        assert (await use("request", request=request))["outcome"] == "running"
        (tmp_path / "one").touch()
        done = await use("request", request=request, wait=30)
        assert (done["outcome"], done["value"]) == ("done", "held")
        assert await use("request", request=request) == done
        running = await use("stage_hold", path=str(tmp_path / "never"))
        cancelled = await use("cancel", request=running["request"])
        assert (cancelled["verdict"], cancelled["steps"]) == ("ended", ["interrupt"])
        assert cancelled["operation"]["outcome"] == "unknown"
        assert "look at the device" in cancelled["operation"]["advice"]

    by(gateway, do)


def test_what_is_long_is_cut_and_that_is_told(gateway: Gateway) -> None:
    async def do(client: Client, use: Use) -> None:
        found = await client.call_tool("stage_frame", {})
        assert found.structured_content["outcome"] == "done"
        assert found.structured_content["cut"] > 50_000
        assert "this is their beginning" in found.content[0].text  # type: ignore[union-attr]

    by(gateway, do)


def test_each_use_is_recorded(rig: RunningRig, gateway: Gateway) -> None:
    async def do(client: Client, use: Use) -> None:
        await use("stage_log_in", password="open sesame")
        await use("stage_move", x=51)

    by(gateway, do)

    def recorded() -> list[dict[str, Any]]:
        lines = on_rig(rig, "logs", "--audit", "-o", "json").out.splitlines()
        found = [json.loads(line) for line in lines]
        return [each for each in found if "sesame" in json.dumps(each) or "51" in json.dumps(each)]

    wait_until(lambda: any("x is 51" in json.dumps(each) for each in recorded()))
    assert not any("sesame" in json.dumps(each) for each in recorded())
    (denied, *_) = [each for each in recorded() if "x is 51" in json.dumps(each)]
    fields = denied["fields"]
    assert (denied["worker"], denied["member"], denied["event"]) == ("stage", "move", "not started")
    assert (fields["tool"], fields["arguments"]) == ("stage_move", '{"x": 51}')
    assert "@" in fields["who"]
    assert fields["agent"]


def test_status_logs_and_descriptions_are_resources(rig: RunningRig, gateway: Gateway) -> None:
    wait_until(lambda: "is up" in on_rig(rig, "logs").out)

    async def do(client: Client, use: Use) -> None:
        uris = {str(each.uri) for each in (await client.list_resources()).resources}
        assert {"orch://status", "orch://logs", "orch://workers/stage"} <= uris
        texts = {}
        for uri in ("orch://status", "orch://logs", "orch://workers/stage"):
            (content,) = (await client.read_resource(uri)).contents
            texts[uri] = content.text  # type: ignore[union-attr]
        assert json.loads(texts["orch://status"])["rig"] == "agents"
        assert "rig agents is up" in texts["orch://logs"]
        assert "move" in json.loads(texts["orch://workers/stage"])["actions"]
        assert any("is up" in each for each in (await use("logs", grep="is up"))["records"])
        with pytest.raises(Exception, match="no resource"):
            await client.read_resource("orch://workers/gone")

    by(gateway, do)


@pytest.mark.measured
def test_over_stdio_as_agents_start_it(rig: RunningRig) -> None:
    """With the official client; what isn't named can't be called."""
    command = rig.command("mcp", "--allow", "stage.home", "--allow", "stage.move")
    assert on_rig(rig, *command[3:]).status == 2  # there is no home
    server = StdioServerParameters(
        command=sys.executable,
        args=rig.command("mcp", "--allow", "stage.move")[1:],
        env=measured_as_the_test(rig.environ),
    )

    async def session() -> None:
        async with Client(stdio_client(server)) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            assert "stage_move" in names
            assert "write_stage_speed" not in names
            found = await client.call_tool("stage_move", {"x": 7.0})
            assert found.structured_content["value"] == 7.0

    asyncio.run(session())


def test_a_signal_ends_it_while_it_waits_for_its_agent(rig: RunningRig) -> None:
    with begin(rig.environ, "mcp", stdin=subprocess.PIPE) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        # What it answers first shows that it listens.
        server.stdin.write('{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n')
        server.stdin.flush()
        assert json.loads(server.stdout.readline())["id"] == 1
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 143
        assert server.stderr is not None
        assert server.stderr.read() == ""


@pytest.mark.measured
def test_rules_are_read_from_a_file(rig: RunningRig) -> None:
    """What is wrong with one is told with its place."""
    file = rig.folder / "rules.yaml"
    for text, told in (
        ("allow:\n  stage.move: {x: [9, 1]}\n", "rules.yaml:2:19: the lowest value, 9, is above"),
        ("allow:\n  stage.mov: {x: [0, 1]}\n", "rules.yaml:2:14: stage.mov isn't there"),
        ("allow: [\n", "rules.yaml:"),
    ):
        file.write_text(text)
        done = on_rig(rig, "mcp", "--rules", str(file))
        assert done.status == 2
        assert told in done.err
    assert "no worker.member" in on_rig(rig, "mcp", "--allow", "stage").err


def test_over_http_only_who_has_the_token_is_let_in(gateway: Gateway) -> None:
    app = app_of(gateway, "secret")

    async def ask(*headers: tuple[bytes, bytes]) -> int:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": "/elsewhere", "headers": list(headers)}
        scope |= {"query_string": b"", "raw_path": b"/elsewhere", "root_path": ""}
        await app(scope, receive, send)
        return int(sent[0]["status"])

    assert asyncio.run(ask()) == 401
    assert asyncio.run(ask((b"authorization", b"Bearer other"))) == 401
    assert asyncio.run(ask((b"authorization", b"Bearer secret"))) == 404
    with open_socket(0) as bound:
        assert bound.getsockname()[0] == "127.0.0.1"


@contextmanager
def asked_for(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The workers that are asked to describe themselves."""
    session, names = gateway._calls._session, []
    describe = session.describe

    def counted(worker: str, *args: Any) -> Any:
        names.append(worker)
        return describe(worker, *args)

    with monkeypatch.context() as patch:
        patch.setattr(session, "describe", counted)
        yield names


def test_descriptions_are_asked_for_once_and_after_a_restart_of_that_worker(
    rig: RunningRig, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def do(client: Client, use: Use) -> None:
        with asked_for(gateway, monkeypatch) as names:
            await use("stage_move", x=1)
            assert {"stage", "victim", "agents"} <= set(names)
            names.clear()
            await use("stage_move", x=2)
            await client.list_tools()
            assert names == []
            with rig.connected() as connected:
                connected["agents"].call("restart", ["stage"])
            assert (await use("stage_move", x=3))["outcome"] == "done"
            assert names == ["stage"]

    by(gateway, do)


@pytest.mark.measured
def test_over_http_by_the_protocols_own_client(rig: RunningRig, tmp_path: Path) -> None:
    """With the token, in two sessions at once, of which one cancels; without it, not at all."""
    environ = {**rig.environ, "ORCH_MCP_TOKEN": "sesame"}
    command = ("mcp", "--http", "0", "--allow", "stage.move", "--allow", "stage.hold")
    with begin(environ, *command, "--wait", "300ms") as server:
        assert server.stderr is not None
        told = iter(server.stderr.readline, "")
        url = next(found[0] for line in told if (found := re.search(r"http://\S+/mcp", line)))
        known = {"Authorization": "Bearer sesame"}

        async def session() -> None:
            async with (
                create_mcp_http_client(headers=known) as http,
                Client(streamable_http_client(url, http_client=http)) as one,
                Client(streamable_http_client(url, http_client=http)) as other,
            ):
                names = {tool.name for tool in (await one.list_tools()).tools}
                assert "stage_move" in names
                assert "write_stage_speed" not in names
                moved = (await other.call_tool("stage_move", {"x": 4})).structured_content
                assert (moved["outcome"], moved["value"]) == ("done", 4.0)
                held = {"path": str(tmp_path / "never")}
                running = (await one.call_tool("stage_hold", held)).structured_content
                assert running["outcome"] == "running"
                asked = {"request": running["request"]}
                ended = (await other.call_tool("cancel", asked)).structured_content
                assert ended["verdict"] == "ended"
                status = await one.read_resource("orch://status")
                assert json.loads(status.contents[0].text)["rig"] == "agents"  # type: ignore[union-attr]

        asyncio.run(session())
        with httpx2.Client() as stranger:
            ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
            accept = {"accept": "application/json, text/event-stream"}
            for headers, status in (
                ({}, 401),
                ({"authorization": "Bearer other"}, 401),
                ({**known, "host": "evil.example"}, 421),
                ({**known, "origin": "http://evil.example"}, 403),
            ):
                found = stranger.post(url, json=ping, headers={**accept, **headers})
                assert found.status_code == status, headers
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=30)


def heard(rig: RunningRig) -> list[str]:
    """What a program hears of `victim`: values, errors, and its death."""
    told = []
    with rig.connected() as client:
        victim = client["victim"]

        def ask(call: Callable[[], Any]) -> None:
            try:
                told.append(repr(call()))
            except Exception as error:
                told.append(f"{type(error).__name__}: {error}".partition(" (")[0])

        for _ in range(2):
            ask(lambda: victim.read("count"))
        ask(lambda: victim.call("image"))
        ask(lambda: victim.call("fail", 7.5))
        ask(lambda: victim.call("fail", x=8))
        ask(lambda: list(victim.call("numbers")))
        ask(lambda: victim.call("die"))
        ask(lambda: victim.read("count"))
    return told


def test_a_recorded_rig_is_replayed_without_its_drivers(rig: RunningRig, tmp_path: Path) -> None:
    """Values, errors and deaths come again, in order; what isn't in the recording is refused."""
    expected = heard(rig)
    assert expected[:2] == ["1", "2"]
    assert expected[3:] == [
        "ValueError: 7.5 is too far",
        "ValueError: 8.0 is too far",
        "[0, 1, 2]",
        "WorkerDied: worker 'victim' died",
        "1",
    ]
    made, kept = Path(rig.options[-1]), tmp_path / "kept.rec"
    wait_until(lambda: made.read_bytes().count(b'"member":"count"') == 3)
    for file in (made, payloads_of(made)):
        shutil.copy(file, payloads_of(kept) if file != made else kept)
    assert made.stat().st_mode & 0o077 == 0
    with running(CONFIG, {}, options=("--replay", str(kept))) as replay:
        assert heard(replay) == expected
        with replay.connected() as client, pytest.raises(NothingThere, match="no more readprop"):
            client.victim.count  # noqa: B018  reading it asks
        assert "nothing differs" in on_rig(replay, "plan", str(replay.config)).out
        assert "SIMULATED" in on_rig(replay, "status").out
