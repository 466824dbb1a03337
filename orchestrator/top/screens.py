"""Screens beside the table: texts, logs, questions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen, Screen
from textual.widgets import Footer, Static

from orchestrator.cli.columns import Line
from orchestrator.errors import DriverError
from orchestrator.top.lines import Lines
from orchestrator.top.source import plain

MOST = 5000
"""Lines of a log that are kept."""
FLUSH = 0.2
"""Seconds between two looks at what has come of a log."""
LEVELS = ("debug", "info", "warning", "error")

Records = Callable[[str], AsyncIterator[list[Line]]]
"""Gives records from a level on."""


def told(error: BaseException) -> str:
    """An error for people, with its notes, such as a remote traceback."""
    notes: Sequence[str] = getattr(error, "__notes__", ())
    if isinstance(error, DriverError):  # whose text begins with the name of its class
        return "\n".join([str(error), *notes])
    return "\n".join([f"{type(error).__name__}: {error}".rstrip(": "), *notes])


class TextScreen(Screen[None]):
    """A text, such as stacks or a trace.

    Args:
        title: What it is.
        load: Gives the text; asked again by a key.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", "Back"),
        Binding("r", "load", "Again"),
    ]

    def __init__(self, title: str, load: Callable[[], Awaitable[list[Line]]]) -> None:
        super().__init__()
        self._title = title
        self._load = load
        self._lines = Lines(folds=True, id="text")

    def compose(self) -> ComposeResult:
        """Its parts."""
        yield Static(self._title, classes="title", markup=False)
        yield self._lines
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Begin."""
        self._lines.focus()
        self.action_load()

    def action_load(self) -> None:
        """Ask for the text, also once more."""
        self.run_worker(self._show(), exclusive=True)

    async def _show(self) -> None:
        self._lines.show(plain("…"))
        try:
            self._lines.show(await self._load())
        except Exception as error:  # noqa: BLE001  whatever it is, it is shown
            self._lines.show([[(text, "red")] for line in plain(told(error)) for text, _ in line])


class LogScreen(Screen[None]):
    """A log that goes on.

    Args:
        title: Whose it is.
        records: Gives it.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", "Back"),
        Binding("f", "follow", "Follow"),
        Binding("d", "level('debug')", "Debug"),
        Binding("i", "level('info')", "Info"),
        Binding("w", "level('warning')", "Warnings"),
        Binding("e", "level('error')", "Errors"),
    ]

    def __init__(self, title: str, records: Records) -> None:
        super().__init__()
        self._title = title
        self._records = records
        self._level = "info"
        self._came_so_far: list[Line] = []
        self._came = False
        self._about = Static("", classes="title", markup=False)
        self._lines = Lines(follows=True, folds=True, id="log")

    def compose(self) -> ComposeResult:
        """Its parts."""
        yield from (self._about, self._lines)
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Begin."""
        self._lines.focus()
        self.set_interval(FLUSH, self._flush)
        self.action_level(self._level)

    def action_level(self, level: str) -> None:
        """Show records from a level on."""
        self._level = level
        self._came_so_far = []
        self._came = True
        self._about.update(f"{self._title}, {level} and above")
        self.run_worker(self._read(), exclusive=True)

    async def _read(self) -> None:
        try:
            async for lines in self._records(self._level):
                self._came_so_far += lines
                self._came = True
        except (OSError, ValueError) as error:
            self._came_so_far += plain(told(error))
            self._came = True

    def _flush(self) -> None:
        if self._came:
            self._came = False
            del self._came_so_far[:-MOST]
            self._lines.show(self._came_so_far or plain("no records yet"))

    def action_follow(self) -> None:
        """Go to the end, and stay there."""
        self._lines.scroll_end(animate=False)


class Ask(ModalScreen[bool]):
    """A question that is answered by yes or no."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "dismiss(True)", "Yes"),
        Binding("n,escape,q", "dismiss(False)", "No"),
    ]

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        """Its parts."""
        with Vertical(classes="box"):
            yield Static(self._question, markup=False)
            yield Static("y: yes   n: no", classes="hint", markup=False)
