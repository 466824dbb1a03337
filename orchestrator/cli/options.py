"""Arguments and options that commands share, and how their texts become values."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from types import EllipsisType
from typing import Any, TypeVar

import click

from orchestrator.cli.completers import RIG, complete_rigs, complete_workers
from orchestrator.names import KEY_VARIABLE, RIG_VARIABLE

F = TypeVar("F", bound=Callable[..., Any])

_NEGATIVE = re.compile(r"-\.?[0-9]|-(?:\.?inf|infinity)$", re.IGNORECASE)
_MARK = "\0"
"""Put before a negative number while click sorts options from arguments; argv has no NUL."""
_BARE_POINT = re.compile(r"[-+]?\.[0-9]+(?:[eE][-+]?[0-9]+)?")  # JSON wants a digit before it


class NumbersCommand(click.Command):
    """A command whose arguments may be negative numbers, without a `--` before them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, but what begins like a negative number isn't an option."""
        return super().parse_args(
            ctx, [_MARK + arg if _NEGATIVE.match(arg) else arg for arg in args]
        )


def read_text(ctx: click.Context, param: click.Parameter, text: str) -> str:
    """A name as it was typed."""
    return text.removeprefix(_MARK)


def read_optional_text(ctx: click.Context, param: click.Parameter, text: str | None) -> str | None:
    """A name as it was typed; None if it was left out."""
    return None if text is None else text.removeprefix(_MARK)


def read_needed_text(ctx: click.Context, param: click.Parameter, text: str | None) -> str | None:
    """The same; it can't be empty, which names nothing, and would mean all."""
    text = read_optional_text(ctx, param, text)
    if text == "":
        raise click.BadParameter("it is empty; leave it out for all")
    return text


def read_texts(ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]) -> list[str]:
    """Values as they were typed."""
    return [text.removeprefix(_MARK) for text in texts]


def read_pairs(
    ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]
) -> dict[str, str]:
    """Keyword arguments from `NAME=VALUE`, as they were typed."""
    pairs: dict[str, str] = {}
    for marked in texts:
        text = marked.removeprefix(_MARK)
        name, equals, value = text.partition("=")
        if not equals:
            raise click.BadParameter(f"{text!r} is not NAME=VALUE")
        if not name.isidentifier():
            raise click.BadParameter(f"{name!r} in {text!r} is not a parameter's name")
        if name in pairs:
            raise click.BadParameter(f"{name!r} is given twice")
        if name in ("execution_timeout", "invocation_timeout"):
            raise click.BadParameter(
                f"{name!r} can't be passed on; use --timeout for the call's own"
            )
        pairs[name] = value
    return pairs


def read_timeout(
    ctx: click.Context, param: click.Parameter, text: str | None
) -> float | EllipsisType | None:
    """Seconds; None is no limit, `...` is what the config says."""
    if text is None:
        return ...
    text = text.removeprefix(_MARK)
    if text in ("null", "none"):
        return None
    from orchestrator.durations import parse_timeout

    try:
        return parse_timeout(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def to_value(text: str) -> Any:
    """JSON as RFC 8259 has it, else text: `1.5` is a number, `red` and `NaN` are texts.

    `.5` is a number too, as in a config.

    Raises:
        click.BadParameter: It isn't valid UTF-8, or a key of a mapping is given twice.
    """
    import msgspec

    try:
        value = msgspec.json.decode(text)
        if isinstance(value, (dict, list)):
            json.loads(text, object_pairs_hook=_refuse_twice)
        return value
    except UnicodeEncodeError:
        raise click.BadParameter(f"{text!a:.80} is not valid UTF-8") from None
    except (msgspec.DecodeError, RecursionError):
        return float(text) if _BARE_POINT.fullmatch(text) else text


def _refuse_twice(pairs: list[tuple[str, Any]]) -> None:
    """Of two values under one key JSON's readers keep the last, and nobody knows."""
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise click.BadParameter(f"the key {key!a:.80} is given twice")
        seen.add(key)


def _keep_rig(ctx: click.Context, param: click.Parameter, text: str | None) -> None:
    if text is None:
        return
    text = text.removeprefix(_MARK)
    if not text:
        raise click.BadParameter("is empty; leave it out for the only rig that runs")
    ctx.meta[RIG] = text


def _keep_key(ctx: click.Context, param: click.Parameter, text: str | None) -> None:
    """Have it used by all that connects in this process, as one that the environment names."""
    if text is not None:
        os.environ[KEY_VARIABLE] = text.removeprefix(_MARK)


def rig_option(function: F) -> F:
    """`--rig` and `--key`, before the command's name or after it."""
    function = click.option(
        "--key",
        metavar="FILE",
        expose_value=False,
        callback=_keep_key,
        type=click.Path(),
        help=f"Your key, where the rig is reached by tcp; else ${KEY_VARIABLE}, else the one in"
        " ~/.config/orch/keys.",
    )(function)
    return click.option(
        "--rig",
        metavar="NAME|ADDRESS",
        expose_value=False,
        callback=_keep_rig,
        shell_complete=complete_rigs,
        help=f"The rig, by name or address; else ${RIG_VARIABLE}, else the only one that runs.",
    )(function)


def chosen_rig() -> str | None:
    """What `--rig` said, on whichever side of the command."""
    rig: str | None = click.get_current_context().meta.get(RIG)
    return rig


def json_option(function: F) -> F:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="JSON, also on a terminal.")(
        function
    )


def raw_option(function: F) -> F:
    """`--raw`."""
    return click.option(
        "--raw",
        is_flag=True,
        help="Texts without quotes and bytes as they are; the rest is JSON.",
    )(function)


def timeout_option(function: F) -> F:
    """`--timeout`, the execution timeout of the request."""
    return click.option(
        "--timeout",
        metavar="TIME",
        callback=read_timeout,
        help="How long it may run, once it has begun, such as 500ms, 30s, 2min, or none; else as"
        " configured, as is how long it may wait for its turn.",
    )(function)


def worker_argument(function: F) -> F:
    """`WORKER`."""
    return click.argument("worker", callback=read_text, shell_complete=complete_workers)(function)
