"""Rules of the rig as a whole: states, orders, evidence, and what its two halves tell."""

from __future__ import annotations

from mutations import Mutation

STATES = [
    Mutation(
        "the table: no crash is tried again",
        "states.py",
        "Happening.CRASH: Status.BACKOFF,",
        "Happening.CRASH: Status.FAILED,",
    ),
    Mutation(
        "the table: one that stops may be ready",
        "states.py",
        "    Status.STOPPING: {\n",
        "    Status.STOPPING: {\n        Happening.READY: Status.READY,\n",
    ),
    Mutation(
        "the table: a failed worker stays so",
        "states.py",
        "Status.FAILED: {Happening.DELAY: Status.WAITING, Happening.START: Status.WAITING}",
        "Status.FAILED: {}",
    ),
    Mutation(
        "the table: a stop doesn't end a pause",
        "states.py",
        "        Happening.START: Status.WAITING,\n        Happening.STOP: Status.STOPPED,\n",
        "        Happening.START: Status.WAITING,\n",
    ),
    Mutation(
        "the table: one that stalls is ready for good",
        "states.py",
        "Status.READY: {Happening.OVERRUN: Status.STALLED, **_OVER}",
        "Status.READY: {**_OVER}",
    ),
    Mutation(
        "the diagram leaves causes out",
        "states.py",
        "causes.setdefault(follower, []).append(happening)",
        "causes[follower] = [happening]",
        units_only=True,  # it is drawn for people
    ),
]
ORDERS = [
    Mutation(
        "an order is done while one waits for its turn to stop",
        "orders.py",
        "            child.has_outcome\n",
        "            child.status in SERVING | {'STOPPED', 'FAILED'}\n",
    ),
    Mutation(
        "an order is done at once",
        "orders.py",
        "            child.has_outcome\n",
        "            True\n",
    ),
    Mutation(
        "the life that is to be replaced counts",
        "orders.py",
        "or child.incarnation > order.replaced[name]",
        "or child.incarnation >= order.replaced[name]",
    ),
    Mutation(
        "a start waits for another life",
        "orders.py",
        'if verb == "restart" and child.status in UP',
        "if child.status in UP",
    ),
    Mutation(
        "a restart waits for a life after one that hasn't begun",
        "orders.py",
        'if verb == "restart" and child.status in UP',
        'if verb == "restart"',
    ),
    Mutation(
        "a restart that a stop overrules is never done",
        "orders.py",
        "                or child.status not in SERVING\n",
        "",
    ),
    Mutation(
        "an order is told as often as it is looked at",
        "orders.py",
        "            self._orders.remove(order)\n",
        "",
    ),
    Mutation("all orders have one number", "orders.py", "self._number += 1", "self._number = 1"),
]
HANG = [
    Mutation(
        "it is asked again too early",
        "hang.py",
        "if self._asked.get(worker, now) <= now:",
        "if True:",
    ),
    Mutation(
        "it is asked once in its life",
        "hang.py",
        "if self._asked.get(worker, now) <= now:",
        "if worker not in self._asked:",
    ),
    Mutation(
        "nobody insists",
        "hang.py",
        '        self._later.append((at + INSIST_AFTER, Signal(worker, "forced stacks")))\n',
        "",
    ),
    Mutation(
        "it is insisted on again and again",
        "hang.py",
        "            self._later = [entry for entry in self._later if entry[0] > now]\n",
        "",
    ),
    Mutation(
        "the next incarnation is insisted on",
        "hang.py",
        "        self._later = [entry for entry in self._later if entry[1].worker != worker]\n",
        "",
    ),
    Mutation(
        "the next incarnation isn't asked",
        "hang.py",
        "        self._asked.pop(worker, None)\n",
        "",
    ),
    Mutation(
        "one worker's end is the end of all evidence",
        "hang.py",
        "if entry[1].worker != worker]",
        "if False]",
    ),
    Mutation(
        "its output isn't looked at again",
        "hang.py",
        "        self._later.append((now + self._unblock_again, Unblock(worker)))\n",
        "",
    ),
    Mutation(
        "stacks are asked for before its output is unblocked",
        "hang.py",
        'self._effects.append(Signal(worker, "stacks"))',
        'self._effects.appendleft(Signal(worker, "stacks"))',
    ),
]
RIG = [
    Mutation(
        "requests' deadlines are not the rig's",
        "rig.py",
        "            self.broker.next_deadline,\n",
        "",
    ),
    Mutation(
        "workers' deadlines are not the rig's",
        "rig.py",
        "            self.supervision.next_deadline,\n",
        "",
    ),
    Mutation(
        "deadlines of evidence are not the rig's",
        "rig.py",
        "            self._hang.next_deadline,\n",
        "",
    ),
    Mutation(
        "deadlines of alarms are not the rig's",
        "rig.py",
        "            self.alarms.next_deadline,\n",
        "",
    ),
    Mutation("evidence is never due", "rig.py", "        self._hang.tick(now)\n", ""),
    Mutation("evidence outlives its worker", "rig.py", "        self._hang.ended(worker)\n", ""),
    Mutation(
        "evidence of workers that nobody keeps",
        "rig.py",
        "        if worker in self.children:\n",
        "        if True:\n",
    ),
    Mutation(
        "the shutdown keeps what waits",
        "rig.py",
        "        self._refuse_all()\n        self.supervision.shut_down(now)\n",
        "        self.supervision.shut_down(now)\n",
    ),
    Mutation(
        "the rig's end by force keeps what waits",
        "rig.py",
        "        self._refuse_all()\n        self.supervision.kill(now)\n",
        "        self.supervision.kill(now)\n",
    ),
    Mutation(
        "an order that is done at once isn't told",
        "rig.py",
        "(names, now)\n        self._settle(now, look=True)",
        "(names, now)\n        self._settle(now)",
    ),
    Mutation(
        "an order isn't noted",
        "rig.py",
        "        number = self._orders.place(verb, names)\n        supervision =",
        "        number = -1\n        supervision =",
    ),
    Mutation("a stop is a restart", "rig.py", '"stop": supervision.stop}', "}"),
    Mutation("the rig is up again and again", "rig.py", "            self._is_up = True\n", ""),
    Mutation(
        "the rig is up while it closes",
        "rig.py",
        "if self._is_up or self.is_closing:",
        "if self._is_up:",
    ),
    Mutation(
        "the rig is up when the first is",
        "rig.py",
        "if self._changes and all(child.settled",
        "if self._changes and any(child.settled",
    ),
    Mutation(
        "a worker is forced that was asked just now",
        "rig.py",
        "        self._hang.tick(now)\n        self.broker.tick(now)\n",
        "        self.broker.tick(now)\n        self._hang.tick(now)\n",
    ),
    Mutation(
        "orders are not looked at while the rig closes",
        "rig.py",
        "        self._orders.settle()\n",
        "        if not self.is_closing:\n            self._orders.settle()\n",
    ),
    Mutation(
        "the rig is over before its workers are",
        "rig.py",
        "return self.supervision.closing and self.supervision.all_down",
        "return self.supervision.closing",
    ),
    Mutation(
        "nobody hears of READY",
        "rig.py",
        "        self.supervision.ready(worker, incarnation, now)\n",
        "        pass\n",
    ),
    Mutation(
        "nobody hears of a recovery",
        "rig.py",
        "        self.supervision.recovered(worker, incarnation, now)\n",
        "        pass\n",
    ),
    Mutation(
        "timeouts of members are not told to the broker",
        "rig.py",
        "own, (timeouts or {}).get(spec.name))",
        "own, None)",
    ),
]
MUTATIONS = [*STATES, *ORDERS, *HANG, *RIG]
