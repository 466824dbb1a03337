"""What a driver's frames hold, such as an open port, is free again once it has raised."""

from __future__ import annotations

import pytest

from tests.rigs import running

DRIVER = """
import gc, weakref

class Port:
    pass

class Held:
    def __init__(self):
        gc.disable()  # the collector would hide what isn't freed at once
        self.open = weakref.WeakSet()

    def _open(self):
        port = Port()
        self.open.add(port)
        return port

    def fail(self):
        port = self._open()
        raise ValueError("no answer")

    def chained(self):
        port = self._open()
        try:
            raise OSError("no such line")
        except OSError as error:
            raise ValueError("no answer") from error

    def beside(self):
        port = self._open()
        raise ValueError("no answer")

    @property
    def level(self) -> float:
        port = self._open()
        raise ValueError("no answer")

    @level.setter
    def level(self, value: float):
        port = self._open()
        raise ValueError("no answer")

    def items(self):
        port = self._open()
        yield 1
        raise ValueError("no answer")

    def count(self) -> int:
        return len(self.open)

class Awaited(Held):
    async def later(self):
        port = self._open()
        raise ValueError("no answer")
"""
CONFIG = """
rig: freed
workers:
  process: {driver: "held:Awaited", concurrent: [beside]}
  plain: {driver: "held:Held", concurrent: [beside]}
  thread: {driver: "held:Held", concurrent: [beside], transport: inproc}
"""


def test_what_a_failed_call_held_is_free_at_the_next() -> None:
    with running(CONFIG, {"held": DRIVER}) as rig, rig.connected() as client:
        for name in ("process", "plain", "thread"):
            worker = client[name]
            with pytest.raises(ValueError, match="no answer"):
                worker.read("level")
            with pytest.raises(ValueError, match="no answer"):
                worker.write("level", 1.0)
            with pytest.raises(ValueError, match="no answer"):
                list(worker.call("items"))
            for action in ("fail", "chained", "beside", "later"):
                if action == "later" and name != "process":
                    continue
                with pytest.raises(ValueError, match="no answer"):
                    worker.call(action)
            assert worker.call("count") == 0, name
