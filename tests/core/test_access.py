"""Who may do what is decided by roles, and nothing that a reader asks for has an effect."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.access.value_limits import VALUE, Limit
from orchestrator.core.access import Access, Grant, Role, Visitor
from tests.core.kit import RIG, Bench, request
from transports import terms
from transports.headers import (
    CACHED,
    DESCRIPTION,
    REFRESH,
    STREAM,
    STREAM_BESIDE,
    Operation,
)

DISPLAY, ALICE, BOSS, AGENT, GUEST = map(Visitor, ("display", "alice", "boss", "agent", "guest"))
ADA = Visitor("ada", is_user=True)
DESCRIBED = {
    "title": "Stage",
    "properties": {
        "position": {terms.SAFE: True},
        "speed": {},
        "next": {"readOnly": True},
        "odd": {terms.SAFE: "yes"},
    },
    "actions": {
        "move": {"input": {"properties": {"x": {}, "fast": {}}}},
        "home": {},
    },
}


IDS = count(1)


def arguments(kind: Any, payload: Any, raw: Any, calls: bool, names: Any) -> dict[str, Any]:
    """As a rig reads them, of JSON alone."""
    value = json.loads(bytes(payload))
    if not calls:
        return {VALUE: value}
    given_ = dict(zip(names, value.pop("__args__", []), strict=False))
    return {**given_, **value}


def bring_up(bench: Bench, worker: str, life: int, description: dict[str, Any]) -> None:
    """Take a life of a worker to ready; it offers this."""
    bench.expect(worker, life)
    bench.open_lanes(worker)
    bench.say_ready(worker, description=description)


def access(**grants: Grant) -> Access:
    return Access(RIG, grants, frozenset({"ada"}), arguments)


RULES = access(
    display=Grant(),
    alice=Grant(Role.OPERATOR),
    boss=Grant(Role.ADMIN),
    agent=Grant(
        reads=frozenset({"stage.speed"}),
        allows=frozenset({"stage.move", "stage.home", "stage.speed"}),
        limits={"stage.move": {"x": Limit(0, 50)}, "stage.speed": {VALUE: Limit(None, 5)}},
    ),
)


@pytest.fixture
def up() -> Bench:
    """A worker that serves, beside the rig itself."""
    bench = Bench()
    for name in ("stage", RIG):
        bench.add(name)
        bring_up(bench, name, 1, DESCRIBED)
    bench.broker.access = RULES
    return bench


def ask(bench: Bench, visitor: Visitor | None, *args: Any, **kwargs: Any) -> str:
    """What comes of a request: `started` if its worker was given it, else why it was refused."""
    id_ = str(next(IDS))
    sent, answered = len(bench.sent), len(bench.answers)
    bench.broker.receive_client(request(id_, *args, **kwargs), bench.now, None, visitor)
    bench.collect()
    if len(bench.sent) > sent:
        bench.reply(bench.sent[-1])
        return "started"
    if len(bench.answers) == answered:
        return "waits"  # for what the rig itself tells
    answer = bench.answers[-1]
    assert (answer.id, answer.kind) == (id_, "INVALID_MESSAGE")
    assert answer.error["outcome"] == "not started"
    assert answer.error["type"] == "PermissionError"
    return str(answer.error["message"])


READ, WRITE = {"operation": "readproperty"}, {"operation": "writeproperty"}


class TestRoles:
    @pytest.mark.parametrize(
        ("what", "needed"),
        [
            (("stage", "position", READ), Role.READER),
            (("stage", CACHED, {}), Role.READER),
            (("stage", "speed", READ), Role.OPERATOR),
            (("stage", "next", READ), Role.OPERATOR),  # that it can't be written tells nothing
            (("stage", "odd", READ), Role.OPERATOR),
            (("stage", "position", WRITE), Role.OPERATOR),
            (("stage", "position", {}), Role.OPERATOR),
            (("stage", "move", {}), Role.OPERATOR),
            (("stage", CACHED, READ), Role.OPERATOR),
            (("stage", "position", {"operation": "readallproperties"}), Role.OPERATOR),
            (("stage", "position", {"operation": "nonsense"}), Role.OPERATOR),
            (("stage", REFRESH, {}), Role.OPERATOR),
            (("stage", STREAM, {}), Role.OPERATOR),
            (("stage", "_set_properties", {}), Role.OPERATOR),
            ((RIG, "status", {}), Role.READER),
            ((RIG, "operations", {}), Role.READER),
            ((RIG, "cancel", {}), Role.OPERATOR),
            ((RIG, "stacks", {}), Role.OPERATOR),
            ((RIG, "note", {}), Role.OPERATOR),
            ((RIG, "start", {}), Role.ADMIN),
            ((RIG, "stop", {}), Role.ADMIN),
            ((RIG, "restart", {}), Role.ADMIN),
            ((RIG, "plan", {}), Role.ADMIN),
            ((RIG, "apply", {}), Role.ADMIN),
            ((RIG, "log_level", {}), Role.ADMIN),
            ((RIG, "down", {}), Role.ADMIN),
            ((RIG, "status", READ), Role.ADMIN),
            ((RIG, "whatever", {}), Role.ADMIN),
        ],
    )
    def test_each_may_what_those_below_may(
        self, up: Bench, what: tuple[str, str, dict[str, Any]], needed: Role
    ) -> None:
        worker, member, header = what
        for role, visitor in enumerate((GUEST, DISPLAY, ALICE, BOSS)):
            told = ask(up, visitor, worker, member, **header)
            assert (told == "started") is (role >= needed), (visitor.name, told)
            if 0 < role < needed:
                assert told.startswith(f"{visitor.name} ({Role(role).word}) may not ")
                assert told.endswith(f"; {needed.word} may")
            elif role < needed:
                assert told == "guest has no role in this rig; access in its config gives one"

    def test_who_runs_the_rig_may_all_unless_he_is_named(self, up: Bench) -> None:
        assert ask(up, ADA, RIG, "down") == "started"
        assert "ada has no role" in ask(up, Visitor("ada"), RIG, "down")  # a key called so
        up.broker.access = access(ada=Grant())
        assert ask(up, ADA, RIG, "down").endswith("admin may")

    def test_an_addresss_role_goes_before_names(self, up: Bench) -> None:
        reader = Visitor("boss", Role.READER)
        assert ask(up, reader, "stage", "position", **READ) == "started"
        assert ask(up, reader, "stage", "move").endswith("operator may")

    def test_an_addresss_role_holds_where_names_say_nothing(self, up: Bench) -> None:
        up.broker.access = Access(RIG, {}, frozenset(), arguments, Role.ADMIN)
        assert ask(up, GUEST, RIG, "down") == "started"
        assert ask(up, Visitor("address", Role.READER), RIG, "down").endswith("admin may")

    def test_the_rigs_own_looks_need_no_leave(self, up: Bench) -> None:
        assert ask(up, None, "stage", "move") == "started"

    def test_without_access_everybody_may_all(self, up: Bench) -> None:
        up.broker.access = None
        assert ask(up, GUEST, RIG, "down") == "started"

    def test_what_a_worker_offers_is_for_readers(self, up: Bench) -> None:
        assert ask(up, DISPLAY, "stage", DESCRIPTION) == "waits"
        assert "no role" in ask(up, GUEST, "stage", DESCRIPTION)

    def test_a_drivers_own_action_is_no_look_at_kept_values(self, up: Bench) -> None:
        bring_up(up, "stage", 2, {"actions": {CACHED: {}}, "properties": {}})
        assert ask(up, DISPLAY, "stage", CACHED).endswith("operator may")


class TestLives:
    """What was judged by one life's description is done by that life or not at all."""

    def test_a_read_that_waits_is_not_done_by_another_life(self, up: Bench) -> None:
        up.give(request("first", "stage", "move"))
        up.broker.receive_client(
            request("read", "stage", "position", **READ), up.now, None, DISPLAY
        )
        up.broker.lost("stage", up.now, reason="it died", holds=True)
        bring_up(up, "stage", 2, {"properties": {"position": {}}})
        up.collect()
        ended = {answer.id: answer for answer in up.answers}
        assert ended["read"].error["outcome"] == "not started"
        assert all(sent.id != "read" for sent in up.sent)

    def test_nor_is_a_call_that_was_within_its_limits(self, up: Bench) -> None:
        """Another life may name its arguments otherwise."""
        up.give(request("first", "stage", "move"))
        up.broker.receive_client(
            request("call", "stage", "move", payload=b'{"__args__": [1]}'), up.now, None, AGENT
        )
        up.broker.lost("stage", up.now, reason="it died", holds=True)
        bring_up(up, "stage", 2, DESCRIBED)
        up.collect()
        assert {answer.id: answer.kind for answer in up.answers}["call"] != "REPLY"
        assert all(sent.id != "call" for sent in up.sent)

    def test_while_nobody_knows_what_a_worker_offers_nothing_is_free_of_effect(self) -> None:
        bench = Bench()
        bench.add("stage")
        bench.broker.access = RULES
        bench.expect("stage")
        for member, header in (("position", READ), (CACHED, {})):
            assert ask(bench, DISPLAY, "stage", member, **header).endswith("operator may")
        assert "isn't ready" in ask(bench, DISPLAY, "stage", "position", **READ)

    def test_an_ended_lifes_marks_are_not_the_next_ones(self, up: Bench) -> None:
        up.broker.lost("stage", up.now, reason="it died", holds=True)
        up.expect("stage", 2)
        assert "isn't ready" in ask(up, DISPLAY, "stage", "position", **READ)
        assert "isn't ready" in ask(up, AGENT, "stage", "move", payload=b'{"x": 1}')


class TestGrants:
    @pytest.mark.parametrize(
        ("member", "header", "payload"),
        [
            ("move", {}, b'{"x": 50}'),
            ("move", {}, b'{"__args__": [0]}'),
            ("home", {}, b"null"),
            ("speed", READ, b"null"),
            ("speed", WRITE, b"5"),
        ],
    )
    def test_what_is_allowed(
        self, up: Bench, member: str, header: dict[str, Any], payload: bytes
    ) -> None:
        assert ask(up, AGENT, "stage", member, payload=payload, **header) == "started"

    @pytest.mark.parametrize(
        ("member", "header", "payload", "told"),
        [
            ("move", {}, b'{"x": 51}', "agent may not: stage.move: x is 51; allowed: 0 to 50"),
            ("move", {}, b'{"__args__": [-1]}', "x is -1; allowed"),
            ("move", {}, b'{"fast": true}', "x must be given, as it is limited"),
            ("move", {}, b'{"x": "1"}', "only numbers can be"),
            ("move", {}, b"{", "can't be judged"),
            ("move", WRITE, b"1", "is limited, and can't be used so"),
            ("speed", WRITE, b"6", "agent may not: stage.speed: value is 6"),
            ("speed", {}, b"null", "is limited, and can't be used so"),
            ("next", READ, b"null", "isn't marked as free of effect"),
            ("home", {"operation": "writeallproperties"}, b"null", "operator may"),
            ("turn", {}, b"null", "agent (reader) may not call stage.turn; operator may"),
        ],
    )
    def test_what_is_beyond(
        self, up: Bench, member: str, header: dict[str, Any], payload: bytes, told: str
    ) -> None:
        assert told in ask(up, AGENT, "stage", member, payload=payload, **header)

    def test_a_property_named_for_a_reader_needs_no_mark(self, up: Bench) -> None:
        up.broker.access = access(display=Grant(reads=frozenset({"stage.speed"})))
        assert ask(up, DISPLAY, "stage", "speed", **READ) == "started"
        assert ask(up, DISPLAY, "stage", "speed", **WRITE).endswith("operator may")


MEMBERS = st.sampled_from(
    (
        *("position", "speed", "move", "odd", CACHED, DESCRIPTION, REFRESH, STREAM, STREAM_BESIDE),
        *("_set_properties", "_get_properties", "ping", "status", "down", "cancel", ""),
        "position,speed",
    )
)
OPERATIONS = st.sampled_from([*map(str, Operation), "", "READPROPERTY", "observeproperty"])
MOVES = st.one_of(
    st.tuples(
        st.just("ask"), st.sampled_from(["stage", RIG, "stage#1@", "stage#2@"]), MEMBERS, OPERATIONS
    ),
    st.sampled_from([("die",), ("start",), ("ready",), ("stop",), ("busy",)]),
)
LIVES = st.lists(
    st.sets(st.sampled_from(["position", "speed", "odd", CACHED])), min_size=1, max_size=8
)


@settings(max_examples=300)
@given(moves=st.lists(MOVES, max_size=40), lives=LIVES)
def test_nothing_that_a_reader_sends_has_an_effect(
    moves: list[tuple[str, ...]], lives: list[set[str]]
) -> None:
    """Whatever its worker's lives mark, in whatever order: only reads that its present life has
    marked, and looks at kept values where the driver has no such action, reach the worker."""
    bench = Bench()
    for name in ("stage", RIG):
        bench.add(name)
    bench.bring_up(RIG)
    bench.broker.access = RULES
    life, state, ids = 0, "down", iter(range(10_000))
    marks: set[str] = set()

    def judge() -> None:
        bench.collect()
        for sent in bench.sent:
            if sent.number == 0 or sent.header["senderID"] != "reader":
                continue
            worker, member = sent.header["thingID"].partition("#")[0], sent.header["objekt"]
            operation = sent.header["operation"]
            if worker == RIG:
                assert (member, operation) in {("status", "invokeaction")}, sent.header
            elif operation == Operation.INVOKE:
                assert (member, CACHED in marks) == (CACHED, False), sent.header
            else:
                assert operation == Operation.READ, sent.header
                assert member in marks, sent.header
            bench.reply(sent)
        bench.sent.clear()

    for what, *of in moves:
        if what == "ask":
            frames = request(str(next(ids)), of[0], of[1], client="reader", operation=of[2])
            bench.broker.receive_client(frames, bench.now, None, DISPLAY)
        elif what == "busy":
            bench.give(request(str(next(ids)), "stage", "move", client="other"))
        elif what == "start" and state == "down" and life < len(lives):
            life, state = life + 1, "starting"
            bench.expect("stage", life)
        elif what == "ready" and state == "starting":
            state, marks = "up", lives[life - 1]
            bench.open_lanes("stage")
            marked = {name: {terms.SAFE: True} for name in marks - {CACHED}}
            actions = {CACHED: {}} if CACHED in marks else {}
            bench.say_ready("stage", description={"properties": marked, "actions": actions})
        elif what in ("die", "stop") and state != "down":
            state = "down"
            bench.broker.lost("stage", bench.now, reason="it died", holds=what == "die")
        judge()
