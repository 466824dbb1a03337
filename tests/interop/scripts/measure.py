"""Figures of hololinked itself, a process for each device. Argument: how many devices."""

import ctypes
import os
import signal
import subprocess
import sys
import time

from hololinked.client import ClientFactory
from hololinked.core import Thing, action
from hololinked.core.properties import Number


class Device(Thing):
    """A device."""

    level = Number(default=1.0)

    @action()
    def hold_gil(self, seconds: float):
        ctypes.PyDLL(None).usleep(int(seconds * 1e6))

    @action()
    def kill(self):
        os.kill(os.getpid(), signal.SIGKILL)


def timed(act):
    """Seconds that it took, and the type of its result or error."""
    began = time.monotonic()
    try:
        result = type(act()).__name__
    except Exception as error:
        result = type(error).__name__
    return time.monotonic() - began, result


def say(key, text):
    """Report a figure."""
    sys.stdout.write(f"\n#{key}={text}\n")
    sys.stdout.flush()


def proxy(name):
    """A proxy; it waits for its server."""
    return ClientFactory.zmq(server_id=name, thing_id=name, access_point="IPC")


if sys.argv[1] == "serve":
    Device(id=sys.argv[2]).run_with_zmq_server(access_points="IPC")
    sys.exit()

names = [f"d{number}" for number in range(int(sys.argv[1]))]
began = time.monotonic()
processes = [
    subprocess.Popen(
        [sys.executable, __file__, "serve", name],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for name in names
]
proxies = [proxy(name) for name in names]
assert all(each.level == 1.0 for each in proxies)
say("start", f"{time.monotonic() - began:.1f} s")

proxies[0].hold_gil._execution_timeout = 0.5
seconds, kind = timed(lambda: proxies[0].hold_gil(3.0))
say("gil", f"{kind} after {seconds:.2f} s")
seconds, kind = timed(lambda: proxies[2].kill())
say("kill", f"{kind} after {seconds * 1000:.0f} ms")
processes[2].wait()
processes[2] = subprocess.Popen(
    [sys.executable, __file__, "serve", "d2"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
)
fresh = proxy("d2")
assert fresh.level == 1.0
seconds, kind = timed(lambda: proxies[2].level)
say("after", f"{kind}, though its server was started again by hand")
for process in processes:
    process.kill()
    process.wait()
os._exit(0)
