"""The walls: which room may import which, and that the checker of it sees."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from tests.imports import Rooms, Tree, circle, crowd, impurities, overlong, own_doors

ROOT = Path(__file__).parent.parent

LEAVES = ("transports", "orchestrator")
"""What all of the orchestrator agrees on."""

ROOMS = Rooms(
    {
        "transports": (),
        "transports/values": ("transports",),
        "transports/shm": ("transports",),
        "transports/hololinked": ("transports",),
        "transports/__init__": ("transports", "transports/hololinked"),
        #
        "workers": ("transports", "transports/values"),
        "workers/driver": ("transports", "workers"),
        "workers/output": ("transports", "workers"),
        "workers/serving": (
            "transports",
            "transports/shm",
            "transports/values",
            "workers",
            "workers/driver",
            "workers/output",
        ),
        "workers/process": (
            "transports",
            "workers",
            "workers/driver",  # imported before there are threads to serve it
            "workers/output",
            "workers/serving",
        ),
        "workers/devices": ("workers/driver",),
        "workers/__init__": ("workers", "workers/driver", "workers/process"),
        #
        "orchestrator": ("transports",),
        "orchestrator/access": LEAVES,
        "orchestrator/core": (*LEAVES, "orchestrator/access"),
        "orchestrator/config": (*LEAVES, "orchestrator/access"),
        "orchestrator/check": (
            *LEAVES,
            "orchestrator/config",
            "workers",
            "workers/driver",
            "workers/process",
        ),
        "orchestrator/runtime": LEAVES,
        "orchestrator/logs": (),
        "orchestrator/logs/store": (*LEAVES, "orchestrator/runtime", "workers/output"),
        "orchestrator/logs/read": (*LEAVES, "orchestrator/runtime", "orchestrator/logs/store"),
        "orchestrator/logs/show": (
            *LEAVES,
            "orchestrator/runtime",
            "orchestrator/logs/store",
            "orchestrator/logs/read",
        ),
        "orchestrator/logs/collect": (
            *LEAVES,
            "workers",
            "workers/output",
            "orchestrator/logs/store",
            "orchestrator/logs/show",
        ),
        "orchestrator/client": (
            *LEAVES,
            "orchestrator/access",
            "transports/shm",
            "transports/values",
            "orchestrator/runtime",
            "orchestrator/logs/read",
        ),
        "orchestrator/hosts": LEAVES,
        "orchestrator/rig/launchers": (
            "workers",
            "workers/process",
            "orchestrator/core",
            "orchestrator/config",
            "orchestrator/logs/collect",
        ),
        "orchestrator/rig": (
            *LEAVES,
            "orchestrator/access",
            "transports/shm",
            "transports/values",
            "workers",
            "workers/driver",
            "workers/output",
            "workers/process",
            "orchestrator/core",
            "orchestrator/config",
            "orchestrator/runtime",
            "orchestrator/logs/collect",
            "orchestrator/hosts",
            "orchestrator/rig/launchers",
        ),
        "orchestrator/dask": (*LEAVES, "orchestrator/hosts"),  # by name, as a program of its own
        "orchestrator/agent": (  # nothing imports it: engines start it on other hosts
            *LEAVES,
            "workers",
            "workers/output",
            "orchestrator/core",
            "orchestrator/hosts",
            "orchestrator/logs/collect",
            "orchestrator/rig/launchers",
            "orchestrator/rig",
        ),
        "orchestrator/testing": (
            *LEAVES,
            "orchestrator/core",
            "orchestrator/config",
            "orchestrator/rig",
        ),
        "orchestrator/gateway": (
            *LEAVES,
            "orchestrator/access",
            "orchestrator/runtime",
            "orchestrator/client",
            "orchestrator/logs/store",
            "orchestrator/logs/read",
            "orchestrator/logs/show",
        ),
        "orchestrator/cli": (
            *LEAVES,
            "orchestrator/access",
            "transports/values",
            "orchestrator/config",
            "orchestrator/check",
            "orchestrator/runtime",
            "orchestrator/client",
            "orchestrator/rig",
            "orchestrator/gateway",
            "orchestrator/logs/store",
            "orchestrator/logs/read",
            "orchestrator/logs/show",
        ),
        "orchestrator/top": (  # nothing imports it: its command is loaded by name
            *LEAVES,
            "orchestrator/runtime",
            "orchestrator/client",
            "orchestrator/logs/read",
            "orchestrator/logs/show",
            "orchestrator/cli",
        ),
        "orchestrator/__init__": ("orchestrator", "orchestrator/client"),
        "orchestrator/__main__": ("orchestrator/cli",),
        #
        "orch": ("orchestrator",),
        "orch/__init__": (
            "orch",
            "orchestrator/__init__",
            "orchestrator/client",
            "workers/__init__",
        ),
        "orch/__main__": ("orchestrator/__main__",),
        "orch/testing": ("orchestrator/client",),
    },
    parts={"workers/driver/adapters": "workers/driver"},
)
"""Room -> rooms that it may import, each of which stands above it."""

PURE = ("orchestrator/core",)
HARMLESS = (
    *("__future__", "abc", "bisect", "collections", "contextlib", "copy", "dataclasses"),
    *("difflib", "enum", "functools", "heapq", "itertools", "math", "numbers", "operator"),
    *("re", "types", "typing", "msgspec"),
)
"""All that pure rooms may import from elsewhere: without I/O, clock, chance or threads."""
BENEATH = (
    "builtins",
    "io",
    "numpy",
    "random",
    "sys",
    "time",
    "tokenize",
    "traceback",
    "uuid",
    "zlib",
)
"""What the modules that they import may import too: those also make messages, which have a time."""

LINES = 420
TOP_FILES = 8


def expect_none(found: list[str]) -> None:
    """Fail with all findings; the comparison of two lists would show the first one alone."""
    assert not found, "\n".join(["", *found])


@pytest.fixture(scope="module")
def product() -> Tree:
    """All that is shipped."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    return Tree.read(ROOT, packages)


def test_rooms_import_only_what_they_may(product: Tree) -> None:
    expect_none(ROOMS.breaches(product))


def test_the_table_runs_one_way() -> None:
    expect_none(ROOMS.disorder())


def test_no_circle_of_files_or_rooms(product: Tree) -> None:
    expect_none(circle(product.graph()))
    expect_none(ROOMS.circle(product))


def test_nothing_imports_the_front_door_of_its_own_package(product: Tree) -> None:
    expect_none(own_doors(product))


def test_pure_rooms_know_no_sockets_clock_or_threads(product: Tree) -> None:
    expect_none(impurities(product, ROOMS, PURE, HARMLESS, BENEATH))


def test_files_are_short_and_the_top_is_empty(product: Tree) -> None:
    expect_none(overlong(product, LINES, ()))
    expect_none(crowd(product, "orchestrator", TOP_FILES))


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("orchestrator", ("zmq", "pydantic", "numpy", "asyncio")),
        ("workers", ("zmq", "numpy", "structlog", "asyncio")),
        ("transports.hololinked.messages", ("zmq.asyncio", "numpy", "asyncio")),
        ("orchestrator.__main__", ("zmq", "click", "pydantic", "numpy")),
        ("orch.testing.plugin", ("zmq", "msgspec", "numpy", "asyncio")),
    ],
)
def test_import_does_no_work(module: str, heavy: tuple[str, ...]) -> None:
    """Importing a package's front door loads nothing heavy."""
    code = (
        f"import sys, {module}; loaded = [n for n in {heavy!r} if n in sys.modules]; "
        "sys.exit(f'loads {loaded}' if loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# --- the checker, on small trees


def test_all_findings_are_told() -> None:
    expect_none([])
    with pytest.raises(AssertionError, match=r"the first\s+the second"):
        expect_none(["the first", "the second"])


def tree_of(folder: Path, files: dict[str, str]) -> Tree:
    """Packages with these files; each folder gets an `__init__` that is empty unless given."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        for parent in path.relative_to(folder).parents[:-1]:
            (folder / parent / "__init__.py").touch()
    return Tree.read(folder, sorted({name.partition("/")[0] for name in files}))


@pytest.mark.parametrize(
    "statement",
    [
        "import house.attic.box",
        "import house.attic.box as it",
        "from house.attic import box",
        "from house.attic.box import thing",
        "from ..attic import box",
        "from ..attic.box import thing",
        "def late():\n    from house.attic import box",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import house.attic.box",
        "class A:\n    from house.attic import box as it",
        "try:\n    pass\nexcept ImportError:\n    import house.attic.box",
        "import importlib\nimportlib.import_module('house.attic.box')",
        "from importlib import import_module\nimport_module('house.attic.box')",
    ],
)
def test_each_way_to_import_is_seen(tmp_path: Path, statement: str) -> None:
    tree = tree_of(
        tmp_path, {"house/attic/box.py": "thing = 1\n", "house/cellar/rack.py": statement}
    )
    assert tree.graph()["house.cellar.rack"] == {"house.attic.box"}
    line = statement.count("\n") + 1
    rooms = Rooms({"house/__init__": (), "house/attic": (), "house/cellar": ()})
    (breach,) = rooms.breaches(tree)
    assert breach.startswith(
        f"house/cellar/rack.py:{line}: house/cellar may not import house/attic (house.attic.box)"
    )


def test_a_name_that_is_no_module_is_of_the_front_door(tmp_path: Path) -> None:
    tree = tree_of(
        tmp_path,
        {
            "house/attic/__init__.py": "thing = 1\n",
            "house/attic/box.py": "from . import thing\n",
            "house/cellar.py": "from house.attic import thing\n",
        },
    )
    assert tree.graph()["house.cellar"] == {"house.attic"}
    assert own_doors(tree) == [
        "house/attic/box.py:1: imports the front door of its own package house.attic: "
        "import the module that has it"
    ]


def test_a_front_door_in_a_folder_of_its_own_package_may_reach_down(tmp_path: Path) -> None:
    tree = tree_of(
        tmp_path, {"house/__init__.py": "from .attic import box\n", "house/attic/box.py": ""}
    )
    assert tree.graph()["house"] == {"house.attic.box"}
    assert own_doors(tree) == []


def test_what_is_allowed_is_no_breach(tmp_path: Path) -> None:
    tree = tree_of(
        tmp_path,
        {
            "house/leaf.py": "",
            "house/attic/box.py": "import house.leaf\nfrom house.attic import lid\n",
            "house/attic/lid.py": "import os\n",
            "house/attic/chest/key.py": "from house.attic import box\n",
        },
    )
    rooms = Rooms(
        {"house": (), "house/__init__": (), "house/attic": ("house",)},
        parts={"house/attic/chest": "house/attic"},
    )
    assert rooms.breaches(tree) == []
    assert rooms.circle(tree) == []


def test_a_folder_without_a_row_is_told(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, {"house/attic/box.py": "", "house/leaf.py": ""})
    assert Rooms({"house/__init__": ()}).breaches(tree) == [
        f"{room} has no row in the table of rooms: say there which rooms it may import"
        for room in ("house", "house/attic")
    ]


def test_a_table_that_turns_back_is_told() -> None:
    assert Rooms({"a": (), "b": ("a",)}).disorder() == []
    assert Rooms({"a": ("b",), "b": ("a", "b")}).disorder() == [
        "row a: may import b, which doesn't stand above it",
        "row b: may import b, which doesn't stand above it",
    ]


@pytest.mark.parametrize(
    "back",
    [
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from a import one\n",
        "import a.one",
    ],
)
def test_a_circle_of_files_is_found(tmp_path: Path, back: str) -> None:
    tree = tree_of(tmp_path, {"a/one.py": "from a import two\n", "a/two.py": back})
    (told,) = circle(tree.graph())
    assert told in (
        "a circle of imports: a.one -> a.two -> a.one",
        "a circle of imports: a.two -> a.one -> a.two",
    )


def test_a_module_that_imports_itself_is_a_circle(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, {"a/one.py": "import a.one\n"})
    assert circle(tree.graph()) == ["a circle of imports: a.one -> a.one"]


def test_a_circle_of_three_is_told_from_importer_to_imported(tmp_path: Path) -> None:
    tree = tree_of(
        tmp_path,
        {"a/x.py": "import a.y\n", "a/y.py": "import a.z\n", "a/z.py": "import a.x\n"},
    )
    (told,) = circle(tree.graph())
    path = told.removeprefix("a circle of imports: ").split(" -> ")
    assert all(after in tree.graph()[before] for before, after in pairwise(path))
    assert set(path) == {"a.x", "a.y", "a.z"}


def test_a_circle_of_rooms_needs_no_circle_of_files(tmp_path: Path) -> None:
    tree = tree_of(
        tmp_path,
        {
            "h/a/one.py": "import h.b.one\n",
            "h/a/two.py": "",
            "h/b/one.py": "",
            "h/b/two.py": "import h.a.two\n",
        },
    )
    assert circle(tree.graph()) == []
    (told,) = Rooms({}).circle(tree)
    assert "h/a -> h/b" in told


@pytest.mark.parametrize(
    ("statement", "module"),
    [
        ("import time", "time"),
        ("from os import path", "os"),
        ("import zmq.asyncio", "zmq.asyncio"),
        ("def late():\n    import threading", "threading"),
        ("from multiprocess.connection import Pipe", "multiprocess.connection"),
        ("from h.shell import socket", "socket"),
        ("import h.shell.socket as helper", "socket"),
    ],
)
def test_an_impure_import_is_told(tmp_path: Path, statement: str, module: str) -> None:
    """Also one that comes by way of another room."""
    tree = tree_of(
        tmp_path,
        {
            "h/core/rig.py": f"import math\n{statement}\n",
            "h/shell/socket.py": "import socket\nimport random\n",
        },
    )
    (told,) = impurities(tree, Rooms({}), ["h/core"], ["math"], ["random"])
    assert f": imports {module} " in told


def test_only_what_a_pure_room_reaches_is_judged(tmp_path: Path) -> None:
    tree = tree_of(
        tmp_path,
        {
            "h/core/rig.py": "from collections.abc import Iterator\nfrom h.wire import text\n",
            "h/wire/text.py": "import random\n",
            "h/wire/sockets.py": "import zmq\n",
        },
    )
    assert impurities(tree, Rooms({}), ["h/core"], ["collections"], ["random"]) == []
    (told,) = impurities(tree, Rooms({}), ["h/core"], ["collections"], [])
    assert told.startswith("h/wire/text.py:1: imports random imported by a pure room")


def test_a_pure_room_that_is_gone_is_told(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, {"h/heart/rig.py": "import time\n"})
    assert impurities(tree, Rooms({}), ["h/core"], [], []) == [
        "h/core is to be pure, but has no files: was it renamed?"
    ]


def test_a_long_file_is_told_and_a_needless_exemption_too(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, {"a/long.py": "x = 1\n" * 4, "a/short.py": "x = 1\n" * 3})
    assert overlong(tree, 3) == ["a/long.py has 4 lines, more than 3: split it by purpose"]
    assert overlong(tree, 3, ["a/long.py"]) == []
    assert overlong(tree, 4, ["a/long.py", "a/gone.py"]) == [
        f"a/{name}.py needs no exemption from 4 lines: take it out" for name in ("gone", "long")
    ]


def test_a_crowded_top_is_told(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, {"a/one.py": "", "a/two.py": "", "a/b/three.py": ""})
    assert crowd(tree, "a", 3) == []
    assert crowd(tree, "a", 2) == ["a/ has 3 files at its top, more than 2: give them a room"]
