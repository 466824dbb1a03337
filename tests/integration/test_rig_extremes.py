"""What is rare: timeouts of years, forks, thousands of subscriptions and of overruns."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
import zmq

from orchestrator import errors
from tests.rigs import RunningRig, running, wait_until

DRIVER = """
import json, time
from workers import Event

class Device:
    moved = Event()

    def move(self, x: int = 0) -> int:
        self.moved.emit(x)
        return x

    def parse(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            json.loads(json.dumps([{"i": i, "s": str(i)} for i in range(50)], indent=1))
            exec(compile("def q(a):\\n return [b for b in a]\\nq([1, 2])", "z", "exec"), {})

    def nap(self, seconds: float) -> None:
        time.sleep(seconds)
"""
CONFIG = """
rig: extremes
workers:
  device: {driver: "device:Device"}
  quiet: {driver: "device:Device", execution_timeout: 30d}
"""


@pytest.fixture(scope="module")
def rig() -> Iterator[RunningRig]:
    with running(CONFIG, {"device": DRIVER}) as rig:
        yield rig


@pytest.mark.parametrize("seconds", [3e6, 1e10, 1e16, 1e300, 1e308, float("inf"), 10**400])
def test_a_timeout_of_years_is_one(rig: RunningRig, seconds: float) -> None:
    """The clocks of pollers are shorter."""
    with rig.connected() as client:
        limits = {"invocation_timeout": seconds, "execution_timeout": seconds}
        waiting = [client["device"].submit("nap", 0.05, **limits) for _ in range(2)]
        assert [each.result(20) for each in waiting] == [None, None]
        client["quiet"].call("nap", 0.05)


FORK = """
import os, sys
from orchestrator import connect, errors

rig = connect()
events = rig.device.subscribe("moved")
assert rig.device.move(1) == 1
child = os.fork()
if child == 0:
    for use in (lambda: rig.device.move(2), lambda: next(events)):
        try:
            use()
        except errors.OrchError as error:
            assert "fork" in str(error), error
        else:
            os._exit(1)
    rig.close()
    with connect() as own:
        os._exit(0 if own.device.move(3) == 3 else 2)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert [next(events).value, rig.device.move(4), next(events).value] == [1, 4, 3]
"""


def test_a_fork_is_told_to_connect_anew(rig: RunningRig) -> None:
    """At once; its parent goes on."""
    done = subprocess.run(
        [sys.executable, "-c", FORK],
        env=rig.environ,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_subscriptions_reach_a_worker_that_never_emits(rig: RunningRig) -> None:
    """However many came and went meanwhile."""
    with rig.connected() as client, zmq.Context() as context, context.socket(zmq.SUB) as many:
        many.set(zmq.SNDHWM, 0)  # its own limit is the same
        many.connect(client.status()["events"][0])
        for number in range(3000):
            many.subscribe(f"device/number-{number}")
        many.subscribe("device/moved")

        def arrives() -> bool:
            client.device.move(1)
            return bool(many.poll(20))

        wait_until(arrives)
        with client.quiet.subscribe("moved", timeout=10) as events:
            client.quiet.move(7)
            assert next(events).value == 7


def test_stacks_of_a_busy_interpreter_do_not_crash_it(rig: RunningRig) -> None:
    """They are written at each timeout, while Python code runs."""
    overran = 0
    with rig.connected() as client:
        while overran < 150:
            try:
                client["device"].call("parse", 0.02, execution_timeout=0.01)
            except (errors.ExecutionTimeout, errors.InvocationTimeout):
                overran += 1
        assert client.status()["workers"][0]["restarts"] == 0
