"""Runs recipes with requests that are waited for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchestrator.client.session import Recipe, T


def run(recipe: Recipe[T], request: Callable[[Any], Any]) -> T:
    """Run a recipe with blocking requests."""
    answer = None
    while True:
        try:
            exchange = recipe.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result
        answer = request(exchange)
