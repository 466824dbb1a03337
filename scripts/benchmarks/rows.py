"""The rows of the table: what is compared with what, by how many calls."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial

from subjects import raw, raw_events, rig
from views import top, web

MIB = 1 << 20


@dataclass(frozen=True)
class Subject:
    """Servers and the clients that call them.

    Attributes:
        label: What it is called in the table.
        serve: Starts the servers and gives their address.
        kind: What the clients do; see `client.py`.
        workers: What each client is told beside the address; one client for each.
        python: The interpreter of its clients.
        beside: What goes on at that address in its turns, and in no others.
    """

    label: str
    serve: Callable[[], AbstractContextManager[str]]
    kind: str
    workers: tuple[str, ...] = ("",)
    python: str = sys.executable
    beside: Callable[[str], AbstractContextManager[None]] = nullcontext


@dataclass(frozen=True)
class Row:
    """Subjects that are measured in turns; ratios are to the first.

    Attributes:
        title: What is measured.
        subjects: The reference, then what is compared with it.
        count: Calls of each client in a round.
        quantity: `time` of a call, less is better; or `rate`, calls a second; or `speed`, which is
            the reference's time over a subject's.
    """

    title: str
    subjects: tuple[Subject, ...]
    count: int
    quantity: str = "time"


_RIG, _INPROC, _FIFTY = rig, partial(rig, transport="inproc"), partial(rig, 50)
_C = Subject("zmq.proxy in C", raw, "raw")


def _array(mib: int, count: int) -> tuple[Row, Row]:
    size = mib * MIB
    there = Subject("zmq.proxy in C", partial(raw, reply=size), "raw")
    back = Subject("zmq.proxy in C", raw, "raw", (str(size),))
    shared, inline = partial(rig, mib=mib), partial(rig, mib=mib, shared_memory="off")
    return (
        Row(
            f"{mib} MiB array, result",
            (
                there,
                Subject("orch, owned copy", shared, "frame"),
                Subject("orch, view", shared, "view"),
                Subject("orch, inline", inline, "frame"),
            ),
            count,
            "speed",
        ),
        Row(
            f"{mib} MiB array, argument",
            (back, Subject("orch", shared, "take"), Subject("orch, inline", inline, "take")),
            count,
            "speed",
        ),
    )


ROWS: dict[str, tuple[Row, ...]] = {
    "rtt": (
        Row(
            "round trip of a small call",
            (
                _C,
                Subject("property read", _RIG, "read"),
                Subject("action", _RIG, "call"),
                Subject("asyncio read", _RIG, "asyncio"),
                Subject("submit().result()", _RIG, "submit"),
                Subject("concurrent member", _RIG, "beside"),
                Subject("INPROC worker", _INPROC, "read"),
            ),
            300,
        ),
    ),
    "clients": (
        Row(
            "8 client processes, 1 worker",
            (
                Subject("zmq.proxy in C", raw, "raw", ("",) * 8),
                Subject("orch", _RIG, "call", ("w0",) * 8),
            ),
            300,
            "rate",
        ),
        Row(
            "8 client processes, 8 workers",
            (
                Subject("zmq.proxy in C", partial(raw, ends=8), "raw", ("",) * 8),
                Subject("orch", partial(rig, 8), "call", tuple(f"w{n}" for n in range(8))),
            ),
            300,
            "rate",
        ),
    ),
    "outstanding": (
        Row(
            "one client, 64 outstanding",
            (
                Subject("zmq.proxy in C, compiled ends", raw, "raw64"),
                Subject("orch, futures", _RIG, "orch64"),
            ),
            3000,
            "rate",
        ),
    ),
    "array": _array(8, 12) + _array(64, 4),
    "events": (
        Row(
            "small events, 1 subscriber",
            (
                Subject("XSUB and XPUB in C", raw_events, "raw-events"),
                Subject("orch", _RIG, "events"),
            ),
            2000,
            "rate",
        ),
    ),
    "many": (
        Row(
            "round trip, rig of 200 workers",
            (
                Subject("1 worker", _RIG, "read"),
                Subject("200 workers", partial(rig, 200), "read"),
            ),
            300,
        ),
    ),
    "views": (
        Row(
            "round trip, rig of 50 workers that is looked at",
            (
                Subject("nothing open", _FIFTY, "read"),
                Subject("orch top open", _FIFTY, "read", beside=top),
                Subject("a page of orch web open", _FIFTY, "read", beside=web),
            ),
            10_000,  # some seconds: a look comes once a second
        ),
    ),
    "keys": (
        Row(
            "round trip by tcp, with keys",
            (
                Subject("plain tcp", partial(rig, door="tcp"), "read"),
                Subject("with keys", partial(rig, door="curve"), "read"),
            ),
            300,
        ),
        Row(
            "8 MiB array by tcp, with keys",
            (
                Subject("plain tcp", partial(rig, mib=8, door="tcp"), "frame"),
                Subject("with keys", partial(rig, mib=8, door="curve"), "frame"),
            ),
            12,
            "speed",
        ),
    ),
    "start": (
        Row(
            "a command, start included",
            (
                Subject("python -c pass", _RIG, "python"),
                Subject("orch get", _RIG, "get"),
            ),
            5,
        ),
    ),
}
