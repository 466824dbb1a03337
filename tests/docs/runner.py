"""Does what a page of the documentation tells its reader to do, and compares what comes of it."""

from __future__ import annotations

import ast
import asyncio
import getpass
import inspect
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import orch
from tests import preforked
from tests.docs.pages import ROOT, Block, blocks
from tests.docs.showing import difference
from tests.docs.terminal import WIDTH, Terminal
from tests.rigs import RunningRig, measured_as_the_test, wait_until

CONFIG = "rig.yaml"
RIG = "lab"
"""The rig that all pages are about that don't start one."""
RESULT = re.compile(r"# → (.*)$")
SHELL = re.compile(r"[|&;<>$*]")
SECONDS = 60.0
STORED = 10.0
"""Seconds within which the log has what was said; by itself it takes a fraction of one."""

Popen = subprocess.Popen[bytes]


class Wrong(AssertionError):
    """A block doesn't do what its page says; the text begins with its place."""


class Page:
    """A page that is being followed.

    Args:
        path: The page.
        rig: The rig that is up; if the page has a config of its own, the rig is made to go by it.
        example: The files of the rig of pages that have none: by name, their text.
    """

    def __init__(self, path: Path, rig: RunningRig, example: dict[str, str]) -> None:
        self._blocks = [each for each in blocks(path) if not each.note.startswith("not run")]
        self._rig = rig
        self._folder = rig.folder
        self._known: dict[str, Any] = {"__name__": "page"}
        self._meanwhile: list[tuple[Popen, Terminal, Block, str, str]] = []
        self._example = example
        self._shown = ""
        self._ids: dict[str, str] = {}
        self._names = {f"{getpass.getuser()}@{socket.gethostname()}": "ada@lab3"}
        self._names[str(rig.folder)] = "/home/ada/lab"

    def follow(self) -> None:
        """Do all that it says. Raises `Wrong` at the first block that isn't so.

        Folders that it has made are gone afterwards: the next page may make them too.
        """
        before = set(self._folder.iterdir())
        folder = self._folder
        try:
            self._follow()
        finally:
            for made in set(folder.iterdir()) - before:
                if made.is_dir():
                    shutil.rmtree(made)

    def _follow(self) -> None:
        self._prepare()
        with (
            _within(self._folder, self._rig.environ),
            self._rig.connected() as client,
            asyncio.Runner() as loop,
        ):
            self._loop = loop
            self._known["rig"] = client  # until the page has one of its own
            try:
                for block in self._blocks:
                    self._do(block)
                self._await_others()
            finally:
                self._end_others()
                for process, terminal, *_ in self._meanwhile:
                    process.kill()
                    process.wait()
                    terminal.close()

    def _end_others(self) -> None:
        """Stop the rigs that a page has started and, as it went wrong, not stopped."""
        for found in json.loads(self._rig.orch("rigs", "--json").stdout):
            if found["rig"] != RIG:
                self._rig.orch("down", "--rig", found["rig"])

    def _prepare(self) -> None:
        """Write its files, as they are at first, and have the rig go by its config."""
        files: dict[str, str] = {}
        for block in self._blocks:
            if block.title:
                files.setdefault(block.title, block.text)
        if CONFIG not in files:
            files = {**self._example, **files}
        for name, text in files.items():
            (self._folder / name).write_text(text)
        applied = self._rig.orch("apply", CONFIG)
        if applied.returncode:
            raise Wrong(f"{self._blocks[0].place}: {applied.stderr or applied.stdout}")
        if "nothing differs" in applied.stdout:  # the page before has left the devices somewhere
            self._rig.orch("restart", "stage", "camera")

    def _do(self, block: Block) -> None:
        if block.title:
            (self._folder / block.title).write_text(block.text)
        elif block.language == "console":
            typed = block.typed()
            for command, shown in typed:
                if block.note == "meanwhile":
                    self._begin(block, command, shown)
                else:
                    self._type(block, command, shown)
            if block.note != "meanwhile":
                self._await_others()
        elif block.language == "python":
            self._run(block)

    def _type(self, block: Block, command: str, shown: str) -> None:
        for shown_id, printed_id in self._ids.items():
            command = command.replace(shown_id, printed_id)
        words = shlex.split(command, comments=True)
        if words[0] == "kill":
            command = command.replace(words[-1], self._pid(words[-1]))
        if words[0] == "cd":
            self._folder = self._folder / words[1]
            os.chdir(self._folder)
            return
        is_log = words[:2] in (["orch", "logs"], ["orch", "trace"])
        end = time.monotonic() + (STORED if is_log else 0)
        while True:
            try:
                self._judge(block, command, shown, *self._done(command, words))
                return
            except Wrong:
                if time.monotonic() > end:
                    raise

    def _done(self, command: str, words: list[str]) -> tuple[str, int]:
        """What a command shows on a terminal, and its status."""
        with Terminal() as terminal:
            status: Popen | preforked.Command
            if words[0] == "orch" and not SHELL.search(command):
                fds = (terminal.end, terminal.end)
                status = preforked.start(words[1:], self._environ(), self._folder, *fds)
            else:
                status = self._shell(command, terminal)
            return terminal.read(), status.wait(SECONDS)

    def _shell(self, command: str, terminal: Terminal) -> Popen:
        return subprocess.Popen(
            ["bash", "-c", command],
            cwd=self._folder,
            env=self._environ(),
            stdin=subprocess.DEVNULL,
            stdout=terminal.end,
            stderr=terminal.end,
        )

    def _environ(self) -> dict[str, str]:
        """The rig's, with `orch`, `python` and `pytest` as its environment has them."""
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        # COLUMNS would be that of the process that runs tests side by side.
        plain = {"PATH": path, "NO_COLOR": "1", "TERM": "xterm", "ORCH_PAGER": "cat"}
        plain["COLUMNS"] = str(WIDTH)
        return {**measured_as_the_test(self._rig.environ), **plain}

    def _begin(self, block: Block, command: str, shown: str) -> None:
        """Start what runs while the next block does; it is under way once it has said so."""
        terminal = Terminal()
        process = self._shell(f"exec {command.partition(' #')[0]}", terminal)
        self._meanwhile.append((process, terminal, block, command, shown))
        if command.startswith("orch call "):
            wait_until(partial(self._runs, shlex.split(command)[2]))
        else:
            terminal.read_line()

    def _runs(self, worker: str) -> bool:
        """Whether a worker has something to do."""
        return bool(self._worker(worker)["in_flight"])

    def _worker(self, name: str) -> dict[str, Any]:
        with self._rig.connected() as rig:
            return next(dict(each) for each in orch.status(rig)["workers"] if each["name"] == name)

    def _pid(self, shown: str) -> str:
        """The process that has the number which the page shows in a worker's line."""
        (line,) = (each for each in self._shown.splitlines() if shown in each.split())
        return str(self._worker(line.split()[0])["pid"])

    def _await_others(self) -> None:
        while self._meanwhile:
            process, terminal, block, command, shown = self._meanwhile.pop(0)
            with terminal:
                printed = terminal.read()
            self._judge(block, command, shown, printed, process.wait(SECONDS))

    def _judge(self, block: Block, command: str, shown: str, printed: str, status: int) -> None:
        """Compare; where nothing is shown, what was printed isn't of interest if it was done."""
        for name, shown_as in self._names.items():
            printed = printed.replace(name, shown_as)
        self._shown += shown
        if shown.strip():
            vary = block.note == "numbers vary"
            told = difference(shown, printed, numbers_vary=vary, ids=self._ids)
        else:
            told = f"status {status}" if status else ""
        if told:
            raise Wrong(f"{block.place}: {command}\n  {told}\nprinted was:\n{printed}")

    def _run(self, block: Block) -> None:
        """Run statements; what an expression gives is compared to what stands behind it."""
        lines = block.text.splitlines()

        def seen(line: int, value: Any) -> Any:
            found = RESULT.search(lines[line - 1])
            assert found
            if difference(found[1], repr(value)):
                raise Wrong(f"{block.place}: {lines[line - 1].strip()}\n  it was {value!r:.400}")
            return value

        tree = ast.fix_missing_locations(_Seen(lines).visit(ast.parse(block.text)))
        self._known["_seen"] = seen
        code = compile(tree, block.place, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        try:
            outcome = eval(code, self._known)
            if inspect.iscoroutine(outcome):
                self._loop.run(outcome)
        except Wrong:
            raise
        except Exception as error:
            raise Wrong(f"{block.place}: {type(error).__name__}: {error}") from error


class _Seen(ast.NodeTransformer):
    """Has the value of each expression seen that stands before a `# → …`."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        assert node.end_lineno
        if not RESULT.search(self._lines[node.end_lineno - 1]):
            return node
        name = ast.Name("_seen", ast.Load())
        call = ast.Call(name, [ast.Constant(node.end_lineno), node.value], [])
        return ast.copy_location(ast.Expr(call), node)


@contextmanager
def _within(folder: Path, environ: dict[str, str]) -> Iterator[None]:
    """The folder, the rig's environment and its drivers' modules, for this process."""
    before, modules = dict(os.environ), set(sys.modules)
    names = ("ORCH_RUNTIME_DIR", "ORCH_STATE_DIR")
    os.environ.update({name: environ[name] for name in names})
    os.environ.pop("ORCH_RIG", None)
    here = os.getcwd()
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        os.chdir(here)
        os.environ.clear()
        os.environ.update(before)
        for name in set(sys.modules) - modules:
            file = getattr(sys.modules[name], "__file__", None) or ""
            if file.startswith(str(folder)):
                del sys.modules[name]


def example() -> dict[str, str]:
    """The files of the example rig, under the names that pages use."""
    folder = ROOT / "examples"
    return {CONFIG: (folder / "lab.yaml").read_text(), "visa.py": (folder / "visa.py").read_text()}
