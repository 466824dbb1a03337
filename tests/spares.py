"""The processes of a rig from one that has imported everything, instead of from Python anew.

A command of `tests.preforked` that starts a rig forks them at its beginning, while it has neither
threads nor sockets. Each waits until `subprocess.Popen` is asked for it, and becomes it then, with
the descriptors, the environment and the modules that it would have. The second of a kind, as after
a death, is Python anew.
"""

from __future__ import annotations

import fcntl
import importlib
import inspect
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from tests.becoming import become, measure
from workers.process import keeper

ROOT = Path(__file__).resolve().parents[1]
FORK_SERVER = "workers.process.fork_server"
COLLECTOR = "orchestrator.logs.collect.collector"
PROGRAM = str(ROOT / "orchestrator" / "__main__.py")
"""What `run --detach` starts."""
MOST_FDS = 16

_modules: dict[str, frozenset[str]] = {}
"""What each kind of process imports."""
_spares: dict[str, tuple[int, socket.socket]] = {}
"""By kind: the process, and where it waits for its orders."""
_hidden: list[Any] = []
"""Modules that a process wouldn't have, and that mustn't be taken apart: others use them."""


def name_of(module: str) -> str:
    """As which `ps -o comm` shows a process that runs a module, for its arguments are no help."""
    return module.rpartition(".")[2]


def import_modules() -> None:
    """Import what a fork server and a collector do, and note it, before there is more."""
    importlib.import_module("coverage")  # as soon as Python starts, where it is measured
    for module in importlib.import_module(FORK_SERVER).PRELOAD:
        importlib.import_module(module)
    ours = {name for name in sys.modules if name.partition(".")[0] == "tests"}
    _modules[FORK_SERVER] = frozenset(sys.modules.keys() - ours)
    importlib.import_module(COLLECTOR)
    _modules[COLLECTOR] = frozenset(sys.modules.keys() - ours)


def keep_for(arguments: Sequence[str], base: Sequence[str]) -> None:
    """Fork what a command with these arguments will start; `base` is the end of `sys.path`."""
    if arguments[:1] != ["run"]:
        return
    for kind in (PROGRAM,) if "--detach" in arguments else (FORK_SERVER, COLLECTOR):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            ours.close()
            for _, other in _spares.values():
                other.close()
            _wait(kind, theirs, base)
        theirs.close()
        _spares[kind] = pid, ours
    subprocess.Popen = _Popen  # type: ignore[misc]


class _Popen(subprocess.Popen):  # type: ignore[type-arg]
    """Takes the spare process where there is one of the kind."""

    def _execute_child(self, *given: Any) -> None:
        execute = super()._execute_child  # type: ignore[misc]
        asked = inspect.signature(execute).bind(*given).arguments
        kind = _kind(asked["args"])
        if kind not in _spares:
            execute(*given)
            return
        self.pid, orders = _spares.pop(kind)
        self._child_created = True
        streams = [asked[end] for end in ("p2cread", "c2pwrite", "errwrite")]
        fds = {number: fd if fd >= 0 else number for number, fd in enumerate(streams)}
        fds |= {fd: fd for fd in asked["pass_fds"]}
        message = {
            "arguments": list(asked["args"][asked["args"].index(kind) + 1 :]),
            "environ": dict(os.environ if asked["env"] is None else asked["env"]),
            "cwd": os.fspath(asked["cwd"] or os.getcwd()),
            "session": asked["start_new_session"],
            "blocked": [*signal.pthread_sigmask(signal.SIG_BLOCK, [])],
            "fds": [*fds],
        }
        with orders:
            socket.send_fds(orders, [json.dumps(message).encode()], [*fds.values()])
        pipes = [asked[each] for each in asked if each.startswith(("p2c", "c2p", "err"))]
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]


def _kind(command: Sequence[str]) -> str:
    return next((each for each in command if each in _spares), "")


def _wait(kind: str, orders: socket.socket, base: Sequence[str]) -> NoReturn:
    """Become what is wanted, unless there is nobody any more who might want it."""
    # They are for who is started, and for nobody who isn't yet.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    data, fds, _, _ = socket.recv_fds(orders, 1 << 20, MOST_FDS)
    if not data:
        os._exit(0)
    asked = json.loads(data)
    _take_fds(dict(zip(asked["fds"], fds, strict=True)))
    if asked["session"]:
        os.setsid()
    if kind in _modules:
        keeper.name_process(name_of(kind))
        for name in sys.modules.keys() - _modules[kind]:
            _hidden.append(sys.modules.pop(name))
        del sys.modules[kind]  # it is the main module

    def run() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, asked["blocked"])
        if kind == PROGRAM:
            keep_for(asked["arguments"], base)
            measure()
            importlib.import_module("orchestrator.__main__").main()
        else:
            measure()
            runpy.run_module(kind, run_name="__main__", alter_sys=True)

    become(run, [kind, *asked["arguments"]], asked["environ"], asked["cwd"], base)


def _take_fds(fds: dict[int, int]) -> None:
    """Have these descriptors under these numbers, and no others."""
    above = max(fds) + 1
    moved = {number: fcntl.fcntl(fd, fcntl.F_DUPFD, above) for number, fd in fds.items()}
    for number, fd in moved.items():
        os.dup2(fd, number)
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in fds:
            try:
                os.close(int(name))
            except OSError:  # that by which they were listed
                continue
