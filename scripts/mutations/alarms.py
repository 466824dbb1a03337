"""Rules of alarms: what begins and ends them, what isn't known, and what is told."""

from __future__ import annotations

from mutations import Mutation

FILE = "alarms.py"

MUTATIONS = [
    Mutation("one reading is enough", FILE, ">= alarm.lasting", ">= 0"),
    Mutation(
        "readings beyond needn't follow each other",
        FILE,
        "        if not limit:\n            watched.beyond_since = None\n",
        "",
    ),
    Mutation(
        "an alarm ends at its limit",
        FILE,
        "State.OK if alarm.clears(value) else State.RAISED",
        "State.OK if not limit else State.RAISED",
    ),
    Mutation("a low value clears a high one's alarm only", FILE, "not (high or low)", "not high"),
    Mutation("NaN is a value", FILE, " or math.isnan(value := _number(polled.value))", ""),
    Mutation(
        "what isn't known ends the alarm",
        FILE,
        "            watched.state, watched.since = State.STALE, now\n",
        "            watched.state, watched.since, watched.raised = State.STALE, now, False\n",
    ),
    Mutation(
        "that a value isn't known is told each time",
        FILE,
        "if was is State.STALE and watched.is_told:",
        "if False:",
    ),
    Mutation(
        "a value that was never read isn't missed",
        FILE,
        "            if each.value is None:\n                each.since = now\n"
        "            self._await(each, now)\n",
        "            if each.value is not None:\n                self._await(each, now)\n",
    ),
    Mutation(
        "what was beyond before it was stale counts on",
        FILE,
        "watched.beyond_since, watched.reason = None, reason",
        "watched.reason = reason",
    ),
    Mutation("an alarm that is back is new", FILE, "elif state is State.RAISED:", "elif False:"),
    Mutation(
        "a worker goes on telling what nobody watches",
        FILE,
        "            self._tell(worker, Watch(()))\n",
        "            pass\n",
    ),
    Mutation(
        "an alarm that isn't watched any more goes silently",
        FILE,
        "if name not in alarms and each.raised:",
        "if False:",
    ),
    Mutation(
        "an alarm that begins makes nobody safe",
        "interlock.py",
        "        self._supervision.stop(kept, now)\n",
        "",
    ),
    Mutation(
        "whoever was made safe is restarted",
        "interlock.py",
        "self._supervision.stop(kept, now)",
        "self._supervision.restart(kept, now)",
    ),
    Mutation(
        "nobody is told why a worker was made safe",
        "interlock.py",
        "                child.stopped_for = child.reason = reason\n",
        "                pass\n",
    ),
    Mutation(
        "a worker that isn't kept any more is stopped",
        "interlock.py",
        "[name for name in names if name in children]",
        "list(names)",
    ),
    Mutation(
        "the reason of a stop that was taken back stays",
        "supervision.py",
        '                child.stopped_for = ""\n',
        "",
        units_only=True,  # no world has an interlock
    ),
]
