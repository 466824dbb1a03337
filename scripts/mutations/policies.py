"""Rules of what is done about workers that die, hang or fall ill."""

from __future__ import annotations

from mutations import Mutation

TOLD = [
    Mutation(
        "a change is told without a reason",
        "roster.py",
        "why = reason or child.reason or str(happening)",
        "why = reason or child.reason",
        units_only=True,
    ),
    Mutation(
        "a recovery is told by what came before it",
        "supervision.py",
        "self._roster.move(child, Happening.RECOVERY, now, told)",
        "self._roster.move(child, Happening.RECOVERY, now)",
        units_only=True,
    ),
]
VERIFY = [
    Mutation(
        "what is busy is asked all the same",
        "verify.py",
        "if not name or is_idle(self._broker.peers[worker], name):",
        "if True:",
    ),
    Mutation(
        "its own reads are verified",
        "verify.py",
        " and not is_own(request.client)",
        "",
    ),
    Mutation(
        "one read tells of one operation",
        "verify.py",
        "        return [doubt for doubt in doubts if doubt not in others]\n",
        "        return [doubt for doubt in doubts if doubt not in others][:1]\n",
    ),
    Mutation(
        "any number waits to be verified",
        "verify.py",
        "            if len(doubts) > MOST_DOUBTS:\n",
        "            if False:\n",
    ),
    Mutation(
        "a timeout leaves no doubt",
        "dispatch.py",
        "        self._keeper.uncertain(request)\n",
        "",
        units_only=True,  # the worlds verify nothing
    ),
    Mutation(
        "a death leaves no doubt",
        "broker.py",
        "            self.keeper.uncertain(request)\n",
        "",
        units_only=True,
    ),
    Mutation(
        "a client's name can be the core's own",
        "own_ids.py",
        "isinstance(identity, bytes) and identity.startswith(OWN)",
        "isinstance(identity, bytes)",
    ),
]
LIVES = [
    Mutation(
        "any life takes what is meant for one",
        "broker.py",
        "        if life and life != peer.life:\n",
        "        if False:\n",
        units_only=True,  # the worlds of the broker mean none; the simulated rig does
    ),
    Mutation(
        "what is meant for one life is given to another",
        "dispatch.py",
        "        if request.life and request.life != lane.peer.life:\n",
        "        if False:\n",
        units_only=True,
    ),
    Mutation(
        "what is meant for a life waits for the next one",
        "broker.py",
        "for request in peer.take_of_life():",
        "for request in ():",
        units_only=True,
    ),
    Mutation(
        "all that waits goes with a life",
        "peers.py",
        "if request.life])",
        "])",
        units_only=True,
    ),
    Mutation(
        "a life of another run counts",
        "peers.py",
        'return f"{self.incarnation}@{self.run}"',
        'return f"{self.incarnation}@"',
        units_only=True,
    ),
    Mutation(
        "a life isn't split from its worker",
        "lives.py",
        "thing_id.partition(OF_LIFE)",
        "thing_id.partition('~')",
        units_only=True,
    ),
]
EVIDENCE = [
    Mutation(
        "last words are waited for without end",
        "evidence.py",
        "            death.held.append(_Held(request, text, min(death.due, max(limit, now))))\n",
        "            death.held.append(_Held(request, text, 1e9))\n",
        units_only=True,  # no process of the worlds leaves any, here and below
    ),
    Mutation(
        "the operation's own deadline isn't kept while its worker's words are waited for",
        "evidence.py",
        "min(death.due, max(limit, now))",
        "death.due",
        units_only=True,
    ),
    Mutation(
        "another life's words are taken for its own",
        "evidence.py",
        "if death is not None and death.incarnation == incarnation:",
        "if death is not None:",
        units_only=True,
    ),
    Mutation(
        "whose words are waited for is forgotten when the rig stops",
        "rig.py",
        "        self.broker.last_words.release()\n",
        "        pass\n",
        units_only=True,
    ),
    Mutation(
        "who waits before is counted by the order of arrival",
        "queues.py",
        "count += min(len(queue), turn)",
        "count += len(queue)",
        units_only=True,
    ),
    Mutation(
        "a stall isn't told to who waits behind it",
        "evidence.py",
        "if not keeps or peer.lane_for(request.member).stalled:",
        "if not keeps:",
        units_only=True,
    ),
]
RESTARTS = [
    Mutation(
        "a stable life is none",
        "restarts.py",
        "        child.crashes = 0\n",
        "        pass\n",
    ),
    Mutation(
        "a start counts as service",
        "restarts.py",
        "if child.served is not None and now - child.served >= STABLE:",
        "if now - child.launched >= STABLE:",
    ),
    Mutation(
        "all that die together return together",
        "restarts.py",
        "(1.0 - JITTER + JITTER * chance())",
        "1.0",
        units_only=True,  # the worlds have no chance but their own
    ),
    Mutation(
        "no strategy restarts anybody",
        "outcomes.py",
        "            self._restart_companions(child)\n",
        "            pass\n",
        units_only=True,  # the worlds keep one for one, here and below; the simulated rig doesn't
    ),
    Mutation(
        "a start that fails restarts others",
        "outcomes.py",
        "        served = child.status in SERVING\n",
        "        served = True\n",
        units_only=True,
    ),
    Mutation(
        "those that rely on others that do are left out",
        "restarts.py",
        "        found |= names\n",
        "        found |= names\n        break\n",
        units_only=True,
    ),
    Mutation(
        "one that is to stop is restarted",
        "outcomes.py",
        "            if child.goal is not Goal.RUN:\n                continue\n",
        "",
        units_only=True,
    ),
    Mutation(
        "who died doesn't wait for those that go with it",
        "supervision.py",
        "not restarts.is_awaited(self._roster.strategy, child, self.children)",
        "True",
        units_only=True,
    ),
    Mutation(
        "nobody is required",
        "outcomes.py",
        "        if spec.required:\n",
        "        if False:\n",
        units_only=True,
    ),
    Mutation(
        "a required worker's end is none of the rig's",
        "rig.py",
        "if self.supervision.verdict is not None and not self.is_closing:",
        "if False:",
    ),
    Mutation(
        "a rig that fails says that it didn't",
        "supervision.py",
        "self.verdict = child.spec.name, status or 1",
        "self.verdict = child.spec.name, status",
        units_only=True,
    ),
    Mutation(
        "who has failed stays so",
        "outcomes.py",
        "            self._roster.due(child, now + spec.retry_failed)\n",
        "            pass\n",
        units_only=True,
    ),
    Mutation(
        "who was stopped is tried again",
        "supervision.py",
        "                self._roster.due(child, None)  # and it isn't tried again\n",
        "                pass\n",
        units_only=True,
    ),
]
STALLS = [
    Mutation(
        "one that is STALLED stays so",
        "supervision.py",
        "                self._roster.due(child, now + child.spec.stall_limit)\n",
        "                pass\n",
        units_only=True,  # no worker of the worlds has a limit
    ),
    Mutation(
        "what was found of another life counts",
        "supervision.py",
        "        child = self._roster.alive(name, incarnation)\n"
        "        if child is not None and child.status is Status.STALLED:",
        "        child = self.children[name]\n"
        "        if child is not None and child.status is Status.STALLED:",
        units_only=True,  # it is for people, here and below
    ),
    Mutation(
        "old evidence is told of a new stall",
        "supervision.py",
        '            child.held = child.where = ""\n',
        "",
        units_only=True,
    ),
    Mutation(
        "evidence is kept to oneself",
        "starts.py",
        'return f"{child.reason}: {found}" if found else child.reason',
        "return child.reason",
        units_only=True,
    ),
]
HEALTH = [
    Mutation(
        "busy workers are probed",
        "own_client.py",
        " and not peer.lane_for(member).given",
        "",
    ),
    Mutation(
        "one failure is enough",
        "health.py",
        "        if count != probe.failures:\n",
        "        if count > 1:\n",
    ),
    Mutation(
        "failures needn't be in a row",
        "health.py",
        '            patient.failures, patient.told, patient.reopened = 0, "", False\n',
        "            pass\n",
    ),
    Mutation(
        "a death is an illness",
        "health.py",
        "in (NOT_STARTED, UNKNOWN):",
        "in ():",
    ),
    Mutation(
        "a driver that is opened again is sick at once",
        "health.py",
        "            patient.failures, patient.reopened = 0, True\n",
        "            patient.reopened = True\n",
    ),
    Mutation(
        "one that is to stop is cured",
        "supervision.py",
        "if child.status in SERVING and not child.is_to_stop and not child.overrun:\n"
        "            child.overrun = reason",
        "if True:\n            child.overrun = reason",
        units_only=True,  # nobody is probed in the worlds
    ),
]
KEPT = [
    Mutation(
        "a write that raised is repeated",
        "kept.py",
        " or _DONE not in bytes(reply)[:64]",
        "",
    ),
    Mutation(
        "a read is repeated",
        "kept.py",
        "if request.operation != Operation.WRITE or",
        "if",
    ),
    Mutation(
        "a reference is kept in place of a value",
        "kept.py",
        "        if type(raw) is Reference or len",
        "        if len",
    ),
    Mutation(
        "any value is kept",
        "kept.py",
        " or len(payload) + len(raw) > MOST_KEPT:\n",
        ":\n",
    ),
    Mutation(
        "an older value is restored where the last was too large",
        "kept.py",
        "            self._writes.pop(request.member, None)\n",
        "",
    ),
    Mutation(
        "a fresh life begins with what was",
        "rig.py",
        "        for name in names if fresh else ():\n",
        "        for name in ():\n",
    ),
]
MUTATIONS = [*EVIDENCE, *TOLD, *VERIFY, *LIVES, *RESTARTS, *STALLS, *HEALTH, *KEPT]
