"""Things of hololinked's, as their users write them; nothing here knows of this project."""

import asyncio
import threading
from pathlib import Path

import numpy
from hololinked import Serializers
from hololinked.core import Event, Property, Thing, action
from hololinked.core.properties import Boolean, Number, Selector, String
from hololinked.core.state_machine import StateMachine


class Spectrometer(Thing):
    """An instrument with states."""

    integration_time = Number(
        default=1.0, bounds=(0.1, 10), observable=True, metadata={"unit": "s"}, doc="Exposure."
    )
    serial = String(default="S1", readonly=True, doc="Serial number.")
    mode = Selector(objects=["fast", "slow"], default="fast")
    shutter = Boolean(default=False, doc="Whether it is open.")
    packed = Property(default=None, allow_None=True, doc="Travels as MessagePack.")
    loose = Property(default=None, allow_None=True)
    hidden = Number(default=3, remote=False)
    measured = Event(doc="A spectrum was taken.", schema={"type": "object"})
    frame = Event(doc="Raw bytes.")
    both = Event(doc="A value and bytes.")

    def __init__(self, id, dark=0.0, **kwargs):
        super().__init__(id=id, **kwargs)
        self.dark = dark
        self._stop = threading.Event()

    @action(state=["READY"])
    def measure(self, count: int = 1) -> int:
        """Take spectra.

        With a longer text.
        """
        for number in range(count):
            self.measured.push({"number": number, "data": numpy.arange(3.0) + self.dark})
        return count

    @action()
    def send_frame(self):
        self.frame.push(b"\x01\x02")

    @action()
    def send_both(self):
        self.both.push(({"n": 1}, b"\x02"))

    @action()
    def lock(self):
        self.state_machine.current_state = "LOCKED"

    @action()
    def unlock(self):
        self.state_machine.current_state = "READY"

    @action()
    def spectrum(self):
        return numpy.arange(4.0).reshape(2, 2)

    @action()
    def raw(self):
        return b"\x00\x01"

    @action()
    def pair(self):
        return {"n": 1}, b"\x02"

    @action()
    async def settle(self, seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    @action(synchronous=False)
    def wait(self, seconds: float):
        return self._stop.wait(seconds)

    @action(synchronous=False)
    def interrupt(self):
        self._stop.set()

    @classmethod
    def not_an_action(cls):
        return None

    def helper(self):
        return None

    def close(self):
        Path(f"closed-{self.id}").touch()

    state_machine = StateMachine(
        states=["READY", "LOCKED"],
        initial_state="READY",
        READY=[shutter],
        push_state_change_event=True,
    )


Serializers.register_for_object(Spectrometer.packed, Serializers.msgpack)
