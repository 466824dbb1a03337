"""Clients by keys, and strangers without: real sockets, a real rig."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

import orch
from orch import errors
from orchestrator.access.keys import new_key, read_key, revoke_key
from orchestrator.client.rig import Rig
from tests.rigs import RunningRig, running, wait_until

DRIVER = """
from threading import Event as Going

from workers import Event, prop

class Stage:
    moved = Event()

    def __init__(self):
        self.x, self.moves, self.speed = 0.0, 0, 1.0
        self.going = Going()

    @prop(safe=True)
    def position(self) -> float:
        return self.x

    @prop(safe=True)
    def count(self) -> int:
        return self.moves

    def move(self, x: float) -> float:
        self.x, self.moves = x, self.moves + 1
        self.moved.emit(x)
        return x

    def tell(self, x: float) -> None:
        self.moved.emit(x)

    def hold(self) -> bool:
        return self.going.wait(60)

    def let_go(self) -> None:
        self.going.set()

    def close(self): ...
"""
CONFIG = """
rig: lab
listen:
  - ipc
  - {{tcp: "127.0.0.1:0", curve: {keys}}}
  - {{tcp: "127.0.0.1:*", role: reader}}
access: {access}
workers:
  stage: {{driver: stage:Stage, audit: true, concurrent: [let_go], timeouts: {{hold: 90s}}}}
"""
ACCESS = (
    "{alice: operator, gone: operator, held: operator, display: reader,"
    " agent: {allow: [stage.move], limits: {stage.move: {x: [0, 50]}}}}"
)
NAMES = ("alice", "gone", "held", "display", "agent", "nobody")


class Keyed:
    """A rig with keys.

    Attributes:
        rig: The rig.
        keys: Its folder of keys.
        address: Where keys are asked for.
        plain: Where whoever comes is a reader.
        events: Where events are, by keys.
    """

    def __init__(self, rig: RunningRig, keys: Path) -> None:
        self.rig = rig
        self.keys = keys
        with rig.connected() as own:
            status = orch.status(own)
        _, self.address, self.plain = status["addresses"]
        self.events = status["events"][1]

    def connect(self, name: str, **options: Any) -> Rig:
        """A client by a key."""
        return orch.connect(self.address, key=self.keys / f"{name}.key", **options)

    def moves(self) -> int:
        """How often the stage has moved, by its own count."""
        with self.rig.connected() as own:
            return int(own.stage.count)

    def status(self) -> dict[str, Any]:
        """The rig's status."""
        with self.rig.connected() as own:
            return dict(orch.status(own))


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    keys = tmp_path_factory.mktemp("rig") / "keys"
    for name in NAMES:
        new_key(keys, name)
    with running(CONFIG.format(keys=keys, access=ACCESS), {"stage": DRIVER}) as rig:
        yield Keyed(rig, keys)


@pytest.fixture
def others(tmp_path: Path) -> Path:
    """The keys of another rig that has a client of the same name."""
    new_key(tmp_path / "keys", "alice")
    return tmp_path / "keys"


class TestClients:
    def test_an_operator_moves_and_hears_of_it(self, keyed: Keyed) -> None:
        with keyed.connect("alice") as rig, rig.stage.subscribe("moved", timeout=20) as events:
            assert rig.stage.move(5.0) == 5.0
            assert next(iter(events)).value == 5.0
            rig.stage.speed = 2.0
            with pytest.raises(errors.NotAllowed, match=r"alice \(operator\) .*; admin may"):
                rig["lab"].call("restart", ["stage"])

    def test_a_reader_reads(self, keyed: Keyed) -> None:
        with keyed.connect("display") as rig:
            assert isinstance(rig.stage.position, float)
            before = keyed.moves()
            for call in (
                lambda: rig.stage.move(1.0),
                lambda: rig.stage.speed,
                lambda: setattr(rig.stage, "speed", 3.0),
                lambda: rig["lab"].call("down"),
                lambda: rig["stage"].oneway("move", 1.0) or rig["stage"].call("move", 1.0),
            ):
                with pytest.raises(errors.NotAllowed, match=r"display \(reader\) may not"):
                    call()
            assert keyed.moves() == before

    def test_each_that_a_reader_may_not_read_is_told_by_its_own_name(self, keyed: Keyed) -> None:
        with keyed.connect("display") as rig:
            (stage,) = orch.snapshot(rig)["workers"].values()
        assert stage["values"].keys() == {"position", "count"}
        assert stage["unread"].keys() == {"x", "moves", "speed"}
        for name, why in stage["unread"].items():
            assert f"display (reader) may not read stage.{name}," in why

    def test_what_is_allowed_has_its_limits(self, keyed: Keyed) -> None:
        """In our own encoding and in JSON."""
        with keyed.connect("agent") as rig:
            assert rig.stage.move(50) == 50
            assert rig.stage.move(x=1.5) == 1.5
            for given in ({"x": 50.5}, {"x": "1"}, {}):
                with pytest.raises(errors.NotAllowed, match=r"agent may not: stage\.move: x"):
                    rig["stage"].call("move", **given)
            with pytest.raises(errors.NotAllowed):
                rig["stage"].call("move", [1, 70])

    def test_a_key_without_a_role_may_nothing(self, keyed: Keyed) -> None:
        told = "nobody has no role in this rig"
        with keyed.connect("nobody") as rig, pytest.raises(errors.NotAllowed, match=told):
            orch.status(rig)

    def test_who_comes_in_the_clear_has_the_addresss_role(self, keyed: Keyed) -> None:
        with orch.connect(keyed.plain) as rig:
            assert isinstance(rig.stage.position, float)
            with pytest.raises(errors.NotAllowed, match=r"\(reader\) .*; operator may"):
                rig.stage.move(1.0)

    def test_who_did_it_is_told_by_the_keys_name(self, keyed: Keyed) -> None:
        with keyed.connect("alice") as rig:
            rig.stage.move(7.25)

        def told() -> list[str]:
            return [line for line in keyed.rig.text.splitlines() if "arguments=7.25" in line]

        (line,) = wait_until(told)
        assert "who=alice@127.0.0.1:" in line
        assert 'peer="key alice, 127.0.0.1"' in line

    def test_commands_take_a_key(self, keyed: Keyed) -> None:
        key = str(keyed.keys / "display.key")
        done = keyed.rig.orch("--rig", keyed.address, "--key", key, "get", "stage", "count")
        assert done.stdout.strip() == str(keyed.moves()), done.stderr
        done = keyed.rig.orch("call", "stage", "move", "1", "--rig", keyed.address, "--key", key)
        assert done.returncode == 4
        assert "display (reader) may not call stage.move; operator may" in done.stderr

    def test_asyncio_clients_too(self, keyed: Keyed) -> None:
        async def main() -> None:
            key = keyed.keys / "alice.key"
            async with orch.aconnect(keyed.address, key=key) as rig:
                events = rig["stage"].subscribe("moved", timeout=20)
                assert await rig.stage.move(3.0) == 3.0
                assert (await anext(aiter(events))).value == 3.0
            with pytest.raises(errors.KeyRefused, match="takes no key"):
                await orch.aconnect("ipc:///none", key=key)

        asyncio.run(main())


class TestStrangers:
    """They are told why, at once; the rig answers nothing, does nothing, and goes on."""

    @pytest.fixture(autouse=True)
    def _nothing_is_done(self, keyed: Keyed) -> Iterator[None]:
        before = keyed.moves()
        yield
        assert keyed.moves() == before
        with keyed.connect("alice") as rig:  # who has a key comes in as ever
            assert rig.stage.count == before

    def test_one_without_a_key(self, keyed: Keyed, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("ORCH_KEY", raising=False)
        with pytest.raises(
            errors.KeyRefused, match=r"(takes|took) nobody without a key: orch keys new"
        ):
            orch.connect(keyed.address, timeout=30)

    def test_one_whose_key_isnt_known(self, keyed: Keyed, others: Path) -> None:
        rigs = read_key(keyed.keys / "alice.key").server
        file = others / "alice.key"
        file.write_text(file.read_text().replace(read_key(file).server, rigs))
        before = keyed.status()["counts"].get("keys refused", 0)
        with pytest.raises(errors.KeyRefused, match=r"doesn't know alice's key .*it was revoked"):
            orch.connect(keyed.address, key=file, timeout=30)
        assert keyed.status()["counts"]["keys refused"] > before

    def test_one_that_means_another_rig(self, keyed: Keyed, others: Path) -> None:
        with pytest.raises(errors.KeyRefused, match=r"isn't the one that .* is for"):
            orch.connect(keyed.address, key=others / "alice.key", timeout=30)

    def test_a_key_where_none_is_taken(self, keyed: Keyed) -> None:
        with pytest.raises(errors.KeyRefused, match="it has another key, or takes none"):
            orch.connect(keyed.plain, key=keyed.keys / "alice.key", timeout=30)

    def test_one_who_listens_hears_nothing(self, keyed: Keyed) -> None:
        with zmq.Context() as context, context.socket(zmq.SUB) as stranger:
            stranger.linger = 0
            stranger.subscribe(b"")
            address = "inproc://told"
            stranger.monitor(address, zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL)
            with context.socket(zmq.PAIR) as monitor:
                monitor.connect(address)
                stranger.connect(keyed.events)
                assert monitor.poll(20_000)  # it was turned away
                stranger.disable_monitor()
            with keyed.connect("alice") as rig, rig.stage.subscribe("moved", timeout=20) as events:
                rig.stage.tell(4.0)
                assert next(iter(events)).value == 4.0  # it was published
                assert not stranger.poll(0)

    def test_one_that_repeats_what_a_client_sent(self, keyed: Keyed) -> None:
        """Each connection has keys of its own: what was recorded of one is nothing in another."""
        key = keyed.keys / "alice.key"
        with recording(keyed.address) as (through, sent), orch.connect(through, key=key) as rig:
            assert isinstance(rig.stage.position, float)
            rig["stage"].write("speed", 2.5)
        assert b"speed" not in bytes(sent), "it is encrypted"
        with keyed.connect("alice") as rig:
            rig["stage"].write("speed", 1.0)
        host, port = keyed.address.removeprefix("tcp://").split(":")
        with socket.create_connection((host, int(port))) as again:
            again.settimeout(30)
            with contextlib.suppress(ConnectionError):
                again.sendall(bytes(sent))
                answered = bytearray()
                while part := again.recv(65536):  # until the rig closes it
                    answered += part
        with keyed.connect("alice") as rig:
            assert rig["stage"].read("speed") == 1.0

    def test_many_cost_nobody_anything(self, keyed: Keyed) -> None:
        """Half-open ones, in the clear, with rubbish; a client goes on meanwhile."""
        host, port = keyed.address.removeprefix("tcp://").split(":")
        with keyed.connect("display") as rig, contextlib.ExitStack() as stack:
            for number in range(60):
                raw = stack.enter_context(socket.create_connection((host, int(port))))
                raw.sendall((b"", b"\xff" + bytes(8), b"GET / HTTP/1.1\r\n\r\n")[number % 3])
                assert isinstance(rig.stage.position, float)


@contextlib.contextmanager
def recording(address: str) -> Iterator[tuple[str, bytearray]]:
    """A way to an address on which all that the client sends is kept."""
    host, port = address.removeprefix("tcp://").split(":")
    sent = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)

        def carry(source: socket.socket, target: socket.socket, kept: bytearray | None) -> None:
            with contextlib.suppress(OSError):
                while part := source.recv(65536):
                    if kept is not None:
                        kept += part
                    target.sendall(part)
            for each in (source, target):
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

        def serve() -> None:
            client, _ = server.accept()
            with client, socket.create_connection((host, int(port))) as rig:
                back = threading.Thread(target=carry, args=(rig, client, None))
                back.start()
                carry(client, rig, sent)
                back.join()

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}", sent
        thread.join(30)


class TestRevoked:
    def test_it_is_cut_off_at_once_and_told_why(self, keyed: Keyed) -> None:
        with keyed.connect("gone") as rig, rig.stage.subscribe("moved", timeout=0.3) as events:
            rig.stage.move(1.0)
            assert next(iter(events)).value == 1.0
            with keyed.connect("alice") as alice:
                before = keyed.moves()
                revoke_key(keyed.keys, "gone")
                wait_until(lambda: keyed.status()["connections"]["tcp"] == 1)
                for _ in range(2):
                    with pytest.raises(errors.KeyRefused, match="doesn't know gone's key"):
                        rig.stage.move(2.0)
                assert keyed.moves() == before
                alice.stage.move(3.0)  # who has another key goes on
                with pytest.raises(TimeoutError):
                    next(iter(events))
        assert "keys were revoked: their clients are cut off" in keyed.rig.text

    def test_one_whose_call_runs_is_told_why_it_hears_no_more_of_it(self, keyed: Keyed) -> None:
        """It may have been done: that is no refusal of it."""
        with keyed.connect("held") as rig, keyed.connect("alice") as alice:
            going = rig.stage.submit("hold")
            wait_until(lambda: keyed.status()["workers"][0]["running"])
            revoke_key(keyed.keys, "held")
            try:
                told = "doesn't know held's key .*: it was revoked"
                with pytest.raises(errors.RigLost, match=told) as caught:
                    going.result(60)
                assert isinstance(caught.value, errors.OutcomeUnknown)
            finally:
                alice.stage.let_go()

    def test_one_that_was_silent_until_then_is_heard_no_more(self, keyed: Keyed) -> None:
        """Nothing was known of its connection but that it was let in."""
        file, _ = new_key(keyed.keys, "silent")
        key = read_key(file)
        wait_until(lambda: "keys were added keys=silent" in keyed.rig.text)
        with contextlib.ExitStack() as stack:
            context = stack.enter_context(zmq.Context())
            front = stack.enter_context(context.socket(zmq.DEALER))
            events = stack.enter_context(context.socket(zmq.SUB))
            for raw, address in ((front, keyed.address), (events, keyed.events)):
                raw.linger = 0
                raw.curve_serverkey = key.server.encode()
                raw.curve_publickey, raw.curve_secretkey = (
                    key.public.encode(),
                    key.secret.encode(),
                )
                with raw.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED) as monitor:
                    raw.connect(address)
                    assert monitor.poll(20_000)
                    raw.disable_monitor()
            revoke_key(keyed.keys, "silent")
            wait_until(lambda: "keys=silent" in keyed.rig.text.partition("revoked")[2])
            left = keyed.status()["connections"]["tcp"]
            front.send_multipart([b"", b"{}", b"null", b""])
            events.subscribe(b"")
            wait_until(lambda: keyed.status()["connections"]["tcp"] == left - 2)
            assert not front.poll(0)
            assert not events.poll(0)


class TestAccess:
    def test_it_changes_while_workers_run(self, keyed: Keyed) -> None:
        pid = keyed.status()["workers"][0]["pid"]
        with keyed.connect("display") as rig:
            with pytest.raises(errors.NotAllowed):
                rig.stage.move(1.0)
            text = keyed.rig.config.read_text()
            try:
                keyed.rig.config.write_text(text.replace("display: reader", "display: operator"))
                done = keyed.rig.orch("apply", str(keyed.rig.config))
                assert done.returncode == 0, done.stderr
                assert rig.stage.move(1.0) == 1.0
                keyed.rig.config.write_text(text.replace("role: reader}", "role: admin}"))
                done = keyed.rig.orch("apply", str(keyed.rig.config))
                assert "nothing was changed: listen can't be changed" in done.stderr
            finally:
                keyed.rig.config.write_text(text)
                keyed.rig.orch("apply", str(keyed.rig.config))
            with pytest.raises(errors.NotAllowed):
                rig.stage.move(1.0)
        assert keyed.status()["workers"][0]["pid"] == pid

    def test_it_can_begin_while_the_rig_runs(self) -> None:
        """For who comes by ipc, whom the kernel names."""
        config = "rig: lab\nworkers: {stage: {driver: stage:Stage}}\n"
        with running(config, {"stage": DRIVER}) as rig, rig.connected() as own:
            assert own.stage.move(1.0) == 1.0
            user = getpass.getuser()
            rig.config.write_text(config + f"access: {{{user}: reader}}\n")
            rig.orch("apply", str(rig.config))
            with pytest.raises(errors.NotAllowed, match=rf"{user} \(reader\) may not"):
                own.stage.move(2.0)
            assert own.stage.position == 1.0

    def test_addresses_keep_their_ways_when_their_files_are_made_anew(self, tmp_path: Path) -> None:
        """Side by side on one socket: a role for all by one, names by the other."""
        read = tmp_path / "read.ipc"
        user = getpass.getuser()
        config = f"""
rig: lab
listen: [ipc, {{requests: "ipc://{read}", role: reader}}]
access: {{{user}: operator}}
workers: {{stage: {{driver: stage:Stage}}}}
"""
        with running(config, {"stage": DRIVER}) as rig:
            with rig.connected() as own:
                front = Path(orch.status(own)["addresses"][0].removeprefix("ipc://"))
            for _ in range(2):
                with rig.connected() as own, orch.connect(f"ipc://{read}") as reader:
                    assert own.stage.move(1.0) == 1.0
                    assert reader.stage.position == 1.0
                    told = rf"ipc://{read} \(reader\) may not call stage.move"
                    with pytest.raises(errors.NotAllowed, match=told):
                        reader.stage.move(2.0)
                    with pytest.raises(errors.NotAllowed, match=rf"{user} \(operator\) may not"):
                        own["lab"].call("down")
                for file in (read, front):
                    file.unlink()
                    wait_until(file.exists)

    def test_an_addresss_role_needs_no_names(self, tmp_path: Path) -> None:
        read = tmp_path / "read.ipc"
        config = f"""
rig: lab
listen: [ipc, {{requests: "ipc://{read}", role: reader}}]
workers: {{stage: {{driver: stage:Stage}}}}
"""
        with running(config, {"stage": DRIVER}) as rig, orch.connect(f"ipc://{read}") as reader:
            with pytest.raises(errors.NotAllowed):
                reader.stage.move(1.0)
            with rig.connected() as own:
                assert own.stage.move(1.0) == 1.0

    def test_a_rig_whose_keys_are_open_to_others_does_not_start(self, tmp_path: Path) -> None:
        new_key(tmp_path / "keys", "alice")
        (tmp_path / "keys" / "rig.secret").chmod(0o640)
        config = CONFIG.format(keys=tmp_path / "keys", access=ACCESS)
        with running(config, {"stage": DRIVER}, settle=False) as rig:
            assert rig.process.wait(60) == 2
            assert "rig.secret is open to other users (mode 0640)" in rig.text
