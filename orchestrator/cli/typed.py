"""Values as they were typed: text where the member takes text, else JSON, else text."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from inspect import Parameter, Signature
from typing import Any

import click

from orchestrator.cli.options import to_value
from orchestrator.words import did_you_mean
from transports import terms

Schema = Mapping[str, Any]

_TYPES: Mapping[str, Schema] = {"str": {"type": "string"}, "float": {"type": "number"}}
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?")
_NOT_FINITE = re.compile(r"[-+]?(?:\.?inf|infinity|\.?nan)", re.IGNORECASE)


def value_of(text: str, schema: Schema) -> Any:
    """What a typed text stands for.

    A member that takes text is given what was typed, `123`, `1e3` and `true` too; a text in
    JSON's quotes stands for the text inside. One that takes numbers and no text is given infinity
    and not-a-number, which JSON has no words for, in Python's words or YAML's: `inf`, `.nan`.

    Args:
        text: As it was typed.
        schema: What the member takes; `{}` if that isn't known.

    Raises:
        click.BadParameter: It is no text at all, or a number that no float can be.
    """
    value = to_value(text)
    kinds = _kinds(schema)
    if isinstance(value, str):
        if "string" not in kinds and _NUMBER.fullmatch(text):  # which JSON's reader refused
            raise click.BadParameter(f"no number is as large as {text:.80}; in quotes it is text")
        is_number = "number" in kinds and "string" not in kinds and _NOT_FINITE.fullmatch(text)
        return float(text.replace(".", "")) if is_number else value
    if "string" not in kinds or not kinds <= {"string", "null"}:
        return value
    return None if value is None and "null" in kinds else text


def check_arguments(
    texts: Sequence[str], keywords: Mapping[str, str], affordance: Schema, title: str
) -> None:
    """Refuse at once what the worker would refuse when it has time.

    Args:
        texts: Arguments by position, as they were typed.
        keywords: Those by name.
        affordance: The action's description.
        title: What it is called in messages, before its signature.

    Raises:
        click.UsageError: The arguments are too few, too many, or of other names.
    """
    signature = str(affordance.get(terms.SIGNATURE, ""))
    taken = _parameters(signature)
    if taken is None:
        return
    names = [each.arg for each in (*taken.args, *taken.kwonlyargs)]
    unknown = next((name for name in keywords if name not in names), None)
    if unknown is not None and taken.kwarg is None:  # said before what is missing instead
        told = f"got an unexpected keyword argument {unknown!r}{did_you_mean(unknown, names)}"
        raise click.UsageError(f"{title}{signature}: {told}")
    try:
        Signature(list(_as_parameters(taken))).bind(*texts, **keywords)
    except TypeError as error:
        raise click.UsageError(f"{title}{signature}: {error}") from None


def arguments_of(
    texts: Sequence[str], keywords: Mapping[str, str], affordance: Schema
) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of an action, as its description has them. Raises as `value_of` does."""
    named: dict[str, Schema] = affordance.get("input", {}).get("properties", {})
    by_position, rest = _by_position(str(affordance.get(terms.SIGNATURE, "")), named)
    args = [
        value_of(text, by_position[index] if index < len(by_position) else rest)
        for index, text in enumerate(texts)
    ]
    return args, {name: value_of(text, named.get(name, {})) for name, text in keywords.items()}


def _parameters(signature: str) -> ast.arguments | None:
    """What an action takes, by its signature; None if that can't be read."""
    try:
        found = ast.parse(f"def action{signature}: ...").body[0]
    except SyntaxError:  # a default that is shown but is no expression
        return None
    return found.args if isinstance(found, ast.FunctionDef) else None


def _as_parameters(taken: ast.arguments) -> Iterator[Parameter]:
    """What is taken, so that arguments can be bound to it; whatever the defaults are."""
    listed = [*taken.posonlyargs, *taken.args]
    required = len(listed) - len(taken.defaults)
    for at, each in enumerate(listed):
        by_name = at >= len(taken.posonlyargs)
        kind = Parameter.POSITIONAL_OR_KEYWORD if by_name else Parameter.POSITIONAL_ONLY
        yield Parameter(each.arg, kind, default=Parameter.empty if at < required else None)
    if taken.vararg is not None:
        yield Parameter(taken.vararg.arg, Parameter.VAR_POSITIONAL)
    for each, default in zip(taken.kwonlyargs, taken.kw_defaults, strict=True):
        given = Parameter.empty if default is None else None
        yield Parameter(each.arg, Parameter.KEYWORD_ONLY, default=given)
    if taken.kwarg is not None:
        yield Parameter(taken.kwarg.arg, Parameter.VAR_KEYWORD)


def _by_position(signature: str, named: Mapping[str, Schema]) -> tuple[list[Schema], Schema]:
    """What is taken by position, in order, and what is in whatever number after that.

    A Thing Description has no words for arguments without a name, but the signature has.
    """
    taken = _parameters(signature)
    if taken is None:
        return list(named.values()), {}
    listed: list[Schema] = [_written(each) for each in taken.posonlyargs]
    listed += [named.get(each.arg, {}) for each in taken.args]
    return listed, _written(taken.vararg)


def _written(parameter: ast.arg | None) -> Schema:
    annotation = parameter.annotation if parameter is not None else None
    return _TYPES.get(annotation.id, {}) if isinstance(annotation, ast.Name) else {}


def _kinds(schema: Schema) -> set[str]:
    """The JSON types that a schema allows; none if that isn't known."""
    if "oneOf" in schema:
        each = [_kinds(choice) for choice in schema["oneOf"]]
        return set().union(*each) if all(each) else set()
    if "enum" in schema:
        texts = all(isinstance(value, str) for value in schema["enum"])
        return {"string"} if texts else set()
    kind = schema.get("type")
    if isinstance(kind, str):
        return {kind}
    return set(kind) if isinstance(kind, list) else set()
