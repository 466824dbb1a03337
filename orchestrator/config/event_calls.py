"""Events that a config declares: the method that takes a function, and what it tells."""

from __future__ import annotations

from typing import Any, NamedTuple

from orchestrator.config.values import check_call, check_driver
from orchestrator.words import quoted, say, unknown_key
from transports.placeholders import CALLBACK, TOKEN, constant, is_marked

_KEYS = ("call", "value", "end")


class EventCall(NamedTuple):
    """How a driver tells an event.

    Attributes:
        call: The method that takes the function to be called, and its arguments.
        value: Which of what the function is called with; None for all of it.
        end: The method that ends this, and its arguments; None if there is none.
    """

    call: tuple[str, list[Any], dict[str, Any]]
    value: str | int | None
    end: tuple[str, list[Any], dict[str, Any]] | None


def check_event(value: object) -> EventCall:
    """An event that a driver tells by calling a function that it was given.

    Args:
        value: A method such as ``add_callback``, or a mapping: ``{call: [subscribe, level], value:
            0, end: unsubscribe}``.

    Raises:
        ValueError: it has another form.
    """
    if isinstance(value, str):
        value = {"call": value}
    if not isinstance(value, dict) or "call" not in value:
        raise ValueError(
            f"write a method such as add_callback, or a mapping such as "
            f"{{call: [subscribe, level], value: 0, end: unsubscribe}}, not {say(value)}"
        )
    for key in value:
        if key not in _KEYS:
            raise ValueError(unknown_key(key, _KEYS))
    which = value.get("value")
    if isinstance(which, bool) or not (which is None or isinstance(which, str | int)):
        raise ValueError(
            f'"value" is the number of an argument, or a name such as value or'
            f" attr_value.value, not {say(which)}"
        )
    end = value.get("end")
    return EventCall(_checked(value["call"]), which, None if end is None else _checked(end))


def _checked(value: object) -> tuple[str, list[Any], dict[str, Any]]:
    name, args, kwargs = check_call(value)
    for each in (*args, *kwargs.values()):
        if not isinstance(each, str) or each in (CALLBACK, TOKEN) or not is_marked(each):
            continue
        if not constant(each):
            raise ValueError(
                f"{quoted(each)} is neither $callback, $token, nor a constant such as"
                " $package.module:NAME; text that begins with $ is written with $$"
            )
        check_driver(constant(each))
    return name, args, kwargs
