"""Calls that are meant for one life of a worker."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.core.children import ChildSpec
from orchestrator.core.lives import another, split
from tests.core.kit import Answer, Sent
from tests.core.rig_kit import Bench
from transports.headers import execution_context


@pytest.fixture
def up() -> Bench:
    """A worker in its first life, in a run of the rig that is called `r`."""
    bench = Bench(ChildSpec("a"), run="r")
    bench.start("a")
    return bench


def revive(bench: Bench) -> None:
    """The next life of the worker, ready."""
    bench.exit("a")
    bench.to_deadline()
    bench.come_up("a")


def refused(bench: Bench) -> dict[str, Any]:
    """The error of the only answer: that it wasn't started."""
    (answer,) = bench.of(Answer)
    assert answer.summary[1:] == ("EXCEPTION", "ConnectionAbortedError", "not started")
    return answer.error


def test_it_runs_on_the_life_that_is_meant(up: Bench) -> None:
    up.ask("1", "a#1@r")
    (sent,) = up.of(Sent)
    up.reply(sent)
    assert [each.kind for each in up.of(Answer)] == ["REPLY"]


@pytest.mark.parametrize("life", ["2@r", "0@r", "1@other", "1", "x"])
def test_any_other_is_refused_at_once(up: Bench, life: str) -> None:
    up.ask("1", f"a#{life}")
    assert f"life {life.partition('@')[0]} of worker 'a'" in refused(up)["message"]


def test_it_is_not_kept_waiting_for_that(up: Bench) -> None:
    up.ask("1")
    up.take()
    up.ask("2", "a#2@r")
    refused(up)


def test_both_lives_are_named(up: Bench) -> None:
    revive(up)
    up.take()
    up.ask("1", "a#1@r")
    assert refused(up)["message"] == "it was meant for life 1 of worker 'a', which has life 2 now"
    up.ask("2", "a#2@s")
    assert "in another run of the rig" in refused(up)["message"]


def test_what_waits_goes_with_the_life_that_ends(up: Bench) -> None:
    """Others wait for the next one."""
    for id_, worker in (("1", "a"), ("2", "a#1@r"), ("3", "a")):
        up.ask(id_, worker)
    up.take()
    up.exit("a")
    answers = {each.id: each for each in up.of(Answer)}
    assert set(answers) == {"1", "2"}
    told = answers["2"].error["message"]
    assert told.startswith("it was meant for life 1 of worker 'a', which has ended: ")
    assert "SIGSEGV" in told
    up.to_deadline()
    up.come_up("a")
    assert [each.header["messageID"] for each in up.of(Sent)] == ["3"]


def test_what_came_between_two_lives_is_refused_by_the_next(up: Bench) -> None:
    """It may have been sent before the end was known."""
    up.exit("a")
    up.take()
    up.ask("1", "a#1@r", context=execution_context(None, None, False))
    assert up.of(Answer) == []
    up.to_deadline()
    up.come_up("a")
    refused(up)
    assert up.of(Sent) == []
    assert up.rig.broker.queued("a") == 0


def test_what_was_not_claimed_does_not_go_to_the_next() -> None:
    up = Bench(ChildSpec("a"), run="r")
    up.start("a", claims=True)
    up.ask("1", "a#1@r")
    (sent,) = up.of(Sent)
    up.rig.taken_back("a", 1, [sent.number], up.now)
    up.exit("a")
    refused(up)


def test_nobody_is_meant_by_a_name_that_is_none(up: Bench) -> None:
    up.ask("1", "b#1@r")
    (answer,) = up.of(Answer)
    assert answer.summary == ("1", "INVALID_MESSAGE", "KeyError", "not started")


def test_names_are_split_at_the_first_mark() -> None:
    assert split("stage") == ("stage", "")
    assert split("stage#3@r#4") == ("stage", "3@r#4")
    assert len(another("a", "9" * 10_000, "1@r")) < 300
