"""What an agent may do with a rig: members by name, and within which limits. Pure.

Reading needs no leave. What may be written or called is named.
"""

from __future__ import annotations

from typing import Any

from orchestrator.access.value_limits import Limits, RuleError, member_name, read_limits


def read_rules(data: Any) -> dict[str, Limits]:
    """Rules by `worker.member`, from a file's data.

    Args:
        data: Such as `{"allow": {"stage.move": {"x": [0, 50]}, "stage.home": null}}`.

    Raises:
        RuleError: Something in it is no rule.
    """
    if not isinstance(data, dict) or set(data) != {"allow"} or not isinstance(data["allow"], dict):
        raise RuleError(
            "rules are a mapping such as allow: {stage.move: {x: [0, 50]}, stage.home: }"
        )
    try:
        return {str(name): read_limits(str(name), each) for name, each in data["allow"].items()}
    except RuleError as error:
        raise RuleError(str(error), "allow", *error.path) from None


def allowed_name(text: str) -> str:
    """A member as it is named to be allowed. Raises RuleError if it isn't one."""
    try:
        return member_name(text)
    except RuleError as error:
        raise RuleError(str(error), "allow", *error.path) from None
