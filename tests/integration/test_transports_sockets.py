"""Sockets of the base classes: made, bound or refused, and closed without a trace."""

from __future__ import annotations

import os
import socket as network
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq
import zmq.asyncio

from tests.integration.transports_kit import short_folder
from transports import ZMQ_TRANSPORTS, BaseAsyncZMQ, BaseSyncZMQ, BaseZMQ
from transports.errors import AddressError


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with short_folder() as folder:
        monkeypatch.setenv("HOME", str(folder))
        yield folder


@pytest.fixture
def context() -> Iterator[zmq.Context[Any]]:
    """A context that ends only if every socket in it was closed."""
    context = zmq.Context()
    yield context
    context.term()


@pytest.fixture
def busy_port() -> Iterator[int]:
    with network.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_the_default_is_a_router_where_hololinked_looks(
    context: zmq.Context[Any], home: Path
) -> None:
    socket, address = BaseZMQ.get_socket(id="rig/one", node_type="server", context=context)
    with socket:
        assert address == f"ipc://{home}/.hololinked/sockets/rig_one.ipc"
        assert socket.type == zmq.ROUTER
        assert socket.get(zmq.IDENTITY) == b"rig/one"
        assert socket.get(zmq.LINGER) == 0
        for folder in (home / ".hololinked", home / ".hololinked" / "sockets"):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_an_asyncio_context_gives_an_asyncio_socket() -> None:
    context = zmq.asyncio.Context()
    socket, _ = BaseZMQ.get_socket(
        id="rig", node_type="server", context=context, transport="INPROC", socket_type=zmq.PUB
    )
    assert isinstance(socket, zmq.asyncio.Socket)
    assert socket.type == zmq.PUB
    socket.close()
    context.term()


@pytest.mark.parametrize("transport", ["INPROC", "inproc", ZMQ_TRANSPORTS.INPROC, "inproc://rig"])
def test_a_server_and_a_client_meet(context: zmq.Context[Any], transport: str) -> None:
    server, address = BaseZMQ.get_socket(
        id="rig", node_type="SERVER", context=context, transport=transport
    )
    client, same = BaseZMQ.get_socket(
        id="me", node_type="client", context=context, transport=transport, server_id="rig"
    )
    with server, client:
        assert address == same == "inproc://rig"
        client.send_multipart([b"rig", b"hello"])
        assert server.recv_multipart() == [b"me", b"hello"]


@pytest.mark.parametrize("name", ["socket_address", "access_point"])
def test_tcp_needs_an_address_at_the_client(context: zmq.Context[Any], name: str) -> None:
    server, address = BaseZMQ.get_socket(
        id="rig",
        node_type="server",
        context=context,
        transport="TCP",
        **{name: "tcp://127.0.0.1:*"},
    )
    client, _ = BaseZMQ.get_socket(
        id="me", node_type="client", context=context, transport="TCP", **{name: address}
    )
    with server, client:
        assert int(address.rpartition(":")[2]) > 0
        assert client.get(zmq.LAST_ENDPOINT).decode() == address
    with pytest.raises(RuntimeError, match="address"):
        BaseZMQ.get_socket(id="me", node_type="client", context=context, transport="TCP")


@pytest.mark.parametrize("transport", ["PUB", "udp://127.0.0.1:1", "", None, 3])
def test_another_transport_is_not_implemented(context: zmq.Context[Any], transport: Any) -> None:
    with pytest.raises(NotImplementedError):
        BaseZMQ.get_socket(id="rig", node_type="server", context=context, transport=transport)


@pytest.mark.parametrize("node_type", ["peer", "", None, 3])
def test_another_node_type_is_a_value_error(context: zmq.Context[Any], node_type: Any) -> None:
    with pytest.raises(ValueError, match="'server' or 'client'"):
        BaseZMQ.get_socket(id="rig", node_type=node_type, context=context)


@pytest.mark.parametrize("id", ["", "x" * 256])
def test_an_id_has_a_length_that_zmtp_can_carry(context: zmq.Context[Any], id: str) -> None:
    with pytest.raises(ValueError, match="1 to 255 bytes"):
        BaseZMQ.get_socket(id=id, node_type="server", context=context, transport="INPROC")


def test_a_misspelt_argument_is_refused(context: zmq.Context[Any]) -> None:
    with pytest.raises(TypeError, match="'adress'"):
        BaseZMQ.get_socket(id="rig", node_type="server", context=context, adress="tcp://x:1")
    with pytest.raises(TypeError, match=r"zmq\.Context"):
        BaseZMQ.get_socket(id="rig", node_type="server", context=None)  # type: ignore[arg-type]


def test_a_busy_port_that_was_asked_for_is_an_error(
    context: zmq.Context[Any], busy_port: int
) -> None:
    with pytest.raises(zmq.ZMQError) as caught:
        BaseZMQ.get_socket(
            id="rig",
            node_type="server",
            context=context,
            transport="TCP",
            socket_address=f"tcp://127.0.0.1:{busy_port}",
        )
    assert caught.value.errno == zmq.EADDRINUSE


def test_a_tcp_server_without_an_address_stays_on_this_machine(context: zmq.Context[Any]) -> None:
    first, one = BaseZMQ.get_socket(id="a", node_type="server", context=context, transport="TCP")
    second, two = BaseZMQ.get_socket(id="b", node_type="server", context=context, transport="tcp")
    with first, second:
        assert one.startswith("tcp://127.0.0.1:6")
        assert two.startswith("tcp://127.0.0.1:6")
        assert one != two


@pytest.mark.parametrize(("host", "ipv6"), [("127.0.0.1", 0), ("[::1]", 1)])
def test_the_version_of_ip_follows_from_the_address(
    context: zmq.Context[Any], host: str, ipv6: int
) -> None:
    client, address = BaseZMQ.get_socket(
        id="me", node_type="client", context=context, socket_address=f"tcp://{host}:5570"
    )
    with client:
        assert client.get(zmq.IPV6) == ipv6
        assert client.get(zmq.HEARTBEAT_IVL) > 0
        assert address == f"tcp://{host}:5570"


def test_a_live_servers_file_is_not_taken(context: zmq.Context[Any], home: Path) -> None:
    server, address = BaseZMQ.get_socket(id="rig", node_type="server", context=context)
    with server, pytest.raises(zmq.ZMQError, match="live server") as caught:
        BaseZMQ.get_socket(id="rig", node_type="server", context=context)
    assert caught.value.errno == zmq.EADDRINUSE
    assert Path(address.removeprefix("ipc://")).is_socket()


def test_a_dead_servers_file_is_taken(context: zmq.Context[Any], home: Path) -> None:
    path = home / "x.ipc"
    with network.socket(network.AF_UNIX) as dead:
        dead.bind(str(path))
    server, _ = BaseZMQ.get_socket(
        id="rig", node_type="server", context=context, socket_address=f"ipc://{path}"
    )
    with server, network.socket(network.AF_UNIX) as caller:
        caller.connect(str(path))


def test_a_regular_file_is_not_deleted(context: zmq.Context[Any], home: Path) -> None:
    path = home / "notes.ipc"
    path.write_text("precious")
    with pytest.raises(AddressError, match="is a file and no socket"):
        BaseZMQ.get_socket(id="rig", node_type="server", context=context, socket_address=str(path))
    assert path.read_text() == "precious"


def test_a_path_that_is_too_long_is_told_before_it_fails(context: zmq.Context[Any]) -> None:
    with pytest.raises(AddressError, match="unix sockets allow 107"):
        BaseZMQ.get_socket(
            id="rig", node_type="server", context=context, transport="ipc:///" + "x" * 120
        )


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        (BaseSyncZMQ, zmq.Context, zmq.asyncio.Context),
        (BaseAsyncZMQ, zmq.asyncio.Context, zmq.Context),
    ],
)
def test_each_kind_takes_contexts_of_its_kind(
    kind: type[BaseSyncZMQ | BaseAsyncZMQ], right: Any, wrong: Any
) -> None:
    given, other = right(), wrong()
    node = kind()
    for context in (other, object()):
        with pytest.raises(TypeError, match="needed here, not"):
            node.create_socket(id="rig", context=context, transport="INPROC")
    assert node.socket is None
    node.create_socket(id="rig", context=given, transport="INPROC")
    assert (node.id, node.context, node.socket_address) == ("rig", given, "inproc://rig")
    node.exit()
    assert node.socket.closed
    assert not given.closed
    given.term()
    other.term()


@pytest.mark.parametrize("kind", [BaseSyncZMQ, BaseAsyncZMQ])
def test_exit_ends_what_was_made_here_and_may_be_repeated(
    kind: type[BaseSyncZMQ | BaseAsyncZMQ], home: Path
) -> None:
    with kind("rig") as node:
        node.create_socket(id="rig")
        path = Path(node.socket_address.removeprefix("ipc://"))
        assert path.is_socket()
        with pytest.raises(RuntimeError, match="has a socket"):
            node.create_socket(id="rig", transport="INPROC")
    node.exit()
    assert node.context.closed
    assert not path.exists()
    node.create_socket(id="rig")
    node.exit()
    assert node.context.closed


def test_a_failed_bind_leaves_no_context(busy_port: int) -> None:
    node = BaseSyncZMQ()
    with pytest.raises(zmq.ZMQError):
        node.create_socket(id="rig", socket_address=f"tcp://127.0.0.1:{busy_port}")
    assert node.context.closed
    assert node.socket is None
    node.exit()


def test_exit_leaves_a_successors_file(home: Path) -> None:
    path = home / "x.ipc"
    first, second = BaseSyncZMQ("rig"), BaseSyncZMQ("rig")
    with first, second:
        first.create_socket(id="rig", socket_address=str(path))
        os.unlink(path)
        second.create_socket(id="rig", socket_address=str(path))
        first.exit()
        assert path.is_socket()
    assert not path.exists()


def test_exit_does_not_wait_for_sockets_that_others_left_open() -> None:
    node = BaseSyncZMQ("rig")
    node.create_socket(id="rig", transport="INPROC")
    theirs = node.context.socket(zmq.PAIR)
    ending = threading.Thread(target=node.exit)
    ending.start()
    ending.join(10)
    assert not ending.is_alive()
    theirs.close()
