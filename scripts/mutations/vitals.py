"""Rules of what is told of a worker's operations: how long they took, and what went wrong last."""

from __future__ import annotations

from mutations import Mutation

MUTATIONS = [
    Mutation(
        "all operations since the beginning count",
        "vitals.py",
        "deque(maxlen=REMEMBERED)",
        "deque()",
    ),
    Mutation(
        "what was refused is an error of the worker",
        "vitals.py",
        " and not is_refusal(payload):",
        ":",
    ),
    Mutation(
        "errors of any size are kept",
        "vitals.py",
        "bytes(payload) if len(payload) <= LONGEST_ERROR else b",
        "bytes(payload) if True else b",
    ),
    Mutation(
        "an overdue operation took no time",
        "vitals.py",
        "        self.durations.add(now - request.started)\n        limit",
        "        limit",
    ),
    Mutation(
        "the oldest error is told",
        "vitals.py",
        "return max(filter(None, troubles)",
        "return min(filter(None, troubles)",
    ),
]
