"""Rules of leases: one owner, rising numbers, who comes first, and what others may do."""

from __future__ import annotations

from mutations import Mutation

FILE, DESK = "leases.py", "leasing.py"

MUTATIONS = [
    Mutation("a number is given twice", FILE, "        self.number += 1\n", "        pass\n"),
    Mutation(
        "two have a lease",
        FILE,
        "        if held is None:\n            return self._grant",
        "        if True:\n            return self._grant",
    ),
    Mutation(
        "a time that is none is worth another try",
        FILE,
        '            "ValueError",\n',
        '            "BlockingIOError",\n',
    ),
    Mutation("who came last is next", FILE, "waiting.pop(0)", "waiting.pop()"),
    Mutation(
        "asking again is a second wish",
        FILE,
        "                return place\n",
        "                pass\n",
    ),
    Mutation(
        "any end of a lease is told as its time's",
        FILE,
        "self.lease.number == number and self.why == OVER",
        "self.lease.number == number",
        units_only=True,  # in words it is right
    ),
    Mutation("a lease has no end", FILE, "if each.until <= now]", "if False]"),
    Mutation("whoever left has it still", FILE, "if each.wish.client == client]", "if False]"),
    Mutation(
        "an ended number passes while nobody has one",
        FILE,
        "if held is None and not number:",
        "if held is None:",
    ),
    Mutation(
        "others act by the number that they see",
        FILE,
        "is_named and owner_of(who) == held.wish.owner:",
        "is_named:",
    ),
    Mutation(
        "the floor doesn't rise at the end",
        FILE,
        "return self.number + 1 if held is None",
        "return self.number if held is None",
    ),
    Mutation("any number renews", FILE, "if held is None or why:", "if held is None:"),
    Mutation("a queue has no end", FILE, "if len(waiting) >= MOST_WAITING:", "if False:"),
    Mutation(
        "what others queued isn't withdrawn",
        DESK,
        "            if why:\n                peer.forget",
        "            if False:\n                peer.forget",
    ),
    Mutation(
        "what is at the worker isn't taken back",
        DESK,
        "            self._take_back(peer.queued)\n",
        "            pass\n",
    ),
    Mutation("reading needs a lease", DESK, "if request.operation in READS or", "if"),
    Mutation("the rig's own requests are barred", DESK, " or is_own(request.client)", ""),
    Mutation("a lease is never demanded", DESK, "and peer.name in self._demanded", "and False"),
    Mutation(
        "numbers of earlier runs pass", DESK, "peer.is_guarded or number > 0", "peer.is_guarded"
    ),
    Mutation("one lane isn't told", DESK, "for lane in peer.lanes:", "for lane in peer.lanes[:1]:"),
    Mutation("breaking one isn't recorded", DESK, "Fact(AUDIT,", 'Fact("info",'),
    Mutation(
        "the number isn't kept",
        DESK,
        "        self._effects.append(KeepNumber(lease.number))\n",
        "",
    ),
]
