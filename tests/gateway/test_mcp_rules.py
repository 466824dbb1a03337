"""What an agent may do is named, and limited before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.access.value_limits import VALUE, Denied, Limit, RuleError, check
from orchestrator.gateway.mcp_rules import allowed_name, read_rules


def rules(**limits: Any) -> Any:
    return read_rules({"allow": {"stage.move": limits or None}})["stage.move"]


class TestReading:
    def test_limits_are_by_argument_or_of_the_value(self) -> None:
        found = read_rules(
            {"allow": {"stage.move": {"x": [0, 50]}, "stage.speed": [None, 5], "psu.ch1.off": None}}
        )
        assert found == {
            "stage.move": {"x": Limit(0, 50)},
            "stage.speed": {VALUE: Limit(None, 5)},
            "psu.ch1.off": {},
        }
        assert read_rules({"allow": {"a.mode": {"one_of": ["x"]}}}) == {
            "a.mode": {VALUE: Limit(one_of=("x",))}
        }

    @pytest.mark.parametrize(
        ("data", "path"),
        [
            (None, ()),
            ([], ()),
            ({"allow": []}, ()),
            ({"deny": {}}, ()),
            ({"allow": {}, "more": 1}, ()),
            ({"allow": {"stage": None}}, ("allow", "stage")),
            ({"allow": {"a.b": 5}}, ("allow", "a.b")),
            ({"allow": {"a.b": [1]}}, ("allow", "a.b")),
            ({"allow": {"a.b": [None, None]}}, ("allow", "a.b")),
            ({"allow": {"a.b": [2, 1]}}, ("allow", "a.b")),
            ({"allow": {"a.b": {"x": [0, float("inf")]}}}, ("allow", "a.b", "x")),
            ({"allow": {"a.b": {"x": [0, True]}}}, ("allow", "a.b", "x")),
            ({"allow": {"a.b": {"x": {"one_of": []}}}}, ("allow", "a.b", "x")),
        ],
    )
    def test_what_is_no_rule_is_told_with_its_keys(self, data: Any, path: tuple[str, ...]) -> None:
        with pytest.raises(RuleError) as caught:
            read_rules(data)
        assert caught.value.path == path

    @pytest.mark.parametrize("text", ["stage", ".move", "stage.", ""])
    def test_a_name_has_two_parts(self, text: str) -> None:
        with pytest.raises(RuleError, match=r"worker\.member"):
            allowed_name(text)


class TestChecking:
    @pytest.mark.parametrize("value", [0, 50, 2.5, [1, [2, 50]]])
    def test_what_is_within_is_let_through(self, value: Any) -> None:
        check(rules(x=[0, 50]), {"x": value, "y": 1e9})

    @pytest.mark.parametrize(
        ("value", "told"),
        [
            (50.1, "x is 50.1; allowed: 0 to 50"),
            (-1, "x is -1; allowed: 0 to 50"),
            (float("inf"), "x is inf"),
            (float("nan"), "only numbers can be"),
            ("7", "x is '7'; it is limited, and only numbers can be"),
            (True, "only numbers"),
            (None, "only numbers"),
            ({"a": 1}, "only numbers"),
            ([1, 51], "x is 51"),
            (["1" * 100], "…"),
            ([], "x is []; it is limited, and only numbers can be"),
            ([[]], "only numbers can be"),
            ([1, []], "only numbers can be"),
            (10**400, "x is 1000"),
            pytest.param(10**5000, "x is 0x", id="without an end"),
        ],
    )
    def test_what_is_beyond_is_denied(self, value: Any, told: str) -> None:
        with pytest.raises(Denied) as caught:
            check(rules(x=[0, 50]), {"x": value})
        assert told in str(caught.value)

    def test_one_sided_limits(self) -> None:
        check(rules(x=[0, None]), {"x": 1e9})
        with pytest.raises(Denied, match="at least 0"):
            check(rules(x=[0, None]), {"x": -1})
        with pytest.raises(Denied, match="at most 5"):
            check(rules(x=[None, 5]), {"x": 6})

    def test_named_values(self) -> None:
        limits = rules(axis={"one_of": ["x", "y", 1]})
        check(limits, {"axis": "y"})
        for wrong in ("z", True, 1.0, ["x"]):
            with pytest.raises(Denied, match="allowed: 'x', 'y', 1"):
                check(limits, {"axis": wrong})
        many = rules(n={"one_of": list(range(20))})
        with pytest.raises(Denied, match="9 and 10 more"):
            check(many, {"n": 30})

    def test_what_is_limited_must_be_given(self) -> None:
        """Nobody else judges what the driver takes by default."""
        with pytest.raises(Denied, match="x must be given, as it is limited: 0 to 50"):
            check(rules(x=[0, 50]), {})
        with pytest.raises(Denied, match="limited: 'a'"):
            check(rules(x={"one_of": ["a"]}), {})

    def test_without_limits_all_is_let_through(self) -> None:
        check(rules(), {"x": 1e9})
