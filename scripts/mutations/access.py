"""Rules of who may do what."""

from __future__ import annotations

from mutations import Mutation

MUTATIONS = [
    Mutation(
        "everybody may all", "access.py", "        if grant.role >= needed:\n", "        if True:\n"
    ),
    Mutation(
        "who has no name may all",
        "access.py",
        "        return Grant(self.others)\n",
        "        return Grant(Role.ADMIN)\n",
    ),
    Mutation(
        "a key passes for the user that it is called after",
        "access.py",
        "if visitor.is_user and visitor.name in",
        "if visitor.name in",
    ),
    Mutation(
        "an address has no role of its own",
        "access.py",
        "        if visitor.role is not None:\n",
        "        if False:\n",
    ),
    Mutation(
        "what is limited isn't looked at",
        "access.py",
        "            if name not in grant.limits or operation == Operation.READ:\n",
        "            if True:\n",
    ),
    Mutation(
        "whoever may use a member may use it in any way",
        "access.py",
        "        if name in grant.allows and operation in _SINGLE:\n",
        "        if name in grant.allows:\n",
    ),
    Mutation(
        "what was judged by one life may be done by another",
        "access.py",
        "operation, member):\n                return life or peer.life\n",
        "operation, member):\n                return life\n",
    ),
    Mutation(
        "a limit may be judged by one life and met by another",
        "access.py",
        "frames, peer)\n            return life or peer.life\n",
        "frames, peer)\n            return life\n",
    ),
    Mutation(
        "a life that isn't ready is judged by the one before it",
        "access.py",
        "    if peer.phase is not Phase.READY or peer.description is None:\n        return False\n",
        "    if peer.description is None:\n        return False\n",
    ),
    Mutation(
        "a driver's own action passes for a look at kept values",
        "access.py",
        '        return CACHED not in peer.description.get("actions", {})',
        "        return True",
    ),
    Mutation(
        "marks of properties count for whatever is done with them",
        "access.py",
        "    return operation == Operation.READ and affordance",
        "    return affordance",
    ),
    Mutation(
        "any mark is one",
        "access.py",
        "affordance.get(terms.SAFE) is True",
        "bool(affordance.get(terms.SAFE))",
    ),
    Mutation(
        "operators stop rigs",
        "access.py",
        "    return Role.OPERATOR if member in OF_OPERATORS else Role.ADMIN\n",
        "    return Role.OPERATOR\n",
    ),
    Mutation(
        "a property is judged as an action",
        "access.py",
        "        if calls is (action is None):\n",
        "        if False:\n",
    ),
    Mutation(
        "who asks isn't judged",
        "broker.py",
        "        if who is not None and self.access is not None:\n",
        "        if False:\n",
        units_only=True,  # its world has no access
    ),
]
