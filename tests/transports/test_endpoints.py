"""Addresses: read, refused with the mend, and found where hololinked's clients look."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.endpoints import (
    hololinked_endpoint,
    hololinked_file_name,
    locate,
    parse_endpoint,
)
from transports.errors import AddressError
from transports.headers import ZMQ_TRANSPORTS


@pytest.fixture
def folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="o", dir="/tmp") as name:
        yield Path(name)


@pytest.fixture
def home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(folder))
    return folder


def test_an_address_is_read() -> None:
    tcp = parse_endpoint("TCP://[::1]:5570")
    assert (tcp.transport, tcp.address) == (ZMQ_TRANSPORTS.TCP, "tcp://[::1]:5570")
    assert (tcp.host, tcp.port) == ("[::1]", 5570)
    assert parse_endpoint("tcp://*:*").port == 0
    assert parse_endpoint("ipc:///run/x.ipc").path == Path("/run/x.ipc")
    assert str(parse_endpoint("inproc://a b")) == "inproc://a b"


@pytest.mark.parametrize(
    ("address", "mend"),
    [
        ("bench", "write ipc:///path or tcp://host:port"),
        ("ipc://", "write ipc:///path"),
        ("udp://localhost:1", "use ipc, tcp or inproc"),
        ("tcp://localhost", "needs a host and a port"),
        ("tcp://:5570", "needs a host and a port"),
        ("tcp://::1:5570", "stands in brackets"),
        ("tcp://localhost:99999", "needs a host and a port"),
        ("tcp://localhost:\u0664", "needs a host and a port"),
        ("ipc:///" + "x" * 107, "unix sockets allow 107"),
        ("ipc:///" + "é" * 60, "121 bytes"),
    ],
)
def test_an_address_that_cannot_work_says_how_to_mend_it(address: str, mend: str) -> None:
    with pytest.raises(AddressError, match=mend):
        parse_endpoint(address)


def test_the_longest_path_is_allowed() -> None:
    assert parse_endpoint("ipc:///" + "x" * 106).path.name == "x" * 106


@pytest.mark.parametrize(
    ("server_id", "name"),
    [
        ("rig", "rig.ipc"),
        ("rig/one", "rig_one.ipc"),
        ("a__b", "a_b.ipc"),
        ("<a>:*?b|", "a_b.ipc"),
        ("rig/event-publisher", "rig.event-publisher.ipc"),
        ("_rig_", "rig.ipc"),
    ],
)
def test_files_are_named_as_hololinked_names_them(server_id: str, name: str) -> None:
    assert hololinked_file_name(server_id) == name


@given(st.text())
def test_no_server_id_leaves_the_folder(server_id: str) -> None:
    name = hololinked_file_name(server_id)
    assert "/" not in name
    assert "\0" not in name
    assert name.endswith(".ipc")


def test_hololinked_looks_in_the_home_folder(home: Path) -> None:
    assert hololinked_endpoint("rig").path == home / ".hololinked" / "sockets" / "rig.ipc"


def test_a_home_that_is_too_long_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/" + "h" * 100)
    with pytest.raises(AddressError, match="choose a shorter folder"):
        hololinked_endpoint("rig")


@pytest.mark.parametrize("transport", ["ipc", "IPC", "Ipc", ZMQ_TRANSPORTS.IPC])
def test_a_transport_is_text_in_any_case_or_the_enum(transport: str, home: Path) -> None:
    endpoint = locate("rig", True, transport)
    assert endpoint is not None
    assert endpoint.path == home / ".hololinked/sockets/rig.ipc"


@pytest.mark.parametrize(
    ("transport", "address", "found"),
    [
        ("INPROC", None, "inproc://rig/one"),
        ("INPROC", "other", "inproc://other"),
        ("TCP", "127.0.0.1:5570", "tcp://127.0.0.1:5570"),
        ("tcp://127.0.0.1:5570", None, "tcp://127.0.0.1:5570"),
        ("IPC", "tcp://127.0.0.1:5570", "tcp://127.0.0.1:5570"),
        ("IPC", "/tmp/x.ipc", "ipc:///tmp/x.ipc"),
        ("IPC", "ipc:///tmp/x.sock", "ipc:///tmp/x.sock"),
        ("ipc:///tmp/x.ipc", "inproc://x", "inproc://x"),
    ],
)
def test_a_full_address_decides(transport: str, address: str | None, found: str) -> None:
    endpoint = locate("rig/one", False, transport, address)
    assert endpoint is not None
    assert endpoint.address == found


def test_an_ipc_address_may_be_another_id(home: Path) -> None:
    endpoint = locate("me", False, "IPC", "bench")
    assert endpoint is not None
    assert endpoint.path.name == "bench.ipc"


@pytest.mark.parametrize("transport", ["PUB", "", "udp://x:1", 5, None])
def test_another_transport_is_not_implemented(transport: str) -> None:
    with pytest.raises(NotImplementedError, match="known: TCP, IPC, INPROC"):
        locate("rig", True, transport)


def test_a_tcp_client_needs_an_address_and_a_tcp_server_does_not() -> None:
    with pytest.raises(RuntimeError, match=r"tcp://127\.0\.0\.1:5570"):
        locate("rig", False, "TCP")
    assert locate("rig", True, "TCP") is None


def test_the_folder_of_hololinked_can_be_set(
    folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCH_HOLOLINKED_DIR", f"{folder}/shared")
    assert hololinked_endpoint("rig").address == f"ipc://{folder}/shared/sockets/rig.ipc"
    monkeypatch.setenv("ORCH_HOLOLINKED_DIR", "")
    assert hololinked_endpoint("rig").address == f"ipc://{home}/.hololinked/sockets/rig.ipc"
    monkeypatch.setenv("ORCH_HOLOLINKED_DIR", "relative")
    with pytest.raises(AddressError, match="ORCH_HOLOLINKED_DIR must be an absolute path"):
        hololinked_endpoint("rig")


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("ipc:///tmp/x", True),
        ("inproc://x", True),
        ("tcp://127.0.0.1:5570", True),
        ("tcp://[::1]:5570", True),
        ("tcp://[0:0:0:0:0:0:0:1]:5570", True),
        ("tcp://[::]:5570", False),
        ("tcp://localhost:5570", True),
        ("tcp://0.0.0.0:5570", False),
        ("tcp://*:5570", False),
        ("tcp://10.0.0.5:5570", False),
    ],
)
def test_who_can_reach_an_address(address: str, local: bool) -> None:
    """Only this machine, or the network: the rig warns of the latter."""
    assert parse_endpoint(address).is_local is local
