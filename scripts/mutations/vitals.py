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
        "they are sorted once for all",
        "vitals.py",
        "last is not self._newest[-1] or count != len(self._newest)",
        "not ordered",
    ),
    Mutation(
        "other limits are no other description",
        "peers.py",
        "        self.revision += 1\n        self._limits = limits\n",
        "        self._limits = limits\n",
    ),
    Mutation(
        "another description is the same one",
        "peers.py",
        "        self.revision += 1\n        self.beside",
        "        self.beside",
    ),
    Mutation(
        "what was refused is an error of the worker",
        "vitals.py",
        "        elif is_refusal(payload):\n            sums.refused += 1\n",
        "",
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
        "        self.durations.add(seconds)\n        sums = self.of(request.member)",
        "        sums = self.of(request.member)",
    ),
    Mutation(
        "clients decide how many members are told apart",
        "vitals.py",
        "name = member if len(self.sums) < MOST_MEMBERS else OTHERS",
        "name = member",
    ),
    Mutation(
        "what overran took no time in the sum",
        "vitals.py",
        "        sums.overran += 1\n        sums.seconds += seconds",
        "        sums.overran += 1",
    ),
    Mutation(
        "what was answered isn't sorted by how long it took",
        "vitals.py",
        "        sums.took[bisect_left(BOUNDS, seconds)] += 1\n        if not",
        "        if not",
    ),
    Mutation(
        "what overran isn't sorted by how long it took",
        "vitals.py",
        "        sums.took[bisect_left(BOUNDS, seconds)] += 1\n        limit",
        "        limit",
    ),
    Mutation(
        "what never started isn't counted",
        "dispatch.py",
        "        peer.vitals.of(request.member).expired += 1\n",
        "",
    ),
    Mutation(
        "what ended with its life isn't counted",
        "broker.py",
        "            peer.vitals.of(request.member).lost += 1\n",
        "",
    ),
    Mutation(
        "the oldest error is told",
        "vitals.py",
        "return max(filter(None, troubles)",
        "return min(filter(None, troubles)",
    ),
]
