"""An action's parameters and result, in stubs."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from orchestrator.client.stub_types import PYTHON, of_argument, of_result

TIMEOUTS = "invocation_timeout: Timeout = ..., execution_timeout: Timeout = ..."


def signature(affordance: Mapping[str, Any], face: str) -> tuple[list[str], str]:
    """Parameters with our two keywords, and the type of the result."""
    text = affordance.get("orch:signature")
    output = affordance.get("output")
    try:
        tree = ast.parse(f"def action{text}: ...").body[0]
    except (SyntaxError, ValueError, RecursionError):
        tree = None
    if not isinstance(tree, ast.FunctionDef) or text == "(...)":
        return ["*args: Any", TIMEOUTS, "**kwargs: Any"], of_result(None, output, face)
    accepted = affordance.get("input")
    schemas = accepted.get("properties") if isinstance(accepted, dict) else None
    schemas = dict(schemas) if isinstance(schemas, dict) else {}
    unnamed = affordance.get(PYTHON)
    if isinstance(unnamed, dict):
        schemas |= {name: {PYTHON: text} for name, text in unnamed.items()}
    return _parameters(tree.args, schemas), of_result(tree.returns, output, face)


def _parameters(given: ast.arguments, schemas: Mapping[str, Any]) -> list[str]:
    def told(argument: ast.arg, optional: bool = False, star: str = "") -> str:
        kind = of_argument(argument.annotation, schemas.get(argument.arg))
        name = argument.arg if argument.arg != "self" else "self_"
        return f"{star}{name}: {kind}{' = ...' if optional else ''}"

    positional = [*given.posonlyargs, *given.args]
    required = len(positional) - len(given.defaults)
    lines = [told(each, index >= required) for index, each in enumerate(positional)]
    if given.posonlyargs:
        lines.insert(len(given.posonlyargs), "/")
    lines.append(told(given.vararg, star="*") if given.vararg else "*")
    for each, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        lines.append(told(each, default is not None))
    lines.append(TIMEOUTS)
    if given.kwarg:
        lines.append(told(given.kwarg, star="**"))
    return lines
