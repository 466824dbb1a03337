"""Where modules are found: the same for a rig, its workers and `check`, wherever it is started.

In this order: our own packages (see `process.bootstrap.provide`), the standard library, the
config's folder, and what else the interpreter has, such as PYTHONPATH and site-packages. The folder
in which a command was typed isn't among them.

The probe of `check` reads this file with whatever Python was configured, so it is written for old
ones, and imports nothing but the standard library.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder

OWN_PLACE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
"""The folder of our packages: a clone of the project, or site-packages."""
OURS = ("orch", "orchestrator", "transports", "workers")
"""Our packages: nobody else's of these names are found."""
SAFE, PATH = "PYTHONSAFEPATH", "PYTHONPATH"
GIVEN = "ORCH_GIVEN_"
"""Prefix under which `own_environment` keeps what the user had set."""


def is_standard(entry: str) -> bool:
    """Whether an entry of `sys.path` belongs to the standard library."""
    library = os.path.dirname(os.path.abspath(os.__file__))
    zipped = "python{}{}.zip".format(*sys.version_info[:2])
    below = entry == library or entry.startswith(os.path.join(library, ""))
    installed = os.path.basename(entry) in ("site-packages", "dist-packages")
    return (below and not installed) or os.path.basename(entry) == zipped


def arrange(folder: str) -> None:
    """Put `sys.path` in order.

    Args:
        folder: The config's folder, absolute.
    """
    standard = [entry for entry in sys.path if is_standard(entry)]
    others = [entry for entry in sys.path if entry not in (*standard, folder)]
    sys.path[:] = [*standard, folder, *others]


def hidden(module: str, folder: str) -> tuple[str, str] | None:
    """What hides a module of the user's. Nothing is imported.

    Args:
        module: Its name, dotted.
        folder: The config's folder, absolute.

    Returns:
        Whose module is found in its place, and the file of the user's; None if there is none.
    """
    head = module.partition(".")[0]
    standard = [entry for entry in sys.path if is_standard(entry)]
    if head in OURS:
        owner = "a package of orch"
    elif head in sys.stdlib_module_names or _find(head, standard):
        owner = "a module of the standard library"
    else:
        return None
    others = [entry for entry in sys.path if entry not in standard and entry != OWN_PLACE]
    file = _find(module, [folder, *others])
    ours = os.path.join(os.path.realpath(OWN_PLACE), head, "")
    if file is None or os.path.realpath(file).startswith(ours):
        return None
    return owner, file


def _find(module: str, path: list[str]) -> str | None:
    """The file of a module in the folders; None if it isn't there, or is no file."""
    spec = None
    parts = module.split(".")
    for count in range(1, len(parts) + 1):
        spec = PathFinder.find_spec(".".join(parts[:count]), path)
        if spec is None:
            return None
        path = list(spec.submodule_search_locations or ())
    return spec.origin if spec is not None and spec.has_location else None


def own_environment(environ: dict[str, str]) -> dict[str, str]:
    """An environment for Python processes of our own, in which they find our packages.

    What it changes is what `given_environment` sets back.

    Args:
        environ: The environment to begin with.
    """
    changed = dict(environ)
    paths = [OWN_PLACE, *environ.get(PATH, "").split(os.pathsep)]
    changed[SAFE] = "1"
    if environ.get(PATH) or not _is_installed():
        # Before the user's: those may hold packages of our names.
        changed[PATH] = os.pathsep.join(filter(None, paths))
    for name in (SAFE, PATH):
        if name in changed:
            changed[GIVEN + name] = environ.get(name, "")
    return changed


def given_environment(environ: dict[str, str]) -> dict[str, str]:
    """The environment as it was before `own_environment`."""
    given = {name: text for name, text in environ.items() if not name.startswith(GIVEN)}
    for name in (SAFE, PATH):
        before = environ.get(GIVEN + name)
        if before:
            given[name] = before
        elif before is not None:
            given.pop(name, None)
    return given


def _is_installed() -> bool:
    import site

    return OWN_PLACE in site.getsitepackages()
