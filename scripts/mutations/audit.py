"""Rules of what is recorded of requests: whose, of whom, and what came of them."""

from __future__ import annotations

from mutations import Mutation

MUTATIONS = [
    Mutation(
        "the rig's own looks are audited",
        "audit.py",
        "    if is_own(client) and operation == Operation.READ:\n",
        "    if False:\n",
    ),
    Mutation(
        "who looks at the rig is audited",
        "audit.py",
        "return member in RIG_ORDERS",
        "return True",
    ),
    Mutation(
        "what was refused is said to have failed",
        "audit.py",
        "NOT_STARTED if is_refusal(payload) else FAILED",
        "FAILED",
    ),
    Mutation(
        "an error of any size is read",
        "answered.py",
        "        if len(payload) > LONGEST_ERROR:\n            return UNREAD\n",
        "",
    ),
    Mutation(
        "when it was asked for isn't kept",
        "request.py",
        "        arrived=request.arrived,\n",
        "        arrived=0.0,\n",
    ),
    Mutation(
        "a timeout is not audited",
        "requests.py",
        '            self.came_of(request, outcome, f"its {which} timeout has passed")\n',
        "            pass\n",
        units_only=True,  # records are no promise to clients
    ),
    Mutation(
        "workers that aren't audited are, where there are spans",
        "requests.py",
        "        if request.worker in self.audited:\n            self.effects",
        "        if True:\n            self.effects",
        units_only=True,  # records are no promise to clients
    ),
    Mutation(
        "what came of a request is no span",
        "requests.py",
        "            self.effects.append(Fact(SPAN, outcome, told | span, asked))\n",
        "            pass\n",
        units_only=True,  # likewise
    ),
    Mutation(
        "a client's span may be of any length",
        "request.py",
        " and len(found) <= longest",
        "",
        units_only=True,  # likewise
    ),
    Mutation(
        "what goes with no span is told",
        "request.py",
        "LONGEST_STATE) if parent else",
        "LONGEST_STATE) if True else",
        units_only=True,  # likewise
    ),
    Mutation(
        "to look at a polled value is a span",
        "requests.py",
        "self.spans and request.member != CACHED",
        "self.spans",
        units_only=True,  # likewise
    ),
    Mutation(
        "a death is recorded as any other",
        "dispatch.py",
        "status=lane.peer.exit_status",
        "status=0",
        units_only=True,  # a replay alone knows
    ),
]
