"""The fork server: has the libraries imported already, and forks workers from there.

`python fork_server.py FD`, where FD is a socket to the supervisor. It answers each request with
the processes that it made, or with what the system lacked; a fork that fails costs that launch
alone. Workers aren't its children: it forks an intermediate process, which forks the worker's
`keeper` and ends, so that the supervisor adopts the keeper. That it dies concerns no worker, and
no driver has it as its parent or holds a descriptor of it.

A signal to all processes of the rig, as `timeout`, job schedulers and terminals send it, is for
the supervisor to act on; the fork server ends when its socket does.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    # this folder was put there for being the script's, and its modules are not to be top-level
    _HERE = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != _HERE]
    sys.path.insert(0, os.path.dirname(os.path.dirname(_HERE)))

import errno
import gc
import importlib
import json
import signal
import socket
import traceback
from types import FrameType
from typing import Any, NoReturn

MOST_FDS = 5
RECORDS_FD = 3
"""Under this number a program that is started has the stream of records."""
PRELOAD = (
    "workers.process.child",
    "workers.process.keeper",
    "workers.serving.server",
    "workers.output.records",
    "numpy",
)
"""Modules that are imported once for all workers."""


def send(connection: socket.socket, message: dict[str, Any], fds: tuple[int, ...] = ()) -> None:
    """Send a message and file descriptors. Raises OSError."""
    body = json.dumps(message).encode()
    head = len(body).to_bytes(4, "big")
    if fds:
        socket.send_fds(connection, [head], fds)
    else:
        connection.sendall(head)
    connection.sendall(body)


def receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Wait for a message; None at the end. Raises OSError, TimeoutError if the socket has one."""
    head, fds, _, _ = socket.recv_fds(connection, 4, MOST_FDS)
    size = _rest(connection, bytearray(head), 4)
    body = None if size is None else _rest(connection, bytearray(), int.from_bytes(size, "big"))
    if body is None:
        for fd in fds:
            os.close(fd)
        return None
    for fd in fds:
        os.set_inheritable(fd, False)
    message: dict[str, Any] = json.loads(bytes(body))
    return message, list(fds)


def _rest(connection: socket.socket, begun: bytearray, size: int) -> bytearray | None:
    while len(begun) < size:
        part = connection.recv(size - len(begun))
        if not part:
            return None
        begun += part
    return begun


def main(connection: socket.socket) -> None:
    """Serve until the supervisor closes the socket."""
    os.set_inheritable(connection.fileno(), False)
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name)
        # What is ignored, as SIGHUP by nohup, stays so; else not ignored: programs inherit that.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _do_nothing)
    first = receive(connection)
    if first is None:
        return
    sys.path[:] = first[0]["path"]
    for module in PRELOAD:
        importlib.import_module(module)
    from workers.process.keeper import name_process

    name_process("orch-forkserver")
    gc.collect()
    gc.freeze()  # workers share these pages as long as nobody writes to them
    send(connection, {"pid": os.getpid()})
    while (request := receive(connection)) is not None:
        message, fds = request
        try:
            answer = _launch(connection, message, fds)
        except OSError as error:
            answer = _failure(error)
        finally:
            for fd in fds:
                os.close(fd)
        send(connection, answer)


def _launch(connection: socket.socket, message: dict[str, Any], fds: list[int]) -> dict[str, Any]:
    """Have a worker and its keeper forked; their processes."""
    reader, writer = os.pipe()
    try:
        intermediate = os.fork()
    except OSError:
        os.close(reader)
        os.close(writer)
        raise
    if intermediate == 0:
        os.close(reader)
        connection.close()
        _fork_keeper(writer, message, fds)
    os.close(writer)
    with open(reader, "rb") as news:
        told: list[dict[str, Any]] = [json.loads(line) for line in news]
    os.waitpid(intermediate, 0)
    if not told:
        raise OSError(errno.ECHILD, "the worker's keeper died")
    return next((each for each in told if "errno" in each), told[0])


def _fork_keeper(news: int, message: dict[str, Any], fds: list[int]) -> NoReturn:
    """Fork the keeper and end: nobody here has a child then."""
    try:
        if os.fork() == 0:
            _be_keeper(news, message, fds)
    except OSError as error:
        _tell(news, _failure(error))
    finally:
        os._exit(0)


def _be_keeper(news: int, message: dict[str, Any], fds: list[int]) -> NoReturn:
    from workers.process import keeper

    try:
        os.setsid()
        keeper.name_process("orch-keeper")
        keeper.adopt_orphans()
        *streams, status = fds
        worker = os.fork()
        if worker == 0:
            os.close(status)
            keeper.name_process("orch-worker")
            _be_worker(news, message, streams)
        for fd in streams:  # they end with the worker, not with its keeper
            os.close(fd)
        _tell(news, {"worker": worker, "keeper": os.getpid()})
        os.close(news)
        keeper.keep(worker, status)
    except OSError as error:
        _tell(news, _failure(error))
    finally:
        os._exit(1)


def _be_worker(news: int, message: dict[str, Any], streams: list[int]) -> NoReturn:
    """Be a worker here, or the program that hosts one."""
    try:
        if "spec" in message:
            os.close(news)
            from workers.process import child

            child.main(message["spec"], *streams)
        os.chdir(message["cwd"])
        for number, fd in enumerate(streams):
            os.dup2(fd, number)  # the last of them is RECORDS_FD
        os.execve(message["command"][0], message["command"], message["env"])  # closes all others
    except OSError as error:
        _tell(news, _failure(error))
    except BaseException:  # noqa: BLE001  there is nobody above to raise it to
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(1)


def _tell(news: int, message: dict[str, Any]) -> None:
    os.write(news, json.dumps(message).encode() + b"\n")


def _failure(error: OSError) -> dict[str, Any]:
    return {"errno": error.errno, "error": error.strerror, "file": error.filename}


def _do_nothing(number: int, frame: FrameType | None) -> None:
    pass


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
