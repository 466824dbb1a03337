"""Joins the journals, and finds where a promise was broken. The rig itself is never asked.

Pure: lines in, what was found out. What a device wrote down is what happened; a client's lines are
what it asked and was told.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from faults.journal import Line

SECOND = 1_000_000_000
"""Nanoseconds."""
LONGEST = 15 * SECOND
"""No operation is there for longer than that."""
UNTOUCHED = ("not started", "rig not reachable")
"""Answers that say that the device wasn't touched."""
BY_DEVICE = ("done", "failed")
"""Answers that only a device can have given."""
GONE = ("rig lost", "rig not reachable")
GONE_AFTER = 4.0
"""Seconds after which a client knows that a rig is gone that can't answer any more."""
FAULTY = (
    "hold the lock",
    "hold the lock for too long",
    "spin",
    "hang",
    "eat memory",
    "eat descriptors",
)
"""What operations do that are faults themselves, but for the deaths that devices write down."""


@dataclass(eq=False)
class Operation:
    """What was asked, and all that became of it.

    Attributes:
        asked: The client's line before it asked.
        order: Its place among all that its client asked.
        told: The client's lines of answers.
        claimed: When its worker took it to be done; None if it never did.
        begun: The device's lines of its begin.
        ended: When the device was done with it, whatever came of it.
    """

    asked: Line
    order: int
    told: list[Line] = field(default_factory=list)
    claimed: int | None = None
    begun: list[Line] = field(default_factory=list)
    ended: int | None = None

    @property
    def began(self) -> int | None:
        """When it began."""
        return self.begun[0]["at"] if self.begun else None

    @property
    def answer(self) -> str:
        """What its client was told; empty if nothing."""
        return str(self.told[0]["answer"]) if self.told else ""

    def state(self, at: int) -> str:
        """Where it is at a time; empty if it isn't there yet or any more."""
        told = self.told[0]["at"] if self.told else None
        if self.ended is not None and self.ended <= at:
            return "replying" if told is None or told > at else ""
        if self.began is not None and self.began <= at:
            return "in flight"  # perhaps long after its client was told that time is over
        if self.asked["at"] > at or (told is not None and told <= at):
            return ""
        return "claimed" if self.claimed is not None and self.claimed <= at else "queued"


class Journals:
    """All that was written down, joined.

    Args:
        clients: Lines of clients.
        devices: Lines of devices and recipes.
        faults: Lines of whoever brings faults about.

    Attributes:
        operations: By key.
        by_worker: The same by worker, in the order in which they were asked.
        deaths: Lines of what hit a worker: who, when, of which kind.
        devices: Lines of devices and recipes, by worker.
        faults: As they came.
        killed: Clients that were killed.
        finished: Clients that were told all.
    """

    def __init__(
        self, clients: Iterable[Line], devices: Iterable[Line], faults: Iterable[Line]
    ) -> None:
        self.operations: dict[str, Operation] = {}
        self.by_worker: dict[str, list[Operation]] = defaultdict(list)
        self.devices: dict[str, list[Line]] = defaultdict(list)
        self.faults = list(faults)
        self.killed = {each["client"] for each in self.faults if each["what"] == "client killed"}
        self.finished: set[str] = set()
        for line in clients:
            self._of_client(line)
        for line in devices:
            self._of_device(line)
        hits = [each for each in self.faults if each["what"] == "fault" and each["worker"]]
        own = [each for lines in self.devices.values() for each in lines if each["what"] == "dies"]
        self.hits = sorted(hits + own, key=lambda line: int(line["at"]))

    def _of_client(self, line: Line) -> None:
        match line["what"]:
            case "asked":
                operation = Operation(line, len(self.operations))
                self.operations[line["key"]] = operation
                self.by_worker[line["worker"]].append(operation)
            case "told":
                self.operations[line["key"]].told.append(line)
            case "finished":
                self.finished.add(line["client"])

    def _of_device(self, line: Line) -> None:
        self.devices[line["worker"]].append(line)
        operation = self.operations.get(line.get("key", ""))
        if operation is None:
            return
        match line["what"]:
            case "claimed":
                operation.claimed = line["at"]
            case "begin":
                operation.begun.append(line)
            case "end":
                operation.ended = line["at"]

    def hit_by(self, hit: Line) -> list[Operation]:
        """The operations of a fault's worker that may have been there: asked not long before."""
        operations, at = self.by_worker[hit["worker"]], hit["at"]
        # They are in order of time: two bisections leave out all others.
        return operations[_first(operations, at - LONGEST) : _first(operations, at)]

    def states_hit(self, hit: Line) -> set[str]:
        """In which states a fault has hit operations of its worker; `idle` if there were none."""
        found = {each.state(hit["at"]) for each in self.hit_by(hit)}
        return found - {""} or {"idle"}


def _first(operations: list[Operation], at: int) -> int:
    """How many of them were asked before a time."""
    low, high = 0, len(operations)
    while low < high:
        middle = (low + high) // 2
        if operations[middle].asked["at"] < at:
            low = middle + 1
        else:
            high = middle
    return low


def violations(journals: Journals, margin: float) -> list[str]:
    """Where a promise was broken.

    Args:
        journals: What was written down.
        margin: Seconds that an answer may be later than its deadline, for the ways of messages and
            for clients that wait for their turn on the machine.
    """
    found: list[str] = []
    for key, operation in journals.operations.items():
        found += [f"{key}: {text}" for text in _of_operation(operation, journals, margin)]
    for worker in journals.by_worker:
        found += [f"{worker}: {text}" for text in _out_of_order(journals.by_worker[worker])]
    for worker, lines in journals.devices.items():
        found += [f"{worker}: {text}" for text in _of_lives(lines, _is_secured(lines))]
    for line in journals.faults:
        if line["what"] == "left behind":
            found.append(f"left behind by a killed supervisor: {line['processes']}")
    return found


def _of_operation(operation: Operation, journals: Journals, margin: float) -> list[str]:
    """What is wrong with one operation."""
    found = []
    asked, told = operation.asked, operation.told
    if len(operation.begun) > 1:
        found.append(f"began {len(operation.begun)} times")
    if len(told) > 1:
        found.append(f"answered {len(told)} times")
    if not told:
        if asked["client"] not in journals.killed:
            found.append("never answered")
        return found
    answer, text = operation.answer, told[0]["error"]
    if answer == "wrong":
        found.append(f"a wrong answer: {text}")
    if answer in UNTOUCHED and operation.begun:
        found.append(f"said not to be started, but began: {text}")
    if answer in UNTOUCHED and operation.claimed is not None:
        found.append(f"said not to be started, but its arguments were made: {text}")
    if answer in BY_DEVICE and operation.ended is None:
        found.append(f"answered by a device that never ended it: {answer} {text}")
    seconds = (told[0]["at"] - asked["at"]) / SECOND
    limit = asked["wait"] + asked["run"] + (GONE_AFTER if answer in GONE else 0.0)
    if seconds > limit + margin:
        found.append(f"answered after {seconds:.3f} s, limit {limit:g} s")
    return found


def _out_of_order(operations: list[Operation]) -> list[str]:
    """Operations of one client that began after a later one of it, at one worker.

    What a client took for lost may have been under way, and begin after what it asked since then.
    """
    found = []
    last: dict[str, Operation] = {}
    begun = [each for each in operations if each.begun and each.answer not in GONE]
    queued = [each for each in begun if not each.begun[0].get("beside")]
    for each in sorted(queued, key=lambda each: each.began or 0):
        before = last.get(each.asked["client"])
        if before is not None and before.order > each.order:
            found.append(f"{each.asked['key']} began after {before.asked['key']}")
        last[each.asked["client"]] = each
    return found


def _is_secured(lines: list[Line]) -> bool:
    return any(line["what"] == "safe" for line in lines)


def _of_lives(lines: list[Line], secured: bool) -> list[str]:
    """Two lives at once, or a life that began before its device was safe."""
    found = [f"two have the device at {line['at']}" for line in lines if line["what"] == "overlaps"]
    gone: set[int] = set()
    living, is_safe = 0, True
    for line in sorted(lines, key=lambda line: int(line["at"])):
        if line["what"] == "safe":
            is_safe = True
        elif line["what"] == "born":
            gone.add(living)
            living = line["pid"]
            if secured and not is_safe:
                found.append(f"a life began at {line['at']} before the device was safe")
            is_safe = False
        elif line["pid"] in gone - {living}:
            found.append(f"a former life wrote {line['what']!r} at {line['at']}")
    return found


def unsettled(journals: Journals) -> int:
    """How many requests of clients that weren't killed have no answer."""
    return sum(
        not each.told and each.asked["client"] not in journals.killed
        for each in journals.operations.values()
    )


def faults_by_kind(journals: Journals) -> Counter[str]:
    """How many faults there were of each kind, those that operations are themselves included."""
    kinds = Counter(str(line["kind"]) for line in journals.faults if line["what"] == "fault")
    kinds.update(line["kind"] for line in journals.hits if line["what"] == "dies")
    asked = Counter(each.asked["how"] for each in journals.operations.values() if each.begun)
    for how in FAULTY:
        kinds[how] += asked[how]
    return kinds
