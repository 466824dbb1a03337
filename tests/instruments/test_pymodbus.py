"""pymodbus: its client, hosted, against its own server with simulated registers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from tests.instruments.instrument_kit import closed, hosted, needs

needs("pymodbus")

CONFIG = """
plc:
  driver: pymodbus.client:ModbusTcpClient
  args: [127.0.0.1]
  kwargs: {{port: {port}}}
  open_with: connect
async_plc:
  driver: pymodbus.client:AsyncModbusTcpClient
  args: [127.0.0.1]
  kwargs: {{port: {port}}}
  open_with: connect
"""


@pytest.fixture
def port() -> Iterator[int]:
    """The port of a server, on an event loop in a thread."""
    from pymodbus.server import ModbusTcpServer
    from pymodbus.simulator import DataType, SimData, SimDevice

    registers = SimData(0, count=100, values=17, datatype=DataType.UINT16)
    started = threading.Event()
    told: dict[str, object] = {}

    async def serve() -> None:
        server = ModbusTcpServer(SimDevice(1, [registers]), address=("127.0.0.1", 0))
        told["loop"] = asyncio.get_running_loop()
        told["end"] = asyncio.Event()
        await server.serve_forever(background=True)
        told["port"] = server.transport.sockets[0].getsockname()[1]
        started.set()
        await told["end"].wait()
        await server.shutdown()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert started.wait(20)
    yield told["port"]
    told["loop"].call_soon_threadsafe(told["end"].set)
    thread.join(20)


def test_pymodbus(port: int) -> None:
    with hosted(CONFIG.format(port=port)) as (running, rig):
        for plc in (rig.plc, rig.async_plc):
            assert plc.connected is True
            assert plc.read_holding_registers(5, count=2).registers == [17, 17]
            assert plc.write_registers(5, [1, 2]).count == 2
            assert plc.read_holding_registers(5, count=2).registers == [1, 2]
            plc.write_registers(5, [17, 17])
            assert plc.read_holding_registers(500).exception_code == 2
            assert plc.comm_params.host == "127.0.0.1"
        assert rig.plc.convert_from_registers([0x4049, 0x0FDB], "FLOAT32") == pytest.approx(3.14159)
        closed(running, "plc")
        closed(running, "async_plc")
