"""Rules of workers: starts, stops, deaths, late reasons, goals."""

from __future__ import annotations

from mutations import Mutation

SUPERVISION = [
    Mutation(
        "news of earlier incarnations counts",
        "roster.py",
        "        if child is None or incarnation != child.incarnation:\n            return None",
        "        if child is None:\n            return None",
    ),
    Mutation(
        "what has ended is heard while its reason is awaited",
        "roster.py",
        "return child if child.status in UP and child.late is None else None",
        "return child if child.status in UP else None",
        units_only=True,  # the worlds' processes are silent once they have ended
    ),
    Mutation(
        "nobody waits for others to start",
        "children.py",
        "return all(children[name].settled for name in child.spec.after)",
        "return True",
    ),
    Mutation(
        "nobody waits for others to stop",
        "children.py",
        "return not any(\n        child.spec.name in other.follows",
        "return True or not any(\n        child.spec.name in other.follows",
    ),
    Mutation(
        "those about to stop are waited for no more",
        "children.py",
        "return self.status in SERVING and self.goal is Goal.RUN",
        "return self.status in SERVING",
    ),
    Mutation(
        "who was told to stop is told again",
        "children.py",
        "self.status in RUNNING and self.goal",
        "self.status in RUNNING | {Status.STOPPING} and self.goal",
    ),
    Mutation(
        "restarts are not counted",
        "restarts.py",
        "if len(child.history) >= spec.intensity:",
        "if False:",
    ),
    Mutation(
        "restarts are counted for ever",
        "restarts.py",
        "while child.history and child.history[0] <= now - spec.period:",
        "while False:",
    ),
    Mutation(
        "pauses don't grow",
        "starts.py",
        "first * 2.0 ** min(times - 1, 16)",
        "first",
    ),
    Mutation(
        "death before its turn to stop is a crash",
        "outcomes.py",
        "        if child.is_to_stop or child.status is Status.STOPPING:\n"
        "            self.ended_on_request",
        "        if child.status is Status.STOPPING:\n            self.ended_on_request",
    ),
    Mutation(
        "launches go on while all shuts down",
        "supervision.py",
        "        self._roster.closing = True\n",
        "        self._roster.closing = False\n",
    ),
    Mutation(
        "first builds are tried again",
        "outcomes.py",
        "elif (child.unbuilt or exit_.unusable) and not child.was_ready:",
        "elif False:",
    ),
    Mutation(
        "the ladder ends after its first signal",
        "supervision.py",
        "self._roster.due(child, now + child.ladder[0][1] if child.ladder else None)",
        "self._roster.due(child, None)",
    ),
    Mutation(
        "one that can't be told is waited for",
        "supervision.py",
        "self._climb(child, now)  # it can't be told over its link: signalled at once",
        "self._roster.due(child, now + child.ladder[0][1])",
    ),
    Mutation(
        "the next deadline is out of date",
        "roster.py",
        "        child.deadline = deadline\n        self._changed = True\n",
        "        child.deadline = deadline\n",
    ),
    Mutation(
        "an overrun without end isn't counted",
        "outcomes.py",
        "reason = child.overrun or child.unstarted or child.unbuilt or exit_.text\n",
        "reason = child.overrun or child.unstarted or child.unbuilt or exit_.text\n"
        "        if child.overrun:\n            child.history.clear()\n",
    ),
    Mutation(
        "an end by recovery is forgotten",
        "supervision.py",
        "Happening.RECOVERY not in NEXT[child.status] or child.overrun:",
        "Happening.RECOVERY not in NEXT[child.status]:",
    ),
    Mutation(
        "an overrun undoes a stop",
        "supervision.py",
        "if child.spec.restart_on_overrun and not child.is_to_stop:",
        "if child.spec.restart_on_overrun:",
    ),
    Mutation(
        "a build that failed may go on for ever",
        "supervision.py",
        "        self._roster.due(child, now + endings.UNBUILT_GRACE)\n",
        "",
    ),
    Mutation(
        "kill leaves those whose turn hasn't come",
        "supervision.py",
        "            elif child.status in UP:\n                child.ladder = []",
        "            elif child.status is Status.STOPPING:\n                child.ladder = []",
        units_only=True,  # in the worlds all end by their ladders as well
    ),
]
LATE_REASON = [
    Mutation(
        "a reason that is late isn't waited for",
        "supervision.py",
        "if exit_.unusable and not child.unbuilt and not stops:",
        "if False:",
        units_only=True,  # as of all of these: the worlds see no reasons
    ),
    Mutation(
        "the reason of one that is to stop is waited for",
        "supervision.py",
        "not child.unbuilt and not stops:",
        "not child.unbuilt:",
        units_only=True,
    ),
    Mutation(
        "a late reason is waited for too long",
        "supervision.py",
        "now + endings.REASON_WITHIN",
        "now + 4 * endings.REASON_WITHIN",
        units_only=True,
    ),
    Mutation(
        "a reason that came isn't enough",
        "supervision.py",
        "        if child.late is not None:\n            self._ended(child, child.late, now)\n"
        "            return\n        child.ladder = [",
        "        child.ladder = [",
        units_only=True,
    ),
    Mutation(
        "a reason that never comes is waited for for ever",
        "supervision.py",
        "self._ended(child, child.late, now)\n            elif child.status is Status.BACK",
        "self._roster.due(child, None)\n            elif child.status is Status.BACK",
        units_only=True,
    ),
    Mutation(
        "one that has ended is told to stop",
        "supervision.py",
        "        if child.late is not None:\n            self._ended(child, child.late, now)\n"
        "            return\n        self._roster.move(child, Happening.TOLD, now)\n",
        "        self._roster.move(child, Happening.TOLD, now)\n",
        units_only=True,
    ),
]
GOALS = [
    Mutation(
        "a stop can't be taken back",
        "supervision.py",
        "                child.goal = Goal.RESTART if child.outlived else Goal.RUN\n",
        "                pass\n",
    ),
    Mutation(
        "a start takes back a restart",
        "supervision.py",
        "            elif child.goal is Goal.STOP:\n",
        "            elif child.goal is not Goal.RUN:\n",
        units_only=True,  # another life is what it would have come to
    ),
    Mutation(
        "a restart that is under way isn't stopped",
        "supervision.py",
        "            child.goal = Goal.STOP\n            if Happening.STOP in NEXT",
        "            child.goal = child.goal if child.goal is Goal.RESTART else Goal.STOP\n"
        "            if Happening.STOP in NEXT",
    ),
    Mutation(
        "a restart is a stop",
        "supervision.py",
        "            if child.status in RUNNING:\n                child.goal = Goal.RESTART\n",
        "            if child.status in RUNNING:\n                child.goal = Goal.STOP\n",
    ),
    Mutation(
        "a start while it stops is forgotten",
        "supervision.py",
        '"""Have another incarnation follow the one that is stopping."""\n'
        "        child.goal = Goal.RESTART\n",
        '"""Have another incarnation follow the one that is stopping."""\n',
    ),
    Mutation(
        "what waits for a restart is refused",
        "supervision.py",
        "hold=child.goal is Goal.RESTART)",
        "hold=False)",
    ),
    Mutation(
        "one that was replaced is replaced again",
        "outcomes.py",
        "            child.goal = Goal.RUN\n            child.restarts += 1\n",
        "            child.restarts += 1\n",
    ),
    Mutation(
        "a launch that failed is to be stopped still",
        "outcomes.py",
        "        child.fails(reason, now)\n        child.goal = Goal.STOP\n",
        "        child.fails(reason, now)\n",
        units_only=True,  # nothing looks at the goal of one that has failed but status
    ),
    Mutation(
        "a start by hand doesn't forget earlier crashes",
        "supervision.py",
        "        child.goal = Goal.RUN\n        child.forget_failures()\n",
        "        child.goal = Goal.RUN\n",
    ),
]
STARTS = [
    Mutation(
        "a device that is off is given up",
        "starts.py",
        'return told, stage in ("build", "open", "on_start", "restore")',
        "return told, False",
    ),
    Mutation(
        "a driver that isn't there is waited for",
        "starts.py",
        'return told, stage in ("build", "open", "on_start", "restore")',
        "return told, not left",
        units_only=True,  # the worlds' builds fail at one stage
    ),
    Mutation(
        "no retry can be turned off",
        "starts.py",
        "return child.spec.retry_start and child.spec.restart",
        "return child.spec.restart",
    ),
    Mutation(
        "a want of something is a failure for good",
        "supervision.py",
        "        if not wants:\n",
        "        if True:\n",
    ),
    Mutation(
        "a process that lacked threads has crashed",
        "outcomes.py",
        "elif child.status is Status.STARTING and exit_.wants:",
        "elif False:",
        units_only=True,  # no process of the worlds says so
    ),
    Mutation(
        "a launch that failed is tried again though it is to stop",
        "supervision.py",
        "        elif child.is_to_stop or child.status is Status.STOPPING:\n"
        "            self._outcomes.ended_on_request(child, Exit",
        "        elif False:\n            self._outcomes.ended_on_request(child, Exit",
    ),
    Mutation(
        "one that is tried again holds others back",
        "children.py",
        "tried = self.failures > 0 and self.goal is Goal.RUN",
        "tried = False",
    ),
    Mutation(
        "an order waits for a device to be switched on",
        "children.py",
        "return self.failures > 0 and self.status is Status.BACKOFF",
        "return False",
        units_only=True,  # the worlds give no orders
    ),
    Mutation(
        "a start may take for ever",
        "starts.py",
        "return timeout is not None and child.launched + timeout <= now",
        "return False",
    ),
    Mutation(
        "one whose start was too long is ready after all",
        "supervision.py",
        "NEXT[child.status] or child.unstarted:",
        "NEXT[child.status]:",
    ),
    Mutation(
        "a long start is told once",
        "starts.py",
        "SLOW_AGAIN * (1 + round(now - child.launched, 3) // SLOW_AGAIN)",
        "1e9",
    ),
    Mutation(
        "who asks for one that starts for long waits",
        "outcomes.py",
        "            self._holder.refuse_descriptions(child.spec.name, standing)\n",
        "            pass\n",
        units_only=True,  # the worlds ask for nothing
    ),
    Mutation(
        "failures are remembered of one that is ready",
        "supervision.py",
        'child.was_ready, child.reason, child.failures = True, "", 0',
        'child.was_ready, child.reason = True, ""',
    ),
]
ENDINGS = [
    Mutation(
        "a thread is sent signals",
        "endings.py",
        "    if child.thread:\n        return [",
        "    if False:\n        return [",
        units_only=True,  # the worlds have processes alone
    ),
    Mutation(
        "whoever was asked has no time",
        "endings.py",
        "child.spec.stop_timeout if asked else 0.0",
        "0.0",
    ),
    Mutation(
        "a thread that overran isn't asked",
        "supervision.py",
        "        if child.thread:\n            self._ask_to_end",
        "        if False:\n            self._ask_to_end",
        units_only=True,
    ),
]
MUTATIONS = [*SUPERVISION, *LATE_REASON, *GOALS, *STARTS, *ENDINGS]
