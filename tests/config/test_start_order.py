"""The order in which workers start."""

from __future__ import annotations

import itertools
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.config.start_order import find_cycles, sort_after
from tests.config.config_kit import expect


def test_circles_are_shown_each_once(tmp_path: Path) -> None:
    expect(
        tmp_path,
        """\
rig: r
workers:
  a: {driver: "x:X", after: [§c]}
  b: {driver: "x:X", after: [a]}
  c: {driver: "x:X", after: [b]}
  d: {driver: "x:X", after: [a, §e]}
  e: {driver: "x:X", after: [d]}
  f: {driver: "x:X", after: [e]}
""",
        'circular "after": a after c after b after a',
        'circular "after": d after e after d',
    )


def test_a_circle_through_the_defaults_is_shown_there(tmp_path: Path) -> None:
    expect(
        tmp_path,
        """\
rig: r
defaults: {after: [§laser]}
workers:
  stage: {driver: "x:X"}
  laser: {driver: "x:X", after: [stage]}
""",
        'circular "after": stage after laser after stage',
    )


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    names = draw(st.lists(st.sampled_from("abcdefghij"), unique=True, max_size=10))
    if not names:
        return {}
    needs = st.lists(st.sampled_from(names), unique=True, max_size=3)
    return {name: [one for one in draw(needs) if one != name] for name in names}


@given(graphs())
def test_all_start_after_what_they_need_or_a_circle_is_shown(after: dict[str, list[str]]) -> None:
    order, cycles = sort_after(after), find_cycles(after)
    for index, name in enumerate(order):
        assert set(after[name]) <= set(order[:index])
    assert bool(cycles) == (set(order) != set(after))
    members = [name for cycle in cycles for name in cycle[:-1]]
    assert len(members) == len(set(members))
    for cycle in cycles:
        assert cycle[0] == cycle[-1]
        assert all(second in after[first] for first, second in itertools.pairwise(cycle))


@given(st.lists(st.sampled_from("abcdef"), unique=True))
def test_without_needs_the_order_is_that_of_the_file(names: list[str]) -> None:
    assert sort_after({name: [] for name in names}) == tuple(names)
