"""The app of `orch top`: the table of workers, and what keys do to the chosen one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Footer, Input

from orchestrator.cli.columns import Line
from orchestrator.cli.overview import below, head
from orchestrator.cli.show import duration
from orchestrator.errors import OrchError
from orchestrator.top.lines import Lines, folded
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
from orchestrator.top.source import Source, plain

EVERY = 1.0
"""Seconds between two looks at the rig."""
LEAST_PAUSE = 0.1
"""The same at least, however fast states change."""
RESTART_TOLD = 60.0
"""Seconds for which it is told that the rig was restarted."""


class Top(App[None]):
    """A rig, live.

    Args:
        source: The rig.
        every: Seconds between two looks.
    """

    ENABLE_COMMAND_PALETTE = False
    TITLE = "orch top"
    CSS = """
    Screen { layout: vertical; background: $background; }
    Lines { background: $background; scrollbar-size: 1 1; scrollbar-background: $background; }
    #head { height: 1; }
    #table, #members, #text, #log { height: 1fr; }
    #details { height: 0; border-top: solid $panel; }
    #filter { display: none; border: none; height: 1; padding: 0; }
    #filter.shown { display: block; }
    .title { background: $panel; text-style: bold; width: 100%; height: auto; }
    .hint { color: $text-muted; }
    .fault { color: red; height: auto; }
    .label { margin-top: 1; }
    #form { height: 1fr; padding: 0 1; }
    #result { height: 1; margin-top: 1; }
    Ask { align: center middle; }
    .box { width: auto; max-width: 90%; height: auto; border: round $warning; padding: 0 1; }
    .box Static { width: auto; max-width: 100%; }
    """
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
        Binding("L", "request_log", "Log of the request", show=False),
        Binding("S", "order('stop')", "Stop", show=False),
        Binding("a", "order('start')", "Start", show=False),
        Binding("O", "turn", "Sort the other way", show=False),
        Binding("escape", "unfilter", "Show all", show=False),
    ]

    def __init__(self, source: Source, every: float = EVERY) -> None:
        super().__init__(ansi_color=False)
        self.animation_level = "none"  # it costs bytes, on slow lines too
        self._source = source
        self._every = every
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
        yield Lines(folds=True, id="head")
        yield Input(placeholder="words in names, states, operations", id="filter", compact=True)
        yield Lines(head=1, chooses=True, id="table")
        yield Lines(folds=True, id="details")
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Begin."""
        self._table.focus()
        self.run_worker(self._follow(), group="follow")
        self.run_worker(self._hear(), group="hear")
        self.set_interval(max(self._every, 0.5), self._draw_if_old)

    @property
    def _table(self) -> Lines:
        return self.screen_stack[0].query_one("#table", Lines)

    def _part(self, id: str) -> Lines:
        return self.screen_stack[0].query_one(f"#{id}", Lines)

    @property
    def chosen(self) -> Worker | None:
        """The worker that keys are about."""
        at = self._table.chosen
        return self._shown[at] if at < len(self._shown) else None

    # -- looking --------------------------------------------------------------------------

    async def _follow(self) -> None:
        while True:
            self._changed.clear()
            try:
                found = await self._source.look()
            except (OrchError, OSError) as error:
                self._lost = str(error).partition("\n")[0]
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
        text = self.screen_stack[0].query_one("#filter", Input).value
        order = ORDERS[self._order]
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
        part = self._part("head")
        part.styles.height = sum(len(folded(line, max(1, width))) for line in lines)
        part.show(lines)

    def _detail(self) -> None:
        worker = self.chosen
        if worker is not None:
            self._wanted = worker["name"]
        lines = details(worker)
        part = self._part("details")
        count = sum(len(folded(line, max(1, self.size.width - 1))) for line in lines)
        part.styles.height = min(count + 1, max(3, self.size.height // 3)) if lines else 0
        part.show(lines)

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
        field = self.screen_stack[0].query_one("#filter", Input)
        field.add_class("shown")
        field.focus()

    def action_unfilter(self) -> None:
        """Show all workers."""
        field = self.screen_stack[0].query_one("#filter", Input)
        field.value = ""
        field.remove_class("shown")
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
        return len(self.screen_stack) == 1 or action in ("quit", "help_quit")

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
        question = f"Cancel {worker['name']}.{each['member']}, asked by {each['client']}?"
        request = str(each["request"])
        self.run_worker(self._ask_and_do(question, lambda: self._source.cancel(request)))

    def action_order(self, verb: str) -> None:
        """Start, stop or restart the worker; asked first where that breaks something off."""
        worker = self.chosen
        if worker is None:
            return
        broken = breaks(worker) if verb != "start" else ""
        question = f"{verb.capitalize()} {worker['name']}? {broken.capitalize()}." if broken else ""
        name = worker["name"]

        async def ordered() -> str:
            return f"{name} is {await self._source.order(verb, name)}"

        self.run_worker(self._ask_and_do(question, ordered))

    async def _ask_and_do(self, question: str, do: Callable[[], Awaitable[str]]) -> None:
        if question and not await self.push_screen_wait(Ask(question)):
            return
        try:
            self.notify(await do(), markup=False)
        except Exception as error:  # noqa: BLE001  whatever it is, it is shown
            self.notify(told(error), severity="error", timeout=15, markup=False)
        self._changed.set()

    def action_show_help(self) -> None:
        """Show what keys do."""

        async def text() -> list[Line]:
            return help_lines()

        self.push_screen(TextScreen("keys", text))


HELP = """
The table
  arrows, page keys, mouse   choose a worker; a second click shows its members
  /                          words to filter by; Esc shows all
  o O                        sort by the next column; the other way round
  y                          copy the chosen line

The worker
  Enter   its members: values, reading, writing, calls
  l       its log; f follows, d i w e choose the level
  s       the stacks of all its threads, whatever it does
  r S a   restart, stop, start; it asks first where something would be broken off

Its request: what runs longest, else what waits, else what failed last
  t       its trace
  L       its log
  x       cancel it, as the worker's config says; it asks first

Everywhere
  drag    select; Ctrl+C copies it, by the terminal (OSC 52), over ssh too
  y       copy the line, or all of a text
  ? q     these keys; quit
  Esc     back

OF LIMIT is how much of its limit an operation has had: yellow from 80 %, red beyond. So is
MEMORY where limits: {memory: …} is configured. Grey is what the rig doesn't tell any more.
No device is read but by your key: polled values are what their workers keep.
"""


def help_lines() -> list[Line]:
    """What keys do, by what they are about."""
    lines = plain(HELP.strip("\n"))
    return [[(text, "" if text.startswith(" ") else "bold") for text, _ in line] for line in lines]
