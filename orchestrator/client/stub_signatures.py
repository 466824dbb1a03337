"""An action's parameters and result, in stubs."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from orchestrator.client.stub_types import ANY, of_argument, of_result
from transports import terms

TIMEOUTS = "invocation_timeout: Timeout = ..., execution_timeout: Timeout = ..."
LIFE = "same_life: builtins.bool | builtins.int | builtins.str = ..."
OPTIONS = {"retry": "retry: builtins.int = ...", "same_life": LIFE}
CALL = f"{TIMEOUTS}, {', '.join(OPTIONS.values())}"


def signature(affordance: Mapping[str, Any], face: str) -> tuple[list[str], str]:
    """Parameters with our keywords, and the type of the result."""
    text = affordance.get(terms.SIGNATURE)
    output = affordance.get("output")
    try:
        tree = ast.parse(f"def action{text}: ...").body[0]
    except (SyntaxError, ValueError, RecursionError):
        tree = None
    if not isinstance(tree, ast.FunctionDef) or text == "(...)":
        return ["*args: Any", CALL, "**kwargs: Any"], of_result(None, output, face)
    accepted = affordance.get("input")
    schemas = accepted.get("properties") if isinstance(accepted, dict) else None
    schemas = dict(schemas) if isinstance(schemas, dict) else {}
    unnamed = affordance.get(terms.PYTHON)
    if isinstance(unnamed, dict):
        schemas |= {name: {terms.PYTHON: text} for name, text in unnamed.items()}
    return _parameters(tree.args, schemas), of_result(tree.returns, output, face)


def _parameters(given: ast.arguments, schemas: Mapping[str, Any]) -> list[str]:
    def told(argument: ast.arg, default: ast.expr | None = None, star: str = "") -> str:
        kind = of_argument(argument.annotation, schemas.get(argument.arg))
        name = argument.arg if argument.arg != "self" else "self_"
        if default is None:
            return f"{star}{name}: {kind}"
        return f"{name}: {_allowing(kind, default)} = ..."

    positional = [*given.posonlyargs, *given.args]
    required = len(positional) - len(given.defaults)
    defaults = [*[None] * required, *given.defaults]
    lines = [told(*each) for each in zip(positional, defaults, strict=True)]
    if given.posonlyargs:
        lines.insert(len(given.posonlyargs), "/")
    lines.append(told(given.vararg, star="*") if given.vararg else "*")
    for each, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        lines.append(told(each, default))
    lines.append(TIMEOUTS)
    own = {each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)}
    lines += [text for name, text in OPTIONS.items() if name not in own]
    if given.kwarg:
        lines.append(told(given.kwarg, star="**"))
    return lines


def _allowing(kind: str, default: ast.expr) -> str:
    """With the type of the default: the worker takes that too, whatever the annotation says."""
    value = default.value if isinstance(default, ast.Constant) else ...
    own = "None" if value is None else f"builtins.{type(value).__name__}"
    if kind == ANY or type(value) not in _OF_DEFAULTS or own in kind or repr(value) in kind:
        return kind
    if type(value) is int and "builtins.float" in kind:
        return kind
    return f"{kind} | {own}"


_OF_DEFAULTS = (type(None), bool, float, int, str)
