"""Rules of what strangers can cause: rubbish, facts without end, bytes that are held."""

from __future__ import annotations

from mutations import Mutation

STRANGERS = [
    Mutation(
        "rubbish is heard for ever",
        "manners.py",
        "if count + 1 < MOST_MALFORMED:",
        "if True:",
    ),
    Mutation(
        "a good message is no excuse",
        "manners.py",
        "            self._counts.pop(client, None)\n\n",
        "            pass\n\n",
    ),
    Mutation(
        "who was cut off is heard",
        "manners.py",
        "        if now < until:\n",
        "        if False:\n",
    ),
    Mutation(
        "names are kept without end",
        "manners.py",
        "                self._counts.clear()\n",
        "                pass\n",
    ),
    Mutation(
        "each fact of strangers is a record",
        "tally.py",
        "if window is None or window.ends <= now:",
        "if True:",
    ),
    Mutation(
        "sums are never told",
        "tally.py",
        "self.next_deadline = window.ends",
        "self.next_deadline = None",
    ),
    Mutation(
        "texts of strangers have any length",
        "tally.py",
        "return text if len(text) <= most else",
        "return text if True else",
    ),
]
HELD = [
    Mutation(
        "small requests are summed up",
        "held.py",
        "        if request.size > SMALL:\n            self._change(request.client, request.size)",
        "        if True:\n            self._change(request.client, request.size)",
        units_only=True,  # it bounds the same, at a cost
    ),
    Mutation(
        "bytes of what has ended stay held",
        "held.py",
        "            self._change(request.client, -request.size)\n",
        "            pass\n",
    ),
    Mutation(
        "clients without bytes are kept in mind",
        "held.py",
        "        if left:\n",
        "        if True:\n",
    ),
]
MUTATIONS = [*STRANGERS, *HELD]
