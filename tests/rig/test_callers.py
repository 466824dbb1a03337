"""Who is at the other end: the kernel's word on ipc, and else what a client says of itself."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.rig.callers import LEFT_KNOWN, Callers

UID = os.getuid()
USER = pwd.getpwuid(UID).pw_name
SAYS = f"{USER}@lab:scan.py~77-1".encode()


def asked(client: bytes, sender: str = "?") -> Any:
    return SimpleNamespace(client=client, sender=sender)


@pytest.fixture
def callers() -> Callers:
    return Callers()


def by_ipc(uid: int = UID, pid: int | None = None) -> str:
    return f"localhost:{uid}:0:{os.getpid() if pid is None else pid}"


def test_a_claim_that_the_kernel_bears_out_stands(callers: Callers) -> None:
    callers.came(SAYS, by_ipc(pid=4711))
    assert callers.who(asked(SAYS)) == f"{USER}@lab:scan.py"
    assert callers.peer(SAYS) == "pid 4711"


def test_who_says_to_be_another_is_told_by_his_true_name(callers: Callers) -> None:
    callers.came(b"bob@moon:scan.py~77-1", by_ipc())
    who = callers.who(asked(b"bob@moon:scan.py~77-1"))
    assert who.startswith(f"{USER}@")
    assert who.endswith(":scan.py")
    assert "moon" not in who


def test_of_a_client_of_another_make_the_program_is_known(callers: Callers) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        callers.came(b"x|y|z", by_ipc(pid=process.pid))
        process.communicate(b"\n")
    assert callers.who(asked(b"x|y|z")).partition(":")[2].startswith("python")


def test_of_a_process_that_is_gone_its_number(callers: Callers) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    callers.came(b"x", by_ipc(pid=process.pid))
    assert callers.who(asked(b"x")).endswith(f":{process.pid}")


def test_one_whose_name_is_not_known_is_a_number(callers: Callers) -> None:
    callers.came(SAYS, by_ipc(uid=987_654))
    assert callers.who(asked(SAYS)).startswith("987654@")


def test_by_tcp_it_is_what_he_says_and_his_address(callers: Callers) -> None:
    callers.came(b"bob@moon:scan.py~77-1", "10.0.0.7")
    assert callers.who(asked(b"bob@moon:scan.py~77-1")) == "bob@moon:scan.py"
    assert callers.peer(b"bob@moon:scan.py~77-1") == "10.0.0.7"


def test_where_nobody_tells_it_is_the_sender(callers: Callers) -> None:
    callers.came(b"a", "")
    assert callers.who(asked(b"a", "eve@lab:x~1")) == "eve@lab:x"
    assert callers.peer(b"a") == ""


def test_those_who_left_are_known_for_a_while(callers: Callers) -> None:
    for number in range(LEFT_KNOWN + 1):
        identity = b"%d" % number
        callers.came(identity, "10.0.0.7")
        callers.left(identity)
    callers.left(b"nobody")
    assert callers.peer(b"1") == "10.0.0.7"
    assert callers.peer(b"0") == ""
