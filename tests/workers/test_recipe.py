"""Recipes that make a device safe: followed in order, and as a script."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from workers.process.recipe import command, follow

DRIVER = """
import time

done = []

class Channel:
    async def off(self, level: float = 0.0):
        done.append(("off", level))

class Safe:
    def __init__(self, port: int):
        done.append(("port", port))
        self.ch1 = Channel()

    def beep(self):
        done.append(("beep",))
        print("beeps")

    def fail(self):
        raise OSError("no device")

    def hang(self):
        time.sleep(60)

async def connect(port: int):
    return Safe(port)
"""


def recipe(folder: Path, *calls: Any, driver: str = "recipe_driver:Safe") -> dict[str, Any]:
    (folder / "recipe_driver.py").write_text(DRIVER)
    return {
        "driver": driver,
        "args": [],
        "kwargs": {"port": 7},
        "calls": calls,
        "folder": str(folder),
        "timeout": 20.0,
    }


@pytest.mark.parametrize("driver", ["recipe_driver:Safe", "recipe_driver:connect"])
def test_calls_are_made_in_order_and_awaited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, driver: str
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "recipe_driver", raising=False)
    told = recipe(tmp_path, ("beep", [], {}), ("ch1.off", [], {"level": 0.5}), driver=driver)
    asyncio.run(follow(told))
    done = sys.modules.pop("recipe_driver").done
    assert done == [("port", 7), ("beep",), ("off", 0.5)]


def run(told: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(sys.executable), input=f"{json.dumps(told)}\n", capture_output=True, text=True
    )


def test_as_a_script(tmp_path: Path) -> None:
    """It ends by itself when it takes too long; what is in the way is on standard error."""
    done = run(recipe(tmp_path, ("beep", [], {})))
    assert (done.returncode, done.stdout) == (0, "beeps\n")
    failed = run(recipe(tmp_path, ("fail", [], {}), ("beep", [], {})))
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.endswith("OSError: no device\n")
    hangs = run({**recipe(tmp_path, ("hang", [], {})), "timeout": 1.0})
    assert hangs.returncode == -signal.SIGALRM
