"""The clients: programs that ask at random, and write down what they asked and were told.

Run as `python -m faults.clients HOW NAME FOLDER SEED`. SIGTERM ends one when all that it asked is
answered.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from faults import frames
from faults.journal import Journal
from orch import aconnect, connect, errors
from orchestrator.client import Rig

RIG = "chaos"
WORKERS = {"a": 20, "b": 20, "own": 6, "strict": 12, "lean": 10, "thread": 8, "guest": 4}
"""How often each is asked. `spare` and `steady` are left alone, for who is hit while idle, and for
who measures."""
HOW = {
    "sleep": 8000,
    "peek": 600,
    "raise": 400,
    "claim": 150,
    "much": 30,
    "turn a frame": 900,
    "wait shortly": 300,
    "sleep for too long": 40,
}
"""How often each is done."""
LOCKS = {"hold the lock": 12, "hold the lock for too long": 12, "spin": 12}
DEATHS = {
    "exit": 8, "crash": 8, "kill": 8, "claim and die": 12, "die replying": 20,
}  # fmt: skip
EXTRA = {
    **dict.fromkeys(("a", "b", "own"), LOCKS | DEATHS),
    "strict": {"hang": 12} | DEATHS,
    "lean": {"eat memory": 60, "eat descriptors": 60} | DEATHS,
}
"""What only some workers are asked for."""
WAIT, RUN = 8.0, 3.0
"""Seconds that an operation may wait and run, where it isn't about that."""
PAUSE = 0.05
"""Seconds before a rig that is gone is asked again."""
WINDOW = 64
"""Futures that wait at once."""
TASKS = 12


class Asking(NamedTuple):
    """What is going to be asked.

    Attributes:
        member: The action.
        how: What is to be done, as the report names it.
        wait: Its invocation timeout, seconds.
        run: Its execution timeout, seconds.
    """

    key: str
    worker: str
    member: str
    how: str
    arguments: dict[str, Any]
    wait: float
    run: float

    @property
    def keywords(self) -> dict[str, Any]:
        """For a call."""
        limits = {"invocation_timeout": self.wait, "execution_timeout": self.run}
        return {**self.arguments, **limits}


class Asker:
    """Thinks out what to ask, and keeps the journal.

    Args:
        name: The client.
        folder: Of the journals.
        seed: Of its choices.

    Attributes:
        over: Set when it is to ask no more.
    """

    def __init__(self, name: str, folder: Path, seed: int) -> None:
        self.name = name
        self.random = random.Random(seed)
        self.journal = Journal(folder / f"{name}.client")
        self.over = threading.Event()
        self._kept = frames.Kept()
        signal.signal(signal.SIGTERM, lambda number, frame: self.over.set())

    def __iter__(self) -> Iterator[Asking]:
        number = 0
        while not self.over.is_set():
            number += 1
            yield self._next(f"{self.name}-{number}")

    def _next(self, key: str) -> Asking:
        (worker,) = self.random.choices(list(WORKERS), list(WORKERS.values()))
        ways = HOW | EXTRA.get(worker, {})
        (how,) = self.random.choices(list(ways), list(ways.values()))
        arguments: dict[str, Any] = {"key": key}
        wait, run = WAIT, RUN
        if how == "peek":
            return Asking(key, worker, "peek", how, arguments, wait, run)
        doing, seconds = how, self.random.expovariate(1 / 0.002)
        match how:
            case "claim" | "claim and die":
                doing, dies = "sleep", how == "claim and die"
                claimed = self.random.uniform(0.0, 0.02)
                arguments["claim"] = {"key": key, "seconds": claimed, "dies": dies}
            case "wait shortly":
                doing, wait = "sleep", self.random.choice((0.0, 0.002, 0.02))
            case "sleep for too long":
                doing, seconds, run = "sleep", 0.4, self.random.uniform(0.05, 0.3)
            case "hold the lock for too long":
                doing, seconds, run = "hold the lock", 0.6, self.random.uniform(0.05, 0.3)
            case "hold the lock" | "spin":
                seconds = self.random.uniform(0.05, 0.4)
            case "exit" | "crash" | "kill":
                seconds = self.random.uniform(0.0, 0.05)
            case "hang":
                run = self.random.uniform(0.05, 0.3)
            case "turn a frame":
                arguments["frame"] = frames.asked(key)
        arguments |= {"how": doing, "seconds": seconds}
        return Asking(key, worker, "work", how, arguments, wait, run)

    def asks(self, asking: Asking) -> None:
        """Write down what is going to be asked."""
        self.journal.write(
            "asked",
            client=self.name,
            key=asking.key,
            worker=asking.worker,
            how=asking.how,
            wait=asking.wait,
            run=asking.run,
        )

    def told(self, key: str, error: BaseException | None, value: object = None) -> None:
        """Write down what came of it."""
        at = time.monotonic_ns()
        answer, text = outcome(error), "" if error is None else f"{type(error).__name__}: {error}"
        if isinstance(value, np.ndarray):
            right = frames.is_answer(key, value)
            for changed in self._kept.keep(key, value) if right else ():
                self.journal.write("told", key=changed, answer="wrong", error="it has changed")
        else:
            right = str(value).rstrip() == key
        if error is None and not right:
            answer, text = "wrong", repr(value)[:200]
        self.journal.write("told", at=at, key=key, answer=answer, error=text[:300])

    def finished(self) -> None:
        """Write down that nothing is left to be told."""
        self.journal.write("finished", client=self.name)


def outcome(error: BaseException | None) -> str:
    """What an answer says of the operation."""
    match error:
        case None:
            return "done"
        case errors.RigNotReachable():
            return "rig not reachable"
        case errors.NotStarted() | CancelledError() | asyncio.CancelledError():
            return "not started"
        case errors.RigLost():
            return "rig lost"
        case errors.OutcomeUnknown():
            return "unknown"
        case errors.DriverError():
            return "failed"
        case errors.OrchError():
            return "wrong"
        case ValueError() | MemoryError() | OSError():  # what drivers here raise
            return "failed"
    return "wrong"


def is_gone(error: BaseException | None) -> bool:
    """Whether there is no rig to be asked just now."""
    return isinstance(error, errors.RigNotReachable | errors.RigLost)


@contextmanager
def connected(asker: Asker) -> Iterator[Rig | None]:
    """A connection, as soon as there is a rig; None if it is to ask no more before."""
    while not asker.over.is_set():
        try:
            rig = connect(RIG, timeout=30, zero_copy=asker.random.random() < 0.5)
        except errors.RigNotReachable:
            asker.over.wait(PAUSE)
            continue
        with rig:
            yield rig
        return
    yield None


def handle(rig: Any, worker: str) -> Any:
    """A worker's handle; None while the config has no such worker, or there is no rig."""
    try:
        return rig[worker]
    except (KeyError, errors.OrchError):
        return None


def run_calls(asker: Asker) -> None:
    """One blocking call after the other."""
    with connected(asker) as rig:
        for asking in asker:
            if (worker := handle(rig, asking.worker)) is None:
                continue
            asker.asks(asking)
            error, value = None, None
            try:
                value = worker.call(asking.member, **asking.keywords)
            except (errors.OrchError, ValueError, MemoryError, OSError) as raised:
                error = raised
            asker.told(asking.key, error, value)
            if is_gone(error):
                asker.over.wait(PAUSE)


def run_futures(asker: Asker) -> None:
    """Many at once; some are cancelled again."""
    room, gone = threading.Semaphore(WINDOW), threading.Event()

    def submit(rig: Any, asking: Asking) -> None:
        if (worker := handle(rig, asking.worker)) is None:
            room.release()
            return
        asker.asks(asking)
        try:
            future = worker.submit(asking.member, **asking.keywords)
        except errors.OrchError as error:
            told(asking.key, error)
            return

        def done(future: Any) -> None:
            error = CancelledError() if future.cancelled() else future.exception()
            told(asking.key, error, None if error else future.result())

        future.add_done_callback(done)
        if asker.random.random() < 0.01:
            future.cancel()

    def told(key: str, error: BaseException | None, value: object = None) -> None:
        asker.told(key, error, value)
        if is_gone(error):
            gone.set()
        room.release()

    with connected(asker) as rig:
        for asking in asker:
            room.acquire()
            submit(rig, asking)
            if gone.is_set():
                asker.over.wait(PAUSE)
                gone.clear()
        for _ in range(WINDOW):
            room.acquire()


async def run_tasks(asker: Asker) -> None:
    """Several tasks of one event loop."""
    described: dict[str, bool] = {}

    async def is_known(worker: Any, name: str) -> bool:
        """Whether it is known what a worker offers; else a call waits for that, and is overtaken
        by those of tasks that come later and needn't."""
        if name not in described:
            described[name] = False
            try:
                await worker.describe()
                described[name] = True
            except errors.OrchError:
                del described[name]
        return described.get(name, False)

    async def work(rig: Any, askings: Iterator[Asking]) -> None:
        for asking in askings:
            worker = handle(rig, asking.worker)
            if worker is None or not await is_known(worker, asking.worker):
                await asyncio.sleep(PAUSE)
                continue
            asker.asks(asking)
            error, value = None, None
            try:
                value = await worker.call(asking.member, **asking.keywords)
            except (errors.OrchError, ValueError, MemoryError, OSError) as raised:
                error = raised
            asker.told(asking.key, error, value)
            if is_gone(error):
                await asyncio.sleep(PAUSE)

    askings = iter(asker)
    while not asker.over.is_set():
        try:
            async with aconnect(RIG, timeout=30, zero_copy=True) as rig:
                await asyncio.gather(*(work(rig, askings) for _ in range(TASKS)))
        except errors.RigNotReachable:
            await asyncio.sleep(PAUSE)


def run_steadily(asker: Asker) -> None:
    """Ask a worker that no fault hits, at a steady pace, to see whether others' faults show."""
    with connected(asker) as rig:
        number = 0
        while not asker.over.wait(0.01):
            if (worker := handle(rig, "steady")) is None:
                continue
            number += 1
            asking = Asking(
                f"{asker.name}-{number}", "steady", "peek", "steady", {}, wait=WAIT, run=RUN
            )
            asker.asks(asking)
            error, value = None, None
            try:
                value = worker.call("peek", key=asking.key)
            except errors.OrchError as raised:
                error = raised
            asker.told(asking.key, error, value)


def main() -> None:
    """Run the client that the arguments name."""
    how, name, folder, seed = sys.argv[1:]
    asker = Asker(name, Path(folder), int(seed))
    if how == "tasks":
        asyncio.run(run_tasks(asker))
    else:
        {"calls": run_calls, "futures": run_futures, "steady": run_steadily}[how](asker)
    asker.finished()


if __name__ == "__main__":
    main()
