"""Start of a worker in another interpreter: `python bootstrap.py`, the spec on standard input.

The interpreter has its own packages and knows nothing of ours. This file makes `workers`,
`transports` and the drivers' part of `orch` importable from where it lies itself, and nothing else
that lies beside them. The first line of standard input is JSON; after it the pipe stays open as
long as the supervisor lives.

It is read by whatever Python was configured, so it is written for old ones: a version that is
too old is to be told apart from a syntax error.
"""
# ruff: noqa: UP032  (f-strings and the like are newer than what must be read)

import json
import os
import sys

OLDEST = (3, 11)
NEEDED = ("zmq", "msgspec", "structlog")
PACKAGES = ("transports", "workers", "orch")
MEND = "install orch into it, as into the one that runs the rig"
EXIT_BOOT_FAILED = 70  # as in workers.errors, which can't be imported yet


def command(python: str) -> "list[str]":
    """The arguments that start a worker in an interpreter; see `start_line` for its input."""
    return [python, os.path.abspath(__file__)]


def start_line(
    spec: "dict[str, object]", records: "int | None", tickets: "int | None" = None
) -> bytes:
    """The first line of the worker's standard input.

    Args:
        spec: A `WorkerSpec` as builtins.
        records: File descriptor of the stream of records, inherited under this number.
        tickets: That of the tickets.
    """
    start = {"spec": spec, "records": records, "tickets": tickets}
    return json.dumps(start).encode() + b"\n"


def _refuse(reason: str) -> None:
    version = ".".join(str(part) for part in sys.version_info[:3])
    sys.stderr.write(
        "orch: {} (Python {}) can't host a worker: {}\n".format(sys.executable, version, reason)
    )
    sys.stderr.flush()
    os._exit(EXIT_BOOT_FAILED)


def _check() -> None:
    """End the process with one clear line unless this interpreter can host a worker."""
    if sys.version_info[:2] < OLDEST:
        _refuse("it must be Python {}.{} or newer".format(*OLDEST))
    missing = []
    for name in NEEDED:
        try:
            __import__(name)
        except ImportError:
            missing.append(name)
    if missing:
        _refuse("it lacks {}; {}".format(", ".join(missing), MEND))


class _Packages:
    """Finds our packages, also before others of these names, but none of their neighbours."""

    def __init__(self, folder: str, names: "tuple[str, ...]") -> None:
        self._folder = folder
        self._names = names

    def find_spec(self, name: str, path: object = None, target: object = None) -> "object":
        if name not in self._names:
            return None
        from importlib.util import spec_from_file_location

        package = os.path.join(self._folder, name)
        return spec_from_file_location(
            name, os.path.join(package, "__init__.py"), submodule_search_locations=[package]
        )


def provide(names: "tuple[str, ...]" = PACKAGES) -> None:
    """Make packages of ours importable from where this file lies."""
    here = os.path.dirname(os.path.abspath(__file__))
    packages = os.path.dirname(os.path.dirname(here))
    sys.meta_path.insert(0, _Packages(packages, names))  # type: ignore[arg-type]


def _read_line(fd: int) -> bytes:
    """The first line; nothing comes after it, but that the pipe ends when the supervisor does."""
    line = bytearray()
    while not line.endswith(b"\n"):
        part = os.read(fd, 65536)
        if not part:
            _refuse("the supervisor went away")
        line += part
    return bytes(line)


def main() -> None:
    """Be the worker that the first line of standard input describes."""
    here = os.path.dirname(os.path.abspath(__file__))
    # this folder was put there for being the script's, and its modules are not to be top-level
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != here]
    start = json.loads(_read_line(0).decode())
    _check()
    provide()
    from workers.process.child import main as be_worker

    be_worker(start["spec"], os.dup(0), None, None, start["records"], start["tickets"])


if __name__ == "__main__":
    main()
