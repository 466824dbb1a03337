"""The fork server: has the libraries imported already, and forks workers from there.

`python -m workers.process.fork_server FD`, where FD is a `multiprocess` connection to the
supervisor. It answers each request with the processes that it made, or with what the system
lacked; a fork that fails costs that launch alone. Workers aren't its children: it forks an
intermediate process, which forks the worker's `keeper` and ends, so that the supervisor adopts the
keeper. That it dies concerns no worker, and no driver has it as its parent or holds a descriptor
of it.

A signal to all processes of the rig, as `timeout`, job schedulers and terminals send it, is for
the supervisor to act on; the fork server ends when its connection does.
"""

from __future__ import annotations

import errno
import gc
import importlib
import json
import os
import signal
import sys
import traceback
from contextlib import suppress
from itertools import islice
from types import FrameType
from typing import Any, NoReturn

import multiprocess
from multiprocess.connection import Connection
from multiprocess.reduction import recv_handle

from workers.process import keeper
from workers.search_path import given_environment
from workers.stop_signals import STOP_SIGNALS, take_up

FDS = 6
"""File descriptors that follow a request: what the worker reads, writes, records by and takes its
tickets from, and the one on which its keeper tells its end."""
RECORDS_FD, TICKETS_FD = 3, 4
"""Under these numbers a program that is started has the stream of records and its tickets."""
PRELOAD = (
    "workers.process.child",
    "workers.serving.server",
    "workers.output.records",
    "transports.values.tables",
    "orch",
    "numpy",
)
"""Modules that are imported once for all workers."""


def main(connection: Connection) -> None:
    """Serve until the supervisor closes the connection."""
    for number in STOP_SIGNALS:
        # What is ignored, as SIGHUP by nohup, stays so; else not ignored: programs inherit that.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _do_nothing)
    take_up()
    os.set_inheritable(connection.fileno(), False)
    given = given_environment(dict(os.environ))
    for name in set(os.environ) - set(given):
        del os.environ[name]
    os.environ.update(given)
    try:
        sys.path[:] = json.loads(connection.recv_bytes())["path"]
        for module in PRELOAD:
            with suppress(ImportError):  # whoever needs it tells
                importlib.import_module(module)
        keeper.name_process(keeper.SERVER)
        gc.collect()
        gc.freeze()  # workers share these pages as long as nobody writes to them
        _send(connection, {"pid": os.getpid()})
        while True:
            _send(connection, _answer(connection, json.loads(connection.recv_bytes())))
    except (EOFError, ConnectionError):
        return  # the supervisor has closed the connection, or is gone


def _send(connection: Connection, message: dict[str, Any]) -> None:
    connection.send_bytes(json.dumps(message).encode())


def _answer(connection: Connection, message: dict[str, Any]) -> dict[str, Any]:
    fds: list[int] = []
    try:
        for _ in range(FDS):
            fds.append(recv_handle(connection))
            os.set_inheritable(fds[-1], False)
        return _launch(connection, message, fds)
    except OSError as error:
        return _failure(error)
    finally:
        for fd in fds:
            os.close(fd)


def _launch(connection: Connection, message: dict[str, Any], fds: list[int]) -> dict[str, Any]:
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
        # The keeper tells of a fork, and the end of file that a program is being executed.
        lines = news if "command" in message else islice(news, 1)
        told: list[dict[str, Any]] = [json.loads(line) for line in lines]
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
    try:
        os.setsid()
        keeper.name_process(keeper.KEEPER)
        keeper.adopt_orphans()
        *streams, status = fds
        worker = multiprocess.get_context("fork").Process(
            target=_be_worker, args=(news, status, message, streams), name=message["worker"]
        )
        worker.start()
        for fd in streams:  # they end with the worker, not with its keeper
            os.close(fd)
        _tell(news, {"worker": worker.pid, "keeper": os.getpid()})
        os.close(news)
        keeper.keep(worker.pid, status)
    except OSError as error:
        _tell(news, _failure(error))
    finally:
        os._exit(1)


def _be_worker(news: int, status: int, message: dict[str, Any], streams: list[int]) -> NoReturn:
    """Be a worker here, or the program that hosts one."""
    from workers.process import child

    os.close(status)
    keeper.name_process(keeper.WORKER)
    if "spec" in message:
        os.close(news)
        child.main(message["spec"], *streams)
    try:
        os.chdir(message["cwd"])
        for number, fd in enumerate(streams):
            os.dup2(fd, number)  # the last of them is TICKETS_FD
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)  # until it has handlers
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
    main(Connection(int(sys.argv[1])))
