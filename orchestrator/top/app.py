"""The app of `orch top`: the table of workers, and what keys do to the chosen one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Footer, Input

from orchestrator.cli.columns import Line
from orchestrator.cli.overview import below, head
from orchestrator.cli.show import duration
from orchestrator.cli.status import LEAST_PAUSE
from orchestrator.errors import OrchError
from orchestrator.top.help import help_lines
from orchestrator.top.lines import Lines, folded
from orchestrator.top.look import CSS
from orchestrator.top.member_screen import MemberScreen
from orchestrator.top.rows import (
    ORDERS,
    Worker,
    breaks,
    chosen,
    details,
    old,
    request_of,
    table,
)
from orchestrator.top.screens import Ask, LogScreen, TextScreen, told
from orchestrator.top.source import Source
from transports.client_ids import caller

RESTART_TOLD = 60.0
"""Seconds for which it is told that the rig was restarted."""


class Top(App[None]):
    """A rig, live.

    Args:
        source: The rig.
        every: Seconds between two looks; sooner if a state changes, but not at once.
    """

    ENABLE_COMMAND_PALETTE = False
    TITLE = "orch top"
    CSS = CSS
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "show_help", "Help", key_display="?"),
        Binding("q", "quit", "Quit"),
        Binding("enter", "members", "Members"),
        Binding("s", "stacks", "Stacks"),
        Binding("l", "log", "Log"),
        Binding("t", "trace", "Trace"),
        Binding("x", "cancel", "Cancel"),
        Binding("r", "order('restart')", "Restart"),
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("o", "sort", "Sort"),
        Binding("y", "copy", "Copy"),
        Binding("L", "request_log", "Log of the request", show=False),
        Binding("S", "order('stop')", "Stop", show=False),
        Binding("a", "order('start')", "Start", show=False),
        Binding("O", "turn", "Sort the other way", show=False),
        Binding("escape", "unfilter", "Show all", show=False),
    ]

    def __init__(self, source: Source, every: float) -> None:
        super().__init__(ansi_color=False)
        self.animation_level = "none"  # it costs bytes, on slow lines too
        self._source = source
        self._every = every
        # Kept here, not looked for: what comes late finds them, though their screen is gone.
        self._head = Lines(folds=True, id="head")
        self._filter = Input(
            placeholder="words in names, states, operations", id="filter", compact=True
        )
        self._table = Lines(head=1, chooses=True, id="table")
        self._details = Lines(folds=True, id="details")
        self._found: dict[str, Any] | None = None
        self._seen = 0.0
        self._lost = ""
        self._restarted = -RESTART_TOLD
        self._changed = asyncio.Event()
        self._order = 0
        self._back = False
        self._shown: list[Worker] = []
        self._wanted: str | None = None  # the worker that stays chosen wherever it stands

    def compose(self) -> ComposeResult:
        """Its parts."""
        yield from (self._head, self._filter, self._table, self._details)
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Begin."""
        self._table.focus()
        self.run_worker(self._follow(), group="follow")
        self.run_worker(self._hear(), group="hear")
        self.set_interval(max(self._every, 0.5), self._draw_if_old)

    @property
    def chosen(self) -> Worker | None:
        """The worker that keys are about."""
        at = self._table.chosen
        return self._shown[at] if at < len(self._shown) else None

    @property
    def shown(self) -> list[str]:
        """The lines of the table, without styles."""
        return self._table.texts

    # -- looking --------------------------------------------------------------------------

    async def _follow(self) -> None:
        while True:
            self._changed.clear()
            try:
                found = await self._source.look()
            except Exception as error:  # noqa: BLE001  whatever it is, it is shown
                text = str(error) if isinstance(error, OrchError) else told(error)
                self._lost = text.partition("\n")[0]
            else:
                if self._found is not None and self._found.get("run") != found.get("run"):
                    self._restarted = time.monotonic()
                self._found, self._seen, self._lost = found, time.monotonic(), ""
            self._draw()
            await asyncio.sleep(min(LEAST_PAUSE, self._every))
            try:
                async with asyncio.timeout(self._every - LEAST_PAUSE):
                    await self._changed.wait()
            except TimeoutError:
                continue  # nothing but times has changed

    async def _hear(self) -> None:
        with suppress(OrchError):  # looks go on at their pace, and tell what is wrong
            async for _ in self._source.changes():
                self._changed.set()

    @property
    def _age(self) -> float:
        return time.monotonic() - self._seen

    @property
    def _is_old(self) -> bool:
        return bool(self._lost) or (self._found is not None and self._age > 2 * self._every + 1)

    def _draw_if_old(self) -> None:
        """A rig that doesn't answer is told, too."""
        if self._is_old:
            self._draw()

    def _draw(self) -> None:
        found = self._found
        width = self.size.width
        top: list[Line] = self._remarks()
        if found is None:
            self._put_head(top or [[("…", "")]], width)
            return
        text = self._filter.value
        order = ORDERS[self._order]
        if (worker := self.chosen) is not None:  # perhaps just now, and not told yet
            self._wanted = worker["name"]
        self._shown = chosen(found, order, back=self._back, text=text)
        lines = table(self._shown, width, order, back=self._back)
        if self._is_old:
            lines = [[(each, "dim") for each, _ in line] for line in lines]
        names = [worker["name"] for worker in self._shown]
        at = names.index(self._wanted) if self._wanted in names else None
        self._put_head([*top, *head(found, width), *below(found)], width)
        self._table.show(lines, at)
        self._detail()

    def _remarks(self) -> list[Line]:
        """What is to be known of what is shown, before it is read."""
        remarks: list[Line] = []
        if self._lost and self._found is None:
            remarks.append([(self._lost, "bold red")])
        elif self._lost:
            remarks.append([(f"{old(self._age)}; now: {self._lost}", "bold red")])
        elif self._is_old:
            remarks.append([(f"{old(self._age)}; the rig doesn't answer", "bold red")])
        since = time.monotonic() - self._restarted
        if since < RESTART_TOLD:
            remarks.append([(f"the rig was restarted, seen {duration(since)} ago", "bold yellow")])
        return remarks

    def _put_head(self, lines: list[Line], width: int) -> None:
        self._head.styles.height = sum(len(folded(line, max(1, width))) for line in lines)
        self._head.show(lines)

    def _detail(self) -> None:
        worker = self.chosen
        if worker is not None:
            self._wanted = worker["name"]
        lines = details(worker)
        count = sum(len(folded(line, max(1, self.size.width - 1))) for line in lines)
        self._details.styles.height = min(count + 1, max(3, self.size.height // 3)) if lines else 0
        self._details.show(lines)

    def on_resize(self) -> None:
        """Lay out anew."""
        if self._found is not None:
            self._draw()

    def on_lines_chosen(self) -> None:
        """Another worker is chosen in the table."""
        worker = self.chosen
        self._wanted = worker["name"] if worker is not None else None
        self._detail()

    def on_lines_opened(self) -> None:
        """Clicked twice."""
        self.action_members()

    # -- which workers, in which order ------------------------------------------------------

    def action_filter(self) -> None:
        """Type words that are searched for."""
        self._filter.add_class("shown")
        self._filter.focus()

    def action_unfilter(self) -> None:
        """Show all workers."""
        self._filter.value = ""
        self._filter.remove_class("shown")
        self._table.focus()

    def on_input_changed(self) -> None:
        """Show what fits by now."""
        self._draw()

    def on_input_submitted(self) -> None:
        """Back to the table, as it is filtered."""
        self._table.focus()

    def action_sort(self) -> None:
        """Sort by the next column that there is to sort by."""
        self._order = (self._order + 1) % len(ORDERS)
        self._back = False
        self._draw()

    def action_turn(self) -> None:
        """Sort the other way round."""
        self._back = not self._back
        self._draw()

    # -- on one key ---------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys of the table do nothing on other screens."""
        return len(self.screen_stack) == 1 or action in ("quit", "help_quit", "copy")

    def action_copy(self) -> None:
        """Copy the chosen line, or all of a text."""
        if isinstance(self.focused, Lines):
            self.focused.copy()

    def action_members(self) -> None:
        """Show the worker's members."""
        if (worker := self.chosen) is not None:
            self.push_screen(MemberScreen(self._source, worker["name"]))

    def action_stacks(self) -> None:
        """Show where the worker's threads are."""
        if (worker := self.chosen) is not None:
            name = worker["name"]
            title = f"stacks of {name}"
            self.push_screen(TextScreen(title, lambda: self._source.stacks(name)))

    def action_log(self) -> None:
        """Show the worker's log."""
        if (worker := self.chosen) is not None:
            self._show_log(f"log of {worker['name']}", worker["name"], None)

    def action_request_log(self) -> None:
        """Show the log of the request."""
        if (request := self._request()) is not None:
            self._show_log(f"log of request {request}", None, request)

    def _show_log(self, title: str, worker: str | None, request: str | None) -> None:
        def records(level: str) -> AsyncIterator[list[Line]]:
            return self._source.records(worker=worker, request=request, level=level)

        self.push_screen(LogScreen(title, records))

    def action_trace(self) -> None:
        """Show the life of the request."""
        if (request := self._request()) is not None:
            title = f"trace of request {request}"
            self.push_screen(TextScreen(title, lambda: self._source.trace(request)))

    def _request(self) -> str | None:
        worker = self.chosen
        request = None if worker is None else request_of(worker)
        if worker is not None and request is None:
            self.notify(f"{worker['name']} runs nothing, and nothing waits", severity="warning")
        return request

    def action_cancel(self) -> None:
        """Cancel what the worker runs, or what waits for it."""
        worker = self.chosen
        if worker is None:
            return
        going = [*worker.get("running", ()), *worker.get("waiting", ())]
        request = self._request()
        each = next((each for each in going if each["request"] == request), None)
        if each is None:
            self.notify(f"{worker['name']} runs nothing, and nothing waits", severity="warning")
            return
        text = f"Cancel {worker['name']}.{each['member']}, asked by {caller(each['client'])}?"

        async def question() -> str:
            return text

        self.run_worker(self._ask_and_do(question, lambda: self._source.cancel(each["request"])))

    def action_order(self, verb: str) -> None:
        """Start, stop or restart the worker; asked first where that breaks something off."""
        if (worker := self.chosen) is None:
            return
        name = worker["name"]

        async def question() -> str:
            found = await self._source.look()  # as it is now, not as it was a second ago
            now = next((each for each in found["workers"] if each["name"] == name), worker)
            broken = "" if verb == "start" else breaks(now)
            return f"{verb.capitalize()} {name}? {broken.capitalize()}." if broken else ""

        async def order() -> str:
            return f"{name} is {await self._source.order(verb, name)}"

        self.run_worker(self._ask_and_do(question, order))

    async def _ask_and_do(
        self, question: Callable[[], Awaitable[str]], do: Callable[[], Awaitable[str]]
    ) -> None:
        try:
            asked = await question()
            if not asked or await self.push_screen_wait(Ask(asked)):
                self.notify(await do(), markup=False)
        except Exception as error:  # noqa: BLE001  whatever it is, it is shown
            self.notify(told(error), severity="error", timeout=15, markup=False)
        self._changed.set()

    def action_show_help(self) -> None:
        """Show what keys do."""

        async def text() -> list[Line]:
            return help_lines()

        self.push_screen(TextScreen("keys", text))
