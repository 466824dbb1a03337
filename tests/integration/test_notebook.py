"""A notebook's kernel: what is typed, completed, inspected and interrupted there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.rigs import RunningRig, running, wait_until

pytest.importorskip("ipykernel", exc_type=ImportError)
manager = pytest.importorskip("jupyter_client.manager")

pytestmark = pytest.mark.unmeasured  # a kernel is large

DRIVER = '''
import time

class Bench:
    """A bench with an instrument."""

    def __init__(self):
        self._sent = []

    @property
    def next_error(self) -> str:
        """Reading takes one off the instrument's queue."""
        self._sent.append("SYST:ERR?")
        return "none"

    def sent(self) -> list:
        return self._sent

    def move(self, x: float, fast: bool = False) -> float:
        """Move somewhere.

        Args:
            x: Where to, in mm.
        """
        if x > 10:
            raise ValueError(f"{x} mm is too far")
        time.sleep(x)
        return x
'''
CONFIG = """
rig: notebook
workers:
  b: {driver: "bench:Bench"}
"""


@pytest.fixture(scope="module")
def rig() -> Iterator[RunningRig]:
    with running(CONFIG, {"bench": DRIVER}) as rig:
        yield rig


@pytest.fixture(scope="module")
def kernel(rig: RunningRig) -> Iterator[Any]:
    """A client of a kernel that is connected to the rig."""
    where = {"env": rig.environ, "cwd": rig.folder}
    started, client = manager.start_new_kernel(kernel_name="python3", **where)
    try:
        run(client, "import orch; rig = orch.connect('notebook')")
        yield client
    finally:
        client.stop_channels()
        started.shutdown_kernel(now=True)
        started.cleanup_resources()


def run(client: Any, code: str) -> dict[str, Any]:
    """What a cell shows: `text`, `html` and `out` of it, or what its error is shown as."""
    shown: dict[str, Any] = {"out": ""}

    def take(message: Any) -> None:
        content = message["content"]
        match message["msg_type"]:
            case "stream":
                shown["out"] += content["text"]
            case "execute_result":
                shown["text"] = content["data"]["text/plain"]
                shown["html"] = content["data"].get("text/html", "")
            case "error":
                shown["error"] = "\n".join([content["evalue"], *content["traceback"]])

    client.execute_interactive(code, timeout=30, output_hook=take)
    return shown


def test_tab_and_help_ask_no_device(kernel: Any) -> None:
    """What is offered is the driver's; nothing is read for it."""
    code = "rig.b."
    reply = kernel.complete(code, len(code), reply=True, timeout=30)
    offered = {match.rpartition(".")[2] for match in reply["content"]["matches"]}
    assert {"move", "next_error", "sent"} <= offered
    reply = kernel.inspect("rig.b.move", len("rig.b.move"), reply=True, timeout=30)
    text = reply["content"]["data"]["text/plain"]
    assert "Move somewhere" in text
    assert "x: float" in text
    assert run(kernel, "hasattr(rig.b, 'next_error'), 'b' in rig")["text"] == "(True, True)"
    assert run(kernel, "rig.b.sent()")["text"] == "[]"


def test_what_is_shown_and_raised(kernel: Any) -> None:
    """A rig is a table; an error is the driver's, without our frames."""
    assert "<table" in run(kernel, "rig")["html"]
    assert run(kernel, "await (await orch.aconnect('notebook')).b.move(0.25)")["text"] == "0.25"
    shown = run(kernel, "rig.b.move(11)")["error"]
    assert "11.0 mm is too far" in shown
    assert "orchestrator/client" not in shown


def test_stop_is_pressed(kernel: Any, rig: RunningRig) -> None:
    """The cell ends; what the device does is told, and the rig is at hand again."""
    number = kernel.execute("rig.b.move(3)")
    with rig.connected() as client:
        wait_until(lambda: client.status()["workers"][0]["running"])
    kernel.parent.interrupt_kernel()
    reply = kernel.get_shell_msg(timeout=30)
    assert reply["parent_header"]["msg_id"] == number
    assert reply["content"]["ename"] == "KeyboardInterrupt"
    assert run(kernel, "rig.b.move(0.5)")["text"] == "0.5"
