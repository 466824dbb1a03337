"""Who asks, as a rig is told."""

from __future__ import annotations

import pytest

from orchestrator.client.identity import LONGEST, new_id, program
from transports.client_ids import caller


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["/home/ada/scan.py", "--fast"], "scan.py"),
        (["/usr/bin/orch", "status"], "orch"),
        (["/lib/orchestrator/__main__.py", "status"], "orch"),
        (["/lib/pytest/__main__.py"], "pytest"),
        (["-c"], "python"),
        ([""], "python"),
        ([], "python"),
    ],
)
def test_a_program_is_called_as_people_call_it(argv: list[str], name: str) -> None:
    assert program(argv) == name


def test_ids_differ_and_tell_the_same() -> None:
    one, two = new_id(), new_id()
    assert one != two
    assert caller(one) == caller(two)
    user, _, rest = caller(one).partition("@")
    host, _, name = rest.partition(":")
    assert all((user, host, name))


def test_an_id_fits_what_a_socket_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/x/" + "é" * 300])
    monkeypatch.setattr("platform.node", lambda: "h" * 300)
    monkeypatch.setattr("getpass.getuser", lambda: "u~" * 300)
    from orchestrator.client import identity

    identity.who.cache_clear()
    try:
        made = new_id()
    finally:
        identity.who.cache_clear()
    assert len(made.encode()) <= 255
    assert caller(made) == f"{('u_' * LONGEST)[:LONGEST]}@{'h' * LONGEST}:{'_' * LONGEST}"


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestrator.client import identity

    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr("getpass.getuser", nobody)
    identity.who.cache_clear()
    try:
        assert caller(new_id()).partition("@")[0].isdigit()
    finally:
        identity.who.cache_clear()


def test_of_clients_of_another_make_the_id_is_told() -> None:
    assert caller("bench|stage|IPC|0a1b2c3d|sync") == "bench|stage|IPC|0a1b2c3d|sync"
    assert caller("~x") == "~x"
