"""Makes a device safe: a driver built and called in a process of its own, which then ends.

Run as a script when the worker that had the device is surely gone. It is read by whatever Python
the worker has. Standard input is one line of JSON: driver, arguments, calls, folder, and how many
seconds all may take. Exit status: 0 all was done, else what was in the way is on standard error.
"""

import asyncio
import contextlib
import importlib.util
import inspect
import json
import os
import signal
import sys
from types import ModuleType
from typing import Any


def command(python: str) -> list[str]:
    """The arguments that run a recipe in an interpreter."""
    return [python, os.path.abspath(__file__)]


def _beside(name: str) -> ModuleType:
    """A file of this folder, without making its neighbours top-level modules."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"orch_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def follow(recipe: dict[str, Any]) -> None:
    """Build the driver and make the calls, in order; what is awaitable is awaited."""
    from workers.driver.build import find

    driver = await _settled(find(recipe["driver"])(*recipe["args"], **recipe["kwargs"]))
    for name, args, kwargs in recipe["calls"]:
        member = driver
        for part in name.split("."):
            member = getattr(member, part)
        await _settled(member(*args, **kwargs))


async def _settled(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def main() -> None:
    """Do what the line on standard input says."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != here]
    recipe = json.loads(sys.stdin.readline())
    # Ends it even when nobody is left to do so, and whatever the driver does.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])
    signal.setitimer(signal.ITIMER_REAL, recipe["timeout"])
    _beside("bootstrap").provide()
    from workers import search_path

    search_path.arrange(recipe["folder"])
    with contextlib.suppress(BrokenPipeError):  # who started it has gone: the device comes first
        asyncio.run(follow(recipe))


if __name__ == "__main__":
    main()
