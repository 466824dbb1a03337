"""Recipes that make a device safe: followed in order, and as a script."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.rig.following import Following, Outcome
from workers.process.recipe import Refusal, Report, command, follow, prepare

DRIVER = """
import asyncio, os, sys, time

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

    def ramp(self, volts: float):
        done.append(("ramp", volts))

    async def fail(self):
        print("tries")
        raise OSError("no\\ndevice")

    def hang(self):
        time.sleep(60)

    def leave(self):
        sys.exit(0)

    def die(self):
        os.kill(os.getpid(), 11)

async def connect(port: int):
    return Safe(port)
"""


def recipe(folder: Path, *calls: Any, driver: str = "recipe_driver:Safe") -> dict[str, Any]:
    (folder / "recipe_driver.py").write_text(DRIVER)
    return {
        "driver": driver,
        "args": [],
        "kwargs": {"port": 7},
        "calls": [(name, [*args], {}) for name, *args in calls],
        "folder": str(folder),
        "start": 20.0,
        "timeout": 20.0,
    }


def here(told: dict[str, Any]) -> list[Any]:
    """Follow a recipe in this process; what its driver did."""
    report = Report(os.open(os.devnull, os.O_WRONLY))
    try:
        asyncio.run(follow(prepare(told, report), report))
    finally:
        os.close(report.fd)
        done: list[Any] = sys.modules.pop("recipe_driver").done
    return done


@pytest.mark.parametrize("driver", ["recipe_driver:Safe", "recipe_driver:connect"])
def test_calls_are_made_in_order_fitted_and_awaited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, driver: str
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    told = recipe(tmp_path, ("beep",), ("ch1.off", 1), ("ramp", 2), driver=driver)
    done = here(told)
    assert done == [("port", 7), ("beep",), ("off", 1.0), ("ramp", 2.0)]
    assert isinstance(done[2][1], float)
    assert isinstance(done[3][1], float)


@pytest.mark.parametrize("wrong", [("ramp", "no"), ("ramp", 1, 2), ("ramp",), ("beep", 1)])
def test_a_call_that_does_not_fit_keeps_all_from_being_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: tuple[Any, ...]
) -> None:
    """Not even the driver is built, unless by a factory."""
    monkeypatch.syspath_prepend(str(tmp_path))
    report = Report(os.open(os.devnull, os.O_WRONLY))
    with pytest.raises(Refusal, match=f"{wrong[0]} can't be called so: "):
        prepare(recipe(tmp_path, ("beep",), wrong), report)
    assert sys.modules.pop("recipe_driver").done == []
    made = prepare(recipe(tmp_path, ("beep",), wrong, driver="recipe_driver:connect"), report)
    with pytest.raises(Refusal, match=f"{wrong[0]} can't be called so: "):
        asyncio.run(follow(made, report))
    assert sys.modules.pop("recipe_driver").done == [("port", 7)]
    with pytest.raises(Refusal, match=r"Safe can't be called so: .*port"):
        prepare({**recipe(tmp_path, ("beep",)), "kwargs": {"port": "seven"}}, report)
    sys.modules.pop("recipe_driver")
    os.close(report.fd)


def run(told: dict[str, Any]) -> Outcome:
    about = {"command": command(sys.executable), "cwd": told["folder"], "recipe": told}
    return Following(about, os.environ).outcome()


def test_as_a_script(tmp_path: Path) -> None:
    """What was in the way is one line; what it wrote is told also when nothing was."""
    assert run(recipe(tmp_path, ("beep",))) == Outcome("", "", ["beeps"])
    failure, trace, output = run(recipe(tmp_path, ("beep",), ("fail",)))
    assert failure == "fail raised OSError: no device (recipe_driver.py:24)"
    assert trace.startswith("Traceback")
    assert "recipe.py" not in trace
    assert "asyncio" not in trace
    assert output == ["beeps", "tries"]
    hangs = run({**recipe(tmp_path, ("beep",), ("hang",), ("beep",)), "timeout": 0.3})
    assert hangs.failure == "took longer than 0.3 s in hang, 1 of 3 calls was made"


@pytest.mark.parametrize(
    ("call", "failure"),
    [
        ("leave", "leave raised SystemExit: 0 (recipe_driver.py:30)"),
        ("die", "was ended by SIGSEGV in die, no call was made"),
    ],
)
def test_an_end_before_all_is_done_is_a_failure(tmp_path: Path, call: str, failure: str) -> None:
    assert run(recipe(tmp_path, (call,))).failure == failure


def test_an_import_that_hangs_is_ended_too(tmp_path: Path) -> None:
    told = recipe(tmp_path, ("beep",))
    (tmp_path / "recipe_driver.py").write_text("import time; time.sleep(60)")
    failure = run({**told, "start": 3.0}).failure
    assert failure.startswith("took longer than 3 s to start")
    assert failure.endswith("no call was made")


def test_what_an_unusable_interpreter_says_is_told(tmp_path: Path) -> None:
    code = "import sys; sys.stdin.readline(); sys.exit('too old')"
    about = {"command": [sys.executable, "-c", code], "cwd": str(tmp_path)}
    outcome = Following({**about, "recipe": recipe(tmp_path, ("beep",))}, os.environ).outcome()
    assert outcome.failure == "ended with status 1, no call was made: too old"
