"""Rules of how what has started is ended."""

from __future__ import annotations

from mutations import Mutation

MUTATIONS = [
    Mutation(
        "a step takes no time",
        "ladder.py",
        "math.inf if step == BY_RESTART else now + peer.means.grace",
        "math.inf if step == BY_RESTART else now",
        units_only=True,  # whoever wants it ended is told the sooner
    ),
    Mutation(
        "a restart has a step's time",
        "ladder.py",
        "math.inf if step == BY_RESTART else now + peer.means.grace",
        "now + peer.means.grace",
        units_only=True,  # it is told to go on, and does until its life ends
    ),
    Mutation(
        "what goes on in spite of all steps isn't told",
        "ladder.py",
        "                self._goes_on(request, climb.tried)\n",
        "",
    ),
    Mutation(
        "a failed stop has its whole time",
        "ladder.py",
        "                    climb.due = 0.0\n",
        "                    pass\n",
        units_only=True,  # it takes longer, no more
    ),
    Mutation(
        "a late stop's failure ends the next step",
        "ladder.py",
        '            climb.asked = ""\n            if step',
        "            if step",
        units_only=True,  # likewise
    ),
    Mutation(
        "each wish begins anew",
        "ladder.py",
        "        if climb is None:\n            steps = deque",
        "        if True:\n            steps = deque",
        units_only=True,  # two wishes for one operation are rare there
    ),
    Mutation(
        "nobody is restarted",
        "ladder.py",
        "        if restart:\n",
        "        if False:\n",
        units_only=True,  # it goes on, and that is told
    ),
    Mutation(
        "whatever nobody keeps is waited for",
        "ladder.py",
        "taken = self._cut_short(request.worker, reason, now)",
        "taken = self._cut_short(request.worker, reason, now) or True",
        units_only=True,  # the worlds' workers are all kept
    ),
    Mutation(
        "an interrupt has its time where there is no lane for it",
        "ladder.py",
        "        if not peer.beside.open:\n            return False\n",
        "",
        units_only=True,  # the worlds' workers all have one
    ),
    Mutation(
        "what has ended is still to end",
        "ladder.py",
        "climb = self._climbs.pop(request.number, None)",
        "climb = self._climbs.get(request.number, None)",
        units_only=True,  # steps for what has ended reach nobody
    ),
    Mutation(
        "an action stops itself",
        "means.py",
        "if name != member or name == INTERRUPT",
        "if True",
        units_only=True,  # no promise: it is called once more
    ),
    Mutation(
        "members have no means of their own",
        "means.py",
        "self.by_member.get(member, self.usual)",
        "self.usual",
        units_only=True,  # other steps are as good
    ),
    Mutation(
        "what has had its time is always ended",
        "dispatch.py",
        "        if peer.means.on_timeout:\n",
        "        if True:\n",
        units_only=True,  # it ends sooner
    ),
    Mutation(
        "what was claimed meanwhile isn't ended",
        "dispatch.py",
        "                if self._cancels.is_wanted(request):\n                    restart",
        "                if False:\n                    restart",
    ),
    Mutation(
        "what was told to be overdue can't be ended",
        "dispatch.py",
        "        elif request.claimed:\n            self._cancels.want(request, number)\n",
        "        elif request.claimed and request.state is not State.OVERRUN:\n"
        "            self._cancels.want(request, number)\n",
        units_only=True,  # the worlds' clients cancel what they wait for
    ),
    Mutation(
        "who is restarted for a cancel is told of a death",
        "dispatch.py",
        "lost(request, BY_RESTART in steps)",
        "lost(request, False)",
        units_only=True,  # which is true as well
    ),
    Mutation(
        "the ladder is never looked at",
        "broker.py",
        "        self.dispatch.ladder.tick(now)\n",
        "",
    ),
]
