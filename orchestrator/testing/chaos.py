"""Seeded chaos on a simulated rig: clients, operators and faults, by the dice.

The same seed gives the same run, on every machine.
"""

from __future__ import annotations

from collections import Counter
from random import Random

from orchestrator.core.admission import Caps
from orchestrator.core.children import Exit
from orchestrator.core.orders import Verb
from orchestrator.core.states import UP
from orchestrator.testing.behaviour import BRISK, Calm, Chaos
from orchestrator.testing.configs import NAMES, Configs
from orchestrator.testing.judge import Asked, Violation
from orchestrator.testing.simulation import SimulatedRig
from transports.headers import DESCRIPTION, Limits

CLIENTS = ("alice", "bob", "carol")
CAPS = Caps(queue=12, queue_per_client=8, queue_bytes=4000, header=4000, message=8000)
ENDS = (
    Exit("killed by SIGKILL", normal=False),
    Exit("killed by SIGSEGV", normal=False, speaks=True),
    Exit("exit status 0", normal=True),
    Exit("the fork server died", normal=False, wants=True),  # nobody else knew its process
)
ACTS = {
    "ask": 65,
    "ask much at once": 6,
    "shake hands": 3,
    "repeat an id": 3,
    "send rubbish": 3,
    "order": 8,
    "kill": 4,
    "freeze": 1,
    "cut": 2,
    "cancel": 5,
    "change the config": 1,
}


def run_chaos(seed: int, events: int) -> Counter[str]:
    """Run one rig through so many events, then to its rest.

    Returns:
        How often what happened: events, answers by outcome, faults by the state that they hit.

    Raises:
        Violation: A promise was broken; its notes tell how to repeat it.
    """
    random = Random(seed)
    configs = Configs(random)
    rig = SimulatedRig(
        configs.specs,
        Chaos(random),
        limits={name: Limits(None, None) for name in NAMES},
        means=configs.means,
        caps=CAPS,
        strategy=configs.strategy,
        chance=random.random,
    )
    try:
        change = rig.start()
        acts, weights = list(ACTS), list(ACTS.values())
        while rig.events < events:
            (act,) = random.choices(acts, weights)
            if act == "change the config":
                if change in rig.orders and not rig.core.is_closing:  # one at a time
                    change = rig.change(*configs.change(), configs.strategy)
            else:
                _act(rig, random, act)
            for _ in range(random.randrange(8)):
                rig.step()
        _come_to_rest(rig, random)
    except Violation as violation:
        violation.add_note(f"at event {rig.events}, {rig.now - 1000:.6f} s into seed {seed}")
        violation.add_note(
            f"repeat: python -m orchestrator.testing --seed {seed} --events {events}"
        )
        raise
    counts = Counter({"events": rig.events, "requests": len(rig.judge.asked)})
    counts.update({f"answered {kind}": count for kind, count in rig.judge.kinds.items()})
    counts.update(
        {f"failed starts {what}": count for what, count in rig.lives.starts.counts.items()}
    )
    counts.update({f"recipes {what}": count for what, count in rig.lives.safety.counts.items()})
    counts.update({f"cancelled: {what}": count for what, count in rig.wishes.counts.items()})
    counts.update({f"process ended while {state}": count for state, count in rig.hits.items()})
    return counts


def _act(rig: SimulatedRig, random: Random, act: str) -> None:
    client, worker = random.choice(CLIENTS), random.choice(list(rig.core.children))
    match act:
        case "ask":
            _ask(rig, random, client, worker)
        case "ask much at once":
            for _ in range(random.randrange(4, 12)):
                timeout = random.choice((None, 0.001, 0.01, 0.1, 1.0))
                rig.ask(random.choice(CLIENTS), worker, BRISK, invocation_timeout=timeout)
        case "shake hands":
            rig.shake_hands(client)
        case "repeat an id":
            if rig.judge.open:
                rig.repeat(_some_open(rig, random))
        case "send rubbish":
            size = random.choice((0, 1, 10, CAPS.header + 1, CAPS.message + 1))
            frames = [random.randbytes(size) for _ in range(random.randrange(1, 8))]
            rig.send(f"stranger-{random.randrange(5)}", frames)
        case "order":
            _order(rig, random)
        case "kill":
            rig.kill(worker, random.choice(ENDS))
        case "freeze":
            rig.freeze(worker)
        case "cut":
            rig.cut(worker)
        case "cancel":
            asked = _some_open(rig, random) if rig.judge.open else None
            if asked is not None and asked.worker in rig.core.children:
                rig.cancel(asked, restart=random.random() < 0.1)


def _order(rig: SimulatedRig, random: Random) -> None:
    """Mostly what is down is started: in a rig that is down nothing happens."""
    children, names = rig.core.children, rig.core.kept
    down = [name for name in names if children[name].status not in UP]
    if down and random.random() < 0.8:
        rig.order("start", random.sample(down, random.randint(1, len(down))))
        return
    verbs: tuple[Verb, ...] = ("start", "stop", "restart")
    count = min(len(names), random.randint(1, 2))
    rig.order(random.choice(verbs), random.sample(names, count))


def _ask(rig: SimulatedRig, random: Random, client: str, worker: str) -> None:
    def timeout() -> float | None:
        return random.choice((None, None, 0.0, 0.05, 0.5, 2.0, 10.0))

    last = rig.core.children[worker].incarnation
    rig.ask(
        client,
        worker,
        random.choice(("move", "move", "position", "abort", DESCRIPTION)),
        payload=random.choice((b"null", b"1" * random.randrange(1, 1500))),
        invocation_timeout=timeout(),
        execution_timeout=timeout(),
        oneway=random.random() < 0.1,
        life=random.choice((None, None, None, last, last - 1)),
    )


def _some_open(rig: SimulatedRig, random: Random) -> Asked:
    return random.choice(list(rig.judge.open.values()))


def _come_to_rest(rig: SimulatedRig, random: Random) -> None:
    """Faults end: what stands still or hangs is killed, and all must settle (I14)."""
    rig.behaviour = Calm()
    for worker in list(rig.processes):
        rig.kill(worker, ENDS[0])
    if not rig.run():
        raise Violation("I14: it never came to rest")
    rig.judge.rest()
    lost = [name for name, child in rig.core.children.items() if child.status in UP]
    if sorted(lost) != sorted(rig.processes):
        raise Violation(f"I10: {lost} are said to live, {list(rig.processes)} do")
    if random.random() < 0.5:
        rig.shut_down()
    else:
        rig.kill_all()
    if not rig.run() or not rig.core.is_over or rig.processes:
        raise Violation("I11: it never ended")
    rig.rest()
