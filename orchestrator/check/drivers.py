"""Whether the drivers of a config can be imported and called as it says.

Each driver is imported once in a process of its own, in its workers' interpreter, environment and
folder, and that process is thrown away: drivers print, exit, hang and crash when they are imported.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from orchestrator.check.hanging import place_of, waiting_for
from orchestrator.check.modules import hidden_modules
from orchestrator.check.named import limited, named, place_of_limit, stops
from orchestrator.check.runner import Job, Outcome, run
from orchestrator.check.twins import as_worker, differences
from orchestrator.config.loader import Problem, RigConfig, WorkerConfig
from orchestrator.words import did_you_mean, hide, one_line, quoted
from workers import search_path
from workers.driver.closing import nothing_closes
from workers.process import bootstrap
from workers.process.bootstrap import MEND, NEEDED, OLDEST
from workers.releases import other_release
from workers.spec import hidden_by_ours

__all__ = ["Findings", "check"]

DESCRIBING: Final = "workers.driver.describe"  # the module that describes a class

_FEW: Final = 6  # names that are worth listing when none of them is near


class Findings(NamedTuple):
    """What was found.

    Attributes:
        problems: What keeps the config from being used; empty when nothing does.
        notes: What it can be used with, but should be known.
    """

    problems: list[Problem]
    notes: list[Problem]


def check(
    config: RigConfig, *, deadline: float = 60.0, tell: Callable[[str], None] | None = None
) -> Findings:
    """What is wrong with the drivers, and what is odd, in the order of the file.

    Of a class also the names in ``concurrent``, ``timeouts``, ``poll``, ``cancel``, ``idempotent``,
    ``verify``, ``open_with`` and ``stop_with`` are looked up, as far as they are the worker's own:
    those of the defaults may be meant for other workers. What a factory will return isn't known.
    A twin (``simulate``) is looked at as the driver is, and what it lacks of that is noted.

    Args:
        config: a config that was loaded without problems.
        deadline: seconds that each import may take, or the worker's start, if that is less; as
            many run at a time as there are processors.
        tell: is told of each import that is waited for.
    """
    hidden = hidden_modules(config)
    known = [worker for worker in config.workers.values() if worker.name not in hidden]
    workers = [worker for worker in known if worker.host is None]
    afar = [worker for worker in known if worker.host is not None]
    paired = [worker for worker in workers if worker.simulate is not None]
    twins = [as_worker(worker) for worker in paired]
    jobs = [
        job_of(each, config, deadline, describe=each.simulate is not None)
        for each in (*workers, *twins)
    ]
    recipes = [_recipe(worker) for worker in workers if worker.on_loss is not None]
    jobs += [job_of(recipe, config, deadline, calls=_calls(recipe)) for recipe in recipes]
    waits = None if tell is None else functools.partial(waiting_for, tell)
    outcomes = run(jobs, at_once=processors(), waits=waits)
    judged = {
        Problem(told.place, hide(told.message, config.hidden))
        for worker in (*workers, *twins, *recipes)
        for told in _judge(worker, outcomes[worker.name], config, _time_of(worker, deadline))
    }
    problems = sorted({*hidden.values(), *judged})
    told = {problem.place for problem in problems}
    notes = [note for note in config.notes if note.place not in told]
    for worker in workers:
        likely = (outcomes[worker.name].answer or {}).get("nothing_closes")
        if likely is not None:
            title = quoted(worker.driver.partition(":")[2])
            notes.append(Problem(worker.place, one_line(nothing_closes(title, likely), 300)))
    for worker in afar:
        text = f"its driver is on host {quoted(str(worker.host))} and isn't looked at here"
        notes.append(Problem(worker.place, text))
    for worker, twin in zip(paired, twins, strict=True):
        if not told & {worker.place, twin.place}:
            notes += differences(worker, outcomes[worker.name], outcomes[twin.name])
    return Findings(problems, sorted(notes))


def _recipe(worker: WorkerConfig) -> WorkerConfig:
    """The driver of a worker's `on_loss`, as if it were a worker with nothing else."""
    assert worker.on_loss is not None
    above = "on_loss."
    places = {k.removeprefix(above): at for k, at in worker.places.items() if k.startswith(above)}
    place = places.get("driver", worker.place)
    names = [name for name, _, _ in _calls(worker)]
    at_calls = {f"concurrent.{n}": places.get(f"calls.{n}", place) for n in range(len(names))}
    return dataclasses.replace(
        worker,
        name=f"{worker.name} on_loss",  # the name of no worker
        driver=worker.on_loss["driver"],
        args=tuple(worker.on_loss["args"]),
        kwargs=worker.on_loss["kwargs"],
        concurrent=tuple(names),
        timeouts={},
        cancel_with=(),
        cancel={},
        poll={},
        events={},
        on_start=(),
        restore=(),
        idempotent=(),
        verify={},
        probe=None,
        open_with=None,
        stop_with=None,
        place=place,
        places={**places, "concurrent": place, **at_calls},
        spellings={},
    )


def _calls(worker: WorkerConfig) -> list[Any]:
    """The calls of a worker's `on_loss`: name, arguments, those by name."""
    return [] if worker.on_loss is None else worker.on_loss["calls"]


def processors() -> int:
    """How many processes run at a time."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def job_of(
    worker: WorkerConfig,
    config: RigConfig,
    deadline: float,
    *,
    describe: bool = False,
    calls: Sequence[Any] = (),
) -> Job:
    """The look at a worker's driver.

    Args:
        worker: The worker.
        config: Its rig's config.
        deadline: Seconds that the import may take.
        describe: Whether to look also at what its class offers.
        calls: Calls that will be made: name, arguments, those by name.
    """
    members = [*worker.concurrent] if "concurrent" in worker.places else []
    members += [name for name, _ in named(worker, config)]
    own = worker.python is not None or bool(worker.env)
    look = {
        "args": worker.args,
        "kwargs": worker.kwargs,
        "members": members,
        "limited": limited(worker, config),
        "calls": calls,
        "open_with": worker.open_with if "open_with" in worker.places else None,
        "stop_with": worker.stop_with if "stop_with" in worker.places else None,
        "stops": [name for name, _ in stops(worker)],
    }
    spec = {
        "driver": worker.driver,
        "folder": str(config.folder),
        # A worker that is forked, or a thread, begins with what this process has.
        "path": [] if own else [os.path.abspath(entry) for entry in sys.path],
        "bootstrap": bootstrap.__file__,
        "search_path": search_path.__file__,
        "deadline": _time_of(worker, deadline),
        "describe": DESCRIBING if describe else None,
        "needs": list(NEEDED),
        "oldest": list(OLDEST),
    }
    return Job(
        name=worker.name,
        interpreter=str(worker.python or sys.executable),
        spec=spec,
        look=look,
        env={**os.environ, **worker.env},
        cwd=worker.cwd,
        place=worker.place,
    )


def _time_of(worker: WorkerConfig, deadline: float) -> float:
    """Seconds that the import may take: in the rig, what takes longer than a start fails."""
    return deadline if worker.start_timeout is None else min(deadline, worker.start_timeout)


def _judge(
    worker: WorkerConfig, outcome: Outcome, config: RigConfig, deadline: float
) -> Iterator[Problem]:
    """What an outcome means for a worker, each at the place where it can be mended."""
    module, _, _ = worker.driver.partition(":")
    importing = f"importing {quoted(module)}"
    if outcome.answer is not None:
        yield from _judge_interpreter(worker, outcome.answer)
        yield from _judge_answer(worker, outcome.answer, config)
    elif outcome.failure is not None or not outcome.ran:
        place = worker.places.get("python", worker.place)
        interpreter = quoted(worker.python or Path(sys.executable))
        if outcome.failure is not None:
            reason = f"can't be started: {one_line(outcome.failure)}"
        elif outcome.overdue:
            reason = f"does nothing for {deadline:g} s; is it a Python?"
        else:
            reason = f"ended at once: {_end(outcome)}; is it a Python?{_last(outcome)}"
        yield Problem(place, f"the interpreter {interpreter} {reason}")
    elif outcome.overdue:
        at = place_of(outcome.errors, config)
        where = f", it is at {one_line(at)}" if at else ""
        mend = "; what takes time, or waits for a device, belongs in the class"
        yield Problem(worker.place, f"{importing} did not end within {deadline:g} s{where}{mend}")
    else:
        yield Problem(
            worker.place, f"{importing} ended its process: {_end(outcome)}{_last(outcome)}"
        )


def _judge_interpreter(worker: WorkerConfig, answer: dict[str, Any]) -> Iterator[Problem]:
    """Whether a worker's own interpreter can host it."""
    place = worker.places.get("python", worker.place)
    interpreter = f"the interpreter {quoted(worker.python or Path(sys.executable))}"
    if "too_old" in answer:
        version = one_line(answer["too_old"])
        oldest = ".".join(map(str, OLDEST))
        yield Problem(place, f"{interpreter} is Python {version}; a worker needs {oldest} or newer")
    elif "lacks" in answer:
        missing = one_line(", ".join(answer["lacks"]))
        yield Problem(place, f"{interpreter} can't host a worker: it lacks {missing}; {MEND}")


def _judge_answer(
    worker: WorkerConfig, answer: dict[str, Any], config: RigConfig
) -> Iterator[Problem]:
    module, _, attribute = worker.driver.partition(":")
    signature = one_line(answer.get("signature", ""), 200)
    match answer:
        case {"failed": failed}:
            yield Problem(worker.place, f"importing {quoted(module)}{_failure(failed, config)}")
        case {"no_module": missing, "names": names}:
            where = f" for {quoted(worker.python)}" if worker.python else ""
            hint = did_you_mean(missing, names) or hidden_by_ours(module)
            yield Problem(worker.place, f"there is no module {quoted(missing)}{where}{hint}")
        case {"no_attribute": name, "within": within, "names": names}:
            hint = did_you_mean(name, names) or hidden_by_ours(module) or _hint(name, names)
            yield Problem(worker.place, f"{quoted(within)} has no {quoted(name)}{hint}")
        case {"not_callable": kind}:
            message = f"{quoted(attribute)} is of type {one_line(kind)}, not a class or factory"
            yield Problem(worker.place, message)
    if wrong := other_release(answer["hololinked"]) if "hololinked" in answer else "":
        yield Problem(worker.place, f"{quoted(attribute)} {one_line(wrong, 300)}")
        return  # its signature and members are of another kind
    for name in answer.get("unknown_arguments", ()):
        yield Problem(
            worker.places.get(f"kwargs.{name}", worker.place),
            f"{quoted(attribute)} takes no argument {quoted(name)}; its signature is {signature}"
            f"{did_you_mean(name, answer['names'])}",
        )
    if "unfit" in answer:
        # What lacks has no place of its own; what is too much stands among the arguments.
        lacking = answer["unfit"].startswith("missing")
        yield Problem(
            worker.place if lacking else worker.places.get("args", worker.place),
            f"{quoted(attribute)} can't be called so: {one_line(answer['unfit'])};"
            f" its signature is {signature}",
        )
    for where, text in answer.get("misfits", ()):
        key = f"args.{where}" if isinstance(where, int) else f"kwargs.{where}"
        section = key.partition(".")[0]
        place = worker.places.get(key, worker.places.get(section, worker.place))
        mend = f"; if text is meant: '{worker.spellings[key]}'" if key in worker.spellings else ""
        yield Problem(
            place, f"{quoted(attribute)}: {one_line(text, 300)}{mend}; its signature is {signature}"
        )
    absent = set(answer.get("no_members", ()))
    for name, place in named(worker, config):
        if name in absent:
            hint = _hint(name, answer["members"])
            yield Problem(place, f"{quoted(attribute)} has no member {quoted(name)}{hint}")
    for name, argument, known in answer.get("no_arguments", ()):
        place = place_of_limit(worker, config, name, argument)
        told = f"{quoted(name)} takes no argument {quoted(argument)}, which is limited"
        yield Problem(place, f"{told}{_hint(argument, known)}")
    for key in ("open_with", "stop_with"):
        if name := answer.get(f"no_{key}"):
            hint = _hint(name, answer["methods"])
            place = worker.places.get(key, worker.place)
            yield Problem(place, f"{quoted(attribute)} has no method {quoted(name)}{hint}")
    unfit = dict(answer.get("unfit_stops", ()))
    for name, place in stops(worker):
        if name in unfit:
            reason = one_line(unfit[name], 300)
            told = f"{quoted(name)} can't stop others: it is called without arguments, but {reason}"
            yield Problem(place, told)
    for where, text in answer.get("open_misfits", ()):
        assert worker.open_with is not None
        place = worker.places.get("open_with", worker.place)
        place = worker.places.get(f"open_with.{where}", place)
        yield Problem(place, f"{quoted(worker.open_with[0])}: {one_line(text, 300)}")
    for number, where, text in answer.get("call_misfits", ()):
        yield _judge_call(worker, number, where, one_line(text, 300))


def _judge_call(worker: WorkerConfig, number: int, where: int | str | None, text: str) -> Problem:
    """What is wrong with a call of `on_loss`, at the argument if it has a place."""
    name, args, _ = _calls(worker)[number]
    whole, key = f"calls.{number}", f"calls.{number}"
    if isinstance(where, int):
        key += f".{where + 1}"
    elif where is not None:
        key += f".{len(args) + 1}.{where}"
    place = worker.places.get(key, worker.places.get(whole, worker.place))
    return Problem(place, f"{quoted(name)}: {text}")


def _failure(failed: dict[str, Any], config: RigConfig) -> str:
    kind, text = one_line(failed["type"]), one_line(failed["text"])
    place = ""
    if "place" in failed:
        file, *position = failed["place"]
        inside = os.path.join(config.folder, "")
        place = f" ({':'.join([one_line(file.removeprefix(inside)), *map(str, position)])})"
    if kind == "SystemExit":
        return f" calls for an exit, with status {text}{place}"
    return f" failed: {kind}{': ' if text else ''}{text}{place}"


def _hint(name: str, names: list[str]) -> str:
    hint = did_you_mean(name, names)
    if hint or not names:
        return hint
    some = ", ".join(one_line(known, 40) for known in names[:_FEW])
    return f"; it has {some}{' and more' if len(names) > _FEW else ''}"


def _end(outcome: Outcome) -> str:
    status = outcome.status or 0
    if status >= 0:
        return f"status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:  # a real-time signal
        name = f"signal {-status}"
    return f"killed by {name}"


def _last(outcome: Outcome) -> str:
    """The last line that was written to standard error: it often tells why."""
    lines = outcome.errors.strip().splitlines()
    return f" ({one_line(lines[-1], 200)})" if lines else ""
