"""Rules of changing a config while the rig runs, and of making devices safe."""

from __future__ import annotations

from mutations import Mutation

_UNSEEN = True  # no world does this: only the units see these

MUTATIONS = [
    Mutation(
        "limits restart a worker",
        "plan.py",
        "LIMITS if LIVE.issuperset(keys) else RESTART",
        "RESTART",
        units_only=_UNSEEN,
    ),
    Mutation(
        "no change restarts a worker",
        "plan.py",
        "LIMITS if LIVE.issuperset(keys) else RESTART",
        "LIMITS",
        units_only=_UNSEEN,
    ),
    Mutation(
        "those that go stop in the order of their start",
        "plan.py",
        "for name in reversed(running.order)",
        "for name in running.order",
        units_only=_UNSEEN,
    ),
    Mutation(
        "1 is True",
        "plan.py",
        "    if type(one) is not type(other):\n",
        "    if False:\n",
        units_only=_UNSEEN,
    ),
    Mutation(
        "what can't change is left out",
        "plan.py",
        "fixed=tuple(key for key in keys if key not in RIG_LIVE)",
        "fixed=()",
        units_only=_UNSEEN,
    ),
    Mutation(
        "who was stopped on purpose is started",
        "changeover.py",
        "return child.goal is Goal.STOP and child.status is not Status.FAILED",
        "return False",
        units_only=_UNSEEN,
    ),
    Mutation(
        "who failed isn't tried in its new form",
        "changeover.py",
        "return child.goal is Goal.STOP and child.status is not Status.FAILED",
        "return child.goal is Goal.STOP",
        units_only=_UNSEEN,
    ),
    Mutation(
        "what waits for a removed worker isn't told why",
        "changeover.py",
        '            self._broker.refuse(name, f"worker {name!r} was removed from the config")\n',
        "",
        units_only=_UNSEEN,
    ),
    Mutation(
        "one that goes is forgotten while somebody waits for it",
        "changeover.py",
        "        if self._orders.are_about(self.leaving):\n            return\n",
        "",
        units_only=_UNSEEN,
    ),
    Mutation(
        "a name that comes again begins with life 1",
        "changeover.py",
        "self._lives.pop(name, 0)",
        "0",
        units_only=_UNSEEN,
    ),
    Mutation(
        "streams of one that has gone are told to it",
        "changeover.py",
        "            workers.discard(name)\n",
        "            pass\n",
        units_only=_UNSEEN,
    ),
    Mutation(
        "who is added begins after who waits for it",
        "changeover.py",
        "        supervision.start(added, now, more=True)\n",
        "",
        units_only=_UNSEEN,
    ),
    Mutation(
        "a stop that is taken back spares one from its restart",
        "supervision.py",
        "Goal.RESTART if child.outlived else Goal.RUN",
        "Goal.RUN",
        units_only=_UNSEEN,
    ),
    Mutation(
        "one that comes again is forgotten with the one that went",
        "changeover.py",
        "                self.leaving.remove(name)\n",
        "",
        units_only=_UNSEEN,
    ),
    Mutation(
        "limits hold with the next life",
        "changeover.py",
        ".set_limits(wanted[name].limits, wanted[name].timeouts)",
        "",
        units_only=_UNSEEN,
    ),
    Mutation(
        "the next life doesn't wait for its device to be safe",
        "supervision.py",
        "            and not child.securing\n",
        "",
        units_only=_UNSEEN,
    ),
    Mutation(
        "a rig is over before all is safe",
        "supervision.py",
        "child.status in UP or child.securing for",
        "child.status in UP for",
        units_only=_UNSEEN,
    ),
    Mutation(
        "those before it stop while its device is made safe",
        "children.py",
        " or other.securing)",
        ")",
        units_only=_UNSEEN,
    ),
    Mutation(
        "a stop is over before the device is safe",
        "children.py",
        "(over and not self.securing)",
        "over",
        units_only=_UNSEEN,
    ),
    Mutation(
        "what is to be done after a life is that of the next one",
        "supervision.py",
        "        if child.secures:\n",
        "        if child.spec.secures:\n",
        units_only=_UNSEEN,
    ),
    Mutation(
        "an old end of a recipe counts for a new one",
        "supervision.py",
        "        if child.securing != incarnation:\n            return\n",
        "",
        units_only=_UNSEEN,
    ),
    Mutation(
        "a required device that isn't safe is no matter",
        "rig.py",
        "int(any(c.unsecured and c.spec.required for c in self.children.values()))",
        "0",
        units_only=_UNSEEN,
    ),
]
