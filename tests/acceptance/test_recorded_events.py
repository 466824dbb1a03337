"""Events of a rig that is recorded come again when it is replayed, by real processes."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.cli_kit import on_rig
from tests.rigs import running, wait_until
from transports.recording import Emitted, Operation, read_lines

CONFIG = """
rig: heard
workers:
  talker: {driver: "talkers:Talker"}
"""
DRIVERS = """
from orch import Event, prop

class Talker:
    said = Event()

    def __init__(self):
        self._level = 1

    @prop(observable=True)
    def level(self) -> int:
        return self._level

    @level.setter
    def level(self, value: int) -> None:
        self._level = value

    def talk(self, count: int) -> int:
        for number in range(count):
            self.said.emit({"number": number})
        return count
"""


def test_events_come_again_without_the_driver(tmp_path: Path) -> None:
    """Recorded though nobody was subscribed to them; changes of properties are events too."""
    file = tmp_path / "heard.rec"
    with running(CONFIG, {"talkers": DRIVERS}, options=("--record", str(file))) as rig:
        with rig.connected() as client:
            client.talker.level = 5
            assert client.talker.talk(3) == 3
        wait_until(lambda: sum(isinstance(each, Emitted) for each in read_lines(file)) == 4)
        assert on_rig(rig, "status").status == 0
    assert any(isinstance(each, Operation) for each in read_lines(file))
    with (
        running(CONFIG, {}, options=("--replay", str(file))) as replay,
        replay.connected() as client,
        client["talker"].subscribe("said") as said,
        client["talker"].subscribe("level") as levels,
    ):
        client.talker.level = 5
        assert levels.next(30).value == 5
        assert client.talker.talk(3) == 3
        came = [said.next(30).value for _ in range(3)]
        assert came == [{"number": number} for number in range(3)]
