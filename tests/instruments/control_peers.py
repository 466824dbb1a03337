"""Servers that clients of control systems talk to in the tests, each in a process of its own.

    python control_peers.py KIND ADDRESS...

A line `ready` on standard output tells that it answers.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def free_port() -> int:
    """A port of this machine that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def peer(kind: str, *arguments: object) -> Iterator[None]:
    """A server that answers, and is gone afterwards."""
    command = [sys.executable, __file__, kind, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    # what it says later isn't needed, but has to go somewhere
    drain = threading.Thread(target=process.stdout.read, daemon=True)
    try:
        said = []
        for line in process.stdout:
            said.append(line)
            if "ready" in line:  # others may write into the same line
                break
        else:
            raise AssertionError(f"{kind} didn't start: {''.join(said)}")
        drain.start()
        yield
    finally:
        process.kill()
        process.wait()
        if drain.is_alive():
            drain.join()
        process.stdout.close()


def _ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def _ready_at(port: int) -> None:
    def look() -> None:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
            except OSError:
                time.sleep(0.05)
            else:
                return _ready()

    threading.Thread(target=look, daemon=True).start()


def opcua(port: str) -> None:
    """A furnace in an OPC UA server."""
    from asyncua import Server, ua, uamethod

    @uamethod
    def double(parent: Any, value: float) -> float:
        return value * 2

    async def serve() -> None:
        server = Server()
        await server.init()
        server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/")
        space = await server.register_namespace("urn:lab")
        furnace = await server.nodes.objects.add_object(ua.NodeId("furnace", space), "Furnace")
        temperature = ua.NodeId("temperature", space)
        await (await furnace.add_variable(temperature, "Temperature", 21.5)).set_writable()
        kind = ua.VariantType.Double
        await furnace.add_method(ua.NodeId("double", space), "Double", double, [kind], [kind])
        async with server:
            _ready()
            await asyncio.Event().wait()

    asyncio.run(serve())


def tango(port: str) -> None:
    """A magnet, a Tango device without a database."""
    from enum import IntEnum

    from tango import AttrWriteType, DevState
    from tango.server import Device, attribute, command
    from tango.test_context import DeviceTestContext

    both = AttrWriteType.READ_WRITE

    class Mode(IntEnum):
        COARSE = 0
        FINE = 1

    class Magnet(Device):
        def init_device(self) -> None:
            super().init_device()
            self._field = 0.5
            self._mode = Mode.COARSE
            self.set_state(DevState.ON)
            self.set_change_event("field", True, False)

        def read_field(self) -> float:
            return self._field

        def write_field(self, value: float) -> None:
            self._field = value
            self.push_change_event("field", value)

        def read_mode(self) -> int:
            return self._mode

        def write_mode(self, value: int) -> None:
            self._mode = Mode(value)

        field = attribute(dtype=float, unit="T", max_value=2, access=both)
        mode = attribute(dtype=Mode, access=both)

        @attribute(dtype=(float,), max_dim_x=16)
        def profile(self) -> Any:
            return [1.0, 2.0, 3.0]

        @command(dtype_in=float, dtype_out=float)
        def ramp(self, to: float) -> float:
            self._field = to
            return to

    with DeviceTestContext(Magnet, host="127.0.0.1", port=int(port)):
        _ready()
        threading.Event().wait()


def channel_access() -> None:
    """An input-output controller of EPICS with one record."""
    from caproto.server import PVGroup, pvproperty, run

    class Group(PVGroup):
        setpoint = pvproperty(value=1.5, units="K", precision=3)

    async def started(async_lib: Any) -> None:
        _ready()

    run(Group(prefix="lab:").pvdb, interfaces=["127.0.0.1"], startup_hook=started)


def pv_access() -> None:
    """A server of EPICS' newer protocol with one record."""
    from p4p.nt import NTScalar
    from p4p.server import Server
    from p4p.server.thread import SharedPV

    record = SharedPV(nt=NTScalar("d", display=True), initial=3.5)

    @record.put
    def put(record: Any, operation: Any) -> None:
        record.post(operation.value())
        operation.done()

    with Server(providers=[{"pva:temperature": record}]):
        _ready()
        threading.Event().wait()


def secop(port: str, folder: str) -> None:
    """A node of SECoP with a simulated cryostat."""
    Path(folder, "lab_cfg.py").write_text(
        f"Node('lab', 'a cryostat', 'tcp://{port}')\n"
        "Mod('cryo', 'frappy_demo.cryo.Cryostat', 'simulated', jitter=0.1, T_start=10.0,"
        " target=10.0, looptime=1, ramp=6, maxpower=20.0, heater=4.1, mode='pid', tolerance=0.1,"
        " window=30, timeout=900, p=Param(40, unit='%/K'), i=10, d=2)\n"
    )
    os.environ.update(FRAPPY_CONFDIR=folder, FRAPPY_LOGDIR=folder, FRAPPY_PIDDIR=folder)
    from frappy.lib import generalConfig
    from frappy.logging import logger
    from frappy.server import Server

    generalConfig.init()
    logger.init("info")
    server = Server("lab", logger.log)
    _ready_at(int(port))
    server.run()


def yaq(port: str, folder: str) -> None:
    """A daemon of yaq with a simulated motor."""
    config = Path(folder, "config.toml")
    config.write_text(f"[motor]\nport = {port}\nvelocity = 1000.0\n")
    sys.argv = ["yaqd-fake", "--config", str(config)]
    os.environ["XDG_DATA_HOME"] = folder
    from yaqd_fakes._fake_continuous_hardware import FakeContinuousHardware

    _ready_at(int(port))
    FakeContinuousHardware.main()


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
