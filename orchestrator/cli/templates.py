"""What `orch new` writes: the files of `new_rig` and a notebook, with names put in."""

from __future__ import annotations

import json
from pathlib import Path
from string import Template
from typing import Any, Final

_FOLDER: Final = Path(__file__).with_name("new_rig")

_CELLS: Final = (
    ("markdown", "# $name\nIn a terminal, in this folder: `orch run rig.yaml`."),
    ("code", 'from orch import connect\n\nrig = connect("$rig")\nrig'),
    ("code", "rig.$name.move(5.0)"),
    ("code", "rig.$name.position"),
    ("code", "rig.snapshot()"),
)


def files_of(name: str) -> dict[str, str]:
    """Texts by file name.

    Args:
        name: Of the driver's module and of its worker.
    """
    names = {
        "name": name,
        "kind": "".join(part.capitalize() for part in name.split("_")),
        "rig": f"{name.replace('_', '-')}-rig",
    }
    return {
        f"{name}.py": _filled("driver.py.txt", names),
        "rig.yaml": _filled("rig.yaml.txt", names),
        f"test_{name}.py": _filled("test.py.txt", names),
        f"{name}.ipynb": _notebook(names),
    }


def _filled(file: str, names: dict[str, str]) -> str:
    return Template((_FOLDER / file).read_text("utf-8")).substitute(names)


def _notebook(names: dict[str, str]) -> str:
    cells = []
    for number, (kind, source) in enumerate(_CELLS):
        cell: dict[str, Any] = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}}
        cell["source"] = Template(source).substitute(names).splitlines(keepends=True)
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        cells.append(cell)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    book = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(book, indent=1) + "\n"
