"""What imports what, read from the source of packages, and the rules for it.

Seen is every import statement, wherever it stands: inside functions and under `TYPE_CHECKING` as
well, `from x import y` where `y` is a module, relative ones, and `import_module` of a literal.
Each rule gives its findings as sentences that name the place and the mend; none is none.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path, PurePosixPath

DOORS = ("__init__", "__main__")


@dataclass(frozen=True)
class Import:
    """One imported module.

    Attributes:
        name: Its dotted name.
        line: Where it is imported.
    """

    name: str
    line: int


@dataclass
class Tree:
    """The modules of some packages.

    Attributes:
        root: Folder of the packages.
        files: Path of each module's file, below the root.
        imports: What each module imports of these packages.
        foreign: What it imports of elsewhere.
    """

    root: Path
    files: dict[str, PurePosixPath] = field(default_factory=dict)
    imports: dict[str, list[Import]] = field(default_factory=dict)
    foreign: dict[str, list[Import]] = field(default_factory=dict)

    @classmethod
    def read(cls, root: Path, packages: Collection[str]) -> Tree:
        """Read all files of the packages in a folder."""
        tree = cls(root)
        for package in packages:
            for path in sorted((root / package).rglob("*.py")):
                below = PurePosixPath(path.relative_to(root))
                parts = below.parent if path.stem == "__init__" else below.with_suffix("")
                tree.files[".".join(parts.parts)] = below
        for module, path in tree.files.items():
            found = list(tree._imported(module, path))
            tree.imports[module] = [each for each in found if each.name in tree.files]
            tree.foreign[module] = [each for each in found if each.name not in tree.files]
        return tree

    def _imported(self, module: str, path: PurePosixPath) -> Iterator[Import]:
        for node in ast.walk(ast.parse((self.root / path).read_text())):
            if isinstance(node, ast.Import):
                yield from (Import(alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                source = _source(node, module, is_package=path.stem == "__init__")
                for alias in node.names:
                    inner = f"{source}.{alias.name}"
                    yield Import(inner if inner in self.files else source, node.lineno)
            elif isinstance(node, ast.Call) and _name(node.func) == "import_module":
                yield from (
                    Import(each.value, node.lineno)
                    for each in node.args[:1]
                    if isinstance(each, ast.Constant) and isinstance(each.value, str)
                )

    def graph(self) -> dict[str, set[str]]:
        """The modules that each module imports."""
        return {name: {each.name for each in found} for name, found in self.imports.items()}

    def place(self, module: str, line: int) -> str:
        """A line of a module's file, as `path:line`."""
        return f"{self.files[module]}:{line}"


def _source(node: ast.ImportFrom, module: str, *, is_package: bool) -> str:
    """The absolute name of what stands after `from`."""
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    up = node.level - is_package
    base = parts[: len(parts) - up]
    return ".".join([*base, node.module] if node.module else base)


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


@dataclass(frozen=True)
class Rooms:
    """Which rooms there are, and what each may import.

    A room is a folder. The front door of a package (`__init__`) and its `__main__` are rooms by
    themselves, beside the leaves in the same folder.

    Attributes:
        may: The rooms that each room may import; each of them stands above it.
        parts: Folders that belong to another folder's room.
    """

    may: Mapping[str, Collection[str]]
    parts: Mapping[str, str] = field(default_factory=dict)

    def of(self, path: PurePosixPath) -> str:
        """The room of a file."""
        if len(path.parts) == 2 and path.stem in DOORS:
            return str(path.with_suffix(""))
        folder = str(path.parent)
        return self.parts.get(folder, folder)

    def disorder(self) -> list[str]:
        """Rows that name a room which doesn't stand above them: the table shows the direction."""
        above: set[str] = set()
        found = []
        for room, may in self.may.items():
            found += [
                f"row {room}: may import {other}, which doesn't stand above it"
                for other in sorted(set(may) - above)
            ]
            above.add(room)
        return found

    def breaches(self, tree: Tree) -> list[str]:
        """Imports that the table doesn't allow, and folders that it doesn't know."""
        unknown = {room for room in map(self.of, tree.files.values()) if room not in self.may}
        found = [
            f"{room} has no row in the table of rooms: say there which rooms it may import"
            for room in sorted(unknown)
        ]
        for module, imports in tree.imports.items():
            room = self.of(tree.files[module])
            for each in imports:
                other = self.of(tree.files[each.name])
                if room not in unknown and other != room and other not in self.may[room]:
                    found.append(
                        f"{tree.place(module, each.line)}: {room} may not import {other} "
                        f"({each.name}): pass in what is needed, or move it to a room "
                        "that both may import"
                    )
        return found

    def circle(self, tree: Tree) -> list[str]:
        """A circle of rooms, whatever the table says."""
        graph: dict[str, set[str]] = {}
        for module, imported in tree.graph().items():
            room = self.of(tree.files[module])
            others = {self.of(tree.files[name]) for name in imported}
            graph.setdefault(room, set()).update(others - {room})
        return circle(graph)


def circle(graph: Mapping[str, Collection[str]]) -> list[str]:
    """One circle of a graph, from importer to imported."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return ["a circle of imports: " + " -> ".join(reversed(error.args[1]))]
    return []


def own_doors(tree: Tree) -> list[str]:
    """Modules that import the front door of a package they are in, instead of its module."""
    return [
        f"{tree.place(module, each.line)}: imports the front door of its own package {each.name}: "
        "import the module that has it"
        for module, imports in tree.imports.items()
        for each in imports
        if module == each.name or module.startswith(f"{each.name}.")
    ]


def impurities(
    tree: Tree, rooms: Rooms, pure: Collection[str], may: Collection[str], beneath: Collection[str]
) -> list[str]:
    """What pure rooms import beside the harmless modules, by themselves or through others.

    Args:
        tree: The modules.
        rooms: Their rooms.
        pure: The rooms that are to be pure.
        may: Names of modules from elsewhere that those may import.
        beneath: Names that modules which they import may import in addition.
    """
    graph = tree.graph()
    inside = {name for name, path in tree.files.items() if rooms.of(path) in pure}
    reached, pending = set(inside), list(inside)
    while pending:
        for name in graph[pending.pop()] - reached:
            reached.add(name)
            pending.append(name)
    found = [
        f"{room} is to be pure, but has no files: was it renamed?"
        for room in pure
        if room not in {rooms.of(tree.files[name]) for name in inside}
    ]
    for module in sorted(reached):
        allowed = {*may} if module in inside else {*may, *beneath}
        why = "in a pure room" if module in inside else "imported by a pure room"
        found += [
            f"{tree.place(module, each.line)}: imports {each.name} {why}: hand in what it gives"
            for each in tree.foreign[module]
            if each.name.partition(".")[0] not in allowed
        ]
    return found


def overlong(tree: Tree, lines: int, exempt: Collection[str] = ()) -> list[str]:
    """Files that are too long, and exemptions that none needs."""
    length = {
        str(path): len((tree.root / path).read_text().splitlines()) for path in tree.files.values()
    }
    return [
        f"{path} has {count} lines, more than {lines}: split it by purpose"
        for path, count in length.items()
        if count > lines and path not in exempt
    ] + [
        f"{path} needs no exemption from {lines} lines: take it out"
        for path in sorted(exempt)
        if length.get(path, 0) <= lines
    ]


def crowd(tree: Tree, package: str, files: int) -> list[str]:
    """Too many files at the top of a package."""
    top = [path.name for path in tree.files.values() if str(path.parent) == package]
    if len(top) <= files:
        return []
    return [f"{package}/ has {len(top)} files at its top, more than {files}: give them a room"]
