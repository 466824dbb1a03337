"""Rules of requests: the link, time, clients, order."""

from __future__ import annotations

from mutations import Mutation

LINK = [
    Mutation(
        "unknown lanes are heard",
        "broker.py",
        "lane = self._lanes.get(frames[0])\n",
        "lane = self._lanes.get(frames[0]) or next(iter(self._lanes.values()), None)\n",
    ),
    Mutation(
        "a dead incarnation's lanes stay known",
        "broker.py",
        "            self._lanes.pop(lane.id, None)\n",
        "            pass\n",
    ),
    Mutation(
        "in flight at death is forgotten",
        "dispatch.py",
        "        for request in lane.requests():\n            if request.state",
        "        for request in ():\n            if request.state",
    ),
    Mutation(
        "in flight at death is said not to be started",
        "evidence.py",
        '"ConnectionResetError", text, UNKNOWN',
        '"ConnectionResetError", text, NOT_STARTED',
    ),
    Mutation(
        "what waits is refused at each death",
        "broker.py",
        "        if not holds:\n            self._close",
        "        if True:\n            self._close",
    ),
    Mutation(
        "what waits is never refused",
        "broker.py",
        "        if not holds:\n            self._close",
        "        if False:\n            self._close",
    ),
    Mutation(
        "a stopping worker is given work at READY",
        "peers.py",
        "if self.phase is Phase.HELD and not self.stopping:",
        "if self.phase is Phase.HELD:",
    ),
    Mutation(
        "one more in flight than the lane's credit",
        "peers.py",
        "count < self.capacity",
        "count <= self.capacity",
    ),
    Mutation(
        "a lane needn't be open",
        "peers.py",
        "if not self.open or self.peer",
        "if self.peer",
    ),
    Mutation(
        "a lane is open before its incarnation says so",
        "peers.py",
        "            lane.clear(routing_id(token, name))\n",
        "            lane.clear(routing_id(token, name))\n            lane.open = True\n",
    ),
    Mutation(
        "what waits keeps the lane of an earlier life",
        "peers.py",
        "if concurrent != self.concurrent:",
        "if False:",
    ),
    Mutation(
        "what waits loses its order at READY",
        "peers.py",
        "key=lambda request: request.number)",
        "key=lambda request: -request.number)",
    ),
    Mutation(
        "an unreachable request is lost",
        "dispatch.py",
        "            peer.enqueue(peer.lane_for(request.member), request, front=True)\n",
        "            pass\n",
    ),
    Mutation(
        "an unreachable request of a closed worker waits for ever",
        "dispatch.py",
        "        elif peer.phase is Phase.CLOSED:\n            self._ledger.leave",
        "        elif False:\n            self._ledger.leave",
        # refused work is never under way to an unreachable worker in the worlds
        units_only=True,
    ),
    Mutation(
        "an unreachable lane stays open",
        "dispatch.py",
        "                    lane.open = False\n",
        "                    pass\n",
    ),
    Mutation(
        "a restart refuses what waits",
        "broker.py",
        "        if hold:\n            peer.hold()\n        else:",
        "        if False:\n            peer.hold()\n        else:",
    ),
    Mutation(
        "a worker isn't told to stop",
        "broker.py",
        "told = self.tell(worker, Stop())",
        "told = peer.queued.open",
    ),
    Mutation(
        "the keeper doesn't hear of READY",
        "broker.py",
        "self.keeper.ready(peer.name, peer.incarnation, now)",
        "pass",
    ),
    Mutation(
        "the keeper doesn't hear of a recovery",
        "dispatch.py",
        "        if lane.stalled:\n",
        "        if False:\n",
    ),
    Mutation(
        "what nobody waits for stalls a worker",
        "dispatch.py",
        "stalls = lane is peer.queued",
        "stalls = True",
        units_only=True,  # the broker's worlds keep no workers
    ),
]
TIME = [
    Mutation(
        "timeout verdict: started is said not to be",
        "dispatch.py",
        "self._ledger.time_out(request, EXECUTION, text)",
        "self._ledger.time_out(request, INVOCATION, text)",
    ),
    Mutation(
        "timeout verdict: never given while it waits",
        "dispatch.py",
        "            elif not request.ticket:\n                ahead",
        "            elif not request.ticket:\n                continue\n                ahead",
    ),
    Mutation(
        "execution timeouts are not watched",
        "requests.py",
        "request.runs_until = None if timeout is None else now + timeout\n",
        "request.runs_until = None\n",
    ),
    Mutation(
        "an execution's time runs from its arrival",
        "requests.py",
        "None if timeout is None else now + timeout",
        "None if timeout is None else request.arrived + timeout",
    ),
    Mutation(
        "what comes back from its lane has no deadline",
        "requests.py",
        "        request.deadline = request.waits_until\n",
        "        request.deadline = None\n",
    ),
    Mutation(
        "what waits isn't among the deadlines",
        "requests.py",
        "        request.deadline = request.waits_until\n        self.deadlines.add(request)\n",
        "        request.deadline = request.waits_until\n",
    ),
    Mutation(
        "an overrun is timed out again",
        "requests.py",
        "        request.state = State.OVERRUN\n        request.deadline = until\n",
        "        request.state = State.OVERRUN\n",
        # only if its invocation would have timed out at the same moment is it in the heap twice
        units_only=True,
    ),
    Mutation(
        "overdue requests are started",
        "dispatch.py",
        "        self.tick(now)  # what is overdue neither starts nor takes a turn\n",
        "",
    ),
    Mutation(
        "the late reply of an overdue operation is passed on",
        "broker.py",
        "        else:\n            self.ledger.pass_on(request, frames[2:])\n",
        "        if True:\n            self.ledger.unanswered[request.key] = request\n"
        "            self.ledger.pass_on(request, frames[2:])\n",
    ),
    Mutation(
        "no time at all is no limit",
        "broker.py",
        "if (wait is not None and wait <= 0) or (run is not None and run <= 0):",
        "if False:",
    ),
    Mutation(
        "overdue entries of the heap count",
        "queues.py",
        "return request is not None and request.deadline == entry[0]",
        "return request is not None",
    ),
    Mutation(
        "a deadline is past only after its moment",
        "queues.py",
        "while heap and heap[0][0] <= now:",
        "while heap and heap[0][0] < now:",
    ),
    Mutation(
        "the heap grows for ever",
        "queues.py",
        "if len(self._heap) > 2 * len(self._requests) + 1024:",
        "if False:",
        units_only=True,  # no world is so busy
    ),
]
CLIENTS = [
    Mutation(
        "pending ids may be repeated",
        "requests.py",
        "if (client, message_id) not in self.unanswered:\n            return False",
        "if True:\n            return False",
    ),
    Mutation(
        "ids count for all clients",
        "request.py",
        "return self.client, self.message_id",
        'return b"", self.message_id',
    ),
    Mutation(
        "an entered request isn't owed an answer",
        "requests.py",
        "self.requests[request.number] = self.unanswered[request.key] = request",
        "self.requests[request.number] = request",
    ),
    Mutation(
        "an answered request stays pending",
        "requests.py",
        'a oneway request too; `text` goes into the last frame."""\n'
        "        self.unanswered.pop(request.key, None)\n",
        'a oneway request too; `text` goes into the last frame."""\n',
    ),
    Mutation(
        "a request never leaves the table",
        "requests.py",
        "request = self.requests.pop(number)\n        self.held",
        "request = self.requests[number]\n        self.held",
    ),
    Mutation("the queue has no cap", "peers.py", "if peer.waiting >= caps.queue:", "if False:"),
    Mutation(
        "a client's queue has no cap",
        "peers.py",
        "elif peer.count_of(request.client) >= caps.queue_per_client:",
        "elif False:",
    ),
    Mutation(
        "queued bytes have no cap",
        "peers.py",
        "elif peer.waiting_bytes + request.size > caps.queue_bytes:",
        "elif False:",
    ),
    Mutation(
        "room that was taken isn't given back",
        "peers.py",
        "queue.discard(request)\n        self.stops_waiting(request)\n",
        "queue.discard(request)\n",
    ),
    Mutation(
        "oneway is answered with the reply",
        "requests.py",
        "        if not request.oneway:\n",
        "        if True:\n",
    ),
    Mutation(
        "oneway is answered with errors",
        "requests.py",
        "        if request.oneway:\n            self.unanswered.pop",
        "        if False:\n            self.unanswered.pop",
    ),
    Mutation(
        "a oneway that failed stays pending",
        "requests.py",
        "        if request.oneway:\n            self.unanswered.pop(request.key, None)\n",
        "        if request.oneway:\n            pass\n",
    ),
    Mutation(
        "replies go where the header says",
        "requests.py",
        "ToClient([request.client, b",
        "ToClient([request.sender.encode(), b",
        units_only=True,  # no client of the worlds lies about itself
    ),
    Mutation("frames are not counted", "admission.py", "if count != FRAMES:", "if False:"),
    Mutation("headers have no cap", "admission.py", "if header_size > caps.header:", "if False:"),
    Mutation("messages have no cap", "admission.py", "if size > caps.message:", "if False:"),
    Mutation(
        "a header bomb is read for its id",
        "admission.py",
        "memoryview(frames[2])[:4096]",
        "memoryview(frames[2])",
        units_only=True,  # it costs time, and changes nothing else
    ),
    Mutation(
        "descriptions wait behind operations",
        "broker.py",
        "for request in peer.take_all(DESCRIPTION):",
        "for request in ():",
    ),
    Mutation(
        "EXIT silences the rig",
        "broker.py",
        "            if kind == EXIT:\n                raise",
        "            if kind == EXIT:\n                return\n                raise",
    ),
    Mutation(
        "anybody's requests are told as pending",
        "requests.py",
        "if (client, each) in self.unanswered]",
        "if any(each == id_ for _, id_ in self.unanswered)]",
        units_only=True,  # the worlds ask for what is the asker's
    ),
    Mutation(
        "what is traced isn't told",
        "dispatch.py",
        "        if self._ledger.traces:\n            self._ledger.note_dispatch",
        "        if False:\n            self._ledger.note_dispatch",
        units_only=True,  # records are no promise to clients
    ),
]
ORDER = [
    Mutation(
        "a worker's stop hides that the rig's end refuses",
        "peers.py",
        "        if not self.is_refused:\n",
        "        if True:\n",
    ),
    Mutation(
        "the last comes first",
        "queues.py",
        "queue.popitem(last=False)",
        "queue.popitem(last=True)",
    ),
    Mutation(
        "clients don't take turns",
        "queues.py",
        "            self._clients.move_to_end(client)\n",
        "            pass\n",
    ),
    Mutation(
        "what comes back is not in its place",
        "queues.py",
        "OrderedDict(sorted(queue.items()))",
        "queue",
    ),
    Mutation(
        "effects are not in order",
        "dispatch.py",
        "self._effects.append(ToWorker(",
        "self._effects.appendleft(ToWorker(",
    ),
]
MUTATIONS = [*LINK, *TIME, *CLIENTS, *ORDER]
