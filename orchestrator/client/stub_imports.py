"""A stub imports what it uses: type checkers that are strict say so of the rest."""

from __future__ import annotations

import ast


def used_imports(text: str) -> str:
    """The text of a stub without the names that it imports and doesn't use."""
    tree = ast.parse(text)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    lines = text.splitlines(keepends=True)
    for node in reversed(tree.body):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        kept = [each for each in node.names if _bound(each) in used]
        if len(kept) < len(node.names):
            node.names = kept
            lines[node.lineno - 1 : node.end_lineno] = [f"{ast.unparse(node)}\n"] if kept else []
    return "".join(lines)


def _bound(name: ast.alias) -> str:
    """The name that an import gives."""
    return name.asname or name.name.partition(".")[0]
