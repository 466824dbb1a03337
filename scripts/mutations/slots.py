"""Rules of the slots of shared memory: none is filled while somebody may read what is in it."""

from __future__ import annotations

from mutations import Mutation

MUTATIONS = [
    Mutation(
        "a slot is filled while it is held",
        "slots.py",
        "            or not slot.is_free\n",
        "",
    ),
    Mutation(
        "any generation is taken for the next one",
        "slots.py",
        "            or reference.generation != slot.generation + 1\n",
        "",
    ),
    Mutation(
        "a frame may be larger than its slot",
        "slots.py",
        "            or reference.size > slot.size\n",
        "",
    ),
    Mutation(
        "others than its owner refer to a slot",
        "slots.py",
        "            or slot.owner != owner\n",
        "",
    ),
    Mutation(
        "a late return ends a later lease",
        "slots.py",
        "slot.generation == generation and holder in slot.holders",
        "holder in slot.holders",
    ),
    Mutation(
        "who doesn't hold a frame returns it",
        "slots.py",
        "slot.generation == generation and holder in slot.holders",
        "slot.generation == generation",
    ),
    Mutation(
        "the first holder's return frees a slot",
        "slots.py",
        "        slot.holders.discard(holder)\n        if slot.holders:\n            return\n",
        "        slot.holders.discard(holder)\n",
    ),
    Mutation(
        "a retired slot is dropped while it is held",
        "slots.py",
        "        if not slot.holders and self._slots.pop(number, None) is not None:\n",
        "        if self._slots.pop(number, None) is not None:\n",
    ),
    Mutation(
        "who leaves holds on to frames",
        "slots.py",
        "            if peer in slot.holders:\n",
        "            if False:\n",
    ),
    Mutation(
        "who comes back is thought to have what it had",
        "slots.py",
        "            slot.known_to.discard(peer)\n            if slot.owner",
        "            if slot.owner",
    ),
    Mutation(
        "a name is of two connections",
        "slots.py",
        "        if peer in self._peers:\n            return False\n",
        "",
    ),
    Mutation(
        "slots have any size together",
        "slots.py",
        "self.size + size <= self.limit and sum",
        "sum",
    ),
    Mutation(
        "one owner has all of the memory",
        "slots.py",
        " and sum(own) + size <= self.limit // SHARE",
        "",
    ),
    Mutation(
        "an owner has any number of slots",
        "slots.py",
        " or len(own) >= MOST_SLOTS",
        "",
    ),
    Mutation(
        "who hasn't joined makes slots",
        "slots.py",
        "        if owner not in self._peers or size",
        "        if size",
    ),
    Mutation(
        "a slot's memory is counted for ever",
        "slots.py",
        "            self.size -= slot.size\n",
        "",
    ),
    Mutation(
        "a frame that goes to nobody is never freed",
        "slots.py",
        "        if slot is not None and not slot.holders and not slot.is_free:\n",
        "        if False:\n",
    ),
    Mutation(
        "a slot is freed twice",
        "slots.py",
        " and not slot.holders and not slot.is_free:",
        " and not slot.holders:",
    ),
    Mutation(
        "who hasn't a slot is sent references to it",
        "slots.py",
        "slot is not None and reader in slot.known_to",
        "slot is not None",
    ),
    Mutation(
        "a slot is handed over each time",
        "slots.py",
        "        if reader in self._peers and reader not in slot.known_to:\n",
        "        if reader in self._peers:\n",
    ),
    Mutation(
        "a reference that names no frame is passed on to a worker",
        "slots.py",
        "        if not self.came(client + ARGUMENTS, reference):\n",
        "        if not self.came(client + ARGUMENTS, reference) and False:\n",
    ),
    Mutation(
        "arguments are the client's again before they are read",
        "requests.py",
        "            self.slots.keep(request.frames[-1])\n",
        "            pass\n",
        units_only=True,  # no world has slots
    ),
    Mutation(
        "arguments are kept for ever",
        "requests.py",
        "            self.slots.end(request.frames[-1])\n",
        "            pass\n",
        units_only=True,  # no world has slots
    ),
    Mutation(
        "an answer by reference is leased to nobody",
        "requests.py",
        "                self.slots.lease(request.client, frames[2])\n",
        "                pass\n",
        units_only=True,  # no world has slots
    ),
]
