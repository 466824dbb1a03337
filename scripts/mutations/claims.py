"""Rules of what waits at a worker, and of what is taken back from there."""

from __future__ import annotations

from mutations import Mutation

MUTATIONS = [
    Mutation(
        "what was claimed is said not to be started",
        "dispatch.py",
        "            if number in taken:\n",
        "            if True:\n",
    ),
    Mutation(
        "what was taken back is thought to run",
        "dispatch.py",
        "            if number in taken:\n",
        "            if False:\n",
    ),
    Mutation(
        "what was taken back frees its place before the worker has seen it",
        "dispatch.py",
        "                lane.given[number] = None\n",
        "                del lane.given[number]\n",
    ),
    Mutation(
        "something goes out while tickets are taken",
        "peers.py",
        " or self.taking:",
        ":",
    ),
    Mutation(
        "what comes back isn't in its order",
        "dispatch.py",
        "in reversed(list(lane.given.items())):",
        "in list(lane.given.items()):",
        units_only=True,  # each client's own order is kept: what comes back is sorted by number
    ),
    Mutation(
        "another life's tickets are taken for this one's",
        "dispatch.py",
        "if peer.incarnation != incarnation or",
        "if",
        units_only=True,  # a life's tickets are taken before the next one is expected
    ),
    Mutation(
        "more wait at a worker than it may have",
        "peers.py",
        "count < AHEAD and",
        "count < 10 * AHEAD and",
        units_only=True,  # the worlds' clients have fewer
    ),
    Mutation(
        "a worker may have any bytes",
        "peers.py",
        " and self.ahead < AHEAD_BYTES",
        "",
        units_only=True,  # the worlds' messages are small
    ),
    Mutation(
        "what runs long has others behind it",
        "dispatch.py",
        "            lane.brisk = now - request.started <= BRISK\n",
        "            lane.brisk = True\n",
        units_only=True,  # who may wait where is no promise
    ),
    Mutation(
        "who comes waits for all that is at the worker",
        "dispatch.py",
        "            if first is None or now - first.started > BRISK:\n",
        "            if first is None:\n",
        units_only=True,  # likewise
    ),
    Mutation(
        "the turn of what waits at the worker never comes",
        "dispatch.py",
        "                self._ledger.start(follower, now)\n",
        "                pass\n",
    ),
    Mutation(
        "what hasn't begun is timed out as if it ran",
        "dispatch.py",
        "            elif request.claimed:\n",
        "            elif True:\n",
    ),
    Mutation(
        "an operation that isn't claimed has its execution's time alone",
        "requests.py",
        "if not request.claimed and wait is not None and",
        "if False and",
    ),
    Mutation(
        "a worker that stands still isn't said to",
        "dispatch.py",
        "        if had_its_turn and until is not None and until <= now:\n",
        "        if False:\n",
        units_only=True,  # what is said of workers is no promise to clients
    ),
    Mutation(
        "a worker that stands still isn't looked at again",
        "dispatch.py",
        "            self._ledger.overrun(request, until)\n",
        "            self._ledger.overrun(request)\n",
        units_only=True,  # likewise
    ),
    Mutation(
        "a worker runs all that it has before it is stopped",
        "broker.py",
        "            self.dispatch.take_back(peer.queued)  # or",
        "            pass  # or",
        units_only=True,  # it takes longer, no more
    ),
    Mutation(
        "what is at a worker that is given up waits on",
        "broker.py",
        "        if peer.queued.given:\n            self.dispatch.take_back(peer.queued)\n\n",
        "\n",
        units_only=True,  # likewise
    ),
    Mutation(
        "who gives back what was taken is told to be late",
        "broker.py",
        "        if bytes(frames[2]):\n",
        "        if True:\n",
        units_only=True,  # a count is no promise
    ),
    Mutation(
        "what waits at a worker isn't counted",
        "dispatch.py",
        "            lane.peer.waits(request)\n",
        "            pass\n",
    ),
    Mutation(
        "who is cancelled isn't told",
        "cancels.py",
        '        self._ledger.answer_error(request, "InterruptedError", text, NOT_STARTED)\n',
        "",
    ),
    Mutation(
        "one wish to cancel is told of, the others aren't",
        "cancels.py",
        "self._wanted.setdefault(request.number, []).append(number)",
        "self._wanted[request.number] = [number]",
    ),
    Mutation(
        "what is cancelled runs all the same",
        "dispatch.py",
        "        elif self._cancels.is_wanted(request):\n",
        "        elif False:\n",
    ),
    Mutation(
        "what ended before is never told of",
        "dispatch.py",
        '            self._cancels.settle(request, "ended", self.ladder.ended(request))\n',
        "",
    ),
]
