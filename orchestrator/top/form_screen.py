"""A form for a call or a write."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Footer, Input, Static

from orchestrator.cli.columns import Line
from orchestrator.cli.show import duration
from orchestrator.top.forms import Field, read
from orchestrator.top.lines import Lines
from orchestrator.top.screens import told
from orchestrator.top.source import plain

Submit = Callable[[dict[str, Any]], Awaitable[str]]


class FormScreen(Screen[None]):
    """Fields, what is wrong with them beside each, and what came of it below.

    Args:
        title: What is called or written.
        about: What is said of it.
        fields: What is asked for.
        submit: Does it with the values; gives what is shown of the result.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back"),
        Binding("enter", "submit", "Do it"),
        Binding("ctrl+s", "submit", "Do it", show=False),
    ]

    def __init__(self, title: str, about: str, fields: list[Field], submit: Submit) -> None:
        super().__init__()
        self._title = title
        self._about = about
        self._fields = fields
        self._submit = submit
        self._began: float | None = None
        self._inputs = {each.name: Input(placeholder=each.default, compact=True) for each in fields}
        self._faults = {each.name: Static("", classes="fault", markup=False) for each in fields}
        self._result = Lines(folds=True, id="result")

    def compose(self) -> ComposeResult:
        """Its parts."""
        yield Static(self._title, classes="title", markup=False)
        with VerticalScroll(id="form"):
            if self._about:
                yield Static(self._about, classes="hint", markup=False)
            for field in self._fields:
                yield Static(field.label, classes="label", markup=False)
                yield from (self._inputs[field.name], self._faults[field.name])
            yield self._result
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Begin."""
        self.set_interval(0.5, self._tell_time)
        (self._inputs[self._fields[0].name] if self._fields else self._result).focus()

    def on_input_submitted(self) -> None:
        """Enter in a field does it."""
        self.action_submit()

    def action_submit(self) -> None:
        """Do it, if all that was typed can be taken."""
        if self._began is not None:
            return
        texts = {name: field.value for name, field in self._inputs.items()}
        values, faults = read(self._fields, texts)
        for name, shown in self._faults.items():
            shown.update(faults.get(name, ""))
        if faults:
            self._inputs[next(name for name in self._inputs if name in faults)].focus()
            return
        self._began = time.monotonic()
        self._tell_time()
        self.run_worker(self._run(values), exclusive=True)

    async def _run(self, values: dict[str, Any]) -> None:
        try:
            shown, style = await self._submit(values), "green"
        except Exception as error:  # noqa: BLE001  whatever the driver raises is shown
            shown, style = told(error), "red"
        assert self._began is not None
        took = time.monotonic() - self._began
        self._began = None
        head = "done" if style == "green" else "failed"
        lines: list[Line] = [[(f"{head} after {duration(took)}", f"bold {style}")]]
        self._show([*lines, *plain(shown)])

    def _tell_time(self) -> None:
        if self._began is not None:
            text = f"runs for {duration(time.monotonic() - self._began)}; Esc cancels it"
            self._show([[(text, "cyan")]])

    def _show(self, lines: list[Line]) -> None:
        self._result.styles.height = min(len(lines) + 1, 20)
        self._result.show(lines)

    def action_leave(self) -> None:
        """Go back; what runs is withdrawn, or ended as its worker's config says."""
        self.dismiss()
