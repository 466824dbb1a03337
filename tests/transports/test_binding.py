"""Addresses that are taken: a live server's never, a closing one's at once."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import zmq

from tests.integration.transports_kit import free_port
from transports import binding
from transports.binding import bind, file_of, is_taken, remove
from transports.endpoints import Endpoint, parse_endpoint
from transports.errors import AddressError

Make = Callable[[int], "zmq.Socket[bytes]"]


@pytest.fixture
def folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="o", dir="/tmp") as name:
        yield Path(name)


@pytest.fixture
def socket_of() -> Iterator[Make]:
    context = zmq.Context()
    made: list[zmq.Socket[bytes]] = []

    def make(kind: int) -> zmq.Socket[bytes]:
        made.append(context.socket(kind))
        return made[-1]

    yield make
    context.destroy(0)


def at(path: Path) -> Endpoint:
    return parse_endpoint(f"ipc://{path}")


def test_a_listener_is_told_from_what_it_left_behind(folder: Path) -> None:
    path = folder / "x.ipc"
    assert not is_taken(at(path))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        assert is_taken(at(path))
    assert path.exists()
    assert not is_taken(at(path))


def test_a_listener_with_a_full_backlog_is_alive(folder: Path) -> None:
    path = folder / "x.ipc"
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as caller:
        listener.bind(str(path))
        listener.listen(0)
        caller.connect(str(path))
        assert is_taken(at(path))


def test_a_listener_that_ends_while_it_is_looked_at_leaves_its_address(folder: Path) -> None:
    """It accepts, too: what counts is that the connection doesn't last."""
    path = folder / "x.ipc"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def end() -> None:
        connection, _ = listener.accept()
        connection.sendall(b"hello")
        listener.close()
        connection.close()

    ending = threading.Thread(target=end)
    ending.start()
    assert not is_taken(at(path))
    ending.join()


@pytest.mark.parametrize("error", [ConnectionResetError, ConnectionAbortedError])
def test_a_listener_that_ends_before_it_accepts_leaves_its_address(
    monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    left = [error, ConnectionRefusedError]

    def connect(*_: object) -> None:
        raise left.pop(0)

    monkeypatch.setattr(socket, "create_connection", connect)
    assert not is_taken(parse_endpoint("tcp://127.0.0.1:27123"))
    assert left == []


def test_a_connection_that_nobody_has_on_the_other_side_is_no_sign_of_life(
    monkeypatch: pytest.MonkeyPatch, socket_of: Make
) -> None:
    ours, forgotten = socket.socketpair()
    left = iter([ours])

    def connect(*_: object) -> socket.socket:
        try:
            return next(left)
        except StopIteration:
            raise ConnectionRefusedError from None

    tried: list[str] = []

    def once_in_use(bound: zmq.Socket[bytes], address: str) -> None:
        tried.append(address)
        if len(tried) == 1:
            raise zmq.ZMQError(zmq.EADDRINUSE)

    monkeypatch.setattr(socket, "create_connection", connect)
    monkeypatch.setattr(binding, "CLOSING", 0.01)
    with forgotten:
        endpoint = parse_endpoint("tcp://127.0.0.1:27123")
        binding.bind(socket_of(zmq.ROUTER), endpoint, 0.001, once_in_use)
    assert len(tried) == 2


@pytest.mark.parametrize("kind", ["ipc", "tcp", "tcp6"])
def test_an_address_is_bound_again_right_after_it_was_closed(
    folder: Path, socket_of: Make, kind: str
) -> None:
    port = free_port()  # not one that the system may give to somebody else meanwhile
    address = {
        "ipc": f"ipc://{folder}/x.ipc",
        "tcp": f"tcp://127.0.0.1:{port}",
        "tcp6": f"tcp://[::1]:{port}",
    }
    endpoint = parse_endpoint(address[kind])
    for _ in range(100):
        listener = socket_of(zmq.ROUTER)
        bind(listener, endpoint)
        listener.close(0)


@pytest.mark.parametrize("address", ["ipc://{}/x.ipc", "tcp://127.0.0.1:*"])
def test_a_live_servers_address_is_refused(folder: Path, socket_of: Make, address: str) -> None:
    live, other = socket_of(zmq.ROUTER), socket_of(zmq.ROUTER)
    bind(live, parse_endpoint(address.format(folder)))
    taken = parse_endpoint(live.getsockopt_string(zmq.LAST_ENDPOINT))
    with pytest.raises(zmq.ZMQError) as caught:
        bind(other, taken)
    assert caught.value.errno == zmq.EADDRINUSE


def test_ipv6_at_one_address_leaves_the_next_as_it_is(
    socket_of: Make,
) -> None:
    listener = socket_of(zmq.ROUTER)
    bind(listener, parse_endpoint("tcp://[::1]:*"))
    bind(listener, parse_endpoint("tcp://*:*"))
    assert listener.getsockopt_string(zmq.LAST_ENDPOINT).startswith("tcp://0.0.0.0:")


def test_what_is_no_socket_is_not_taken(folder: Path, socket_of: Make) -> None:
    path = folder / "x.ipc"
    path.write_text("mine")
    with pytest.raises(AddressError, match="no socket"):
        bind(socket_of(zmq.ROUTER), at(path))
    assert path.read_text() == "mine"


def test_only_the_own_file_is_removed(folder: Path, socket_of: Make) -> None:
    path = folder / "x.ipc"
    file = bind(socket_of(zmq.ROUTER), at(path))
    assert file == file_of(path)
    os.rename(path, folder / "away")
    path.write_text("another's")
    remove(file)
    assert path.read_text() == "another's"
    os.replace(folder / "away", path)
    remove(file)
    assert not path.exists()


def test_a_port_that_is_bound_and_answers_nobody_is_an_error_in_the_end(socket_of: Make) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        with pytest.raises(zmq.ZMQError) as caught:
            bind(
                socket_of(zmq.ROUTER),
                parse_endpoint(f"tcp://127.0.0.1:{holder.getsockname()[1]}"),
            )
    assert caught.value.errno == zmq.EADDRINUSE
