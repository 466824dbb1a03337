"""Who may come in by an address, and what each name may do, as a config says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.access.keys import new_key
from orchestrator.access.value_limits import Limit
from orchestrator.config.access import Granted
from orchestrator.config.doors import Door
from tests.config.config_kit import expect, load_text

WORKERS = "workers: {stage: {driver: 'a:B'}}\n"


def listening(item: str, more: str = "") -> str:
    return f"rig: r\nlisten: [ipc, {item}]\n{more}{WORKERS}"


class TestDoors:
    @pytest.mark.parametrize(
        ("item", "listens", "door"),
        [
            ("{tcp: '10.0.0.1:5570', insecure: true}", "tcp://10.0.0.1:5570", Door(insecure=True)),
            (
                "{tcp: '127.0.0.1:5570', allow_local_users: true}",
                "tcp://127.0.0.1:5570",
                Door(allow_local_users=True),
            ),
            ("{requests: hololinked, role: reader}", "hololinked", Door(role="reader")),
            ("{requests: ipc}", "ipc", Door()),
        ],
    )
    def test_what_is_said_of_an_address(
        self, tmp_path: Path, item: str, listens: str, door: Door
    ) -> None:
        config = load_text(tmp_path, f"rig: r\nlisten: [{item}]\n{WORKERS}")
        assert (config.listen, config.doors) == ((listens,), {listens: door})

    def test_keys_are_in_a_folder_beside_the_config(self, tmp_path: Path) -> None:
        new_key(tmp_path / "keys", "alice")
        config = load_text(tmp_path, listening("{tcp: '10.0.0.1:5570', curve: keys/}"))
        assert config.doors["tcp://10.0.0.1:5570"] == Door(curve=tmp_path / "keys")

    def test_a_plain_address_on_loopback_goes_on_as_ever(self, tmp_path: Path) -> None:
        assert load_text(tmp_path, listening("'tcp://127.0.0.1:5570'")).doors == {}

    @pytest.mark.parametrize(
        ("item", "told"),
        [
            ("'tcp://10.0.0.1:5570'", "can be reached from the network: give it keys"),
            ("'tcp://*:5570'", 'or say that anybody may use the rig, {tcp: "*:5570", insecure'),
            ("{tcp: '10.0.0.1:5570'}", "can be reached from the network"),
            ("{tcp: '10.0.0.1:5570', allow_local_users: true}", "can be reached from the network"),
            ("{tcp: '127.0.0.1:5570'}", "can be used by every user of this machine: give it keys"),
            ("{tcp: '10.0.0.1:5570', curve: none/}", "can't be used: No such file"),
            ("{tcp: '10.0.0.1:5570', cruve: keys/}", 'did you mean "curve"?'),
            ("{tcp: 'tcp://10.0.0.1:5570', curve: keys/}", 'tcp is "host:port"'),
            ("{tcp: 5, curve: keys/}", 'tcp is "host:port", not'),
            ("{tcp: 'a:1', requests: 'tcp://a:1'}", "one of requests and tcp"),
            ("{tcp: 'a:1', insecure: 1}", '"insecure" must be true or false'),
            ("{tcp: 'a:1', role: king}", '"role" must be one of reader, operator, admin'),
            ("{tcp: 'a:1', curve: ''}", '"curve" must be the path of a folder'),
            ("{tcp: 'a:1', curve: keys/, insecure: true}", "where curve asks for keys: leave it"),
            ("{tcp: 'a:1', curve: keys/, role: reader}", '"role" says nothing where curve'),
            ("{requests: ipc, curve: keys/}", '"curve" is for addresses of tcp'),
            ("{requests: 'http://localhost:80', role: reader}", "is for browsers"),
        ],
    )
    def test_what_is_refused(self, tmp_path: Path, item: str, told: str) -> None:
        expect(tmp_path, listening(f"§{item}"), told)

    def test_what_holds_for_all_of_loopback_is_said_on_top_too(self, tmp_path: Path) -> None:
        load_text(tmp_path, listening("{tcp: '127.0.0.1:1'}", "allow_local_users: true\n"))

    def test_keys_that_others_may_read_are_refused(self, tmp_path: Path) -> None:
        new_key(tmp_path / "keys", "alice")
        (tmp_path / "keys").chmod(0o755)
        expect(
            tmp_path, listening("§{tcp: '10.0.0.1:1', curve: keys/}"), "close it with: chmod 700"
        )

    def test_one_address_has_one_door(self, tmp_path: Path) -> None:
        item = "{tcp: '127.0.0.1:0', role: reader}, §{tcp: '127.0.0.1:0', role: admin}"
        expect(tmp_path, listening(item), "is there twice, and what holds for it is one thing")

    def test_where_names_decide_everybody_has_one(self, tmp_path: Path) -> None:
        access = "access: {alice: operator}\n"
        for item in ("'tcp://127.0.0.1:1'", "{tcp: '10.0.0.1:1', insecure: true}"):
            expect(tmp_path, listening(f"§{item}", access), "has no name for access to go by")
        load_text(tmp_path, listening("{tcp: '127.0.0.1:1', role: reader}", access))


class TestGrants:
    def test_roles_and_what_is_allowed_beyond(self, tmp_path: Path) -> None:
        config = load_text(
            tmp_path,
            "rig: r\naccess:\n  alice: operator\n"
            "  display: {role: reader, read: [stage.speed]}\n"
            "  agent: {allow: [stage.move], limits: {stage.move: {x: [0, 50]}}}\n" + WORKERS,
        )
        assert config.access == {
            "alice": Granted("operator"),
            "display": Granted(read=("stage.speed",)),
            "agent": Granted(allow=("stage.move",), limits={"stage.move": {"x": Limit(0, 50)}}),
        }

    def test_without_it_nothing_is_said(self, tmp_path: Path) -> None:
        assert load_text(tmp_path, "rig: r\n" + WORKERS).access is None

    @pytest.mark.parametrize(
        ("grant", "told"),
        [
            ("operater", 'did you mean "operator"?'),
            ("5", "must be a role, reader, operator or admin"),
            ("{rolle: reader}", 'unknown key "rolle"'),
            ("{role: 1}", "a role is reader, operator or admin"),
            ("{allow: stage.move}", '"allow" must be a list such as [stage.move]'),
            ("{allow: [move]}", "is no worker.member"),
            ("{allow: [stag.move]}", 'no worker is named "stag"'),
            ("{read: [lazer.power]}", 'no worker is named "lazer"'),
            ("{limits: 5}", "limits are by member"),
            ("{limits: {stage.move: {x: [0, 1]}}}", "has limits and isn't in allow"),
            ("{allow: [stage.move], limits: {stage.move: {x: 5}}}", "a limit is [lowest, highest]"),
            (
                "{role: operator, allow: [stage.move], limits: {stage.move: {x: [0, 1]}}}",
                "limits hold nobody back who may all of a worker",
            ),
        ],
    )
    def test_what_is_refused(self, tmp_path: Path, grant: str, told: str) -> None:
        expect(tmp_path, f"rig: r\naccess: {{alice: §{grant}}}\n{WORKERS}", told)
